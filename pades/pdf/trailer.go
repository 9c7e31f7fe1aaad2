package pdf

import (
	"bytes"
	"fmt"
	"io"
	"slices"
)

// writeXref ends the update with a table or a stream, as the newest section of the file, because
// readers that support only tables must find one.
func (u *Update) writeXref(random io.Reader) error {
	id, err := u.newID(random)
	if err != nil {
		return err
	}
	if u.doc.sections[0].Stream {
		return u.writeXrefStream(id)
	}
	if err := u.checkSize(); err != nil {
		return err
	}
	off := u.Size()
	u.buf.WriteString("xref\n")
	for _, run := range u.runs() {
		fmt.Fprintf(&u.buf, "%d %d\n", run[0], len(run))
		for _, num := range run {
			p := u.written[num]
			fmt.Fprintf(&u.buf, "%010d %05d n\r\n", p.off, p.gen)
		}
	}
	u.buf.WriteString("trailer\n" + DictString(u.trailerEntries(id)...) + "\n")
	u.writeEnd(off)
	return nil
}

func (u *Update) writeXrefStream(id string) error {
	ref := u.Alloc()
	if err := u.checkSize(); err != nil {
		return err
	}
	off := u.Size()
	u.written[ref.Num] = position{off: off}
	width := 1 // of the field for offsets; this section has the largest one
	for v := off >> 8; v > 0; v >>= 8 {
		width++
	}
	var index, data bytes.Buffer
	for _, run := range u.runs() {
		if index.Len() > 0 {
			index.WriteByte(' ')
		}
		fmt.Fprintf(&index, "%d %d", run[0], len(run))
		for _, num := range run {
			p := u.written[num]
			data.WriteByte(byte(InFile))
			for i := width - 1; i >= 0; i-- {
				data.WriteByte(byte(p.off >> (8 * i)))
			}
			data.WriteByte(byte(p.gen >> 8))
			data.WriteByte(byte(p.gen))
		}
	}
	entries := append([]Pair{
		{"Type", "/XRef"},
		{"W", fmt.Sprintf("[1 %d 2]", width)},
		{"Index", "[" + index.String() + "]"},
		{"Length", fmt.Sprint(data.Len())},
	}, u.trailerEntries(id)...)
	fmt.Fprintf(&u.buf, "%d 0 obj\n%s\nstream\n", ref.Num, DictString(entries...))
	u.buf.Write(data.Bytes())
	u.buf.WriteString("\nendstream\nendobj\n")
	u.writeEnd(off)
	return nil
}

func (u *Update) writeEnd(off int64) {
	fmt.Fprintf(&u.buf, "startxref\n%d\n%%%%EOF\n", off)
}

func (u *Update) checkSize() error {
	if u.next > maxObjectNumber+1 {
		return refuse(TooManyObjects, "the update needs object number %d", u.next-1)
	}
	return nil
}

// runs returns the numbers of the update's objects in groups of consecutive ones.
func (u *Update) runs() [][]int {
	nums := make([]int, 0, len(u.written))
	for num := range u.written {
		nums = append(nums, num)
	}
	slices.Sort(nums)
	var runs [][]int
	for start, i := 0, 1; i <= len(nums); i++ {
		if i == len(nums) || nums[i] != nums[i-1]+1 {
			runs = append(runs, nums[start:i])
			start = i
		}
	}
	return runs
}

// trailerEntries returns the entries of the new trailer: those of the newest one (ISO 32000-2,
// 7.5.6, requires them), except those that describe a section.
func (u *Update) trailerEntries(id string) []Pair {
	pairs := []Pair{{"Size", fmt.Sprint(u.next)}}
	for key, value := range u.doc.Trailer().Entries() {
		switch key {
		case "Size", "Prev", "ID", "Type", "W", "Index", "Length", "Filter", "DecodeParms", "F",
			"FFilter", "FDecodeParms", "DL":
		default:
			pairs = append(pairs, Pair{key, value.Raw()})
		}
	}
	return append(pairs,
		Pair{"ID", id},
		Pair{"Prev", fmt.Sprint(u.doc.sections[0].Offset)})
}

// newID keeps the first element of /ID, which names the document, and changes
// the second, which names the revision (ISO 32000-2, 14.4).
func (u *Update) newID(random io.Reader) (string, error) {
	var fresh [16]byte
	if _, err := io.ReadFull(random, fresh[:]); err != nil {
		return "", fmt.Errorf("pdf: random bytes for /ID: %w", err)
	}
	second := HexString(fresh[:])
	first := second
	id, err := u.doc.Get(u.doc.Trailer(), "ID")
	if err != nil {
		return "", err
	}
	if elems := id.Elements(); len(elems) > 0 {
		e, err := u.doc.Resolve(elems[0])
		if err != nil {
			return "", err
		}
		if e.kind == String {
			first = e.Raw()
		}
	}
	return "[" + first + " " + second + "]", nil
}
