package pades

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

func inspect(t testing.TB, doc []byte, locs ...Location) (*Inspection, error) {
	t.Helper()
	return Inspect(t.Context(), bytes.NewReader(doc), int64(len(doc)), locs, pdf.Limits{})
}

// Every place that cannot be used is refused, by Inspect and by Prepare alike,
// and the text says which location, page and numbers are meant.
func TestLocationsRefused(t *testing.T) {
	w := newWorld(t)
	two := pdftest.New(pdftest.Pages(2))
	signed, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	for _, tc := range []struct {
		name   string
		doc    []byte
		locs   []Location
		reason pdf.Reason
		say    []string
	}{
		{"none", two, nil, NoLocation, nil},
		{"page 3 of 2", two, []Location{{1, 0, 0}, {3, 0, 0}}, pdf.PageOutOfRange, []string{"sign_locations[1]", "3", "2"}},
		{"page 0", two, []Location{{0, 0, 0}}, pdf.PageOutOfRange, []string{"sign_locations[0]"}},
		{"too far right", two, []Location{{2, 0.63, 0}}, pdf.BoxOffPage, []string{"sign_locations[0]", "page 2", "0.63", "595.28"}},
		{"too high", two, []Location{{1, 0, 0.93}}, pdf.BoxOffPage, []string{"sign_locations[0]", "0.93"}},
		{"negative", two, []Location{{1, -0.001, 0}}, pdf.BoxOffPage, nil},
		{"own overlap", two, []Location{{1, 0, 0}, {2, 0, 0}, {1, 0.37, 0.07}}, BoxesOverlap, []string{"sign_locations[0]", "sign_locations[2]", "page 1"}},
		{"over a signature", signed, []Location{{1, 0.4, 0.15}}, SignatureOverlap, []string{"sign_locations[0]", "signv3-", "page 1"}},
		{"tiny page", pdftest.New(pdftest.MediaBox(0, 0, 220, 60)), []Location{{1, 0, 0}}, pdf.BoxOffPage, nil},
		{"huge page", pdftest.New(pdftest.MediaBox(0, 0, 20000, 600)), []Location{{1, 0, 0}}, PageDimensions, []string{"20000"}},
		{"certified", pdftest.New(pdftest.IndirectForm(pdftest.Field{Name: "a", Page: 1, Rect: "[0 0 0 0]", Value: pdftest.Signature(pdftest.DocMDP(1))})), []Location{{1, 0, 0}}, pdf.Certified, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Prepare(bytes.NewReader(tc.doc), int64(len(tc.doc)), w.options(tc.locs...))
			if tc.name != "certified" { // there Inspect finds the empty signature first
				if _, ierr := inspect(t, tc.doc, tc.locs...); fmt.Sprint(ierr) != fmt.Sprint(err) {
					t.Errorf("Inspect says %v, Prepare %v", ierr, err)
				}
			}
			if pdf.ReasonOf(err) != tc.reason {
				t.Fatalf("%v, want %s", err, tc.reason)
			}
			for _, s := range tc.say {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not say %q", err, s)
				}
			}
		})
	}
	// Touching boxes, and the very corners, are fine.
	if _, err := inspect(t, two, Location{1, 0, 0}, Location{1, BoxWidth / 595.28, 0}, Location{1, 1 - BoxWidth/595.28, 1 - BoxHeight/841.89}); err != nil {
		t.Error(err)
	}
}

