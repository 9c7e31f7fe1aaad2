package pades

import (
	"bytes"
	"flag"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/image/vector"
	"golang.org/x/text/unicode/norm"
)

var update = flag.Bool("update", false, "write testdata/names.* again")

// names has one of every script in use of UAX 31, with what makes it hard: order, joining, stacked
// marks, planes beyond the first. The last ones are 120 characters long.
var names = []struct{ script, name string }{
	{"Latin", "ŁUKASZ MÜLLER-O'BRIEN ÑÇŞŐ"},
	{"Vietnamese", "Nguyễn Thị Phượng Đặng"},
	{"Yoruba", "Adébáyọ̀ Ọlátúnjí Ẹ̀gbẹ́"},
	{"Greek", "Γεώργιος Παπαδόπουλος ᾿Ἀριστοφάνης"},
	{"Cyrillic", "Ўладзімір Қасымжомарт Ђорђевић"},
	{"Armenian", "Արամ Խաչատրյան"},
	{"Georgian", "გიორგი ბერიძე"},
	{"Hebrew", "יוסף בן־גוריון"},
	{"Hebrew with points", "שָׁלוֹם עֲלֵיכֶם"},
	{"Arabic", "محمد عبد الله الهاشمي"},
	{"Arabic with marks", "مُحَمَّدٌ الْأَمِين"},
	{"Persian", "علی\u200cرضا قربانی\u200cنژاد"},
	{"Arabic and Latin", "فاطمة FATIMAH (نور) 2"},
	{"Syriac", "ܐܦܪܝܡ ܣܘܪܝܝܐ"},
	{"Thaana", "އަޙްމަދު ނަސީދު"},
	{"Devanagari", "श्रीकृष्ण द्विवेदी"},
	{"Bengali", "রবীন্দ্রনাথ ঠাকুর"},
	{"Gurmukhi", "ਹਰਪ੍ਰੀਤ ਸਿੰਘ"},
	{"Gujarati", "શ્રેયા પટેલ"},
	{"Oriya", "ଶ୍ରୀଯୁକ୍ତ ପଟ୍ଟନାୟକ"},
	{"Tamil", "ஸ்ரீனிவாசன் கௌசல்யா"},
	{"Telugu", "శ్రీనివాస్ కృష్ణమూర్తి"},
	{"Kannada", "ಶ್ರೀಕೃಷ್ಣ ಮೂರ್ತಿ"},
	{"Malayalam", "ശ്രീകൃഷ്ണൻ നമ്പൂതിരി"},
	{"Sinhala", "ශ්\u200dරීමාලි ජයවර්ධන"},
	{"Thai", "ปิ่นแก้ว ศรีสุวรรณ์"},
	{"Lao", "ສົມສັກ ພົມມະຈັນ"},
	{"Khmer", "សុខា ស្រីពេជ្រ"},
	{"Myanmar", "အောင်ဆန်းစုကြည်"},
	{"Tibetan", "བསྟན་འཛིན་རྒྱ་མཚོ"},
	{"Mongolian", "ᠪᠠᠲᠤ ᠡᠷᠳᠡᠨᠢ"},
	{"Ethiopic", "አበበ ቢቂላ"},
	{"Cherokee", "ᏍᏏᏉᏯ"},
	{"Javanese", "ꦱꦸꦏꦂꦤ"},
	{"Hangul", "김철수 뷁"},
	{"Japanese", "髙橋さくら ヶ丘"},
	{"Han", "陈大文 陳美玲 㐂㑇"},
	{"Han, traditional", "陳翔直骨令角"},
	{"Han, Japanese", "翔直骨令角さん"},
	{"Han, Korean", "김상 翔直骨令角"},
	{"Han, simplified", "陈翔直骨令角"},
	{"Han, supplementary planes", "𠮷田 𪚥 𫝀 𬺰 𡃁"},
	{"Emoji", "Ada 😀 👩‍💻 🇸🇬"},
	{"No face", "𓀀 and 𰻝"},
	{"Latin, 120", strings.Repeat("Wolfeschlegelsteinhausen", 5)},
	{"Latin, 200", strings.Repeat("WW ", 66) + "WW"},
	{"Han, 120", strings.Repeat("陳美玲司馬相如歐陽修", 12)},
	{"Tamil, 120", strings.TrimSpace(strings.Repeat("முத்துக்கருப்பன் ", 8))},
	{"Arabic, 120", strings.TrimSpace(strings.Repeat("محمد عبد الله ", 9))},
	{"Thai, 120", strings.Repeat("ปิ่นแก้วศรีสุวรรณ์", 7)},
}

