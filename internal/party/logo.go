package party

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"image/png"
	"io"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"
)

// Logo is a picture of a relying party: a PNG of at most 256 by 256 pixels that this package
// encoded. Encoding removes everything else that the uploaded file contains, such as locations,
// programs, or a second file.
type Logo struct {
	Name string // beginning of the SHA-256 of PNG, in hex, so the picture of a name never changes
	PNG  []byte
}

// MaxLogo is the size limit of a logo's file in bytes.
const MaxLogo = 1 << 20

const (
	maxLogoPixels = 4 << 20 // about 50 MB while it is decoded
	logoSide      = 256     // pages show 56 CSS pixels, high-density screens four times as many
	logoNameBytes = 16
)

// pictures are the accepted formats, by the beginning of a file.
var pictures = []struct {
	magic  string // "?" stands for any byte
	bounds func(io.Reader) (image.Config, error)
	read   func(io.Reader) (image.Image, error)
}{
	{"\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"RIFF????WEBP", webp.DecodeConfig, webp.Decode},
}

// ReadLogo makes a logo of a PNG, JPEG or WebP file. Its errors are for the person who chose the
// file.
func ReadLogo(file []byte) (Logo, error) {
	if len(file) > MaxLogo {
		return Logo{}, fmt.Errorf("the file is larger than %d KiB", MaxLogo>>10)
	}
	for _, p := range pictures {
		if !begins(file, p.magic) {
			continue
		}
		size, err := p.bounds(bytes.NewReader(file))
		if err != nil {
			return Logo{}, errors.New("the picture cannot be read")
		}
		if size.Width < 1 || size.Height < 1 ||
			int64(size.Width)*int64(size.Height) > maxLogoPixels {
			return Logo{}, fmt.Errorf(
				"the picture has %d by %d pixels; at most 4 million are read", size.Width,
				size.Height,
			)
		}
		picture, err := p.read(bytes.NewReader(file))
		if err != nil {
			return Logo{}, errors.New(
				"the picture is damaged, or of a kind that is not read (animations are not)",
			)
		}
		return newLogo(picture)
	}
	return Logo{}, errors.New("the file is not a PNG, JPEG or WebP picture")
}

func newLogo(picture image.Image) (Logo, error) {
	from := picture.Bounds()
	w, h := from.Dx(), from.Dy()
	var small *image.NRGBA
	if long := max(w, h); long > logoSide {
		small = image.NewNRGBA(image.Rect(0, 0, max(1, w*logoSide/long), max(1, h*logoSide/long)))
		draw.CatmullRom.Scale(small, small.Bounds(), picture, from, draw.Src, nil)
	} else {
		small = image.NewNRGBA(image.Rect(0, 0, w, h))
		for y := range h {
			for x := range w {
				small.Set(x, y, picture.At(from.Min.X+x, from.Min.Y+y))
			}
		}
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestCompression}
	if err := encoder.Encode(&out, small); err != nil {
		return Logo{}, fmt.Errorf("the picture cannot be written: %w", err)
	}
	sum := sha256.Sum256(out.Bytes())
	return Logo{Name: hex.EncodeToString(sum[:logoNameBytes]), PNG: out.Bytes()}, nil
}

func begins(file []byte, magic string) bool {
	if len(file) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && file[i] != magic[i] {
			return false
		}
	}
	return true
}

// logoName reports whether a name has the form of a logo's name.
func logoName(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 2*logoNameBytes
}
