package pades

import (
	"bytes"
	"cmp"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHanForms chooses the region for names that show it and for names that do not. 翔 has another
// glyph in each region.
func TestHanForms(t *testing.T) {
	for _, c := range []struct {
		name      string
		preferred HanForms
		face      string // that draws 翔
	}{
		{"翔美", "", "NotoSansSC-Bold"},
		{"翔美", HanSimplified, "NotoSansSC-Bold"},
		{"翔美", HanTraditional, "NotoSansTC-Bold"},
		{"翔美", HanJapanese, "NotoSansJP-Bold"},
		{"翔美", HanKorean, "NotoSansKRHan-Bold"},
		{"翔美", "fr", "NotoSansSC-Bold"},
		{"翔さくら", HanTraditional, "NotoSansJP-Bold"},
		{"翔サクラ", HanKorean, "NotoSansJP-Bold"},
		{"김직(翔)", HanSimplified, "NotoSansKRHan-Bold"},
		{"翔ㄓ", HanSimplified, "NotoSansTC-Bold"},
		{"陳翔", HanSimplified, "NotoSansTC-Bold"},  // 陳 is not in GB 2312
		{"陈翔", HanTraditional, "NotoSansSC-Bold"}, // 陈 is only in GB 2312
		{"沢翔", HanTraditional, "NotoSansJP-Bold"}, // 沢 is only in Windows-932
		{"陈陳翔", HanJapanese, "NotoSansJP-Bold"},   // no region has both
		{"TAN 陳翔 𠮷", HanKorean, "NotoSansKRHan-Bold"},
	} {
		fonts, err := FontsFor(c.name, c.preferred)
		must(t, err)
		if got := fonts.face('翔').name; got != c.face {
			t.Errorf("%s, %q preferred: %s instead of %s", c.name, c.preferred, got, c.face)
		}
	}
}

// TestHanFormsDiffer: the faces of the regions draw 翔 with four different outlines, in the
// preview, and the document has the same face.
func TestHanFormsDiffer(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	paths := make(map[string]HanForms)
	for _, r := range hanRegions {
		sketch, err := SketchName("翔", r.forms)
		must(t, err)
		if other, ok := paths[sketch.Path]; ok {
			t.Errorf("%s is drawn as %s", r.forms, other)
		}
		paths[sketch.Path] = r.forms
		o := w.options(Location{1, 0.1, 0.1})
		o.SignerName, o.HanForms = "翔", r.forms
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
		must(t, err)
		file, _, _ := strings.Cut(cmp.Or(r.file, "NotoSansSC-Bold.ttf.gz"), ".")
		if !bytes.Contains(p.Before, []byte("+"+file)) {
			t.Errorf("%s: the document does not have %s", r.forms, file)
		}
	}
}

// TestUncoveredNamesAreVisible draws characters that no face has, of each kind: the box shows their
// codes.
func TestUncoveredNamesAreVisible(t *testing.T) {
	for _, name := range []string{"\U00030000", "\U00031350", "\U0002EBF0", "\U00013000", "\uE000"} {
		fonts, err := FontsFor(name, "")
		must(t, err)
		for _, r := range name {
			if fonts.face(r) != nil {
				t.Fatalf("%U has a face", r)
			}
		}
		sketch, err := SketchName(name, "")
		must(t, err)
		if sketch.Path == "" {
			t.Errorf("%+q is drawn as nothing", name)
		}
		block, _ := layOut(newParagraph(fonts.Bold, name))
		for _, l := range block.lines {
			for _, p := range l.pieces {
				for _, part := range p.parts {
					if part.gid == 0 {
						t.Errorf("%+q is drawn as a box", name)
					}
				}
			}
		}
	}
}
