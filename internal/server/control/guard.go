package control

import (
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// MinToken is the fewest bytes of a token for [Guard].
const MinToken = 16

// Guard lets only clients that have the token reach next: programs as a bearer token (RFC 6750),
// browsers as the password of HTTP Basic authentication with any user name. Health checks and
// webhooks that arrive need none.
func Guard(token string, next http.Handler) http.Handler {
	want := sha256.Sum256([]byte(token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sent, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !bearer {
			_, sent, _ = r.BasicAuth()
		}
		got := sha256.Sum256([]byte(sent))
		open := r.URL.Path == "/isalive" ||
			r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/webhooks/")
		if !open && subtle.ConstantTimeCompare(got[:], want[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Basic realm="Signet sandbox", charset="UTF-8"`)
			httpx.WriteJSON(w, http.StatusUnauthorized, map[string]string{
				"error":             "TOKEN_REQUIRED",
				"error_description": "Send the control token: Authorization: Bearer ...",
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}