func TestInspect(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.New(
		pdftest.Pages(3),
		pdftest.Rotate(90),
		pdftest.Catalog(
			"/OpenAction << /S /JavaScript /JS (1) >> /Names << /EmbeddedFiles << /Names [] >> >>",
		),
		pdftest.Object(pdftest.FirstFree, pdftest.Stream("/F (other.bin)", "")),
	)
	got, err := inspect(t, doc, Location{2, 0, 0}, Location{2, 0.5, 0.5})
	must(t, err)
	if got.Pages != 3 || got.Signatures != 0 || len(got.Sizes) != 1 ||
		got.Sizes[0] != (PageSize{2, 841.89, 595.28}) {
		t.Errorf("%+v", got)
	}
	var codes []string
	for _, f := range got.Findings {
		codes = append(codes, string(f.Code))
	}
	if s := strings.Join(codes, " "); s != "embedded-file open-action javascript external-stream" {
		t.Errorf("findings: %s", s)
	}
	signed, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}), true)
	got, err = inspect(t, signed, Location{1, 0.1, 0.5})
	if err != nil || got.Signatures != 2 {
		t.Errorf("our own output: %+v, %v", got, err)
	}
	empty := pdftest.New(
		pdftest.IndirectForm(
			pdftest.Field{Name: "old", Page: 1, Rect: "[0 0 10 10]", Value: pdftest.Signature("")},
		),
	)
	if _, err = inspect(t, empty, Location{1, 0.1, 0.5}); pdf.ReasonOf(err) != SignatureLevel ||
		!strings.Contains(err.Error(), `"old"`) {
		t.Errorf("a signature below B-T: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Inspect(ctx, bytes.NewReader(doc), int64(len(doc)), []Location{{1, 0, 0}}, pdf.Limits{}); !errors.Is(
		err,
		context.Canceled,
	) {
		t.Errorf("cancelled: %v", err)
	}
}

// What the second update would trip over is said before anyone approves.
func TestInspectRehearsesTheExtension(t *testing.T) {
	for name, doc := range map[string][]byte{
		"page 1, where the document timestamp goes": pdftest.New(
			pdftest.Pages(2), pdftest.PageEntries(1, "/Annots (none)"),
		),
		"security store": pdftest.New(pdftest.Pages(2), pdftest.Catalog("/DSS << /Certs [] /Certs [null] >>")),
	} {
		if _, err := inspect(t, doc, Location{2, 0.1, 0.1}); pdf.ReasonOf(err) == "" {
			t.Errorf("%s: %v, want a refusal", name, err)
		}
	}
	doc := pdftest.Minimal()
	if _, err := Inspect(t.Context(), bytes.NewReader(doc), int64(len(doc)), []Location{{1, 0, 0}}, pdf.Limits{Objects: 503}); pdf.ReasonOf(
		err,
	) != pdf.TooManyObjects {
		t.Errorf("no room for our objects: %v", err)
	}
}