// shown is a picture of the box of each name, as poppler renders it, in grey.
func shown(t *testing.T) *image.Gray {
	t.Helper()
	const columns = 3
	w := newWorld(t)
	rows := (len(names) + columns - 1) / columns
	sheet := image.NewGray(image.Rect(0, 0, columns*boxPixels.X, rows*boxPixels.Y))
	for i, n := range names {
		o := w.options(Location{1, 0, 0})
		o.SignerName = n.name
		o.SignedAt = time.Date(2025, 6, 15, 19, 32, 30, 0, singapore)
		doc := blank()
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
		must(t, err)
		hole := "<" + strings.Repeat("0", int(p.Hole)-2) + ">"
		path := filepath.Join(t.TempDir(), "x.pdf")
		must(t, os.WriteFile(path, slices.Concat(doc, p.Before, []byte(hole), p.After), 0o600))
		checkCopied(t, path, n.name)
		out, ok := command(
			"pdftoppm", "-gray", "-r", fmt.Sprint(namesDPI), "-x", "0", "-y",
			fmt.Sprint(pagePixels-boxPixels.Y),
			"-W", fmt.Sprint(boxPixels.X), "-H", fmt.Sprint(boxPixels.Y), path,
		)
		size := boxPixels.X * boxPixels.Y
		if !ok || len(out) < size {
			t.Fatalf("%s: no picture", n.script)
		}
		at := boxOf(i)
		for y := range boxPixels.Y {
			row := out[len(out)-size+y*boxPixels.X:][:boxPixels.X]
			copy(sheet.Pix[sheet.PixOffset(at.X, at.Y+y):], row)
		}
	}
	return sheet
}

const (
	namesDPI   = 108
	pagePixels = 1263 // 841.89 pt
)

var boxPixels = image.Pt(331, 90)

func boxOf(i int) image.Point { return image.Pt(i%3*boxPixels.X, i/3*boxPixels.Y) }

// checkCopied looks for the words of a name in what a program copies from the page. The programs
// put words from right to left into order again; two cannot be compared here: a name in both
// directions, whose words have the order of the page, and Thaana, whose last mark poppler
// displaces.
func checkCopied(t *testing.T, path, name string) {
	t.Helper()
	text, _ := command("pdftotext", path, "-")
	text = strings.Map(func(r rune) rune {
		if r >= '\u202a' && r <= '\u202e' {
			return -1
		}
		return r
	}, text)
	if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Thaana, r) }) {
		return
	}
	for _, word := range strings.Fields(norm.NFC.String(name)) {
		if len([]rune(word)) < 40 && !strings.Contains(text, strings.Trim(word, "()")) {
			t.Errorf("%q is not in %q", word, text)
		}
	}
}

// TestNamesAreDrawn compares how the names look with testdata/names.png. Look at that picture when
// it is written again (-update).
func TestNamesAreDrawn(t *testing.T) {
	program(t, "pdftoppm", "poppler-utils")
	program(t, "pdftotext", "poppler-utils")
	const golden = "testdata/names.png"
	got := shown(t)
	compareSketches(t, got)
	if *update {
		var b bytes.Buffer
		must(t, (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&b, got))
		must(t, os.WriteFile(golden, b.Bytes(), 0o644))
	}
	file, err := os.Open(golden)
	must(t, err)
	defer file.Close()
	decoded, err := png.Decode(file)
	must(t, err)
	want, ok := decoded.(*image.Gray)
	if !ok || want.Bounds() != got.Bounds() {
		t.Fatalf("%s is of another size", golden)
	}
	for i, n := range names {
		different, ink := 0, 0
		at := boxOf(i)
		for y := at.Y; y < at.Y+boxPixels.Y; y++ {
			for x := at.X + int(textX*namesDPI/72); x < at.X+boxPixels.X; x++ {
				a, b := int(got.GrayAt(x, y).Y), int(want.GrayAt(x, y).Y)
				if abs(a-b) > 96 { // more than what another version smooths differently
					different++
				}
				if b < 128 {
					ink++
				}
			}
		}
		if different*50 > ink {
			t.Errorf("%s: %d of %d dark pixels differ", n.script, different, ink)
		}
	}
}

