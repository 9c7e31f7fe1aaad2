package party_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
)

// onePixel is a lossless WebP of one red pixel.
const onePixel = "UklGRhwAAABXRUJQVlA4TA8AAAAvAAAAAAcQ/Y/+ByKi/wEA"

func picture(w, h int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), 90, uint8(255 - x%2*200)})
		}
	}
	return m
}

func pngOf(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadLogo(t *testing.T) {
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, picture(300, 600), nil); err != nil {
		t.Fatal(err)
	}
	webp, err := base64.StdEncoding.DecodeString(onePixel)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		file []byte
		w, h int
	}{
		{"small PNG", pngOf(t, picture(40, 20)), 40, 20},
		{"wide PNG", pngOf(t, picture(1024, 10)), 256, 2},
		{"a line", pngOf(t, picture(1000, 1)), 256, 1},
		{"high JPEG", photo.Bytes(), 128, 256},
		{"WebP", webp, 1, 1},
		{"PNG with another file behind it", append(pngOf(t, picture(4, 4)), "<script>alert(1)</script>"...), 4, 4},
	} {
		l, err := party.ReadLogo(test.file)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		got, err := png.Decode(bytes.NewReader(l.PNG))
		if err != nil || got.Bounds().Dx() != test.w || got.Bounds().Dy() != test.h {
			t.Errorf("%s: %v, %v; want %d by %d", test.name, got.Bounds(), err, test.w, test.h)
		}
		if bytes.Contains(l.PNG, []byte("script")) || len(l.Name) != 32 {
			t.Errorf("%s: %q holds what was not the picture", test.name, l.Name)
		}
		if again, err := party.ReadLogo(l.PNG); err != nil || again.Name != l.Name {
			t.Errorf(
				"%s: read again it is another picture: %s, %s, %v", test.name, l.Name, again.Name,
				err,
			)
		}
	}
	if l, err := party.ReadLogo(webp); err != nil {
		t.Error(err)
	} else if m, _ := png.Decode(bytes.NewReader(l.PNG)); m.At(0, 0) != (color.NRGBA{255, 0, 0, 255}) && m.At(0, 0) != (color.RGBA{255, 0, 0, 255}) {
		t.Errorf("the red pixel is %v", m.At(0, 0))
	}

	bomb := pngOf(t, image.NewGray(image.Rect(0, 0, 5000, 1000)))
	for name, test := range map[string]struct {
		file []byte
		want string
	}{
		"nothing":     {nil, "not a PNG, JPEG or WebP"},
		"SVG":         {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"/>`), "not a PNG, JPEG or WebP"},
		"GIF":         {[]byte("GIF89a"), "not a PNG, JPEG or WebP"},
		"cut":         {pngOf(t, picture(40, 40))[:60], "damaged"},
		"a head only": {[]byte("\x89PNG\r\n\x1a\n"), "cannot be read"},
		"many pixels": {bomb, "5000 by 1000 pixels"},
		"many bytes":  {make([]byte, party.MaxLogo+1), "larger than 1024 KiB"},
	} {
		if _, err := party.ReadLogo(test.file); err == nil ||
			!strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}

// FuzzReadLogo checks that every upload gives a picture of the right size, or a refusal.
func FuzzReadLogo(f *testing.F) {
	webp, _ := base64.StdEncoding.DecodeString(onePixel)
	f.Add(webp)
	var small bytes.Buffer
	if err := png.Encode(&small, image.NewPaletted(image.Rect(0, 0, 9, 5), color.Palette{color.White})); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	small.Reset()
	if err := jpeg.Encode(&small, image.NewGray(image.Rect(0, 0, 9, 5)), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(small.Bytes())
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xe0"))
	f.Fuzz(func(t *testing.T, file []byte) {
		l, err := party.ReadLogo(file)
		if err != nil {
			return
		}
		size, err := png.DecodeConfig(bytes.NewReader(l.PNG))
		if err != nil || size.Width > 256 || size.Height > 256 || len(l.PNG) > 512<<10 {
			t.Errorf("%+v, %v, %d bytes", size, err, len(l.PNG))
		}
	})
}
