package ui_test

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// The accepted looks of the gallery are in testdata/looks, one file for each of its pages. A line
// stands for an element that paints something: its name, the number of its styles in styles.txt,
// and its box at each width. Pictures would differ between versions of Chromium in every pixel of
// text; boxes and styles do not, and a diff of them says what changed. The browser has the fonts of
// fonts-dejavu-core only, so that machines with other fonts agree.
const looksFolder = "testdata/looks"

// tolerance is how far an edge may be from the accepted one, in pixels.
const tolerance = 1

var looksWidths = []int64{390, 1280}

// box is where an element is, in pixels of the page: x, y, width, height. A hidden element has
// none.
type box []int

func (b box) String() string {
	if b == nil {
		return "-"
	}
	return fmt.Sprintf("%d,%d,%d,%d", b[0], b[1], b[2], b[3])
}

func parseBox(s string) box {
	if s == "-" {
		return nil
	}
	var b box
	for part := range strings.SplitSeq(s, ",") {
		n, _ := strconv.Atoi(part)
		b = append(b, n)
	}
	return b
}

// near says whether two boxes are the same within the tolerance. Only English pages are compared
// in y: in another language it follows from the heights.
func (b box) near(other box, y bool) bool {
	if len(b) != len(other) {
		return false
	}
	for i := range b {
		if (i != 1 || y) && max(b[i]-other[i], other[i]-b[i]) > tolerance {
			return false
		}
	}
	return true
}

// element is what a page paints at one place.
type element struct {
	Name  string
	Boxes []box    // one for each width
	Style []string // light and dark at each width; "" where hidden
}

// style is the text of the element's styles, each once.
func (e element) style() string {
	all := slices.DeleteFunc(slices.Clone(e.Style), func(s string) bool { return s == "" })
	return strings.Join(slices.Compact(all), " / ")
}

func (e element) near(other element, y bool) bool {
	return e.Name == other.Name && e.style() == other.style() &&
		slices.EqualFunc(e.Boxes, other.Boxes, func(a, b box) bool { return a.near(b, y) })
}

// look is what a page looks like, by language.
type look map[string][]element

// paint lists the elements of the page that paint something. Scrolled content is listed where it
// would be without scrolling. Of the pages of a PDF it lists what is on them, but not what is drawn
// and written there; it waits for the mark of the viewer that they are drawn.
//
//go:embed testdata/paint.js
var paint string

// painted is one line of paint.
type painted struct {
	Path  []int
	Name  string
	Box   box
	Style string
}

func (p *painted) UnmarshalJSON(raw []byte) error {
	return json.Unmarshal(raw, &[]any{&p.Path, &p.Name, &p.Box, &p.Style})
}

// observe looks at the open page at each width, light and dark.
func observe(t *testing.T, ctx context.Context) []element {
	t.Helper()
	type found struct {
		path []int
		element
	}
	var all []found
	// Pages are opened wide and light. Each view differs from the one before by width or colours only:
	// a new width lays out the page and draws its documents again.
	for _, view := range []struct {
		width int
		dark  bool
	}{{1, false}, {1, true}, {0, true}, {0, false}} {
		do(t, ctx, window(looksWidths[view.width], 800, view.dark))
		var list []painted
		if err := json.Unmarshal([]byte(eval[string](t, ctx, paint)), &list); err != nil {
			t.Fatal(err)
		}
		style := 2 * view.width
		if view.dark {
			style++
		}
		for _, p := range list {
			at, known := slices.BinarySearchFunc(all, p.Path, func(f found, path []int) int {
				return slices.Compare(f.path, path)
			})
			if !known {
				all = slices.Insert(all, at, found{p.Path, element{
					Boxes: make([]box, len(looksWidths)), Style: make([]string, 2*len(looksWidths)),
				}})
			}
			all[at].Name = p.Name // of the narrow page, if it shows the element
			all[at].Boxes[view.width], all[at].Style[style] = p.Box, p.Style
		}
	}
	elements := make([]element, len(all))
	for i, f := range all {
		elements[i] = f.element
	}
	return elements
}

