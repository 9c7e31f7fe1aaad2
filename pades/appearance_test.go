package pades

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// An empty page, so that all text found is ours.
func blank() []byte {
	return pdftest.New(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", "")))
}

// What the box says must be found by a program that copies text, character by
// character, also where the font has no glyph; and no word may leave the box.
func TestTextInTheBox(t *testing.T) {
	program(t, "pdftotext", "poppler-utils")
	w := newWorld(t)
	for _, name := range []string{
		"TAN AH KOW",
		"MUHAMMAD FAIZAL BIN ABDUL RAHMAN",
		"NALLATHAMBI SUBRAMANIAM KRISHNASWAMY VENKATARAMAN S/O RAMALINGAM PILLAI",
		"ŁUKASZ MÜLLER-O'BRIEN ÑÇŞŐ",
		"陈大文 TAN",
		"𠮷田",
		"陳美玲 CHEN MEI LING",
		"陈伟明",
		"கமலா தேவி கிருஷ்ணன்",
		"ஸ்ரீனிவாசன் சொக்கலிங்கம் கௌசல்யா",
		"முத்துக்கருப்பன் பெருமாள் S/O கோவிந்தசாமி",
		"अनिल", // a script without a face: boxes, and still text
		"W",
		strings.Repeat("WOLFESCHLEGEL", 15),
		strings.Repeat("WW ", 60) + "W",
	} {
		for _, sandbox := range []bool{false, true} {
			o := w.options(Location{1, 0.25, 0.5})
			o.SignerName, o.Sandbox = name, sandbox
			o.SignedAt = time.Date(2025, 6, 15, 19, 32, 30, 0, singapore)
			out, _ := w.signed(t, blank(), o)
			path := filepath.Join(t.TempDir(), "x.pdf")
			must(t, os.WriteFile(path, out, 0o600))
			text, _ := command("pdftotext", "-layout", path, "-")
			flat := strings.Join(strings.Fields(text), " ")
			want := []string{"Digitally signed with Signet", "15 Jun 2025, 7:32:30 PM SGT"}
			if len([]rune(name)) < 80 {
				want = append(want, strings.Fields(name)...) // poppler may join lines of tiny print
			}
			if sandbox {
				want = append(want, "SANDBOX")
			} else if strings.Contains(flat, "SANDBOX") {
				t.Errorf("%q: SANDBOX on a real signature", name)
			}
			for _, s := range want {
				if !strings.Contains(flat, s) {
					t.Errorf("%q: %q is not in %q", name, s, flat)
				}
			}
			checkInside(t, name, path, o.Locations[0])
		}
	}
}

var wordBox = regexp.MustCompile(
	`<word xMin="([0-9.-]+)" yMin="([0-9.-]+)" xMax="([0-9.-]+)" yMax="([0-9.-]+)">`,
)

func checkInside(t *testing.T, name, path string, l Location) {
	t.Helper()
	out, _ := command("pdftotext", "-bbox", path, "-")
	words := wordBox.FindAllStringSubmatch(out, -1)
	if len(words) == 0 {
		t.Errorf("%q: no words found", name)
	}
	const w, h = 595.28, 841.89
	left, bottom := l.X*w, l.Y*h
	for _, m := range words {
		var v [4]float64
		for i := range v {
			v[i], _ = strconv.ParseFloat(m[i+1], 64)
		}
		// pdftotext counts y from the top.
		if v[0] < left || v[2] > left+BoxWidth || h-v[3] < bottom-0.5 ||
			h-v[1] > bottom+BoxHeight+0.5 {
			t.Errorf("%q: %s leaves the box", name, m[0])
		}
	}
}

// PDF/A wants every font embedded; copying wants ToUnicode.
func TestFontsAreEmbeddedSubsets(t *testing.T) {
	program(t, "pdffonts", "poppler-utils")
	w := newWorld(t)
	out, _ := w.signed(t, blank(), w.options(Location{1, 0.1, 0.1}))
	path := filepath.Join(t.TempDir(), "x.pdf")
	must(t, os.WriteFile(path, out, 0o600))
	list, _ := command("pdffonts", path)
	ours := regexp.MustCompile(
		`(?m)^[A-Z]{6}\+Go(Regular|Bold) +CID TrueType +Identity-H +yes yes yes`,
	).FindAllString(list, -1)
	if len(ours) != 2 {
		t.Errorf("pdffonts:\n%s", list)
	}
}

func TestSubsetIsASmallSoundFont(t *testing.T) {
	fonts, err := FontsFor("", "")
	must(t, err)
	s := newSubset(fonts.Bold[0])
	single := func(r rune) glyph {
		gid := mustGlyph(t, s.face, r)
		advance, _ := s.face.metric(gid)
		return glyph{string(r), []part{{gid: gid}}, advance}
	}
	for _, r := range "ÅÄÖ é TAN" {
		s.cid(single(r))
	}
	ttf, widths, err := s.font()
	must(t, err)
	if len(ttf) > 6000 {
		t.Errorf("%d bytes for %d glyphs", len(ttf), len(widths))
	}
	if sum := checksum(ttf); sum != 0xb1b0afba {
		t.Errorf("checksum of the whole font is %#x", sum) // OpenType, head.checkSumAdjustment
	}
	if first := s.cid(single('T')); first != s.cid(single('T')) ||
		first == s.cid(single('A')) {
		t.Error("glyph numbers are not stable by character")
	}
	bold := fonts.Bold[0]
	advance, _ := bold.metric(mustGlyph(t, bold, 'T'))
	if int(widths[s.cid(single('T'))]) != int(float64(advance)*1000/float64(bold.em)) {
		t.Error("a width was lost")
	}
}

func mustGlyph(t *testing.T, f *Face, r rune) uint16 {
	t.Helper()
	g, ok := f.glyph(r)
	if !ok {
		t.Fatalf("no glyph for %q", r)
	}
	return g
}

func TestParseFaceRefusesDamage(t *testing.T) {
	for name, ttf := range map[string][]byte{"empty": nil, "text": []byte("not a font at all"), "directory only": {0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}} {
		if _, err := ParseFace("x", ttf); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestICCProfile(t *testing.T) {
	p := iccProfile()
	if int(binary.BigEndian.Uint32(p)) != len(p) || len(p)%4 != 0 || len(p) > 600 {
		t.Errorf("profile of %d bytes says %d", len(p), binary.BigEndian.Uint32(p))
	}
	n := int(binary.BigEndian.Uint32(p[128:]))
	for i := range n {
		e := p[132+12*i:]
		off, size := int(binary.BigEndian.Uint32(e[4:])), int(binary.BigEndian.Uint32(e[8:]))
		if off%4 != 0 || off < 132+12*n || off+size > len(p) {
			t.Errorf("tag %s: %d bytes at %d", e[:4], size, off)
		}
	}
}

// The colour that the mark gets on paper is the one that was chosen.
func TestMarkIsRenderedInItsColour(t *testing.T) {
	program(t, "pdftoppm", "poppler-utils")
	w := newWorld(t)
	for rotation, at := range map[int]Location{0: {1, 0.1, 0.1}, 90: {1, 0.2, 0.3}, 180: {1, 0.3, 0.2}, 270: {1, 0.4, 0.4}} {
		doc := pdftest.New(
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", "")), pdftest.Rotate(rotation),
		)
		out, _ := w.signed(t, doc, w.options(at))
		path := filepath.Join(t.TempDir(), "x.pdf")
		must(t, os.WriteFile(path, out, 0o600))
		// One pixel a point; a point of the mark beside the S, as displayed.
		pw, ph := 595.28, 841.89
		if rotation%180 == 90 {
			pw, ph = ph, pw
		}
		x, y := at.X*pw+markX+11, ph-(at.Y*ph+markY)
		ppm, ok := command(
			"pdftoppm", "-r", "72", "-x", fmt.Sprint(int(x)), "-y", fmt.Sprint(int(y)), "-W", "1",
			"-H", "1", path,
		)
		if !ok || len(ppm) < 3 {
			t.Fatal("no picture")
		}
		px := ppm[len(ppm)-3:]
		for i, want := range inks.mark {
			if d := float64(px[i])/255 - want; d > 0.03 || d < -0.03 {
				t.Errorf("rotation %d: pixel % x, want %v", rotation, px, inks.mark)
				break
			}
		}
	}
}

func TestFormatTime(t *testing.T) {
	at := time.Date(2025, 6, 15, 11, 32, 30, 0, time.UTC)
	load := func(name string) *time.Location {
		l, err := time.LoadLocation(name)
		if err != nil {
			t.Skipf("no time zone database: %v", err)
		}
		return l
	}
	for want, loc := range map[string]*time.Location{
		"15 Jun 2025, 11:32:30 AM UTC":       time.UTC,
		"15 Jun 2025, 7:32:30 PM SGT":        load("Asia/Singapore"),
		"15 Jun 2025, 5:17:30 PM UTC+05:45":  load("Asia/Kathmandu"),
		"15 Jun 2025, 8:32:30 AM UTC-03:00":  load("America/Sao_Paulo"),
		"15 Jun 2025, 1:32:30 PM CEST":       load("Europe/Berlin"),
		"15 Jun 2025, 7:32:30 PM XST":        time.FixedZone("XST", 8*3600),
		"15 Jun 2025, 10:02:30 AM UTC-01:30": time.FixedZone("", -5400),
	} {
		if got := formatTime(at.In(loc)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// Every character of these names has a shape; one visual unit is one glyph, with
// the text in the order in which it is written down, whatever the order on paper.
func TestNamesOfSingapore(t *testing.T) {
	for name, clusters := range map[string][]string{
		"கெ":        {"கெ"}, // the vowel sign stands before its consonant
		"கொண்டு":    {"கொ", "ண்", "டு"},
		"ஸ்ரீதர்":   {"ஸ்ரீ", "த", "ர்"},
		"க்ஷேமா":    {"க்ஷே", "மா"},
		"陈大文":       {"陈", "大", "文"},
		"தேவி DEVI": {"தே", "வி", " ", "D", "E", "V", "I"},
	} {
		fonts, err := FontsFor(name, "")
		must(t, err)
		var got []string
		for _, g := range set(fonts.Bold, name).pieces {
			got = append(got, g.text)
			for _, p := range g.parts {
				if p.gid == 0 {
					t.Errorf("%q: no shape for %q", name, g.text)
				}
			}
		}
		if !slices.Equal(got, clusters) {
			t.Errorf("%q: %q", name, got)
		}
	}
	fonts, err := FontsFor("கெ", "")
	must(t, err)
	g := set(fonts.Bold, "கெ").pieces[0]
	ka, sign := mustGlyph(t, fonts.Bold[1], 'க'), mustGlyph(t, fonts.Bold[1], '\u0bc6')
	if len(g.parts) != 2 || g.parts[0].gid != sign || g.parts[1].gid != ka || g.parts[1].dx == 0 {
		t.Errorf("the vowel sign is not drawn before its consonant: %+v", g)
	}
}

// Names come from an identity provider: any sequence of characters must be set.
func FuzzName(f *testing.F) {
	f.Add("கொண்டு 陈 ா்ெொ")
	for _, name := range names {
		f.Add(name.name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		fonts, err := FontsFor(name, "")
		must(t, err)
		var ts typesetter
		b, at := layOut(newParagraph(fonts.Bold, name))
		for _, l := range b.lines {
			ts.show(new(strings.Builder), l.line, l.x, l.y, b.size)
			if l.x+l.width*b.size > BoxWidth || l.y+l.above*b.size > at.headY ||
				l.y-l.below*b.size < at.timeY {
				t.Fatalf("a line of %q leaves its room", name)
			}
		}
		for _, s := range ts.subsets {
			if _, widths, err := s.font(); err != nil || len(widths) < len(s.glyphs)+1 {
				t.Fatalf("%d widths for %d glyphs: %v", len(widths), len(s.glyphs), err)
			}
		}
	})
}

// The evidence is bounded by its certificates, the appearance by this.
func TestAppearanceIsSmall(t *testing.T) {
	w := newWorld(t)
	o := w.options(Location{1, 0.1, 0.1})
	for _, name := range []string{"MUHAMMAD FAIZAL BIN ABDUL RAHMAN", "முத்துக்கருப்பன் பெருமாள் 陳美玲 CHEN MEI LING"} {
		o.SignerName = name
		doc := blank()
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
		must(t, err)
		if n := len(p.Before) + len(p.After); n > 40<<10 {
			t.Errorf("%q: %d bytes", name, n)
		}
	}
}

// TestBackgroundKeepsBothReadable lays a box over black and measures contrast as WCAG 2 does.
func TestBackgroundKeepsBothReadable(t *testing.T) {
	program(t, "pdftoppm", "poppler-utils")
	w := newWorld(t)
	doc := pdftest.New(
		pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", "0 0 1000 1000 re f")),
	)
	o := w.options(Location{1, 0, 0})
	corner := func(background bool) float64 {
		o.Background = background
		out, _ := w.signed(t, doc, o)
		path := filepath.Join(t.TempDir(), "x.pdf")
		must(t, os.WriteFile(path, out, 0o600))
		ppm, ok := command(
			"pdftoppm", "-r", "72", "-x", "212", "-y", "836", "-W", "1", "-H",
			"1", path,
		)
		if !ok || len(ppm) < 3 {
			t.Fatal("no picture")
		}
		return luminance(
			float64(ppm[len(ppm)-3])/255, float64(ppm[len(ppm)-2])/255,
			float64(ppm[len(ppm)-1])/255,
		)
	}
	if below := corner(false); below > 0.01 {
		t.Errorf("without a background, black has a luminance of %.2f", below)
	}
	below := corner(true)
	if c := contrast(1, below); c < 2 {
		t.Errorf("black text below the box has a contrast of %.1f", c)
	}
	if c := contrast(below, luminance(inks.text[0], inks.text[1], inks.text[2])); c < 7 {
		t.Errorf("the name has a contrast of %.1f to black text below it", c)
	}
	pdfa, err := os.ReadFile("testdata/corpus/103_pdfa.pdf")
	must(t, err)
	p, err := Prepare(bytes.NewReader(pdfa), int64(len(pdfa)), o)
	must(t, err)
	if bytes.Contains(p.Before, []byte("/ca ")) || bytes.Contains(p.After, []byte("/ca ")) {
		t.Error("a document that claims PDF/A has a transparent background")
	}
}

// luminance and contrast are those of WCAG 2, in sRGB.
func luminance(r, g, b float64) float64 {
	linear := func(v float64) float64 {
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func contrast(light, dark float64) float64 { return (light + 0.05) / (dark + 0.05) }
