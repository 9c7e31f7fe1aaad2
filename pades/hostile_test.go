package pades

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// withStore gives a signed document a store whose list has one stream many times, or n times another
// reference.
func withStore(t *testing.T, doc []byte, list, stream string, n int, copies bool) []byte {
	t.Helper()
	v := newVictim(t, nil, doc)
	objects := make(map[int]string)
	var refs strings.Builder
	for i := range n {
		number := 700
		if copies {
			number += i
		}
		objects[number] = stream
		fmt.Fprintf(&refs, "%d 0 R ", number)
	}
	objects[v.root()] = v.set(
		v.root(), pdf.Pair{Key: "DSS", Value: fmt.Sprintf("<< /%s [%s] >>", list, &refs)},
	)
	return v.update(objects)
}

// TestHostileStores verifies documents whose stores of revocation data are made to cost time or
// memory: what is parsed is counted, and what is allocated in all.
func TestHostileStores(t *testing.T) {
	f := newForge(t)
	signed := f.sign(t, token{message: message{by: f.unit}})
	list := func(entries int) string {
		l := crl{by: f.p.root}
		for i := range entries {
			l.entries = append(l.entries, x509.RevocationListEntry{
				SerialNumber: big.NewInt(int64(1000 + i%100)), RevocationTime: time.Unix(0, 0),
			})
		}
		return string(l.encode(t))
	}
	const many = 40_000
	long := list(many)
	var answers []answer
	for i := range 1500 {
		answers = append(answers, answer{
			about: f.friend.cert, issuer: f.p.root, serialNumber: big.NewInt(int64(1000 + i)), reason: -1,
		})
	}
	response := string(response{by: f.p.root, answers: answers}.encode(t))
	named := f.p.issue(f.p.root, nil, func(c *x509.Certificate) {
		c.DNSNames = slicesOf(5000, "hostile.example")
	})
	plain := func(data string) string { return pdftest.Stream("", data) }
	flate := func(data string) string { return pdftest.Stream("/Filter /FlateDecode", deflated(data)) }
	for name, tc := range map[string]struct {
		list, stream string
		n            int
		copies       bool
		cut          bool
		items        int // that are parsed
	}{
		"a list many times":       {"CRLs", plain(long), 1000, false, false, 1},
		"a compressed list":       {"CRLs", flate(long), 1000, false, false, 1},
		"copies of a list":        {"CRLs", plain(list(10)), 500, true, false, 1},
		"copies of a long list":   {"CRLs", flate(long), 50, true, false, 1},
		"a list that is too long": {"CRLs", plain(strings.Repeat("x", maxEvidenceBytes+1)), 1, false, true, 0},
		"a compressed list that is too long": {
			"CRLs", flate(strings.Repeat("x", maxEvidenceBytes+1)), 1, false, true, 0,
		},
		"a long compressed response": {"OCSPs", flate(response), 1000, false, true, 0},
		"a long response":            {"OCSPs", plain(response), 1000, false, true, 0},
		"a long certificate":         {"Certs", plain(string(named.cert.Raw)), 1000, false, true, 0},
		"too many":                   {"Certs", plain(string(f.friend.cert.Raw)), maxEvidence + 1, true, true, 1},
		"as many as are read":        {"Certs", plain(string(f.friend.cert.Raw)), maxEvidence, true, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			doc := withStore(t, signed, tc.list, tc.stream, tc.n, tc.copies)
			d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
			must(t, err)
			parsed := newParsedEvidence(maxEvidenceBytes)
			e, err := parsed.read(d, nil)
			must(t, err)
			if len(parsed.items) != tc.items || e.cut != tc.cut {
				t.Errorf("%d items are parsed, cut %t", len(parsed.items), e.cut)
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			r := f.verify(doc)
			runtime.ReadMemStats(&after)
			const most = 256 << 20
			if n := after.TotalAlloc - before.TotalAlloc; n > most {
				t.Errorf("%d MB are allocated", n>>20)
			}
			want := TotalPassed
			if tc.cut {
				want = Indeterminate
			}
			if got, _ := r.Indication(); got != want || !r.Signatures[0].Intact() {
				t.Errorf("%s: %v", got, r.Err())
			}
		})
	}
}

// TestEmptyEvidence inspects and verifies a document whose store has entries without data.
func TestEmptyEvidence(t *testing.T) {
	f := newForge(t)
	signed := f.sign(t, token{message: message{by: f.unit}})
	for _, list := range []string{"Certs", "OCSPs", "CRLs"} {
		for _, stream := range []string{
			pdftest.Stream("", ""), pdftest.Stream("/Filter /FlateDecode", deflated("")),
		} {
			doc := withStore(t, signed, list, stream, 2, true)
			if _, err := inspect(t, doc, Location{1, 0.1, 0.1}); err != nil {
				t.Errorf("%s: %v", list, err)
			}
			if got, _ := f.verify(doc).Indication(); got != TotalPassed {
				t.Errorf("%s: %s", list, got)
			}
		}
	}
}

