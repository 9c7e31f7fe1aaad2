package store_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// The acts for a person that the tests below propose and approve.
var (
	proposer = person.Operator{Name: "pat", Subject: "1"}
	approver = person.Operator{Name: "ava", Subject: "2"}
	another  = person.Operator{Name: "col", Subject: "3"}
	approved = signer.Person{UIN: "S8979373D", Name: "Tan Xiao Hui"}
)

// acting is the service of acts for people, with two operators for each.
func acting(s *store.Store, now time.Time) *person.Service {
	none := func(context.Context) error { return nil }
	clock := func() time.Time { return now }
	return &person.Service{
		Store: s, FourEyes: true, Now: clock, Rand: rand.Reader, Before: none, After: none,
		Signers: &signer.Service{Store: s, Now: clock, Log: slog.New(slog.DiscardHandler)},
	}
}

// proposals lists the proposals that wait.
func proposals(t *testing.T, p *person.Service) []person.Proposal {
	t.Helper()
	list, err := p.Proposals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// TestApproveCrashChild is the child of the next tests. It approves the only proposal, and is killed
// when it passes a fault point for the nth time.
func TestApproveCrashChild(t *testing.T) {
	database, point := os.Getenv("STORE_APPROVE_DATABASE"), os.Getenv("STORE_CRASH_POINT")
	if database == "" {
		t.Skip("this is the child of the crash tests")
	}
	left, err := strconv.Atoi(os.Getenv("STORE_CRASH_AFTER"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(t.Context(), store.Options{
		Database: database, Kind: store.Sandbox,
		Fault: func(p string) {
			if p == point {
				if left--; left < 0 {
					die()
				}
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	p := acting(s, eraseNow)
	if _, _, err := p.Approve(t.Context(), approver, proposals(t, p)[0].ID); err != nil {
		t.Fatal(err)
	}
}

func TestApproveCrashSQLite(t *testing.T) {
	testApproveCrash(t, filepath.Join(t.TempDir(), "a.db"))
}
func TestApproveCrashPostgres(t *testing.T) { testApproveCrash(t, cluster.Migrated(t)) }

// testApproveCrash checks that an approved act is done or its proposal is there, wherever its
// process was killed, and that the proposal completes an act that has begun.
func testApproveCrash(t *testing.T, database string) {
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "https://sign.test/pki", Now: func() time.Time { return eraseOld },
		Rand: rand.Reader, Validity: 1000 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	i := 1
	// crash proposes an act, kills the process that carries it out, and says whether it was killed.
	crash := func(kind person.Kind, point string, after int, check func(*store.Store, *someone)) bool {
		t.Helper()
		s, err := store.Open(t.Context(), store.Options{Database: database, Kind: store.Sandbox})
		if err != nil {
			t.Fatal(err)
		}
		someone := addSomeone(
			t, s, auditOf(t, s, "sign.test/audit"), authority, i, approved.UIN, approved.Name,
		)
		i += 10
		if kind == person.Lift {
			someone.phone.ActiveAt = eraseNow.Add(day)
			err := s.ChangePhones(
				t.Context(), approved.UIN,
				func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
					return []signer.Phone{someone.phone}, nil, nil
				},
			)
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err = acting(s, eraseNow).Do(t.Context(), proposer, person.Act{
			Kind: kind, UIN: approved.UIN, PhoneID: someone.phone.ID, Reason: "ticket 12",
		})
		if err = errors.Join(err, s.Close()); err != nil {
			t.Fatal(err)
		}
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestApproveCrashChild$")
		child.Env = append(
			os.Environ(), "STORE_APPROVE_DATABASE="+database, "STORE_CRASH_POINT="+point,
			"STORE_CRASH_AFTER="+strconv.Itoa(after),
		)
		out, err := child.CombinedOutput()
		if err != nil && !strings.Contains(err.Error(), "killed") {
			t.Fatalf("the child: %v\n%s", err, out)
		}
		if s, err := store.Open(t.Context(), store.Options{
			Database: database, Kind: store.Sandbox,
		}); err != nil {
			t.Fatal(err)
		} else {
			check(s, someone)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
		}
		return err != nil
	}
	now := func() time.Time { return eraseNow }
	for _, point := range []string{store.FaultWritten, store.FaultCommitted} {
		begun, ended := 0, false
		for after := 0; !ended; after++ {
			ended = !crash(person.Forget, point, after, func(s *store.Store, _ *someone) {
				p := acting(s, eraseNow)
				list := proposals(t, p)
				left, err := retention.Find(t.Context(), s, approved.UIN, now)
				if err != nil || len(list) == 0 && left.Forgotten != (retention.Forgotten{}) {
					t.Fatalf("%s, %d: no proposal, and left are %+v, %v", point, after, left, err)
				}
				if len(list) == 0 {
					return
				}
				if claimed := list[0].Claimed(eraseNow); claimed {
					begun++
					_, _, err := p.Approve(t.Context(), another, list[0].ID)
					_, rejected := p.Reject(t.Context(), list[0].ID)
					if !errors.Is(err, person.ErrClaimed) || !errors.Is(rejected, person.ErrClaimed) {
						t.Errorf("claimed: approved %v, rejected %v", err, rejected)
					}
					if d := list[0].ClaimedUntil.Sub(eraseNow); d <= 0 || d > time.Hour {
						t.Errorf("it is claimed for %s", d)
					}
					p = acting(s, list[0].ClaimedUntil.Add(30*day)) // older than proposals may be
				}
				if _, _, err := p.Approve(t.Context(), another, list[0].ID); err != nil {
					t.Fatalf("%s, %d: approved again: %v", point, after, err)
				}
				left, err = retention.Find(t.Context(), s, approved.UIN, now)
				if err != nil || left.Forgotten != (retention.Forgotten{}) || len(proposals(t, p)) > 0 {
					t.Errorf("%s, %d: left are %+v, %v", point, after, left, err)
				}
			})
		}
		if begun < 4 {
			t.Errorf("%s: %d acts were interrupted after they began", point, begun)
		}
		for after, want := 0, true; want; after++ {
			want = crash(person.Lift, point, after, func(s *store.Store, one *someone) {
				phone, err := s.Phone(t.Context(), one.phone.ID)
				p := acting(s, eraseNow)
				list := proposals(t, p)
				if err != nil || phone.Active(eraseNow) != (len(list) == 0) {
					t.Errorf(
						"%s, %d: active %t, %d proposals, %v", point, after, phone.Active(eraseNow),
						len(list), err,
					)
				}
				for _, one := range list {
					if _, err := p.Reject(t.Context(), one.ID); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

func TestApproversSQLite(t *testing.T) {
	testApprovers(t, openSQLite(t, filepath.Join(t.TempDir(), "a.db")))
}
func TestApproversPostgres(t *testing.T) { testApprovers(t, openPostgres(t, cluster.Migrated(t))) }

// testApprovers checks that of operators who approve and reject one proposal at one time exactly one
// succeeds, and that the act is done if that one approved.
func testApprovers(t *testing.T, s *store.Store) {
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "https://sign.test/pki", Now: func() time.Time { return eraseOld },
		Rand: rand.Reader, Validity: 1000 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	p := acting(s, eraseNow)
	for i := range 20 {
		kind := []person.Kind{person.Lift, person.Forget}[i%2]
		phone := enrolling{s, authority, eraseOld}.enrol(t, approved, "Phone")
		phone.ActiveAt = eraseNow.Add(day)
		err := s.ChangePhones(
			t.Context(), approved.UIN, func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
				return []signer.Phone{phone}, nil, nil
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		act := person.Act{Kind: kind, UIN: approved.UIN, PhoneID: phone.ID, Reason: "ticket"}
		if _, err := p.Do(t.Context(), proposer, act); err != nil {
			t.Fatal(err)
		}
		id := proposals(t, p)[0].ID
		var all sync.WaitGroup
		errs := make([]error, 3)
		for i, by := range []person.Operator{approver, another} {
			all.Go(func() { _, _, errs[i] = p.Approve(t.Context(), by, id) })
		}
		all.Go(func() { _, errs[2] = p.Reject(t.Context(), id) })
		all.Wait()
		succeeded := 0
		for _, err := range errs {
			if err == nil {
				succeeded++
			} else if !errors.Is(err, person.ErrNoProposal) && !errors.Is(err, person.ErrClaimed) {
				t.Error(err)
			}
		}
		now, err := s.Phone(t.Context(), phone.ID)
		if err != nil {
			t.Fatal(err)
		}
		done := now.Active(eraseNow) || now.Revoked(eraseNow)
		if succeeded != 1 || done != (errs[2] != nil) || len(proposals(t, p)) > 0 {
			t.Errorf("%s: %v; done %t", kind, errs, done)
		}
	}
}
