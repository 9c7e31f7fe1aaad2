package pdftest

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// Revision is an update that is written by hand, without any of the checks and
// courtesies of package pdf.
type Revision struct {
	Objects map[int]string // bodies by number, all of generation 0
	Freed   []int
	Nowhere []int  // said to be in use, but at offset 0
	Trailer string // further entries of the trailer
	NoPrev  bool   // leave out /Prev
}

var (
	startxref = regexp.MustCompile(`startxref\s+(\d+)`)
	sizeKey   = regexp.MustCompile(`/Size (\d+)`)
	rootKey   = regexp.MustCompile(`/Root \d+ \d+ R`)
)

// Update appends a revision with a cross-reference table to a file that has at
// least one trailer or cross-reference stream in plain text.
func Update(file []byte, r Revision) []byte {
	last := func(re *regexp.Regexp) []byte {
		all := re.FindAll(file, -1)
		if len(all) == 0 {
			panic("pdftest: Update of a file without " + re.String())
		}
		return all[len(all)-1]
	}
	number := func(re *regexp.Regexp) int {
		n, _ := strconv.Atoi(string(re.FindSubmatch(last(re))[1]))
		return n
	}
	size := number(sizeKey)
	buf := bytes.NewBuffer(slices.Clone(file))
	if !bytes.HasSuffix(file, []byte("\n")) {
		buf.WriteByte('\n')
	}
	var table bytes.Buffer
	for _, num := range slices.Sorted(maps.Keys(r.Objects)) {
		size = max(size, num+1)
		fmt.Fprintf(&table, "%d 1\n%010d 00000 n \n", num, buf.Len())
		fmt.Fprintf(buf, "%d 0 obj\n%s\nendobj\n", num, r.Objects[num])
	}
	for _, num := range r.Freed {
		fmt.Fprintf(&table, "%d 1\n0000000000 00001 f \n", num)
	}
	for _, num := range r.Nowhere {
		size = max(size, num+1)
		fmt.Fprintf(&table, "%d 1\n0000000000 65536 n \n", num)
	}
	at := buf.Len()
	prev := fmt.Sprintf(" /Prev %d", number(startxref))
	if r.NoPrev {
		prev = ""
	}
	fmt.Fprintf(
		buf, "xref\n%strailer\n<< /Size %d %s%s%s %s >>\nstartxref\n%d\n%%%%EOF\n", table.Bytes(),
		size, last(rootKey), id, prev, r.Trailer, at,
	)
	return buf.Bytes()
}
