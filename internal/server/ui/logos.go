package ui

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// logoPrefix is where [Logos] is mounted.
const logoPrefix = "/logos/"

// LogoURL is the address of a logo on our own origin; "" for no name. A picture of another origin
// is never shown: it would tell its owner who looks at which request.
func LogoURL(name string) string {
	if name == "" {
		return ""
	}
	return logoPrefix + name + ".png"
}

// Logos serves logos at "GET /logos/{file}". A name stands for one picture for ever, so it may be
// kept. find returns the PNG of a name, nil for none.
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
				log.ErrorContext(r.Context(), "reading a logo", "err", err)
				http.Error(
					w, http.StatusText(http.StatusInternalServerError),
					http.StatusInternalServerError,
				)
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
