package pades

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHiddenImages covers a blank part and a picture of images with colours of many kinds. What
// cannot be decoded here may be a picture.
func TestHiddenImages(t *testing.T) {
	w := newWorld(t)
	white := laterBox{look: "1 g 0 0 200 30 re f"}
	const untold = "untold"
	for name, tc := range map[string]struct{ entries, blank, picture string }{
		"gray of one bit": {"/ColorSpace /DeviceGray /BitsPerComponent 1", "\xff\xff", "\x55\xaa"},
		"gray of two bits": {
			"/ColorSpace /DeviceGray /BitsPerComponent 2",
			"\xff\xff\xff\xff", "\xcc\xcc\xcc\xcc",
		},
		"gray of four bits": {
			"/ColorSpace /DeviceGray /BitsPerComponent 4",
			strings.Repeat("\xff", 8), strings.Repeat("\xf0", 8),
		},
		"inks": {
			"/ColorSpace /DeviceCMYK /BitsPerComponent 8",
			strings.Repeat("\x00", 64), strings.Repeat("\x00\x00\x00\xff\x00\x00\x00\x00", 8),
		},
		"inks, inverted": {
			"/ColorSpace /DeviceCMYK /BitsPerComponent 8 /Decode [1 0 1 0 1 0 1 0]",
			strings.Repeat("\xff", 64), strings.Repeat("\xff\xff\xff\x00\xff\xff\xff\xff", 8),
		},
		"indexes of gray": {
			"/ColorSpace [/Indexed /DeviceGray 1 <00ff>] /BitsPerComponent 1",
			"\xff\xff", "\x55\xaa",
		},
		"indexes of colours": {
			"/ColorSpace [/Indexed /DeviceRGB 2 <fffffffffefe000000>] /BitsPerComponent 8",
			strings.Repeat("\x00\x01", 8), strings.Repeat("\x01\x02", 8),
		},
		"indexes of inks": {
			"/ColorSpace [/Indexed /DeviceCMYK 1 <00000000000000ff>] /BitsPerComponent 4",
			strings.Repeat("\x00", 8), strings.Repeat("\x10", 8),
		},
		"indexes of one colour": {
			"/ColorSpace [/Indexed /DeviceGray 3 <f0f0f0f0>] /BitsPerComponent 2", "\x1b\x1b\x1b\x1b", "",
		},
		"indexes above the last": {
			"/ColorSpace [/Indexed /DeviceGray 1 <ff00>] /BitsPerComponent 2", "\x00\x00\x00\x00", "\x33\x33\x33\x33",
		},
		"indexes that are mapped": {
			"/ColorSpace [/Indexed /DeviceGray 1 <00ff>] /BitsPerComponent 1 /Decode [1 0]", untold, "\xff\xff",
		},
		"a table that is too short": {
			"/ColorSpace [/Indexed /DeviceRGB 1 <ffffff>] /BitsPerComponent 1", untold, "\x00\x00",
		},
		"an ink": {
			"/ColorSpace [/Separation /X /DeviceGray << /FunctionType 2 /Domain [0 1] /N 1 >>] /BitsPerComponent 1",
			untold, "\xff\xff",
		},
		"JPEG of gray, progressive": {
			"/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode",
			squaresJPEG(0xc2, 1, "\xff\xff"), squaresJPEG(0xc2, 1, "\xff\x00"),
		},
		"JPEG of colours, progressive": {
			"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
			squaresJPEG(0xc2, 1, "\xff\xff", "\x80\x80", "\x80\x80"),
			squaresJPEG(0xc2, 1, "\xff\x00", "\x80\x80", "\x80\x80"),
		},
		"JPEG with more scans than are looked at": {
			"/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode",
			untold, squaresJPEG(0xc2, maxScans+1, "\xff\xff"),
		},
		"JPEG of inks": {
			"/ColorSpace /DeviceCMYK /BitsPerComponent 8 /Filter /DCTDecode",
			squaresJPEG(0xc0, 1, "\x00\x00", "\x00\x00", "\x00\x00", "\x00\x00"),
			squaresJPEG(0xc0, 1, "\x00\x00", "\x00\x00", "\x00\x00", "\xff\x00"),
		},
		// Black ink over other inks shows nothing, and other inks without black do.
		"JPEG of inks below black": {
			"/ColorSpace /DeviceCMYK /BitsPerComponent 8 /Filter /DCTDecode",
			squaresJPEG(0xc0, 1, "\x00\xff", "\x00\xff", "\x00\xff", "\xff\xff"),
			squaresJPEG(0xc0, 1, "\x00\xff", "\x00\xff", "\x00\xff", "\x00\x00"),
		},
		"JPEG of inverted inks below black": {
			"/ColorSpace /DeviceCMYK /BitsPerComponent 8 /Decode [1 0 1 0 1 0 1 0] /Filter /DCTDecode",
			squaresJPEG(0xc0, 1, "\x00\xff", "\x00\xff", "\x00\xff", "\x00\x00"),
			squaresJPEG(0xc0, 1, "\x00\xff", "\x00\xff", "\x00\xff", "\xff\xff"),
		},
		"JPEG of inks as colours": {
			"/ColorSpace /DeviceRGB /BitsPerComponent 8 /Filter /DCTDecode",
			untold, squaresJPEG(0xc0, 1, "\xff\xff", "\xff\xff", "\xff\xff", "\xff\xff"),
		},
		"JPEG 2000": {"/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /JPXDecode", untold, "\x00"},
	} {
		for _, data := range []string{tc.blank, tc.picture} {
			if data == untold || data == "" {
				continue
			}
			want := unknownText
			if data == tc.blank {
				want = ""
			}
			t.Run(fmt.Sprintf("%s, %.40x", name, data), func(t *testing.T) {
				doc := hideDocument(
					pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", "q 200 0 0 30 60 690 cm /Im2 Do Q")),
					pdftest.Object(hideRaster, pdftest.Stream(
						"/Type /XObject /Subtype /Image "+imageSize(tc.entries)+tc.entries, data,
					)),
				)
				signed := w.signedWith(t, doc, "first", "", "")
				expectHidden(t, w.verify(t, white.cosigned(t, w, signed)), want)
			})
		}
	}
}

