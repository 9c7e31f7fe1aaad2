package pades

import (
	"bytes"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"runtime/metrics"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestFiveSigners signs one document five times, each time by another person in a new request.
// Every earlier signature stays valid, and its bytes keep their offsets.
func TestFiveSigners(t *testing.T) {
	w := newWorld(t)
	for _, doc := range [][]byte{pdftest.Minimal(), pdftest.New(pdftest.XrefStream())} {
		for i, name := range []string{"TAN AH KOW", "LIM MEI LING", "கமலா தேவி", "陈大文", "FIFTH PERSON"} {
			var err error
			w.cert, err = w.ca.IssueSigner(
				ca.Subject{UIN: "S8979373D", Name: name}, &w.phone.PublicKey,
			)
			must(t, err)
			o := w.options(
				Location{1, 0.1, 0.05 + 0.15*float64(i)}, Location{1, 0.55, 0.05 + 0.15*float64(i)},
			)
			o.FieldName, o.SignerName = fmt.Sprintf("request-%d", i), name
			next, p := w.extended(t, doc, o, true)
			if !bytes.HasPrefix(next, doc) {
				t.Fatalf("%s: the document was touched", name)
			}
			doc = next
			r := w.verify(t, doc)
			if err := errors.Join(r.Err(), r.Meets(Expectation{Prepared: p, Certificate: w.cert, Before: 2 * i, Level: LevelLTA})); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			for n, s := range r.Signatures {
				if !s.DocumentTimestamp && s.Level != LevelLTA {
					t.Errorf("%s: signature %d has level %v", name, n, s.Level)
				}
			}
		}
		if r := w.verify(t, doc); len(r.Signatures) != 10 || r.Signatures[8].Appearances != 2 {
			t.Errorf("%d signatures at the end", len(r.Signatures))
		}
	}
}

// TestInlineAnnotations checks that the first signature makes objects of annotations that are
// written inside /Annots, on all pages, because some verifiers otherwise take every later field for
// a forbidden change. A document with a signature, also by another program, keeps them.
func TestInlineAnnotations(t *testing.T) {
	w := newWorld(t)
	inline := func(doc []byte) (n int) {
		d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
		must(t, err)
		for number := 1; number <= d.NumPages(); number++ {
			page, err := d.Page(number)
			must(t, err)
			elems, err := d.Annotations(page)
			must(t, err)
			for _, e := range elems {
				if e.Kind() != pdf.Reference {
					n++
				}
			}
		}
		return n
	}
	doc := pdftest.New(pdftest.Pages(3), pdftest.InlineAnnots())
	if n := inline(doc); n != 3 {
		t.Fatalf("the original has %d annotations without a number", n)
	}
	for i := range 2 {
		o := w.options(Location{2, 0.5, 0.1 + 0.3*float64(i)})
		o.FieldName = fmt.Sprintf("request-%d", i)
		doc, _ = w.extended(t, doc, o, true)
		if n := inline(doc); n != 0 {
			t.Errorf("%d annotations without a number after signature %d", n, i+1)
		}
		r := w.verify(t, doc)
		must(t, r.Err())
		if s := r.Signatures[2*i]; s.Level != LevelLTA || s.Appearances != 1 {
			t.Errorf("signature %d has level %v and %d appearances", i+1, s.Level, s.Appearances)
		}
	}

	signed := pdftest.Field{
		Name: "sig", Page: 1, Rect: "[72 100 272 160]", Value: pdftest.Signature(""),
	}
	doc, _ = w.signed(
		t, pdftest.New(pdftest.Pages(3), pdftest.InlineAnnots(), pdftest.IndirectForm(signed)),
		w.options(Location{2, 0.5, 0.5}),
	)
	if n := inline(doc); n != 3 {
		t.Errorf("%d of 3 annotations in a signed document are as they were", n)
	}
}

// TestEvidenceFollowsTheTimestamp checks that revocation data for the signer's chain and the
// timestamp's is not older than the signature, in whole seconds. Verifiers may require that (ETSI
// EN 319 102-1, 5.2.5.4).
func TestEvidenceFollowsTheTimestamp(t *testing.T) {
	w := newWorld(t)
	at := w.now().Truncate(time.Second)
	for _, step := range []time.Duration{0, time.Millisecond, 999 * time.Millisecond, 1700 * time.Millisecond} {
		now := at.Add(999 * time.Millisecond)
		w.now = func() time.Time {
			now = now.Add(step)
			return now
		}
		doc, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.5, 0.5}), true)
		r := w.verify(t, doc)
		must(t, r.Err())
		stamped := r.Signatures[0].StampedAt
		d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
		must(t, err)
		e, err := newParsedEvidence(maxEvidenceBytes).read(d, nil)
		must(t, err)
		if len(e.responses) == 0 || len(e.lists) < 2 {
			t.Fatalf("%d OCSP responses and %d CRLs", len(e.responses), len(e.lists))
		}
		for _, der := range e.responses {
			response, err := ocsp.ParseResponse(der, nil)
			must(t, err)
			if response.ThisUpdate.Before(stamped) || response.ProducedAt.Before(stamped) {
				t.Errorf(
					"an OCSP response of %v, made at %v, for a signature of %v",
					response.ThisUpdate, response.ProducedAt, stamped,
				)
			}
		}
		for _, l := range e.lists {
			if l.ThisUpdate.Before(stamped) {
				t.Errorf("a CRL of %v for a signature of %v", l.ThisUpdate, stamped)
			}
		}
	}
}