func abs(n int) int { return max(n, -n) }

// TestNamesHaveGlyphs compares which glyphs are placed where with testdata/names.txt.
func TestNamesHaveGlyphs(t *testing.T) {
	const golden = "testdata/names.txt"
	var got strings.Builder
	for _, n := range names {
		fonts, err := FontsFor(n.name, "")
		must(t, err)
		block, _ := layOut(newParagraph(fonts.Bold, n.name))
		fmt.Fprintf(&got, "%s: %.2f pt\n", n.script, block.size)
		for _, l := range block.lines {
			fmt.Fprintf(&got, "\t%.1f %.1f", l.x, l.y)
			face := ""
			for _, p := range l.pieces {
				if p.face.name != face {
					face = p.face.name
					fmt.Fprintf(&got, " %s", face)
				}
				got.WriteByte(' ')
				for i, part := range p.parts {
					if i > 0 {
						got.WriteByte('+')
					}
					fmt.Fprint(&got, part.gid)
					if part.dx != 0 || part.dy != 0 {
						fmt.Fprintf(&got, "(%d,%d)", part.dx, part.dy)
					}
					if part.gid == 0 {
						t.Errorf("%s: a box for %q", n.script, p.text)
					}
				}
			}
			got.WriteByte('\n')
		}
		if block.size < nameLeast {
			t.Errorf("%s: set at %.2f pt", n.script, block.size)
		}
	}
	if *update {
		must(t, os.WriteFile(golden, []byte(got.String()), 0o644))
	}
	want, err := os.ReadFile(golden)
	must(t, err)
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got.String(), "\n")); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// near reports whether a pixel, or one beside it, is dark: poppler shifts glyphs by parts of a
// pixel.
func near(sheet *image.Gray, at image.Point) bool {
	for y := -1; y <= 1; y++ {
		for x := -1; x <= 1; x++ {
			if sheet.GrayAt(at.X+x, at.Y+y).Y < 128 {
				return true
			}
		}
	}
	return false
}

// compareSketches fills the outlines of the preview and compares them with what poppler paints for
// the appearance: the same name at the same place.
func compareSketches(t *testing.T, sheet *image.Gray) {
	t.Helper()
	number := regexp.MustCompile(`[MLQZ]|-?[0-9.]+`)
	for i, n := range names {
		s, err := SketchName(n.name, "")
		must(t, err)
		scale := float32(namesDPI) / 72
		raster := vector.NewRasterizer(boxPixels.X, boxPixels.Y)
		fields := number.FindAllString(s.Path, -1)
		value := func(k int) float32 {
			v, err := strconv.ParseFloat(fields[k], 32)
			must(t, err)
			return float32(v) * scale
		}
		for k := 0; k < len(fields); {
			switch fields[k] {
			case "M":
				raster.MoveTo(value(k+1), value(k+2))
				k += 3
			case "L":
				raster.LineTo(value(k+1), value(k+2))
				k += 3
			case "Q":
				raster.QuadTo(value(k+1), value(k+2), value(k+3), value(k+4))
				k += 5
			case "Z":
				raster.ClosePath()
				k++
			default:
				t.Fatalf("%s: %s in a path", n.script, fields[k])
			}
		}
		ink := image.NewAlpha(image.Rectangle{Max: boxPixels})
		raster.Draw(ink, ink.Bounds(), image.Opaque, image.Point{})
		dark, missing := 0, 0
		for y := range boxPixels.Y {
			for x := range boxPixels.X {
				if ink.AlphaAt(x, y).A < 250 {
					continue
				}
				dark++
				if !near(sheet, boxOf(i).Add(image.Pt(x, y))) {
					missing++
				}
			}
		}
		if missing*50 > dark || dark == 0 {
			t.Errorf(
				"%s: %d of %d dark pixels of the preview are not in the appearance", n.script,
				missing, dark,
			)
		}
	}
}