// imageSize is the size of the images of squaresJPEG, and of the others.
func imageSize(entries string) string {
	if strings.Contains(entries, "/DCTDecode") {
		return "/Width 16 /Height 8 "
	}
	return "/Width 8 /Height 2 "
}

// squaresJPEG is a JPEG image of squares, by their samples in each component. kind is c0 for a
// baseline image, c2 for a progressive one; scans is how often a scan of the latter is repeated.
func squaresJPEG(kind byte, scans int, samples ...string) string {
	part := func(marker byte, data ...byte) string {
		return string([]byte{0xff, marker, 0, byte(len(data) + 2)}) + string(data)
	}
	n := byte(len(samples))
	b := "\xff\xd8" + part(0xdb, append([]byte{0}, bytes.Repeat([]byte{8}, 64)...)...)
	if n == 4 { // as Adobe's programs mark inks
		b += part(0xee, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00")...)
	}
	frame := []byte{8, 0, 8, 0, byte(8 * len(samples[0])), n}
	scan := []byte{n}
	for c := range n {
		frame = append(frame, c+1, 0x11, 0)
		scan = append(scan, c+1, 0)
	}
	last := byte(63)
	if kind == 0xc2 {
		last = 0
	}
	b += part(kind, frame...)
	lengths := make([]byte, 16)
	lengths[3] = 12 // a number of bits has a code of four bits
	b += part(0xc4, slices.Concat([]byte{0}, lengths, []byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11})...)
	b += part(0xc4, slices.Concat([]byte{0x10, 1}, make([]byte, 15), []byte{0})...)
	var bits strings.Builder
	was := make([]int, n)
	for i := range samples[0] {
		for c := range samples {
			v := int(samples[c][i]) - 128
			by := v - was[c]
			was[c] = v
			size, low := 0, by
			for a := max(by, -by); a > 0; a /= 2 {
				size++
			}
			if by < 0 {
				low += 1<<size - 1
			}
			fmt.Fprintf(&bits, "%04b", size)
			if size > 0 {
				fmt.Fprintf(&bits, "%0*b", size, low)
			}
			if last > 0 {
				bits.WriteByte('0') // nothing else is in the square
			}
		}
	}
	text := bits.String() + strings.Repeat("1", 7-(bits.Len()+7)%8)
	data := ""
	for ; text != ""; text = text[8:] {
		v, err := strconv.ParseUint(text[:8], 2, 8)
		if err != nil {
			panic(err)
		}
		if data += string([]byte{byte(v)}); v == 0xff {
			data += "\x00"
		}
	}
	return b + strings.Repeat(part(0xda, append(scan, 0, last, 0)...)+data, scans) + "\xff\xd9"
}