// TestHostileStoreIsBounded reads a store whose entries are together longer than what is parsed, and
// one that costs more work than there is.
func TestHostileStoreIsBounded(t *testing.T) {
	f := newForge(t)
	const size = 64 << 10
	v := newVictim(t, nil, f.sign(t, token{message: message{by: f.unit}}))
	objects := map[int]string{
		v.root(): v.set(v.root(), pdf.Pair{Key: "DSS", Value: "<< /CRLs [700 0 R 701 0 R 702 0 R] >>"}),
	}
	for i := range 3 {
		objects[700+i] = pdftest.Stream("", strings.Repeat(string(rune('a'+i)), size))
	}
	doc := v.update(objects)
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	parsed := newParsedEvidence(2*size + size/2)
	e, err := parsed.read(d, nil)
	must(t, err)
	if len(parsed.items) != 2 || !e.cut {
		t.Errorf("%d items are parsed, cut %t", len(parsed.items), e.cut)
	}
	const work = 8 << 20
	d, err = pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{Work: work})
	must(t, err)
	o, err := d.Load(pdf.Ref{Num: 700})
	must(t, err)
	n := 0
	for err == nil && n <= work/size {
		_, err = streamData(d, o, size)
		n++
	}
	if pdf.ReasonOf(err) != pdf.TooMuchWork {
		t.Errorf("%d times %d bytes are read: %v", n, size, err)
	}
}

func slicesOf(n int, name string) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprint("n", i, ".", name))
	}
	return out
}

// TestHostileStoreOfManyRevisions verifies a document with many signatures and document timestamps,
// each of which may protect the same store. It is parsed once.
func TestHostileStoreOfManyRevisions(t *testing.T) {
	f := newForge(t)
	const many = 5
	doc := pdftest.Minimal()
	for i := range many {
		doc = putMessage(t, doc, fmt.Sprint("s", i), message{
			by: f.signer, unsigned: f.stamped(token{message: message{by: f.unit}}),
		})
	}
	certs := []*x509.Certificate{f.signer.cert, f.unit.cert, f.p.root.cert}
	good := func(about holder) []byte {
		return response{by: f.p.root, answers: []answer{{
			about: about.cert, issuer: f.p.root, reason: -1, this: time.Now().Add(time.Second),
		}}}.encode(t)
	}
	doc = store(t, doc, certs, [][]byte{good(f.signer), good(f.unit)}, nil)
	for i := range many {
		doc = putStamp(t, doc, fmt.Sprint("t", i), token{
			message: message{by: f.unit}, at: time.Now().Add(time.Duration(i) * time.Second),
		})
	}
	r := bytes.NewReader(doc)
	v, err := newVerifier(r, r.Size(), VerifyOptions{Roots: f.roots, TSARoots: f.roots, Now: time.Now()})
	must(t, err)
	must(t, v.verify())
	for _, s := range v.report.Signatures[:many] {
		if s.Level != LevelLTA {
			t.Errorf("%s: %s, %v", s.Fields, s.Level, s.Err())
		}
	}
	if n, m := len(v.parsed.items), len(v.parsed.said); n != 5 || m != 4 {
		t.Errorf("%d items and %d statements", n, m)
	}
}

// TestHostileFonts reads fonts whose maps and widths say the same many times.
func TestHostileFonts(t *testing.T) {
	ranges := strings.Repeat("0 65535 600 ", 3) + "70 70 900 "
	cmap := "begincmap 1 beginbfrange <0000> <ffff> <" + strings.Repeat("0041", 512) + "> endbfrange endcmap"
	doc := hideDocument(
		pdftest.Object(hideImage, fmt.Sprintf("<< /Type /Font /Subtype /Type0 /Encoding /Identity-H"+
			" /ToUnicode %d 0 R /DescendantFonts [<< /DW 500 /W [%s] >>] >>", hideImage+1, ranges)),
		pdftest.Object(hideImage+1, pdftest.Stream("", cmap)),
	)
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	o, err := d.Load(pdf.Ref{Num: hideImage})
	must(t, err)
	f, err := paintFontOf(d, o)
	must(t, err)
	if w := f.wide[70]; w != 0.6 {
		t.Errorf("the width that comes after %d others is read: %g", 3<<16, w)
	}
	if f.size != 0 {
		t.Errorf("%d codes have a long text", f.size)
	}
}

// TestHostileFilters lays a box over a page whose filters make much more in between than in the end.
func TestHostileFilters(t *testing.T) {
	w := newWorld(t)
	nothing := strings.Repeat("\x00\x00\x00\xff\xff", maxContent/5+1<<16) // empty blocks
	last := "\x01\x00\x00\xff\xff\x00\x00\x00\x01"
	content := deflated(deflated("\x78\x9c" + nothing + last))
	doc := hideDocument(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream(
		"/Filter [/FlateDecode /FlateDecode /FlateDecode]", content,
	)))
	signed := w.signedWith(t, doc, "first", "", "")
	box := laterBox{look: "1 g 0 0 200 30 re f"}
	expectHidden(t, w.verify(t, box.cosigned(t, w, signed)), unknownText)
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{Work: maxContent})
	must(t, err)
	o, err := d.Load(pdf.Ref{Num: pdftest.ContentNum(1)})
	must(t, err)
	if _, err = contentOf(d, o); pdf.ReasonOf(err) != pdf.TooMuchWork {
		t.Errorf("what is made in between is no work: %v", err)
	}
	blanks := strings.Repeat(" ", maxContent/8)
	for _, tc := range []struct {
		filters, data string
		want          pdf.Reason
	}{
		{"/AHx", "41>" + blanks, ""},
		{"/AHx /AHx /AHx /AHx", blanks + "3334333133343331>", pdf.TooMuchWork}, // read once for each
		{"/AHx /AHx /AHx /AHx /AHx", "33333333333333343333333333333331>", pdf.UnsupportedFilter},
	} {
		doc := pdftest.New(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("/Filter ["+tc.filters+"]", tc.data)))
		d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{Work: maxContent / 2})
		must(t, err)
		o, err := d.Load(pdf.Ref{Num: pdftest.ContentNum(1)})
		must(t, err)
		if _, err = contentOf(d, o); pdf.ReasonOf(err) != tc.want {
			t.Errorf("%s: %v", tc.filters, err)
		}
	}
}
