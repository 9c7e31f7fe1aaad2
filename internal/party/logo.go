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

// Logo is a picture of a relying party, ready to be shown: our own PNG of at most 256 by 256
// pixels, whatever was uploaded. What a file may hold beside its picture (places, programs, a
// second file) is gone with it.
type Logo struct {
	Name string // the head of the SHA-256 of PNG, in hex: what is shown under a name never changes
	PNG  []byte
}

// MaxLogo is the largest file of a logo in bytes.
const MaxLogo = 1 << 20

const (
	maxLogoPixels = 4 << 20 // some 50 MB while it is decoded
	logoSide      = 256     // pages show 56 CSS pixels, dense screens four times as many
	logoNameBytes = 16
)

// pictures are the formats that are read, by how a file begins.
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

// logoName reports whether a name can be one of ours; names come from strangers.
func logoName(name string) bool {
	_, err := hex.DecodeString(name)
	return err == nil && len(name) == 2*logoNameBytes
}
