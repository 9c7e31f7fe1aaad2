package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"

	textpdf "github.com/ledongthuc/pdf"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades/pdf"
)

// locateCmd finds places for signatures.
type locateCmd struct {
	output
	File string `arg:"" help:"PDF."                                                                        type:"existingfile"`
	Text string `       help:"Text to find, in any case. Without it the pages and their sizes are listed."                     placeholder:"TEXT"`
	Put  string `       help:"Where the box goes: above the text, below it, or right of it."                                                      enum:"above,below,right" default:"above"`
}

// Help says what is printed.
func (*locateCmd) Help() string {
	return `For each place of the text it prints a line for --place of signet request initiate: page,x,y.
The signature's box has 220.5 x 60 points. A text that is an image, or whose font does not tell
its letters, is not found; place the box by hand on the sandbox's page /demo/place then.`
}

// pageSize is a page as it is displayed, in points.
type pageSize struct {
	Page   int     `json:"page"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

func (c *locateCmd) Run(env *environment) error {
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	doc, err := pdf.Open(f, info.Size(), pdf.Limits{})
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.Text == "" {
		return c.listPages(env, doc)
	}
	places := []api.Location{}
	lines := []string{}
	for n := range doc.NumPages() {
		page, err := doc.Page(n + 1)
		if err != nil {
			return fmt.Errorf("%s: page %d: %w", c.File, n+1, err)
		}
		found, err := findText(f, info.Size(), n+1, c.Text)
		if err != nil {
			return fmt.Errorf("%s: page %d: %w", c.File, n+1, err)
		}
		for _, r := range found {
			l := c.beside(page, page.ToDisplay(r))
			places = append(places, l)
			lines = append(lines, fmt.Sprintf("%d,%.4f,%.4f", l.Page, l.X, l.Y))
		}
	}
	if len(places) == 0 {
		return fmt.Errorf("%s: the text %q is not found", c.File, c.Text)
	}
	return c.print(env.out, places, strings.Join(lines, "\n"))
}

func (c *locateCmd) listPages(env *environment, doc *pdf.Document) error {
	var sizes []pageSize
	var lines []string
	for n := range doc.NumPages() {
		page, err := doc.Page(n + 1)
		if err != nil {
			return fmt.Errorf("%s: page %d: %w", c.File, n+1, err)
		}
		w, h := page.DisplaySize()
		sizes = append(sizes, pageSize{n + 1, w, h})
		lines = append(lines, fmt.Sprintf("page %d: %.2f x %.2f points", n+1, w, h))
	}
	return c.print(env.out, sizes, strings.Join(lines, "\n"))
}

// beside is the place of a box by a text, moved so that it is on the page. r is the text's
// rectangle on the displayed page, in points from its lower left corner.
func (c *locateCmd) beside(page pdf.Page, r pdf.Rect) api.Location {
	const gap = 4
	w, h := page.DisplaySize()
	x, y := r.X1, r.Y2+gap
	switch c.Put {
	case "below":
		y = r.Y1 - gap - api.BoxHeight
	case "right":
		x, y = r.X2+gap, (r.Y1+r.Y2-api.BoxHeight)/2
	}
	fraction := func(v, box, whole float64) float64 {
		v = max(0, min(v, whole-box))
		return math.Floor(v/whole*1e4) / 1e4 // the API takes four decimals
	}
	return api.Location{
		Page: page.Number, X: fraction(x, api.BoxWidth, w), Y: fraction(y, api.BoxHeight, h),
	}
}

// findText returns the rectangles, in user space, of the places of a text on a page, from the top
// down. A text is found within a line.
func findText(f *os.File, size int64, page int, text string) (found []pdf.Rect, err error) {
	defer func() {
		if v := recover(); v != nil { // the library panics at what it does not understand
			found, err = nil, errors.New("its text cannot be read")
		}
	}()
	reader, err := textpdf.NewReader(f, size)
	if err != nil {
		return nil, err
	}
	runs := reader.Page(page).Content().Text
	slices.SortStableFunc(runs, func(a, b textpdf.Text) int {
		return cmp.Or(cmp.Compare(math.Round(b.Y), math.Round(a.Y)), cmp.Compare(a.X, b.X))
	})
	want := []rune(folded(text))
	for len(runs) > 0 {
		n := slices.IndexFunc(runs, func(t textpdf.Text) bool {
			return math.Round(t.Y) != math.Round(runs[0].Y)
		})
		if n < 0 {
			n = len(runs)
		}
		found = append(found, findInLine(runs[:n], want)...)
		runs = runs[n:]
	}
	return found, nil
}

// findInLine finds want in one line; blanks are ignored, because many files have none between their
// letters.
func findInLine(line []textpdf.Text, want []rune) (found []pdf.Rect) {
	var letters []rune
	var from []int // index in line of each letter
	for i, run := range line {
		for _, r := range folded(run.S) {
			letters, from = append(letters, r), append(from, i)
		}
	}
	for i := 0; i+len(want) <= len(letters) && len(want) > 0; {
		if !slices.Equal(letters[i:i+len(want)], want) {
			i++
			continue
		}
		first, last := line[from[i]], line[from[i+len(want)-1]]
		found = append(found, pdf.Rect{
			X1: first.X, Y1: first.Y, X2: last.X + last.W, Y2: first.Y + first.FontSize,
		})
		i += len(want)
	}
	return found
}

// folded is a text without blanks, in lower case.
func folded(text string) string {
	return strings.ToLower(strings.Join(strings.Fields(text), ""))
}
