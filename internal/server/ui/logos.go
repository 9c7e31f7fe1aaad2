package ui

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// logoPrefix is where [Logos] is mounted.
const logoPrefix = "/logos/"

// LogoURL returns the URL of a logo on this origin, or "" if name is empty. Pages never show a logo
// of another origin, which would let its server see who opens which request.
func LogoURL(name string) string {
	if name == "" {
		return ""
	}
	return logoPrefix + name + ".png"
}

// Logos serves logos at "GET /logos/{file}". The picture of a name never changes, so answers may be
// cached without limit. find returns the PNG of a name, or nil.
func Logos(
	log *slog.Logger, find func(ctx context.Context, name string) ([]byte, error),
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Cache-Control", "no-store")
		name, ok := strings.CutSuffix(r.PathValue("file"), ".png")
		var png []byte
		if ok {
			var err error
			if png, err = find(r.Context(), name); err != nil {
				status := httpx.Fault(w, r, log, "reading a logo", err)
				http.Error(w, http.StatusText(status), status)
				return
			}
		}
		if png == nil {
			http.NotFound(w, r)
			return
		}
		h.Set("Content-Type", "image/png")
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Content-Security-Policy", "default-src 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(png))
	})
}
