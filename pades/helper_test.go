package pades

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/tsa"
)

// world is an authority, a phone and a time-stamping unit.
type world struct {
	ca    *ca.Authority
	tsa   *tsa.Authority
	phone *ecdsa.PrivateKey
	cert  *x509.Certificate
	now   func() time.Time
	roots *x509.CertPool
	memo  Memo // across documents, as in the service
}

var singapore = time.FixedZone("SGT", 8*3600)

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{now: time.Now}
	var err error
	w.ca, err = ca.Open(
		t.TempDir(),
		ca.Options{
			Name:    "Signet",
			BaseURL: "http://127.0.0.1:1/pki",
			Now:     func() time.Time { return w.now() },
			Rand:    rand.Reader,
		},
	)
	must(t, err)
	w.roots = w.ca.Roots()
	key, chain := w.ca.TSA()
	w.tsa, err = tsa.New(
		tsa.Config{
			Key: key, Chain: chain, Policy: ca.TimestampPolicy, Accuracy: time.Second,
			Now: func() time.Time { return w.now() }, Rand: rand.Reader,
		},
	)
	must(t, err)
	w.phone, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	w.cert, err = w.ca.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &w.phone.PublicKey,
	)
	must(t, err)
	return w
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) chain() []*x509.Certificate {
	return append([]*x509.Certificate{w.cert}, w.ca.Chain()...)
}

// sign signs as WebCrypto does: raw r||s.
func (w *world) sign(t testing.TB, msg []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(msg)
	r, s, err := ecdsa.Sign(rand.Reader, w.phone, sum[:])
	must(t, err)
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

func (w *world) options(locs ...Location) Options {
	return Options{
		Locations: locs, FieldName: "signv3-0190c5a2-7f1e-7c3a-9d6e-1f2a3b4c5d6e",
		SignerName: "TAN AH KOW",
		SignedAt:   w.now().In(singapore), Rand: rand.Reader,
	}
}

// signed runs both phases and returns the signed file.
func (w *world) signed(t testing.TB, doc []byte, o Options) ([]byte, *Prepared) {
	t.Helper()
	p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
	must(t, err)
	return w.embed(t, doc, p), p
}

// embed signs what was prepared and returns the signed file.
func (w *world) embed(t testing.TB, doc []byte, p *Prepared) []byte {
	t.Helper()
	var out bytes.Buffer
	signature := w.sign(t, p.SignedAttributes(w.cert))
	must(t, Embed(t.Context(), bytes.NewReader(doc), p, w.chain(), signature, w.tsa, &out))
	return out.Bytes()
}

// fieldWriter writes the fields of a signature, and what else comes with them.
type fieldWriter func(d *pdf.Document, u *pdf.Update, sig pdf.Ref)

// prepareOther prepares a signature as other programs do, without the checks of Prepare. entries
// are further ones of the signature dictionary, or replace the usual ones.
func prepareOther(t testing.TB, doc []byte, write fieldWriter, entries ...pdf.Pair) *Prepared {
	t.Helper()
	return prepareRoom(t, doc, Reserved, write, entries...)
}

// prepareRoom is prepareOther with a size of the placeholder.
func prepareRoom(
	t testing.TB, doc []byte, room int, write fieldWriter, entries ...pdf.Pair,
) *Prepared {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	u := pdf.NewUpdate(d)
	sig := u.Alloc()
	pairs := []pdf.Pair{
		{Key: "Type", Value: "/Sig"},
		{Key: "Filter", Value: "/Adobe.PPKLite"},
		{Key: "SubFilter", Value: "/" + subFilterCAdES},
		{Key: "M", Value: "(D:20261125120000Z)"},
	}
	for _, e := range entries {
		pairs = slices.DeleteFunc(pairs, func(p pdf.Pair) bool { return p.Key == e.Key })
		pairs = append(pairs, e)
	}
	h, err := putSignature(u, sig, room, pairs)
	must(t, err)
	write(d, u, sig)
	must(t, u.Finish(rand.Reader))
	p, err := h.close(u, bytes.NewReader(doc), int64(len(doc)), nil)
	must(t, err)
	return p
}

// putField writes a signature field on page 1. entries, which include /Rect, are further ones.
func putField(t testing.TB, name, entries string) fieldWriter {
	return func(d *pdf.Document, u *pdf.Update, sig pdf.Ref) {
		t.Helper()
		page, err := d.Page(1)
		must(t, err)
		widget := u.Alloc()
		_, err = u.Put(widget, fmt.Appendf(
			nil, "<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /V %s /P %s /F 132 %s >>",
			name, sig, page.Ref, entries,
		))
		must(t, err)
		must(t, u.AddFields(widget))
		must(t, u.AddAnnotations(1, widget))
	}
}

// good answers that every certificate is known and not revoked.
type good struct{}

func (good) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true}, nil
}
func (good) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }

// corpus returns the files of testdata/corpus.
func corpus(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.pdf")
	must(t, err)
	if len(files) == 0 {
		t.Fatal("no files in testdata/corpus")
	}
	return files
}

// program makes sure that a judge is installed.
func program(t testing.TB, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: apt-get install %s", name, pkg)
	}
	t.Skipf("%s is missing: apt-get install %s", name, pkg)
}

// parallel runs f for all items on a few goroutines.
func parallel[T any](items []T, f func(T)) {
	var wg sync.WaitGroup
	queue := make(chan T)
	for range 4 {
		wg.Go(func() {
			for it := range queue {
				f(it)
			}
		})
	}
	for _, it := range items {
		queue <- it
	}
	close(queue)
	wg.Wait()
}

// grid returns n boxes that fit on every page that holds them: rows from the
// bottom of page 1, two columns when the page is wide enough.
func grid(t testing.TB, doc []byte, n int) []Location {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	if err != nil {
		return nil
	}
	var out []Location
	for number := 1; number <= d.NumPages() && len(out) < n; number++ {
		page, err := d.Page(number)
		must(t, err)
		w, h := page.DisplaySize()
		for y := 0.0; y+BoxHeight <= h && len(out) < n; y += BoxHeight + 1 {
			for x := 0.0; x+BoxWidth <= w && len(out) < n; x += BoxWidth + 1 {
				out = append(out, Location{number, x / w, y / h})
			}
		}
	}
	return out
}

// Evidence makes the world an EvidenceSource.
func (w *world) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return w.ca.Evidence(ctx, certs, good{})
}

// extended signs and raises the result to B-LTA, or B-LT without a timestamp.
func (w *world) extended(t testing.TB, doc []byte, o Options, stamp bool) ([]byte, *Prepared) {
	t.Helper()
	out, p := w.signed(t, doc, o)
	return w.extend(t, out, stamp), p
}

func (w *world) extend(t testing.TB, signed []byte, stamp bool) []byte {
	t.Helper()
	e := ExtendOptions{Evidence: w, FieldName: "Timestamp", Rand: rand.Reader, Memo: &w.memo}
	if stamp {
		e.Timestamper = w.tsa
	}
	update, err := Extend(t.Context(), bytes.NewReader(signed), int64(len(signed)), e)
	must(t, err)
	return append(bytes.Clone(signed), update...)
}

func (w *world) verify(t testing.TB, doc []byte) *Report {
	t.Helper()
	r, err := Verify(
		bytes.NewReader(doc), int64(len(doc)),
		VerifyOptions{Roots: w.roots, TSARoots: w.roots, Now: w.now(), Memo: &w.memo},
	)
	must(t, err)
	return r
}
