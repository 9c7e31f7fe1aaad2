package request_test

import (
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
)

// TestLevels checks that the document that becomes visible has the level that was promised, and the
// record says so.
func TestLevels(t *testing.T) {
	for _, level := range []pades.Level{pades.LevelT, pades.LevelLT, pades.LevelLTA} {
		t.Run(level.String(), func(t *testing.T) {
			w := newWorld(t)
			w.Level = level
			r := w.in(t, request.StateSigned)
			got, err := w.Get(t.Context(), r.RequestID)
			if err != nil || got.State != request.StateSigned {
				t.Fatalf("it is %s (%v)", got.State, err)
			}
			if got.Signed.Level != level.String() {
				t.Errorf("the record says %s", got.Signed.Level)
			}
			doc, err := w.docs.Open(t.Context(), got.Signed.Key)
			if err != nil {
				t.Fatal(err)
			}
			defer doc.Close()
			report, err := pades.Verify(
				doc, doc.Size(),
				pades.VerifyOptions{Roots: w.Roots, TSARoots: w.TSARoots, Now: w.clock.Now()},
			)
			if err != nil || report.Err() != nil {
				t.Fatal(err, report.Err())
			}
			if report.Signatures[0].Level != level {
				t.Errorf("the file has %s", report.Signatures[0].Level)
			}
		})
	}
}

// TestCertify: with Certify, the first signature of a document certifies it.
func TestCertify(t *testing.T) {
	for _, certify := range []bool{false, true} {
		w := newWorld(t)
		w.Certify = certify
		r := w.in(t, request.StateSigned)
		got, err := w.Get(t.Context(), r.RequestID)
		if err != nil {
			t.Fatal(err)
		}
		doc, err := w.docs.Open(t.Context(), got.Signed.Key)
		if err != nil {
			t.Fatal(err)
		}
		defer doc.Close()
		report, err := pades.Verify(
			doc, doc.Size(),
			pades.VerifyOptions{Roots: w.Roots, TSARoots: w.TSARoots, Now: w.clock.Now()},
		)
		if err != nil || report.Err() != nil {
			t.Fatal(err, report.Err())
		}
		if certified := report.Signatures[0].Permissions.DocMDP == 2; certified != certify {
			t.Errorf("certified %v, want %v", certified, certify)
		}
	}
}