// Nothing of ours may appear under a number that the document already refers to.
func TestInspectRefusesDanglingReferences(t *testing.T) {
	next := pdftest.FirstFree + 2
	for name, value := range map[string]string{
		"next number": fmt.Sprintf("<< /X [1 << /Y %d 0 R >>] >>", next+3),
		"far away":    fmt.Sprintf("[%d 0 R]", next+100000),
	} {
		doc := pdftest.New(pdftest.Object(pdftest.FirstFree+1, value))
		_, err := inspect(t, doc, Location{1, 0.1, 0.1})
		if got, want := pdf.ReasonOf(err) == pdf.DanglingReference, name == "next number"; got != want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A signature that was removed before the document came to us is shown by the
// report, but is no reason to refuse our own signature after the approval.
func TestOriginalWithARemovedSignature(t *testing.T) {
	w := newWorld(t)
	first, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	v := newVictim(t, w, first)
	root := v.d.Root().Num
	doc := v.update(map[int]string{root: v.set(root, pdf.Pair{Key: "AcroForm", Value: ""})})
	got, err := inspect(t, doc, Location{1, 0.5, 0.5})
	must(t, err)
	out, p := w.extended(t, doc, w.options(Location{1, 0.5, 0.5}), true)
	r := w.verify(t, out)
	if r.Err() == nil {
		t.Error("the report does not mention the removed signature")
	}
	must(
		t,
		r.Meets(
			Expectation{Prepared: p, Certificate: w.cert, Before: got.Signatures, Level: LevelLTA},
		),
	)
}

// One CMS, N merged fields, one value.
func TestOneSignatureManyFields(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.New(
		pdftest.Pages(2), pdftest.Rotate(270),
		pdftest.IndirectForm(pdftest.Field{Name: "signv3-x", Page: 1, Rect: "[0 0 0 0]"}),
	)
	o := w.options(Location{1, 0.1, 0.1}, Location{2, 0.2, 0.3})
	o.FieldName = "signv3-x"
	out, _ := w.signed(t, doc, o)
	d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
	must(t, err)
	fields, err := d.SignatureFields()
	must(t, err)
	if len(fields) != 3 || fields[1].Name != "signv3-x-2" || fields[2].Name != "signv3-x-3" {
		t.Fatalf("fields: %+v", fields)
	}
	if fields[1].Value.Raw() != fields[2].Value.Raw() || fields[1].Ref == fields[2].Ref {
		t.Error("the two fields must be two objects with one value")
	}
	for i, f := range fields[1:] {
		o, err := d.Load(f.Ref)
		must(t, err)
		mk, err := d.Get(o, "MK", "R")
		must(t, err)
		if o.Get("F").Raw() != "132" || mk.Raw() != "270" || o.Get("Kids").Raw() != "null" ||
			o.Get("Subtype").Name() != "Widget" {
			t.Errorf("field: %s", o.Raw())
		}
		if len(f.Widgets) != 1 || f.Widgets[0].Page != i+1 {
			t.Errorf("widgets: %+v", f.Widgets)
		}
		if dsp := f.Widgets[0].Display; dsp.Width() < BoxWidth-0.01 ||
			dsp.Width() > BoxWidth+0.01 ||
			dsp.Height() > BoxHeight+0.01 {
			t.Errorf("box as displayed: %v", dsp)
		}
	}
}

type failing struct{}

func (failing) Timestamp(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("no route")
}

type stored struct{ token []byte }

func (f *stored) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	return f.token, nil
}

type recording struct {
	Timestamper
	token []byte
}

func (r *recording) Timestamp(ctx context.Context, imprint []byte) (token []byte, err error) {
	r.token, err = r.Timestamper.Timestamp(ctx, imprint)
	return r.token, err
}

func TestEmbed(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
	must(t, err)
	sig := w.sign(t, p.SignedAttributes(w.cert))
	other, err := w.ca.IssueSigner(
		ca.Subject{UIN: "S8116474F", Name: "LIM MEI LING"}, &w.phone.PublicKey,
	)
	must(t, err)
	changed := bytes.Clone(doc)
	changed[len(changed)/2] ^= 1
	damaged := *p
	damaged.After = bytes.Clone(p.After)
	damaged.After[3] ^= 1
	small := *p
	small.Hole = 1000
	bad := bytes.Clone(sig)
	bad[5] ^= 1
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		doc   []byte
		p     *Prepared
		chain []*x509.Certificate
		sig   []byte
		ts    Timestamper
		want  error
	}{
		{"another document", t.Context(), changed, p, w.chain(), sig, w.tsa, ErrOriginal},
		{"a shorter document", t.Context(), doc[:len(doc)-1], p, w.chain(), sig, w.tsa, ErrOriginal},
		{"damaged state", t.Context(), doc, &damaged, w.chain(), sig, w.tsa, ErrOriginal},
		{"another certificate of the same key", t.Context(), doc, p, []*x509.Certificate{other}, sig, w.tsa, ErrSignature},
		{"another signature", t.Context(), doc, p, w.chain(), bad, w.tsa, ErrSignature},
		{"no signature", t.Context(), doc, p, w.chain(), nil, w.tsa, ErrSignature},
		{"too small a hole", t.Context(), doc, &small, w.chain(), sig, w.tsa, ErrTooLarge},
		{"cancelled", cancelled, doc, p, w.chain(), sig, w.tsa, context.Canceled},
	} {
		err := Embed(
			tc.ctx, bytes.NewReader(tc.doc), tc.p, tc.chain, tc.sig, tc.ts, &bytes.Buffer{},
		)
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if err := Embed(t.Context(), bytes.NewReader(doc), p, w.chain(), sig, failing{}, &bytes.Buffer{}); err == nil {
		t.Error("no timestamp, no error")
	}

	// After a crash the same token gives the same file.
	rec := &recording{Timestamper: w.tsa}
	var first, second bytes.Buffer
	must(t, Embed(t.Context(), bytes.NewReader(doc), p, w.chain(), sig, rec, &first))
	must(
		t, Embed(t.Context(), bytes.NewReader(doc), p, w.chain(), sig, &stored{rec.token}, &second),
	)
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("two runs differ")
	}
}

