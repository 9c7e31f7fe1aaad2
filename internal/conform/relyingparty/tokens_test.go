package relyingparty

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/conform/report"
)

// TestMaskedID checks that a jti in which the log masks what looks like an NRIC is still a UUID,
// and that a shorter one is none.
func TestMaskedID(t *testing.T) {
	for jti, want := range map[string]report.Outcome{
		"ff30eece-33b9-4c50-864d-•••••257b94e": report.Pass,
		"ff30eece-33b9-4c50-864d-•••••257b94":  report.Fail,
	} {
		claims, err := json.Marshal(map[string]any{
			"jti": jti, "iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
		})
		if err != nil {
			t.Fatal(err)
		}
		list := []calllog.Record{{
			ID: 1, At: time.Now(), Kind: calllog.Initiate, Token: &calllog.Token{Claims: claims},
		}}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			page := list
			if r.URL.Query().Has("before") {
				page = nil
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"calls": page})
		}))
		j := &judge{Config: Config{Control: server.URL, ClientID: "shop"}, http: http.DefaultClient}
		found, err := tokens(t.Context(), j)
		if err != nil || found[5].outcome != want {
			t.Errorf("%s: %+v, %v", jti, found, err)
		}
		server.Close()
	}
}