// flips is 10000 for a release check; the default is a sample.
var flips = flag.Int("flips", 200, "offsets at which TestFlippedBits flips a bit")

// TestFlippedBits flips single bits; the verifier must report each. In the message of the last
// timestamp, which no signature covers, a bit may be part of a certificate that is also elsewhere
// in the file. The signed content must then be unchanged.
func TestFlippedBits(t *testing.T) {
	w := newWorld(t)
	doc, p := w.extended(
		t, pdftest.New(pdftest.XrefStream()),
		w.options(Location{1, 0.1, 0.1}, Location{1, 0.1, 0.4}), true,
	)
	sigs := w.verify(t, doc).Signatures
	last := sigs[len(sigs)-1].ByteRange
	random := mrand.New(mrand.NewPCG(1, 2))
	inert := 0
	for range *flips {
		at := random.IntN(len(doc))
		bad := bytes.Clone(doc)
		bad[at] ^= 1 << random.IntN(8)
		hole := int64(at) >= last[1] && int64(at) < last[2]
		if hole && bytes.EqualFold(bad[at:at+1], doc[at:at+1]) {
			continue // the same hexadecimal digit
		}
		r, err := Verify(
			bytes.NewReader(bad), int64(len(bad)),
			VerifyOptions{Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: w.now()},
		)
		if err != nil || r.Err() != nil {
			continue
		}
		if err := r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}); !hole ||
			err != nil {
			t.Errorf("offset %d, %q to %q: valid (%v)", at, doc[at], bad[at], err)
		}
		inert++
	}
	t.Logf("%d of %d flips were without effect", inert, *flips)
}

// TestMemoryOfALargeDocument signs 50 MB with 500 pages and 20 places. Memory depends on the
// update, not on the file.
func TestMemoryOfALargeDocument(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 50 MB")
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "large.pdf"))
	must(t, err)
	defer f.Close()
	must(t, pdftest.Large(f, 50<<20, 500))
	size, err := f.Seek(0, io.SeekEnd)
	must(t, err)
	w := newWorld(t)
	var locs []Location
	for page := range 20 {
		locs = append(locs, Location{page*25 + 1, 0.3, 0.3})
	}
	inUse := func() uint64 {
		sample := []metrics.Sample{
			{Name: "/memory/classes/heap/objects:bytes"},
			{Name: "/memory/classes/heap/unused:bytes"},
		}
		metrics.Read(sample)
		return sample[0].Value.Uint64() + sample[1].Value.Uint64()
	}
	start, peak := inUse(), uint64(0)
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			peak = max(peak, inUse())
			select {
			case <-done:
				return
			case <-time.After(500 * time.Microsecond):
			}
		}
	}()
	o := w.options(locs...)
	o.Room = Room(w.chain(), w.tsa)
	p, err := Prepare(f, size, o)
	must(t, err)
	appended, _, err := Seal(t.Context(), f, p, w.sign(t, p.SignedAttributes(w.cert)), SealOptions{
		Chain: w.chain(), Timestamper: w.tsa, Evidence: w, TimestampField: "Timestamp",
		Rand: rand.Reader,
	})
	must(t, err)
	joined, total := pdf.Joined(f, size, appended)
	r, err := Verify(
		joined, total, VerifyOptions{Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: w.now()},
	)
	must(t, err)
	must(t, r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	close(done)
	<-stopped
	if grown := int64(peak) - int64(start); grown > 64<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	} else {
		t.Logf("the heap grew by %d MB", grown>>20)
	}
	// Messages stand in hexadecimal in the room reserved for them.
	messages := 2*o.Room + 2*w.tsa.TokenSize()
	if n := len(appended); n > 40<<10+messages {
		t.Errorf("%d bytes were appended", n)
	} else {
		t.Logf("%d bytes were appended", n)
	}
}
