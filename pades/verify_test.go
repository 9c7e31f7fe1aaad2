package pades

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

func TestVerifyTrust(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	out, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	for _, tc := range []struct {
		name string
		o    VerifyOptions
		want string
	}{
		{"another authority", VerifyOptions{Roots: other.ca.Roots(), TSARoots: w.ca.Roots()}, "not trusted"},
		{
			"another time-stamping authority",
			VerifyOptions{Roots: w.ca.Roots(), TSARoots: other.ca.Roots()},
			"timestamp",
		},
		{"no root", VerifyOptions{}, "timestamp"},
	} {
		tc.o.Now = time.Now()
		r, err := Verify(bytes.NewReader(out), int64(len(out)), tc.o)
		must(t, err)
		if err := r.Err(); err == nil || !strings.Contains(err.Error(), tc.want) ||
			r.Signatures[0].Level != LevelNone {
			t.Errorf("%s: %v, level %v", tc.name, err, r.Signatures[0].Level)
		}
	}
	// With a timestamp the signature outlives the certificate.
	r, err := Verify(
		bytes.NewReader(out),
		int64(len(out)),
		VerifyOptions{
			Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: time.Now().AddDate(3, 0, 0),
		},
	)
	must(t, err)
	must(t, r.Err())
}

// revokedAt answers that every certificate was revoked at a time.
type revokedAt struct {
	w  *world
	at time.Time
}

func (r revokedAt) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true, RevokedAt: r.at, Reason: 1}, nil
}

func (r revokedAt) Revoked(context.Context) ([]ca.Revoked, error) {
	return []ca.Revoked{{Serial: r.w.cert.SerialNumber, At: r.at, Reason: 1}}, nil
}

func (r revokedAt) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return r.w.ca.Evidence(ctx, certs, r)
}

// TestVerifyRevocation verifies signatures whose certificate was revoked before and after they were
// made. Only the first fails.
func TestVerifyRevocation(t *testing.T) {
	w := newWorld(t)
	out, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	extend := func(source EvidenceSource) ([]byte, error) {
		update, err := Extend(
			t.Context(), bytes.NewReader(out), int64(len(out)),
			ExtendOptions{Evidence: source, Timestamper: w.tsa, FieldName: "ts", Rand: rand.Reader},
		)
		return append(bytes.Clone(out), update...), err
	}
	if _, err := extend(revokedAt{w, time.Now().Add(-time.Hour)}); !errors.Is(err, ErrEvidence) ||
		!errors.Is(err, errRevoked) {
		t.Errorf("revoked before: %v", err)
	}
	lta, err := extend(revokedAt{w, time.Now().Add(time.Hour)})
	must(t, err)
	if r := w.verify(t, lta); r.Err() != nil || r.Signatures[0].Level != LevelLTA {
		t.Errorf("revoked after: %v, level %v", r.Err(), r.Signatures[0].Level)
	}

	// Another program may write such evidence into the file; the verifier reads it.
	d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
	must(t, err)
	s, err := newest(d, subFilterCAdES)
	must(t, err)
	source := revokedAt{w, time.Now().Add(-time.Hour)}
	responses, lists, err := source.Evidence(t.Context(), w.chain())
	must(t, err)
	for name, g := range map[string]*gathered{"OCSP": {responses: responses}, "CRL": {lists: lists}} {
		for _, c := range w.chain() {
			g.certs = append(g.certs, c.Raw)
		}
		u := pdf.NewUpdate(d)
		must(t, g.write(u, d, s))
		must(t, u.Finish(rand.Reader))
		r := w.verify(t, append(bytes.Clone(out), u.Bytes()...))
		if err := r.Err(); !errors.Is(err, errRevoked) || r.Signatures[0].Level != LevelNone {
			t.Errorf("%s: %v, level %v", name, err, r.Signatures[0].Level)
		}
	}
}

// rogue signs with a trusted certificate, but with a box of any size and place,
// and without the checks of Prepare.
func (w *world) rogue(t *testing.T, doc []byte, rect pdf.Rect) []byte {
	t.Helper()
	p := prepareOther(t, doc, func(d *pdf.Document, u *pdf.Update, sig pdf.Ref) {
		page, err := d.Page(1)
		must(t, err)
		places, o := []placed{{page: page, rect: rect}}, w.options(Location{1, 0, 0})
		must(t, addFields(u, d, sig, pdf.Ref{}, places, []string{"rogue"}, o))
	})
	return w.embed(t, doc, p)
}

