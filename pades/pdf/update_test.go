package pdf_test

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

func finish(t *testing.T, d *pdf.Document, u *pdf.Update) (*pdf.Document, []byte) {
	t.Helper()
	if err := u.Finish(rand.Reader); err != nil {
		t.Fatal(err)
	}
	r, size := pdf.Joined(d.Reader(), d.Size(), u.Bytes())
	d2, err := pdf.Open(r, size, pdf.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := io.ReadAll(io.NewSectionReader(r, 0, size))
	if err != nil {
		t.Fatal(err)
	}
	return d2, all
}

// TestPatch writes a hole as signing does: the offset comes from Put, is right
// in the file, and can be overwritten after Finish.
func TestPatch(t *testing.T) {
	for name, opt := range map[string]pdftest.Option{"table": pdftest.Version("1.7"), "stream": pdftest.XrefStream(), "no EOL": pdftest.NoFinalEOL()} {
		d := open(t, pdftest.New(opt))
		u := pdf.NewUpdate(d)
		ref := u.Alloc()
		const head = "<< /Type /Sig /Contents "
		off, err := u.Put(ref, []byte(head+"<0000> >>"))
		if err != nil {
			t.Fatal(err)
		}
		d2, all := finish(t, d, u)
		if u.Size() != int64(len(all)) || d2.Size() != u.Size() {
			t.Errorf("%s: Size %d, file %d", name, u.Size(), len(all))
		}
		hole := off + int64(len(head))
		if got := string(all[hole : hole+6]); got != "<0000>" {
			t.Errorf("%s: %q at the hole", name, got)
		}
		if err := u.Patch(hole, []byte("<abcd>")); err != nil {
			t.Fatal(err)
		}
		if got := u.Bytes()[hole-d.Size():][:6]; string(got) != "<abcd>" {
			t.Errorf("%s: %q after Patch", name, got)
		}
		for _, off := range []int64{d.Size() - 1, u.Size() - 5, u.Size() + 100} {
			if err := u.Patch(off, []byte("<abcd>")); err == nil {
				t.Errorf("%s: Patch at %d of %d succeeds", name, off, u.Size())
			}
		}
	}
}

// The number of a cross-reference stream is taken, whether or not any section
// lists it.
func TestAllocPassesXrefStream(t *testing.T) {
	for name, opts := range map[string][]pdftest.Option{"listed": nil, "nowhere": {pdftest.SelfNowhere()}, "unlisted": {pdftest.SelfUnlisted()}} {
		doc := pdftest.New(append(opts, pdftest.XrefStream())...)
		d := open(t, doc)
		taken := string(doc[d.Sections()[0].Offset:])
		if got := pdf.NewUpdate(d).Alloc(); strings.HasPrefix(
			taken, fmt.Sprintf("%d 0 obj", got.Num),
		) {
			t.Errorf("%s: %v is the number of the cross-reference stream", name, got)
		}
	}
}

func TestUpdateMisuse(t *testing.T) {
	d := open(t, pdftest.New(pdftest.Generation(pdftest.FontNum, 3)))
	body := []byte("<< >>")
	for name, f := range map[string]func(u *pdf.Update) error{
		"not an object": func(u *pdf.Update) error { _, err := u.Put(u.Alloc(), []byte("<< /A >>")); return err },
		"two objects":   func(u *pdf.Update) error { _, err := u.Put(u.Alloc(), []byte("1 2")); return err },
		"injected end":  func(u *pdf.Update) error { _, err := u.Put(u.Alloc(), []byte("1 endobj")); return err },
		"bad stream entries": func(u *pdf.Update) error {
			_, err := u.PutStream(u.Alloc(), []pdf.Pair{{Key: "A", Value: ">>"}}, nil)
			return err
		},
		"not allocated":    func(u *pdf.Update) error { _, err := u.Put(pdf.Ref{Num: 9999}, body); return err },
		"free object":      func(u *pdf.Update) error { _, err := u.Put(pdf.Ref{}, body); return err },
		"wrong generation": func(u *pdf.Update) error { _, err := u.Put(pdf.Ref{Num: pdftest.FontNum}, body); return err },
		"twice": func(u *pdf.Update) error {
			ref := u.Alloc()
			if _, err := u.Put(ref, body); err != nil {
				return nil
			}
			_, err := u.Put(ref, body)
			return err
		},
		"set on a stream":  func(u *pdf.Update) error { return u.Set(pdf.Ref{Num: pdftest.ContentNum(1)}, "A", "1") },
		"set on nothing":   func(u *pdf.Update) error { return u.Set(pdf.Ref{Num: 9999}, "A", "1") },
		"bad value":        func(u *pdf.Update) error { _ = u.SetCatalog("A", "<<"); return u.Finish(rand.Reader) },
		"never written":    func(u *pdf.Update) error { u.Alloc(); return u.Finish(rand.Reader) },
		"empty":            func(u *pdf.Update) error { return u.Finish(rand.Reader) },
		"no randomness":    func(u *pdf.Update) error { _ = u.SetCatalog("A", "1"); return u.Finish(iotest.ErrReader(io.EOF)) },
		"page of no pages": func(u *pdf.Update) error { return u.AddAnnotations(2, pdf.Ref{}) },
	} {
		if err := f(pdf.NewUpdate(d)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestTrailer checks what an update keeps of the trailer, and what it changes.
func TestTrailer(t *testing.T) {
	for name, opt := range map[string]pdftest.Option{"table": pdftest.Version("1.7"), "stream": pdftest.ObjectStreams(), "compressed": pdftest.Predictor(12)} {
		d := open(
			t, pdftest.New(opt, pdftest.XrefStream(), opt, pdftest.Trailer("/Extra [ 1  2 ]")),
		)
		u := pdf.NewUpdate(d)
		if err := u.SetCatalog("A", "1"); err != nil {
			t.Fatal(err)
		}
		d2, _ := finish(t, d, u)
		old, now := d.Trailer(), d2.Trailer()
		for _, key := range []string{"Root", "Info", "Extra"} {
			if now.Get(key).Raw() != old.Get(key).Raw() {
				t.Errorf("%s: /%s is %q", name, key, now.Get(key).Raw())
			}
		}
		a, b := old.Get("ID").Elements(), now.Get("ID").Elements()
		if len(b) != 2 || a[0].Raw() != b[0].Raw() || bytes.Equal(a[1].Bytes(), b[1].Bytes()) ||
			len(b[1].Bytes()) != 16 {
			t.Errorf("%s: /ID was %q and is %q", name, old.Get("ID").Raw(), now.Get("ID").Raw())
		}
		if v, _ := now.Get("Prev").Int(); v != d.Sections()[0].Offset {
			t.Errorf("%s: /Prev is %d", name, v)
		}
		for _, key := range []string{"Predictor", "Linearized", "DecodeParms", "Filter"} {
			if !now.Get(key).IsNull() {
				t.Errorf("%s: /%s is kept", name, key)
			}
		}
	}
}

// TestSharedAnnotations checks that the new annotation appears on its page only, behind
// what was there.
func TestSharedAnnotations(t *testing.T) {
	d := open(t, pdftest.New(pdftest.Pages(2), pdftest.SharedAnnots()))
	u := pdf.NewUpdate(d)
	ref := u.Alloc()
	if _, err := u.Put(ref, []byte("<< /Type /Annot >>")); err != nil {
		t.Fatal(err)
	}
	if err := u.AddAnnotations(2, ref); err != nil {
		t.Fatal(err)
	}
	d2, _ := finish(t, d, u)
	for number, want := range map[int]string{1: "5 0 R", 2: "5 0 R " + ref.String()} {
		page, err := d2.Page(number)
		if err != nil {
			t.Fatal(err)
		}
		elems, err := d2.Annotations(page)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range elems {
			got = append(got, e.Raw())
		}
		if strings.Join(got, " ") != want {
			t.Errorf("page %d has %q, want %q", number, got, want)
		}
	}
}

// TestSeparateAnnotations checks that what stands inside /Annots becomes an object, on all
// pages, in its place and as it is spelled. Where that cannot be, all stays.
func TestSeparateAnnotations(t *testing.T) {
	many := "<< >> " + strings.Repeat("<< /Subtype /Link >> ", pdf.MaxSeparated-2)
	for name, c := range map[string]struct {
		annots [2]string // of the two pages
		keep   bool
	}{
		"one on each page":   {annots: [2]string{"[<< /Subtype  /Link >>]", "[ 5000 0 R << /A << /S /URI >> >> 5000 0 R <<>> ]"}},
		"one page":           {annots: [2]string{"[5000 0 R]", "[<<>>]"}},
		"an indirect array":  {annots: [2]string{"5001 0 R", "5001 0 R"}},
		"none":               {annots: [2]string{"[5000 0 R]", "[]"}, keep: true},
		"not too many":       {annots: [2]string{"[" + many + "]", "[ << >> ]"}},
		"too many":           {annots: [2]string{"[" + many + "]", "[ << >> << >> ]"}, keep: true},
		"too long":           {annots: [2]string{"[<<>>]", "[<< /Contents (" + strings.Repeat("x", 128<<10) + ") >>]"}, keep: true},
		"a key twice":        {annots: [2]string{"[<<>>]", "[<<>>] /Tabs /S /Tabs /R"}, keep: true},
		"a hole in an entry": {annots: [2]string{"[<<>>]", "[<< /A 9000 0 R >>]"}, keep: true},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(
				t,
				pdftest.New(
					pdftest.Pages(2), pdftest.PageEntries(1, "/Annots "+c.annots[0]),
					pdftest.PageEntries(2, "/Annots "+c.annots[1]),
					pdftest.Object(5000, "<< /Subtype /Text >>"),
					pdftest.Object(5001, "[ << /Subtype /Link >> 5000 0 R ]"),
				),
			)
			u := pdf.NewUpdate(d)
			if err := u.SeparateAnnotations(); err != nil {
				t.Fatal(err)
			}
			widget := u.Alloc()
			if _, err := u.Put(widget, []byte("<< /Subtype /Widget >>")); err != nil {
				t.Fatal(err)
			}
			if err := u.AddAnnotations(1, widget); err != nil {
				t.Fatal(err)
			}
			d2, _ := finish(t, d, u)
			for number := 1; number <= 2; number++ {
				page, err := d.Page(number)
				if err != nil {
					t.Fatal(err)
				}
				before, err := d.Annotations(page)
				if err != nil {
					t.Fatal(err)
				}
				after, err := d2.Annotations(page)
				if err != nil {
					t.Fatal(err)
				}
				if number == 1 {
					if last := after[len(after)-1].Raw(); last != widget.String() {
						t.Errorf("page 1 ends in %s, not in %s", last, widget)
					}
					after = after[:len(after)-1]
				}
				if len(before) != len(after) {
					t.Fatalf("page %d has %d annotations, then %d", number, len(before), len(after))
				}
				for i := range before {
					was, is := before[i], after[i]
					if c.keep || was.Kind() == pdf.Reference {
						if was.Raw() != is.Raw() {
							t.Errorf("page %d: %s became %s", number, was.Raw(), is.Raw())
						}
						continue
					}
					o, err := d2.Resolve(is)
					if err != nil {
						t.Fatal(err)
					}
					if is.Kind() != pdf.Reference || o.Raw() != was.Raw() {
						t.Errorf(
							"page %d: %s became %s, which is %s", number, was.Raw(), is.Raw(),
							o.Raw(),
						)
					}
				}
			}
		})
	}
}

// TestForm checks the flags and the untouched entries of each kind of form.
func TestForm(t *testing.T) {
	keys := pdftest.FormEntries(
		"/DR << /Font  << >> >> /NeedAppearances true /SigFlags 5000 0 R /XFA (x)",
	)
	field := pdftest.Field{Name: "a", Type: "Tx"}
	for name, opts := range map[string][]pdftest.Option{
		"direct":          {pdftest.DirectForm(field), keys},
		"indirect":        {pdftest.IndirectForm(field), keys},
		"indirect fields": {pdftest.IndirectFields(field), keys},
		"in a stream":     {pdftest.IndirectFields(field), keys, pdftest.ObjectStreams()},
		"absent":          nil,
	} {
		d := open(t, pdftest.New(append(opts, pdftest.Object(5000, "4"))...))
		u := pdf.NewUpdate(d)
		ref := u.Alloc()
		if _, err := u.Put(ref, []byte("<< /FT /Sig /T (new) >>")); err != nil {
			t.Fatal(err)
		}
		if err := u.AddFields(ref); err != nil {
			t.Fatal(err)
		}
		d2, _ := finish(t, d, u)
		form, err := d2.Get(d2.Catalog(), "AcroForm")
		if err != nil {
			t.Fatal(err)
		}
		wantFlags, wantFields := int64(7), "[3000 0 R "+ref.String()+"]"
		if opts == nil {
			wantFlags, wantFields = 3, "["+ref.String()+"]"
		}
		if v, _ := form.Get("SigFlags").Int(); v != wantFlags {
			t.Errorf("%s: /SigFlags %d, want %d", name, v, wantFlags)
		}
		if got := form.Get("Fields").Raw(); got != wantFields {
			t.Errorf("%s: /Fields %s, want %s", name, got, wantFields)
		}
		old, err := d.Get(d.Catalog(), "AcroForm")
		if err != nil {
			t.Fatal(err)
		}
		for k, v := range old.Entries() {
			if k != "Fields" && k != "SigFlags" && form.Get(k).Raw() != v.Raw() {
				t.Errorf("%s: /%s was %q and is %q", name, k, v.Raw(), form.Get(k).Raw())
			}
		}
	}
}

// TestNextNumber checks that the first new number is above both /Size and all entries.
func TestNextNumber(t *testing.T) {
	small := bytes.Replace(pdftest.Minimal(), []byte("/Size 14"), []byte("/Size 2 "), 1)
	large := bytes.Replace(pdftest.Minimal(), []byte("/Size 14"), []byte("/Size 99"), 1)
	for want, file := range map[int][]byte{14: small, 99: large} {
		if got := pdf.NewUpdate(open(t, file)).Alloc(); got != (pdf.Ref{Num: want}) {
			t.Errorf("first new object is %v, want %d", got, want)
		}
	}
}

// TestLimits checks that each limit refuses with its own reason.
func TestLimits(t *testing.T) {
	file := pdftest.New(pdftest.Pages(20), pdftest.Tree(2), pdftest.ObjectStreams())
	twice := pdftest.Update(file, pdftest.Revision{})
	for want, lim := range map[pdf.Reason]pdf.Limits{
		pdf.TooManyPages:     {Pages: 19},
		pdf.TooManyObjects:   {Objects: 40},
		pdf.TooManyRevisions: {Revisions: 1},
		pdf.TooDeep:          {Nesting: 3},
		pdf.ObjectTooLarge:   {ObjectSize: 60},
		pdf.InflatesTooLarge: {Inflated: 100},
		pdf.TooMuchWork:      {Work: 5000},
	} {
		_, err := pdf.Open(bytes.NewReader(twice), int64(len(twice)), lim)
		if got := pdf.ReasonOf(err); got != want {
			t.Errorf("%+v: %v, want %s", lim, err, want)
		}
	}
	if _, err := pdf.Open(bytes.NewReader(twice), int64(len(twice)), pdf.Limits{Pages: 20}); err != nil {
		t.Error(err)
	}
}

// TestReadError checks that a fault of the reader is not a refusal.
func TestReadError(t *testing.T) {
	file := pdftest.Minimal()
	_, err := pdf.Open(bytes.NewReader(file[:500]), int64(len(file)), pdf.Limits{})
	if err == nil || pdf.ReasonOf(err) != "" {
		t.Errorf("got %v", err)
	}
}

// TestRepeat writes a stream again: its numbers become shorter, and no value changes.
func TestRepeat(t *testing.T) {
	const num = 50
	file := pdftest.New(pdftest.Object(num, pdftest.Stream(
		"/BBox [0.000000 -.500 100. 99999999999999999999000 10 1.0230] /N (1.000) /D << /K 2.00 >>",
		"data 1.000",
	)))
	d := open(t, file)
	u := pdf.NewUpdate(d)
	if err := u.Repeat(pdf.Ref{Num: num}); err != nil {
		t.Fatal(err)
	}
	if err := u.Finish(rand.Reader); err != nil {
		t.Fatal(err)
	}
	now := open(t, append(bytes.Clone(file), u.Bytes()...))
	was, err := d.Load(pdf.Ref{Num: num})
	if err != nil {
		t.Fatal(err)
	}
	is, err := now.Load(pdf.Ref{Num: num})
	if err != nil {
		t.Fatal(err)
	}
	if want := "[0.0 -.5 100.0 99999999999999999999000 10 1.023]"; is.Get("BBox").Raw() != want {
		t.Errorf("/BBox %s, want %s", is.Get("BBox").Raw(), want)
	}
	if !pdf.Equal(was, is) {
		t.Errorf("%s became %s", was.Raw(), is.Raw())
	}
	if data, err := now.Decode(is); string(data) != "data 1.000" {
		t.Errorf("%q, %v", data, err)
	}
}