// differences says what differs between the accepted and the present look in a language, in a few
// lines; none if nothing does.
func differences(accepted, now []element, y bool) (lines []string) {
	same := func(a, b element) bool { return a.Name == b.Name }
	i, j := 0, 0
	for i < len(accepted) || j < len(now) {
		switch {
		case j == len(now) || i < len(accepted) && !same(accepted[i], now[j]) &&
			!slices.ContainsFunc(now[j:], func(e element) bool { return same(e, accepted[i]) }):
			lines = append(lines, "gone: "+accepted[i].Name)
			i++
		case i == len(accepted) || !same(accepted[i], now[j]):
			lines = append(lines, fmt.Sprintf("new: %s at %v", now[j].Name, now[j].Boxes))
			j++
		default:
			a, b := accepted[i], now[j]
			if a.style() != b.style() {
				lines = append(
					lines, fmt.Sprintf("%s had the style %q, has %q", a.Name, a.style(), b.style()),
				)
			} else if !a.near(b, y) {
				lines = append(lines, fmt.Sprintf("%s was at %v, is at %v", a.Name, a.Boxes, b.Boxes))
			}
			i, j = i+1, j+1
		}
	}
	return lines
}

// looks are the accepted looks, with the styles by number.
type looks struct {
	styles map[string]string
	used   map[string]string
}

func openLooks(t *testing.T) *looks {
	t.Helper()
	l := &looks{styles: map[string]string{}, used: map[string]string{}}
	raw, err := os.ReadFile(filepath.Join(looksFolder, "styles.txt"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		id, style, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		l.styles[id] = style
	}
	return l
}

// number returns the number of a style, which depends on its text only, so that merges of
// styles.txt are unions.
func (l *looks) number(style string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(style))
	id := strconv.FormatUint(uint64(h.Sum32()), 36)
	l.used[id] = style
	return id
}

// keep marks the styles that a file uses as used.
func (l *looks) keep(t *testing.T, file string) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if fields := strings.Fields(line); len(fields) > 1 && l.styles[fields[1]] != "" {
			l.used[fields[1]] = l.styles[fields[1]]
		}
	}
}

func (l *looks) line(e element) string {
	line := e.Name + " " + l.number(e.style())
	for _, b := range e.Boxes {
		line += " " + b.String()
	}
	return line + "\n"
}

func (l *looks) parse(line string) element {
	fields := strings.Fields(line)
	e := element{Name: fields[0], Style: []string{l.styles[fields[1]]}}
	for _, b := range fields[2:] {
		e.Boxes = append(e.Boxes, parseBox(b))
	}
	return e
}

// write returns the file of a page. Another language than English lists the elements that have
// other boxes there, by their number in English.
func (l *looks) write(p look) []byte {
	var out bytes.Buffer
	for _, e := range p["en"] {
		out.WriteString(l.line(e))
	}
	for _, tag := range slices.Sorted(maps.Keys(p)) {
		if tag == "en" {
			continue
		}
		if !slices.EqualFunc(p[tag], p["en"], func(a, b element) bool {
			return a.Name == b.Name && a.style() == b.style()
		}) {
			fmt.Fprintf(&out, "%s, all:\n", tag)
			for _, e := range p[tag] {
				out.WriteString(l.line(e))
			}
			continue
		}
		fmt.Fprintf(&out, "%s:\n", tag)
		for i, e := range p[tag] {
			if !e.near(p["en"][i], false) {
				fmt.Fprintf(&out, "%d", i)
				for _, b := range e.Boxes {
					out.WriteString(" " + b.String())
				}
				out.WriteString("\n")
			}
		}
	}
	return out.Bytes()
}

func looksFile(name string) string { return filepath.Join(looksFolder, name+".txt") }

