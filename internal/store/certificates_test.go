package store_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

func TestCertificatesSQLite(t *testing.T) {
	testCertificates(t, openSQLite(t, filepath.Join(t.TempDir(), "a.db")))
}

func TestCertificatesPostgres(t *testing.T) {
	testCertificates(t, openPostgres(t, cluster.Migrated(t)))
}

// testCertificates checks that each certificate is in the register once and has its events in the
// audit log.
func testCertificates(t *testing.T, s *store.Store) {
	at := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	change := func(p signer.Phone, events ...signer.Event) {
		t.Helper()
		err := s.ChangePhones(
			t.Context(), p.UIN,
			func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
				return []signer.Phone{p}, events, nil
			},
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	var phones []signer.Phone
	var want []audit.Certificate // newest first
	for n := range 3 {
		p := signer.Phone{
			ID: fmt.Sprint(n), UIN: "S8979373D", Serial: fmt.Sprintf("a%d", n), Name: "Phone",
			Certificate: []byte{byte(n)}, EnrolledAt: at, // one time, so that pages split it
		}
		phones = append(phones, p)
		change(p, signer.Event{PhoneID: p.ID, At: at, Kind: signer.EventEnrolled})
		c := audit.NewCertificate(p.Serial, audit.KindSigner, p.Certificate, at)
		c.Leaf = -1
		want = append([]audit.Certificate{c}, want...)
	}
	own := audit.NewCertificate("b", "issuing", []byte("CA"), at.Add(time.Second))
	for range 2 {
		if err := s.RecordCertificates(t.Context(), []audit.Certificate{own}, at); err != nil {
			t.Fatal(err)
		}
	}
	own.Leaf = -1
	want = append([]audit.Certificate{own}, want...)
	phones[0].RevokedAt, phones[0].RevokedReason = at.Add(time.Hour), 4
	change(phones[0], signer.Event{
		PhoneID: "0", At: at.Add(time.Hour), Kind: signer.EventRevoked,
		Detail: signer.Detail{Operator: "mei", Reason: 4},
	})
	want[3].RevokedAt, want[3].Reason = phones[0].RevokedAt, 4
	list := func() (got []audit.Certificate) {
		t.Helper()
		var after audit.Certificate
		for {
			page, err := s.Certificates(t.Context(), after, "", 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				return got
			}
			got, after = append(got, page...), page[len(page)-1]
		}
	}
	if diff := cmp.Diff(want, list()); diff != "" {
		t.Errorf("the register (-want +got):\n%s", diff)
	}
	l := auditOf(t, s, "sign.test/audit")
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, exported(t, l), audit.Trust{Key: l.Signer.Key()}); r.Events != 5 {
		t.Errorf("the log has %d events, want 5", r.Events)
	}
	for _, c := range list() {
		if c.Leaf < 0 {
			t.Errorf("certificate %s is not in the log", c.Serial)
		}
	}
	one, err := s.Certificates(t.Context(), audit.Certificate{}, "a1", 5)
	if err != nil || len(one) != 1 || one[0].Serial != "a1" {
		t.Errorf("one certificate: %v, %v", one, err)
	}

	// A release without the register has enrolled the phones.
	if list, err := s.UnrecordedPhones(t.Context(), 5); err != nil || len(list) != 0 {
		t.Errorf("unrecorded: %v, %v", list, err)
	}
	if err := s.ForgetCertificates(t.Context()); err != nil {
		t.Fatal(err)
	}
	missing, err := s.UnrecordedPhones(t.Context(), 2)
	if err != nil || len(missing) != 2 || missing[0].Serial != "a0" ||
		missing[0].SHA256 != want[3].SHA256 || !missing[0].IssuedAt.Equal(at) {
		t.Errorf("unrecorded: %v, %v", missing, err)
	}
}