func TestExtendNeedsEvidence(t *testing.T) {
	w := newWorld(t)
	out, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	for name, source := range map[string]EvidenceSource{
		"nothing": noEvidence{}, "an empty response": noEvidence{{}}, "another authority's": newWorld(t),
	} {
		_, err := Extend(
			t.Context(), bytes.NewReader(out), int64(len(out)),
			ExtendOptions{Evidence: source, Timestamper: w.tsa, FieldName: "ts", Rand: rand.Reader},
		)
		if !errors.Is(err, ErrEvidence) {
			t.Errorf("%s: %v, want ErrEvidence", name, err)
		}
	}
}

// noEvidence has responses that say nothing.
type noEvidence [][]byte

func (n noEvidence) Evidence(
	context.Context, []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return n, nil, nil
}

// openssl checks the message over the extracted ranges, and the timestamp.
func TestOpenSSL(t *testing.T) {
	program(t, "openssl", "openssl")
	w := newWorld(t)
	doc := pdftest.Minimal()
	out, p := w.signed(t, doc, w.options(Location{1, 0.1, 0.1}))
	d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
	must(t, err)
	sigs, err := signatures(d)
	must(t, err)
	must(t, sigs[0].read(d))
	dir := t.TempDir()
	br := p.ByteRange
	data := filepath.Join(dir, "data")
	must(t, os.WriteFile(data, append(bytes.Clone(out[:br[1]]), out[br[2]:]...), 0o600))
	message := filepath.Join(dir, "cms.der")
	must(t, os.WriteFile(message, sigs[0].message, 0o600))
	root := filepath.Join(dir, "root.pem")
	must(
		t,
		os.WriteFile(
			root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Root().Raw}),
			0o600,
		),
	)
	if msg, err := exec.Command("openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", message, "-content", data,
		"-CAfile", root, "-purpose", "any", "-out", os.DevNull).CombinedOutput(); err != nil {
		t.Errorf("openssl cms: %v\n%s", err, msg)
	}
}

// usual returns a document of 1 MB with 3 pages, as relying parties send.
func usual(t testing.TB) *bytes.Reader {
	t.Helper()
	var doc bytes.Buffer
	must(t, pdftest.Large(&doc, 1<<20, 3))
	return bytes.NewReader(doc.Bytes())
}

// Inspect rehearses the signature, but not the drawing of it, which is most of the work of Prepare
// and the same for every document.
func TestInspectDrawsNothing(t *testing.T) {
	doc := usual(t)
	const runs = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		_, err := Inspect(t.Context(), doc, doc.Size(), []Location{{1, 0.3, 0.3}}, pdf.Limits{})
		must(t, err)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 256<<10 {
		t.Errorf("Inspect allocates %d bytes", each)
	}
}

