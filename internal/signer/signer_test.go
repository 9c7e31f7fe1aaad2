package signer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
)

func TestValidUIN(t *testing.T) {
	for uin, want := range map[string]bool{
		"S8979373D": true, "S8116474F": true, "T0066846F": true, "F1612345P": true,
		"G1612345K": true, "M1612345L": true,
		"S8979373A": false, "T8979373D": false, "s8979373d": false, "S8979373": false,
		"S89793733D": false, "": false,
		"X8979373D": false, "S897937XD": false, "S8979373d": false, " S897937D": false,
		"S897937é": false,
	} {
		if got := signer.ValidUIN(uin); got != want {
			t.Errorf("%q: %v", uin, got)
		}
	}
	// For every number exactly one letter fits.
	for _, series := range "STFGM" {
		fits := 0
		for letter := 'A'; letter <= 'Z'; letter++ {
			if signer.ValidUIN(string(series) + "1234567" + string(letter)) {
				fits++
			}
		}
		if fits != 1 {
			t.Errorf("%c1234567: %d letters fit", series, fits)
		}
	}
}

func TestPerson(t *testing.T) {
	p := signer.Person{UIN: "S8979373D"}
	// sha256sum of the nine letters.
	if got := p.Hash(); got != "d918015ec651bc9ea75adc6fd43685397f3e6b843874f4404561ace4e064f823" {
		t.Errorf("hash %s", got)
	}
	if p.Hash() != (signer.Person{UIN: " s8979373d\n"}).Hash() {
		t.Error("the hash depends on the spelling")
	}
	if p.Hint() != "•••••373D" {
		t.Errorf("hint %s", p.Hint())
	}
}

// TestEnrolment checks the way from a challenge to a certificate and to its revocation, as the
// authority sees it.
func TestEnrolment(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name:    "Test",
		BaseURL: "http://localhost/pki",
		Now:     func() time.Time { return now },
		Rand:    rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	store := storetest.Open(t)
	s := &signer.Service{
		Store: store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Replay: store,
		Now: func() time.Time { return now }, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	challenge, err := s.Challenge(alice)
	if err != nil {
		t.Fatal(err)
	}
	prove := func(b []byte) []byte {
		digest := sha256.Sum256(b)
		der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	enrol := func(p signer.Person, challenge []byte) (signer.Phone, error) {
		return s.Enrol(t.Context(), p, signer.Enrolment{
			Name: "  My phone ", Key: &key.PublicKey, Challenge: challenge, Proof: prove(challenge),
		})
	}
	changed := append([]byte(nil), challenge...)
	changed[30] ^= 1
	for name, c := range map[string]struct {
		who       signer.Person
		challenge []byte
	}{
		"for another person": {bob, challenge}, "changed": {alice, changed},
		"cut off": {alice, challenge[:len(challenge)-1]}, "none": {alice, nil},
	} {
		if _, err := enrol(c.who, c.challenge); !errors.Is(err, api.ErrSignatureInvalid) {
			t.Errorf("a challenge %s: %v", name, err)
		}
	}
	now = now.Add(5 * time.Minute)
	phone, err := enrol(alice, challenge)
	if err != nil {
		t.Fatalf("at the last moment: %v", err)
	}
	if _, err := enrol(alice, challenge); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("a challenge that was answered: %v", err)
	}
	if challenge, err = s.Challenge(alice); err != nil {
		t.Fatal(err)
	}
	now = now.Add(5*time.Minute + time.Second)
	if _, err := enrol(alice, challenge); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("a challenge that is over: %v", err)
	}
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil || cert.Subject.CommonName != alice.Name || phone.Name != "My phone" ||
		phone.Serial != signer.Serial(cert) ||
		phone.UIN != alice.UIN {
		t.Errorf("%+v %v", phone, err)
	}

	status := func(serial *big.Int) ca.Status {
		t.Helper()
		st, err := s.Status(t.Context(), serial)
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := status(cert.SerialNumber); !st.Known || !st.RevokedAt.IsZero() {
		t.Errorf("status %+v", st)
	}
	if st := status(big.NewInt(7)); st.Known {
		t.Errorf("an unknown serial: %+v", st)
	}
	if err := s.Revoke(t.Context(), bob, phone.ID); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("bob revokes: %v", err)
	}
	if err := s.Revoke(t.Context(), alice, "nonsense"); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a phone that is none: %v", err)
	}
	tamil := strings.Repeat("க", 60) // what the pages allow, in the longest letters
	for _, c := range []struct {
		who      signer.Person
		id, name string
		want     error
		after    string
	}{
		{bob, phone.ID, "Bob's", signer.ErrNoPhone, "My phone"},
		{alice, "nonsense", "Any", signer.ErrNoPhone, "My phone"},
		{alice, phone.ID, "two\nlines", api.ErrClientSide("The phone's name must be at most 100 characters of plain text"), "My phone"},
		{alice, phone.ID, strings.Repeat("x", 101), api.ErrClientSide("The phone's name must be at most 100 characters of plain text"), "My phone"},
		{alice, phone.ID, tamil, nil, tamil},
		{alice, phone.ID, " At home ", nil, "At home"},
	} {
		err := s.Rename(t.Context(), c.who, c.id, c.name)
		got, failed := store.Phone(t.Context(), phone.ID)
		if failed != nil || !errors.Is(err, c.want) || got.Name != c.after {
			t.Errorf("renaming to %q: %v, now it is %q, %v", c.name, err, got.Name, failed)
		}
	}
	if err := s.Revoke(t.Context(), alice, phone.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.Rename(t.Context(), alice, phone.ID, "Gone"); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a removed phone is renamed: %v", err)
	}
	if st := status(cert.SerialNumber); !st.RevokedAt.Equal(now) {
		t.Errorf("status afterwards %+v", st)
	}
	list, err := s.Revoked(t.Context())
	if err != nil || len(list) != 1 || list[0].Serial.Cmp(cert.SerialNumber) != 0 ||
		!list[0].At.Equal(now) {
		t.Errorf("%+v %v", list, err)
	}
}