// accepted returns the accepted look of a page, nil if it has none.
func (l *looks) accepted(t *testing.T, name string) look {
	t.Helper()
	raw, err := os.ReadFile(looksFile(name))
	if err != nil {
		if !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return nil
	}
	return l.read(raw)
}

// read is the inverse of write.
func (l *looks) read(file []byte) look {
	p := look{}
	tag, all := "en", true
	for line := range strings.Lines(string(file)) {
		line = strings.TrimSuffix(line, "\n")
		if head, ok := strings.CutSuffix(line, ":"); ok {
			tag, all = strings.CutSuffix(head, ", all")
			if !all {
				p[tag] = slices.Clone(p["en"])
			}
			continue
		}
		if all {
			p[tag] = append(p[tag], l.parse(line))
			continue
		}
		number, boxes, _ := strings.Cut(line, " ")
		if i, err := strconv.Atoi(number); err == nil && i < len(p[tag]) {
			p[tag][i].Boxes = nil
			for _, b := range strings.Fields(boxes) {
				p[tag][i].Boxes = append(p[tag][i].Boxes, parseBox(b))
			}
		}
	}
	return p
}

// settled observes the page until it looks as accepted, or has not changed for some time.
func settled(t *testing.T, ctx context.Context, accepted []element, y bool) []element {
	t.Helper()
	wait := 1500 * time.Millisecond
	if accepted != nil {
		wait = 15 * time.Second // a machine under load may still be drawing
	}
	var last []element
	equal, since := 0, time.Now()
	for start := since; ; time.Sleep(50 * time.Millisecond) {
		now := observe(t, ctx)
		if accepted != nil && len(differences(accepted, now, y)) == 0 {
			return now
		}
		if last == nil || len(differences(last, now, true)) > 0 {
			last, equal, since = now, 0, time.Now()
		}
		if equal++; equal > 1 && time.Since(since) > wait || time.Since(start) > time.Minute {
			return now
		}
	}
}

// checkLook compares the open page with the look that was accepted last in a language.
func checkLook(t *testing.T, ctx context.Context, l *looks, name, tag string) {
	t.Helper()
	accepted := l.accepted(t, name)
	if accepted == nil {
		t.Errorf("%s has no accepted look", name)
		return
	}
	now := settled(t, ctx, accepted[tag], tag == "en")
	if found := differences(accepted[tag], now, tag == "en"); len(found) > 0 {
		keepPicture(t, ctx, name+"-"+tag)
		t.Errorf(
			"%s looks different in %s:\n\t%s", name, tag,
			strings.Join(found[:min(6, len(found))], "\n\t"),
		)
	}
}