// TestRoom holds the room for messages to what they need, and shows that it cannot overflow: a
// token is bounded by TokenSize, the message by Room, and a document timestamp that is larger
// than was foreseen is made again with room for it.
func TestRoom(t *testing.T) {
	w := newWorld(t)
	largest := 0
	for range 200 {
		token, err := w.tsa.Timestamp(t.Context(), make([]byte, 32))
		must(t, err)
		largest = max(largest, len(token))
	}
	if size := w.tsa.TokenSize(); largest > size || largest < size/3 {
		t.Errorf("tokens have %d bytes, TokenSize says %d", largest, size)
	}
	o := w.options(Location{1, 0.1, 0.1})
	o.Room = Room(w.chain(), w.tsa)
	doc, p := w.extended(t, pdftest.Minimal(), o, true)
	must(t, w.verify(t, doc).Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	added := len(doc) - len(pdftest.Minimal())
	if added > 32_000 {
		t.Errorf("%d bytes were added at B-LTA", added)
	}
	t.Logf("%d bytes were added at B-LTA", added)
	s, _, _ := newVictim(t, w, doc).sig()
	if len(s.message) > o.Room {
		t.Errorf("a message of %d bytes, room for %d", len(s.message), o.Room)
	}
	if got := Room(w.chain(), anySize{w.tsa, 0}); got != Reserved {
		t.Errorf("room for tokens of unknown size: %d", got)
	}
	// The chain grows, and so does the room.
	if small, large := Room(w.chain(), w.tsa), Room(slices.Repeat(w.chain(), 5), w.tsa); large <= small {
		t.Errorf("room %d for a chain, %d for five of them", small, large)
	}
	// A timestamper that does not know, or says less than its tokens have.
	out, _ := w.signed(t, pdftest.Minimal(), o)
	for said, most := range map[int]int{0: 14_000, 100: 14_000} {
		update, err := Extend(t.Context(), bytes.NewReader(out), int64(len(out)), ExtendOptions{
			Evidence: w, FieldName: "Timestamp", Rand: rand.Reader, Timestamper: anySize{w.tsa, said},
		})
		must(t, err)
		if len(update) > most {
			t.Errorf("%d bytes with a timestamper that says %d", len(update), said)
		}
		must(t, w.verify(t, slices.Concat(out, update)).Err())
	}
}

// anySize is a timestamper that says of its tokens what it likes.
type anySize struct {
	Timestamper
	size int
}

func (a anySize) TokenSize() int { return a.size }

// TestExtensionsAreDeclared checks the catalog's /Extensions after signing.
func TestExtensionsAreDeclared(t *testing.T) {
	w := newWorld(t)
	const esic = "/ESIC << /BaseVersion /1.7 /ExtensionLevel 2 >>"
	for name, tc := range map[string]struct {
		doc        []byte
		want, kept string
	}{
		"none":      {pdftest.Minimal(), esic, ""},
		"others":    {pdftest.New(pdftest.Catalog("/Extensions << /ADBE << /BaseVersion /1.7 /ExtensionLevel 8 >> >>")), esic, "/ADBE"},
		"indirect":  {pdftest.New(pdftest.Catalog("/Extensions 5000 0 R"), pdftest.Object(5000, "<< /ADBE << /BaseVersion /1.7 /ExtensionLevel 8 >> >>")), esic, "/ADBE"},
		"lower":     {pdftest.New(pdftest.Catalog("/Extensions << /ESIC << /BaseVersion /1.7 /ExtensionLevel 1 >> >>")), esic, ""},
		"higher":    {pdftest.New(pdftest.Catalog("/Extensions << /ESIC << /BaseVersion /1.7 /ExtensionLevel 5 >> >>")), "/ExtensionLevel 5", ""},
		"PDF 2.0":   {pdftest.New(pdftest.Version("2.0")), "", ""},
		"something": {pdftest.New(pdftest.Catalog("/Extensions [1]")), "[1]", ""},
	} {
		out, p := w.extended(t, tc.doc, w.options(Location{1, 0.1, 0.1}), true)
		must(
			t,
			w.verify(t, out).Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}),
		)
		d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
		must(t, err)
		got, err := d.Get(d.Catalog(), "Extensions")
		must(t, err)
		if raw := got.Raw(); !strings.Contains(raw, tc.want) || !strings.Contains(raw, tc.kept) ||
			tc.want == "" && !got.IsNull() {
			t.Errorf("%s: %s", name, raw)
		}
	}
}