// TestProofOnce checks that of many enrolments with one challenge, on two nodes and after a
// restart, one succeeds.
func TestProofOnce(t *testing.T) {
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "http://localhost/pki", Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	database := filepath.Join(t.TempDir(), "signet.db")
	open := func() *store.Store {
		t.Helper()
		s, err := store.Open(t.Context(), store.Options{
			Database: database, Kind: store.Service, Now: time.Now,
			Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	node := func(s *store.Store) *signer.Service {
		return &signer.Service{
			Store: s, Authority: authority,
			ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Replay: s,
			Now: time.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
		}
	}
	db := open()
	nodes := []*signer.Service{node(db), node(db)}
	challenge, err := nodes[0].Challenge(alice)
	if err != nil {
		t.Fatal(err)
	}
	enrol := func(s *signer.Service) error { // each with a key of its own
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		digest := sha256.Sum256(challenge)
		proof, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
		if err != nil {
			return err
		}
		_, err = s.Enrol(t.Context(), alice, signer.Enrolment{
			Name: "Phone", Key: &key.PublicKey, Challenge: challenge, Proof: proof,
		})
		return err
	}
	var wg sync.WaitGroup
	var enrolled atomic.Int32
	for i := range 10 {
		wg.Go(func() {
			switch err := enrol(nodes[i%2]); {
			case err == nil:
				enrolled.Add(1)
			case !errors.Is(err, api.ErrSignatureInvalid):
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	db = open()
	defer db.Close()
	if err := enrol(node(db)); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("after a restart: %v", err)
	}
	phones, err := db.Phones(t.Context(), alice.UIN)
	if err != nil || len(phones) != 1 || enrolled.Load() != 1 {
		t.Errorf("%d phones, %d enrolments, %v", len(phones), enrolled.Load(), err)
	}
}
