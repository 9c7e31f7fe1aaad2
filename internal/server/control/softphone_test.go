package control

import (
	"crypto/rand"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// TestSoftPhoneWhileClockMoves checks that the sandbox's clock can be moved by hours while a
// persona's phone is being enrolled.
func TestSoftPhoneWhileClockMoves(t *testing.T) {
	begin := time.Now()
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki",
		Now: func() time.Time { return begin }, Rand: rand.Reader,
	})
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	now := func() time.Time { // moved after the first look, which is that of the challenge
		if looks++; looks == 1 {
			return begin
		}
		return begin.Add(time.Hour)
	}
	store := storetest.Open(t)
	phones := &SoftPhones{Rand: rand.Reader, Signers: &signer.Service{
		Store: store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Replay: store,
		Now: now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}}
	ph, err := phones.of(t.Context(), signer.Person{UIN: "S8979373D", Name: "Tan Mei Ling"})
	if err != nil || ph.EnrolledAt.Before(begin.Add(time.Hour).Truncate(time.Second)) {
		t.Errorf("enrolled %+v, %v", ph, err)
	}
}

// TestPlanOfArrival checks that the plan of a request is the one that was there when it arrived,
// however late the signers get to it.
func TestPlanOfArrival(t *testing.T) {
	s := NewSigners(nil, nil, 0, slog.New(slog.DiscardHandler))
	s.Arrived(&request.Request{ID: "without", ClientID: "a"})
	s.queue = []Plan{{Do: Reject, ClientID: "b"}, {Do: Wait}}
	s.Arrived(&request.Request{ID: "first", ClientID: "a"})
	s.Arrived(&request.Request{ID: "second", ClientID: "b"})
	s.Arrived(&request.Request{ID: "third", ClientID: "b"})
	close(s.arrivals)
	var got []arrival
	for a := range s.arrivals {
		got = append(got, a)
	}
	want := []arrival{{"first", Plan{Do: Wait}}, {"second", Plan{Do: Reject, ClientID: "b"}}}
	if !slices.Equal(got, want) {
		t.Errorf("arrivals %+v, want %+v", got, want)
	}
}
