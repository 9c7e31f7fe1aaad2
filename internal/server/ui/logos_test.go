package ui_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/color"
	"image/png"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-sign/signet/internal/server/ui"
)

// sampleLogo draws the logo that the gallery names.
func sampleLogo(_ context.Context, name string) ([]byte, error) {
	if name != "sample" {
		return nil, nil
	}
	const side = 256
	m := image.NewNRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			dx, dy := x-side/2, y-side/2
			switch {
			case dx*dx+dy*dy > 120*120:
			case y > 150+(x%64-32)*(x%64-32)/40: // waves
				m.SetNRGBA(x, y, color.NRGBA{16, 74, 140, 255})
			default:
				m.SetNRGBA(x, y, color.NRGBA{240, 138, 36, 255})
			}
		}
	}
	var b bytes.Buffer
	err := png.Encode(&b, m)
	return b.Bytes(), err
}

func TestLogos(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle(
		"GET /logos/{file}",
		ui.Logos(
			slog.New(slog.DiscardHandler),
			func(ctx context.Context, name string) ([]byte, error) {
				if name == "broken" {
					return nil, errors.New("the database is away")
				}
				return sampleLogo(ctx, name)
			},
		),
	)
	get := func(path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		mux.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w
	}
	good := get(ui.LogoURL("sample"))
	if _, err := png.Decode(good.Body); good.Code != 200 || err != nil {
		t.Errorf("status %d, %v", good.Code, err)
	}
	for name, want := range map[string]string{
		"Content-Type": "image/png", "X-Content-Type-Options": "nosniff",
		"Cache-Control":                "public, max-age=31536000, immutable",
		"Content-Security-Policy":      "default-src 'none'",
		"Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := good.Header().Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for path, want := range map[string]int{"/logos/none.png": 404, "/logos/sample": 404, "/logos/sample.svg": 404, "/logos/broken.png": 500} {
		if got := get(path); got.Code != want || got.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: %d, %q", path, got.Code, got.Header().Get("Cache-Control"))
		}
	}
	if ui.LogoURL("") != "" {
		t.Error("no name has an address")
	}
}
