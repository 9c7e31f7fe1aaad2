package pades

import (
	"bytes"
	"compress/bzip2"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
)

// Fonts are the faces of the appearance, in order of preference: a character is drawn with the
// first face that has it.
type Fonts struct {
	Regular, Bold []*Face
}

// faceFiles are the faces of fonts/README.md: bold where there is a bold one,
// because the name is.
//
//go:embed fonts/*.ttf.gz fonts/*.ttf.bz2 fonts/regions.bin
var faceFiles embed.FS

// latin replaces Go Bold in a name with a letter that Go Bold lacks, so that the name has one
// style.
const latin = "NotoSans-Bold.ttf.gz"

// faceFile is a file of a face and the characters for which it is tried.
type faceFile struct {
	file   string
	tables []*unicode.RangeTable
}

// faceList returns all faces in the order in which they are tried. The file of a script's face is
// named after the script; that of a part of the Han characters contains the first of them in its
// name.
func faceList() ([]faceFile, error) {
	list := []faceFile{
		{
			latin,
			[]*unicode.RangeTable{
				unicode.Latin, unicode.Greek, unicode.Cyrillic, unicode.Common, unicode.Inherited,
			},
		},
		{
			"NotoSansSC-Bold.ttf.gz",
			[]*unicode.RangeTable{
				unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Bopomofo, unicode.Common,
			},
		},
		{"NotoSansKR-Bold.ttf.gz", []*unicode.RangeTable{unicode.Hangul}},
		{"NotoEmoji-Bold.ttf.gz", []*unicode.RangeTable{unicode.Common, unicode.Inherited}},
	}
	entries, err := faceFiles.ReadDir("fonts")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		family, _, _ := strings.Cut(e.Name(), "-")
		script := strings.TrimPrefix(strings.TrimPrefix(family, "NotoSans"), "NotoSerif")
		number := strings.TrimPrefix(strings.TrimPrefix(script, "SC"), "SignetHan")
		first, err := strconv.ParseUint(strings.TrimSuffix(number, ".ttf.bz2"), 16, 32)
		if err == nil {
			const size = 0x400 // characters of a file
			block := unicode.Range32{Lo: uint32(first), Hi: uint32(first) + size - 1, Stride: 1}
			list = append(list, faceFile{
				e.Name(), []*unicode.RangeTable{{R32: []unicode.Range32{block}}},
			})
		} else if table := scriptTable(script); table != nil {
			list = append(list, faceFile{e.Name(), []*unicode.RangeTable{table}})
		}
	}
	return list, nil
}

// scriptTable returns the range table of a script by its name without underscores.
func scriptTable(name string) *unicode.RangeTable {
	for script, table := range unicode.Scripts {
		if strings.EqualFold(strings.ReplaceAll(script, "_", ""), name) {
			return table
		}
	}
	return nil
}

// FontsFor returns the faces for a name: the Go fonts, which have the letters of Western and
// Central Europe, Greek and Cyrillic, and the other faces that the name requires. Han characters
// get the forms of the region that the name shows, or else of the preferred one. A character that
// no face has is drawn as its code.
func FontsFor(name string, preferred HanForms) (*Fonts, error) {
	regular, err := ParseFace("GoRegular", goregular.TTF)
	if err != nil {
		return nil, err
	}
	bold, err := ParseFace("GoBold", gobold.TTF)
	if err != nil {
		return nil, err
	}
	fonts := &Fonts{Regular: []*Face{regular}, Bold: []*Face{bold}}
	if err := fonts.addRegion(name, preferred); err != nil {
		return nil, err
	}
	// Characters that several scripts share come last, because a face of the script may have them.
	var letters, shared []rune
	for _, r := range visible(name) {
		switch {
		case fonts.face(r) != nil || unicode.In(r, unicode.Cf, unicode.Variation_Selector):
		case unicode.In(r, unicode.Common, unicode.Inherited):
			shared = append(shared, r)
		default:
			letters = append(letters, r)
		}
	}
	missing := slices.Concat(letters, shared)
	if len(missing) == 0 {
		return fonts, nil
	}
	list, err := faceList()
	if err != nil {
		return nil, err
	}
	loaded := make(map[string]*Face)
	for _, r := range missing {
		for i := 0; i < len(list) && fonts.face(r) == nil; i++ {
			file := list[i].file
			if !unicode.In(r, list[i].tables...) {
				continue
			}
			if loaded[file] == nil {
				if loaded[file], err = loadFace(file); err != nil {
					return nil, err
				}
			}
			switch _, ok := loaded[file].glyph(r); {
			case ok && file == latin:
				fonts.Bold = slices.Insert(fonts.Bold, 0, loaded[file])
			case ok:
				fonts.Bold = append(fonts.Bold, loaded[file])
			}
		}
	}
	return fonts, nil
}

// addRegion adds the face with the regional forms of the Han characters of a name, if it has one of
// them.
func (f *Fonts) addRegion(name string, preferred HanForms) error {
	if !strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Han, r) }) {
		return nil
	}
	region, err := hanRegionOf(name, preferred)
	if err != nil || region.file == "" {
		return err
	}
	face, err := loadFace(region.file)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(name, func(r rune) bool { _, ok := face.glyph(r); return ok }) {
		f.Bold = append(f.Bold, face)
	}
	return nil
}

// face returns the face for a character of a name, or nil if none has it.
func (f *Fonts) face(r rune) *Face {
	for _, face := range f.Bold {
		if _, ok := face.glyph(r); ok {
			return face
		}
	}
	return nil
}

// loadFace loads a face of the folder fonts. Rarely used ones are in the smaller of the two
// formats, which takes ten times as long to read.
func loadFace(file string) (*Face, error) {
	packed, err := faceFiles.ReadFile("fonts/" + file)
	if err != nil {
		return nil, err
	}
	name, form, _ := strings.Cut(file, ".ttf.")
	r := bzip2.NewReader(bytes.NewReader(packed))
	if form == "gz" {
		if r, err = gzip.NewReader(bytes.NewReader(packed)); err != nil {
			return nil, fmt.Errorf("pades: font %s: %w", name, err)
		}
	}
	ttf, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("pades: font %s: %w", name, err)
	}
	return ParseFace(name, ttf)
}
