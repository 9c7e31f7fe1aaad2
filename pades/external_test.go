package pades

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// foreign is another organisation's time-stamping authority, over HTTP. Its
// tokens leave out its root, as most do.
type foreign struct {
	ca    *ca.Authority
	srv   *httptest.Server
	crls  atomic.Int32 // downloads of its list
	noCRL atomic.Bool
	stamp func(http.ResponseWriter, *http.Request, func()) // behaves badly; nil is honest
}

func newForeign(t *testing.T) *foreign {
	t.Helper()
	f := &foreign{}
	mux := http.NewServeMux()
	f.srv = httptest.NewServer(mux)
	t.Cleanup(f.srv.Close)
	var err error
	f.ca, err = ca.Open(
		t.TempDir(),
		ca.Options{Name: "Foreign", BaseURL: f.srv.URL, Now: time.Now, Rand: rand.Reader},
	)
	must(t, err)
	key, chain := f.ca.TSA()
	unit, err := tsa.New(
		tsa.Config{
			Key: key, Chain: chain[:1], Policy: "1.2.3.4", Accuracy: time.Second, Now: time.Now,
			Rand: rand.Reader,
		},
	)
	must(t, err)
	mux.HandleFunc("POST /tsa", func(w http.ResponseWriter, r *http.Request) {
		answer := func() {
			request, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			response, _ := unit.Respond(r.Context(), request) // a refusal is an answer
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = w.Write(response)
		}
		if f.stamp != nil {
			f.stamp(w, r, answer)
			return
		}
		answer()
	})
	mux.HandleFunc("GET "+ca.PathRootCRL, func(w http.ResponseWriter, _ *http.Request) {
		f.crls.Add(1)
		der, err := f.ca.RootCRL()
		if err != nil || f.noCRL.Load() {
			http.Error(w, "away", http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write(der)
	})
	return f
}

func (f *foreign) client(roots *x509.CertPool) *tsa.Client {
	return &tsa.Client{
		URL: f.srv.URL + "/tsa", HTTP: f.srv.Client(), Roots: roots,
		Timeout: 2 * time.Second, Now: time.Now, Rand: rand.Reader,
	}
}

// both asks our own authority and then the others'.
type both struct {
	w *world
	f *tsa.Fetcher
}

func (b both) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	responses, crls, err = b.w.Evidence(ctx, certs)
	if err != nil {
		return nil, nil, err
	}
	r, l, err := b.f.Evidence(ctx, certs)
	return append(responses, r...), append(crls, l...), err
}

// TestExternalAuthorities seals a document with the second authority if the first fails in any way,
// and does not seal it if both fail.
func TestExternalAuthorities(t *testing.T) {
	w, first, second, liar := newWorld(t), newForeign(t), newForeign(t), newForeign(t)
	roots, trusted := first.ca.Roots(), w.ca.Roots()
	roots.AddCert(second.ca.Root())
	for _, c := range []*x509.Certificate{first.ca.Root(), second.ca.Root()} {
		trusted.AddCert(c)
	}
	doc := pdftest.Minimal()
	seal := func(f *tsa.Fetcher) (*Prepared, []byte, error) {
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
		must(t, err)
		appended, _, err := Seal(
			t.Context(),
			bytes.NewReader(doc),
			p,
			w.sign(t, p.SignedAttributes(w.cert)),
			SealOptions{
				Chain:          w.chain(),
				Timestamper:    tsa.Alternatives{first.client(roots), second.client(roots)},
				TimestampField: "Timestamp", Rand: rand.Reader,
				Evidence: both{w, f}, Known: []*x509.Certificate{first.ca.Root(), second.ca.Root()},
			},
		)
		return p, append(bytes.Clone(doc), appended...), err
	}
	fetcher := func() *tsa.Fetcher { return &tsa.Fetcher{HTTP: &http.Client{}, Now: time.Now, Skip: w.ca.Chain} }
	away := func(w http.ResponseWriter, _ *http.Request, _ func()) {
		http.Error(w, "away", http.StatusServiceUnavailable)
	}
	for _, tc := range []struct {
		name  string
		stamp func(http.ResponseWriter, *http.Request, func())
		by    *foreign
	}{
		{"honest", nil, first},
		{"away", away, second},
		{"slow", func(_ http.ResponseWriter, r *http.Request, _ func()) {
			_, _ = io.Copy(io.Discard, r.Body)
			select {
			case <-r.Context().Done():
			case <-time.After(time.Minute):
			}
		}, second},
		{"an authority that we do not know", func(w http.ResponseWriter, r *http.Request, _ func()) {
			resp, err := http.Post(liar.srv.URL+"/tsa", "application/timestamp-query", r.Body)
			if err != nil {
				return
			}
			defer resp.Body.Close()
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = io.Copy(w, resp.Body)
		}, second},
		{"nonsense", func(w http.ResponseWriter, _ *http.Request, _ func()) {
			w.Header().Set("Content-Type", "application/timestamp-reply")
			_, _ = io.WriteString(w, "granted")
		}, second},
	} {
		first.stamp = tc.stamp
		p, out, err := seal(fetcher())
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		report, err := Verify(
			bytes.NewReader(out), int64(len(out)),
			VerifyOptions{Roots: w.ca.Roots(), TSARoots: trusted, Now: time.Now()},
		)
		must(t, err)
		if err := errors.Join(report.Err(), report.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA})); err != nil {
			t.Errorf("%s: %v", tc.name, err)
		}
		if root := report.Signatures[1].Chain[1]; !root.Equal(tc.by.ca.Root()) {
			t.Errorf("%s: stamped by %s", tc.name, root.Subject)
		}
	}

	second.stamp = away
	if _, _, err := seal(fetcher()); err == nil || !strings.Contains(err.Error(), "authority 2") {
		t.Errorf("both away: %v", err)
	}
	first.stamp, second.stamp = nil, nil

	// The first goes away between the two timestamps: the evidence covers both authorities.
	var asked atomic.Int32
	first.stamp = func(w http.ResponseWriter, _ *http.Request, answer func()) {
		if asked.Add(1) == 1 {
			answer()
			return
		}
		http.Error(w, "away", http.StatusServiceUnavailable)
	}
	second.stamp = nil
	_, out, err := seal(fetcher())
	must(t, err)
	report, err := Verify(
		bytes.NewReader(out), int64(len(out)),
		VerifyOptions{Roots: w.ca.Roots(), TSARoots: trusted, Now: time.Now()},
	)
	must(t, err)
	must(t, report.Err())
	d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
	must(t, err)
	dss, err := newParsedEvidence(maxEvidenceBytes).read(d, nil)
	must(t, err)
	last := report.Signatures[1]
	if last.Chain[1].Equal(report.Signatures[0].stampChain[1]) {
		t.Error("both timestamps are by one authority")
	}
	if err := dss.chain(last.Chain, last.StampedAt); err != nil {
		t.Errorf("the authority of the document timestamp: %v", err)
	}
	first.stamp = nil

	// The list is downloaded once for several documents; without it there is no
	// document at all, at whatever level.
	f := fetcher()
	before := first.crls.Load()
	for range 3 {
		_, _, err := seal(f)
		must(t, err)
	}
	if n := first.crls.Load() - before; n != 1 {
		t.Errorf("%d downloads of one list", n)
	}
	first.noCRL.Store(true)
	if _, _, err := seal(fetcher()); err == nil ||
		!strings.Contains(err.Error(), "no revocation data") {
		t.Errorf("no list: %v", err)
	}
}