// A later signature is welcome, but its box is not a way to repaint the page.
func TestLaterSignatureMustNotCover(t *testing.T) {
	w := newWorld(t)
	first, _ := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
	for _, tc := range []struct {
		name string
		rect pdf.Rect
		want string
	}{
		{"a fair place", pdf.Rect{X1: 300, Y1: 400, X2: 520, Y2: 460}, ""},
		{"over the first", pdf.Rect{X1: 100, Y1: 100, X2: 320, Y2: 160}, "covers the earlier field"},
		{"half the page", pdf.Rect{X1: 0, Y1: 400, X2: 595, Y2: 841}, "quarter of the page"},
	} {
		r := w.verify(t, w.rogue(t, first, tc.rect))
		if len(r.Signatures) != 2 {
			t.Fatalf("%s: %d signatures", tc.name, len(r.Signatures))
		}
		err := r.Err()
		if tc.want == "" && err != nil ||
			tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

// TestVerifyProfile checks what PAdES forbids: a signing-time attribute, and a signature without
// /M.
func TestVerifyProfile(t *testing.T) {
	w := newWorld(t)
	doc := pdftest.Minimal()
	out, p := w.signed(t, doc, w.options(Location{1, 0.1, 0.1}))
	i := bytes.LastIndex(out, []byte("/M (D:"))
	spoilt := bytes.Clone(p.Before)
	j := bytes.LastIndex(spoilt, []byte("/M (D:"))
	spoilt[j+1] = 'N' // the key /M becomes /N
	if i < 0 || j < 0 {
		t.Fatal("no /M")
	}
	sum := sha256.New()
	sum.Write(doc)
	q := *p
	q.Before = spoilt
	must(t, q.digest(sum))
	var again bytes.Buffer
	must(
		t,
		Embed(
			t.Context(), bytes.NewReader(doc), &q, w.chain(), w.sign(t, q.SignedAttributes(w.cert)),
			w.tsa, &again,
		),
	)
	if err := w.verify(t, again.Bytes()).Err(); err == nil || !strings.Contains(err.Error(), "/M") {
		t.Errorf("without /M: %v", err)
	}

	// A message of the right form over the right digest, without a timestamp, is B-B only.
	attrs := p.SignedAttributes(w.cert)
	sig, err := cms.ECDSAToDER(&w.phone.PublicKey, w.sign(t, attrs))
	must(t, err)
	message, err := cms.Build(
		cms.Message{
			ContentType: cms.OIDData, Certificates: w.chain(), SignedAttributes: attrs,
			Signature: sig,
		},
	)
	must(t, err)
	update, err := p.fill(message)
	must(t, err)
	if r := w.verify(t, append(bytes.Clone(doc), update...)); r.Err() != nil ||
		r.Signatures[0].Level != LevelB {
		t.Errorf("B-B: %v, level %v", r.Err(), r.Signatures[0].Level)
	}
}

// Verify reads a file about once, however many signatures it has, and so does Seal. The contents below
// later boxes it reads again.
func TestReadsOnce(t *testing.T) {
	w := newWorld(t)
	var original bytes.Buffer
	must(t, pdftest.Large(&original, 10<<20, 3))
	doc := original.Bytes()
	once := func(what string, read, again int64) {
		t.Helper()
		if size := int64(len(doc)); read < size || read > size+size/2+again {
			t.Errorf("%s: %d bytes were read of a file of %d", what, read, size)
		}
	}
	for page := 1; page <= 3; page++ {
		p, err := Prepare(
			bytes.NewReader(doc), int64(len(doc)), w.options(Location{page, 0.1, 0.1}),
		)
		must(t, err)
		r := &counted{Reader: bytes.NewReader(doc)}
		appended, _, err := Seal(
			t.Context(),
			r,
			p,
			w.sign(t, p.SignedAttributes(w.cert)),
			SealOptions{
				Chain: w.chain(), Timestamper: w.tsa, Evidence: w, TimestampField: "Timestamp",
				Rand: rand.Reader, Memo: &w.memo,
			},
		)
		must(t, err)
		once("Seal", r.n, 0)
		doc = append(doc, appended...)
	}
	r := &counted{Reader: bytes.NewReader(doc)}
	report, err := Verify(
		r, int64(len(doc)), VerifyOptions{Roots: w.roots, TSARoots: w.roots, Now: w.now()},
	)
	must(t, err)
	must(t, report.Err())
	once("Verify", r.n, int64(original.Len())*2/3) // the contents below the two later boxes
}

// counted counts the bytes that are read.
type counted struct {
	*bytes.Reader
	n int64
}

func (c *counted) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.Reader.ReadAt(p, off)
	c.n += int64(n)
	return n, err
}

// TestNamesakes adds a signature in a field that has the name of the first one, in two spellings.
// Those whose names only look alike pass.
func TestNamesakes(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	for _, tc := range []struct {
		first string
		group string // with the new field below it
		name  string
		want  Indication
	}{
		{"signer", "", "(signer)", Indeterminate},
		{"signer", "", "<feff007300690067006e00650072>", Indeterminate},
		{"signer", "", "(Signer)", TotalPassed},
		{"signer", "(signer2)", "(signer)", TotalPassed},
	} {
		o := w.options(Location{1, 0.1, 0.1})
		o.FieldName = tc.first
		doc, _ := w.signed(t, pdftest.Minimal(), o)
		doc = newVictim(t, w, doc).cosign(stranger, func(u *pdf.Update, sig pdf.Ref) {
			field := u.Alloc()
			entries := " /T " + tc.name
			if tc.group != "" {
				group := u.Alloc()
				_, err := u.Put(group, []byte("<< /FT /Sig /T "+tc.group+" /Kids ["+field.String()+"] >>"))
				must(t, err)
				entries += " /Parent " + group.String()
				must(t, u.AddFields(group))
			} else {
				must(t, u.AddFields(field))
			}
			_, err := u.Put(field, fmt.Appendf(
				nil,
				"<< /Type /Annot /Subtype /Widget /FT /Sig /V %s /Rect [0 0 0 0] /F 132 /P %d 0 R%s >>",
				sig, pdftest.PageNum(1), entries,
			))
			must(t, err)
			must(t, u.AddAnnotations(1, field))
		})
		r := w.verify(t, doc)
		if len(r.Signatures) != 2 {
			t.Fatalf("%v: %d signatures", tc, len(r.Signatures))
		}
		for i, signature := range r.Signatures { // the second one's root is not given
			named := slices.ContainsFunc(signature.Problems, func(p *Problem) bool {
				return strings.Contains(p.Error(), "the same name")
			})
			if named != (tc.want == Indeterminate) {
				t.Errorf("%v, signature %d: %v", tc, i+1, signature.Err())
			}
		}
		got, sub := r.Signatures[0].Indication()
		if got != tc.want || got == Indeterminate && sub != SigConstraintsFailure {
			t.Errorf("%v: %s, %v", tc, got, r.Err())
		}
		if !r.Signatures[0].Intact() {
			t.Errorf("%v: not intact: %v", tc, r.Err())
		}
	}
}

// TestMeetsCounts adds a document timestamp to a document of each level. It is not what was to be
// released.
func TestMeetsCounts(t *testing.T) {
	w := newWorld(t)
	for _, level := range []Level{LevelT, LevelLT, LevelLTA} {
		doc, p := w.signed(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}))
		if level > LevelT {
			doc = w.extend(t, doc, level == LevelLTA)
		}
		expect := Expectation{Prepared: p, Certificate: w.cert, Level: level}
		must(t, w.verify(t, doc).Meets(expect))
		stamped := stamps(t, w, doc)
		must(t, w.verify(t, stamped).Err())
		if err := w.verify(t, stamped).Meets(expect); err == nil {
			t.Errorf("%s: passes with another timestamp", level)
		}
	}
}

// stamps adds a document timestamp.
func stamps(t *testing.T, w *world, doc []byte) []byte {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	u := pdf.NewUpdate(d)
	h, err := addStampField(u, d, "Further", w.tsa.TokenSize())
	must(t, err)
	must(t, u.Finish(rand.Reader))
	p, err := h.close(u, d.Reader(), d.Size(), nil)
	must(t, err)
	token, err := w.tsa.Timestamp(t.Context(), p.Digest[:])
	must(t, err)
	update, err := p.fill(token)
	must(t, err)
	return slices.Concat(doc, update)
}