// TestLooks compares the pages of the gallery, at two widths, light and dark, with the looks that
// were accepted last, in every language if LOOKS is all. TestGallery compares those in English. To
// accept the present looks:
//
//	LOOKS=accept go test ./internal/server/ui -run TestLooks$ -timeout 60m
//
// PAGE_LANG=ta compares or accepts in Tamil only, GALLERY_ONLY=^code those whose names match.
func TestLooks(t *testing.T) {
	accept := os.Getenv("LOOKS") == "accept"
	if !accept && os.Getenv("LOOKS") != "all" {
		t.Skip("LOOKS is not set")
	}
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	s := newSite(t)
	tags := s.kit.Tags()
	if one := os.Getenv("PAGE_LANG"); one != "" {
		tags = []string{one}
	}
	ctx := openPlainBrowser(t)
	l := openLooks(t)
	for _, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		now := look{}
		maps.Copy(now, l.accepted(t, p.name)) // in the languages that have no turn
		for _, tag := range tags {
			if tag != "en" && s.pages[p.page].Page.Meta().English {
				continue
			}
			t.Setenv("PAGE_LANG", tag)
			do(t, ctx, append([]step{window(1280, 800, false)}, s.visit(p)...)...)
			if accept {
				now[tag] = settled(t, ctx, now[tag], tag == "en")
			} else {
				checkLook(t, ctx, l, p.name, tag)
			}
		}
		if text := l.write(now); accept {
			if err := os.MkdirAll(looksFolder, 0o755); err != nil {
				t.Fatal(err)
			}
			// Before the page that uses them: a run that is interrupted leaves no page without.
			l.writeStyles(t, false)
			if err := os.WriteFile(looksFile(p.name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkFolder(t, l, accept, only.String() == "")
}

// checkFolder finds files of pages that are gone, or removes them, and writes the styles.
func checkFolder(t *testing.T, l *looks, accept, all bool) {
	t.Helper()
	files := map[string]bool{"styles.txt": true}
	for _, p := range shots() {
		files[p.name+".txt"] = true
	}
	entries, err := os.ReadDir(looksFolder)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if files[e.Name()] {
			continue
		}
		if !accept {
			t.Errorf("the gallery has no page for %s", e.Name())
		} else if err := os.Remove(filepath.Join(looksFolder, e.Name())); err != nil {
			t.Error(err)
		}
	}
	if !accept {
		return
	}
	if !all { // what the other pages use stays
		maps.Copy(l.styles, openLooks(t).styles) // with those that another run has accepted
		for file := range files {
			l.keep(t, filepath.Join(looksFolder, file))
		}
	}
	l.writeStyles(t, true)
}

// writeStyles writes the styles that are used, and unless alone those that the file has.
func (l *looks) writeStyles(t *testing.T, alone bool) {
	t.Helper()
	all := maps.Clone(l.used)
	if !alone {
		maps.Copy(all, openLooks(t).styles)
	}
	var out bytes.Buffer
	for _, id := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&out, "%s %s\n", id, all[id])
	}
	if err := os.WriteFile(filepath.Join(looksFolder, "styles.txt"), out.Bytes(), 0o644); err != nil {
		t.Error(err)
	}
}

// keepPicture writes the page as it is now to the folder that SCREENSHOTS names.
func keepPicture(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("SCREENSHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = errors.Join(
			os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644),
		)
	}
	if err != nil {
		t.Error(err)
	}
}

// TestLooksSeeChanges checks that the comparison sees what a person would, and nothing else.
func TestLooksSeeChanges(t *testing.T) {
	s := newSite(t)
	ctx := openPlainBrowser(t)
	l := openLooks(t)
	do(t, ctx, window(1280, 800, false), s.open("console-requests"))
	before := settled(t, ctx, nil, true)
	text := l.write(look{"en": before})
	l.styles = l.used
	accepted := l.read(text)["en"]
	if len(accepted) < 50 {
		t.Fatalf("%d elements", len(accepted))
	}
	for name, change := range map[string]string{
		"":                   ``,
		"a button 4 px on":   `document.querySelector(".filter-actions .button").style.marginLeft = "4px"`,
		"a colour":           `document.querySelector(".filter-actions .button").style.backgroundColor = "#0a7a55"`,
		"a gone element":     `document.querySelector("h1").remove()`,
		"another size":       `document.querySelector("h1").style.fontSize = "27px"`,
		"a border":           `document.querySelector("table").style.border = "1px solid red"`,
		"another icon":       `document.querySelector("svg path").setAttribute("d", "M0 0h9v9z")`,
		"a row more":         `{ const r = document.querySelector("tbody tr"); r.after(r.cloneNode(true)) }`,
		"text of other size": `document.querySelector("td .quiet").textContent += " and more"`,
	} {
		// A page that follows its requests would take the change back after some seconds.
		const still = `window.fetch = () => new Promise(() => {});`
		do(t, ctx, s.open("console-requests"))
		if found := differences(accepted, settled(t, ctx, accepted, true), true); len(found) > 0 {
			t.Fatalf("before change %q: found %q", name, found)
		}
		do(t, ctx, script(still+change+";0"))
		found := differences(accepted, observe(t, ctx), true)
		if (len(found) > 0) != (name != "") {
			t.Errorf("change %q: found %q", name, found)
		}
	}
}
