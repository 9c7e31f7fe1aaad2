package store_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// someone is a person in the tests of forgetting, with everything that may name the person.
type someone struct {
	signer.Person
	phone    signer.Phone
	requests []string
	marks    map[string]string // texts that identify the person, by what they are
}

// addSomeone stores a person with a phone, a signed request, one that was only meant for the
// person, and records of calls.
func addSomeone(
	t *testing.T, s *store.Store, l *audit.Log, authority *ca.Authority, i int, uin, name string,
) *someone {
	t.Helper()
	p := &someone{Person: signer.Person{UIN: uin, Name: name}}
	at := eraseOld
	signers := enrolling{store: s, authority: authority, now: at}
	p.phone = signers.enrol(t, p.Person, fmt.Sprintf("telephone no. %d of many", i))

	r := plainRequest(i)
	r.DocName = "Lease of " + name + ".pdf"
	r.State, r.Signer, r.SignerHash = request.StateSigned, &p.Person, p.Hash()
	r.Approval = &request.Approval{
		SessionID: "s", PhoneID: p.phone.ID, Certificate: p.phone.Certificate, At: at,
	}
	r.Signed = &request.SignedDocument{At: at, Name: name, Level: "B-LTA"}
	meant := plainRequest(i + 1)
	meant.State, meant.SignerHash, meant.CancelledAt = request.StateCancelled, p.Hash(), at
	for _, r := range []*request.Request{r, meant} {
		p.requests = append(p.requests, r.ID)
		e := request.Effects{Events: []request.Event{
			{At: at, Kind: request.EventInitiated},
			{At: at, Kind: request.EventWebhook, Detail: request.Detail{
				Attempt: "1", Error: `Post "https://rp.test/?to=` + name + `": refused`,
			}},
			{At: at, Kind: request.EventResult},
		}, Jobs: []request.Job{
			{
				Kind:      request.JobWebhook,
				Status:    request.JobFailed,
				LastError: "to " + name,
				DueAt:     at,
			},
			{Kind: request.JobRenew, Status: request.JobPending, DueAt: at.Add(9000 * day)},
		}}
		if err := s.Create(t.Context(), r, e); err != nil {
			t.Fatal(err)
		}
	}
	err := s.AddCalls(t.Context(), []calllog.Record{
		{
			At:        at,
			Kind:      calllog.Initiate,
			Party:     "RP",
			Authentic: true,
			RequestID: r.ID,
			Token: &calllog.Token{
				Claims: []byte(`{"doc_name":"Lease of ` + name + `.pdf"}`),
			},
		},
		{
			At:    at,
			Kind:  calllog.Initiate,
			Party: "RP",
			Error: "CLIENT_SIDE_ERROR",
			Token: &calllog.Token{
				Claims: []byte(`{"signer_uin_hash":"` + strings.ToUpper(p.Hash()) + `"}`),
			},
		},
	}, calllog.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.marks = map[string]string{
		"UIN": uin, "hash": p.Hash(), "name": name, "phone": p.phone.Name,
		"certificate": base64.StdEncoding.EncodeToString(p.phone.Certificate)[40:80],
		"credential":  base64.StdEncoding.EncodeToString(p.phone.Credential.Handle),
	}
	return p
}

// enrolling stores phones without their ceremonies.
type enrolling struct {
	store     *store.Store
	authority *ca.Authority
	now       time.Time
}

func (e enrolling) enrol(t *testing.T, p signer.Person, name string) signer.Phone {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := e.authority.IssueSigner(ca.Subject{UIN: p.UIN, Name: p.Name}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	phone := signer.Phone{
		ID: "phone-" + cert.SerialNumber.Text(16), UIN: p.UIN, Name: name,
		Serial: cert.SerialNumber.Text(16), Certificate: cert.Raw, EnrolledAt: e.now,
		Credential: &signer.Credential{
			ID: []byte(rand.Text()), PublicKey: []byte(rand.Text()), Handle: []byte(rand.Text()),
		},
	}
	err = e.store.ChangePhones(
		t.Context(), p.UIN, func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
			return []signer.Phone{phone}, []signer.Event{{
				PhoneID: phone.ID, At: e.now, Kind: signer.EventEnrolled,
				Detail: signer.Detail{Name: name},
			}}, nil
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return phone
}

func TestForgetSQLite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	testForget(t, path, func() string {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path + "-wal"); err == nil {
			t.Fatal("the write-ahead log is still there")
		}
		return string(text)
	})
}

func TestForgetPostgres(t *testing.T) {
	url := cluster.Migrated(t)
	testForget(t, url, func() string {
		out, err := exec.CommandContext(t.Context(), "pg_dump", "--dbname", url).Output()
		if err != nil {
			t.Fatalf("pg_dump (on Debian: apt-get install postgresql-client): %v", err)
		}
		return string(out)
	})
}

// testForget checks that nothing in the database names a person who was forgotten, everything of
// another person is as it was, and the audit log is valid. stored is all that the closed database
// holds.
func testForget(t *testing.T, database string, stored func() string) {
	open := func() (*store.Store, *audit.Log) {
		s, err := store.Open(t.Context(), store.Options{Database: database, Kind: store.Sandbox})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		return s, auditOf(t, s, "sign.test/audit")
	}
	s, l := open()
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "https://sign.test/pki", Now: func() time.Time { return eraseOld },
		Rand: rand.Reader, Validity: 1000 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	ann := addSomeone(t, s, l, authority, 1, "S8979373D", "Tan Xiao & 永 Hui")
	ben := addSomeone(t, s, l, authority, 11, "S8116474F", "Benjamin Goh")
	for i, p := range []*someone{ann, ben} {
		lift(t, s, p, fmt.Sprintf("%s has lost telephone no. %d", p.Name, i))
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	before, err := s.Newest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	has := func(p *someone) (found []string) {
		text := stored()
		plain := strings.ReplaceAll(text, `\u0026`, "&")
		for what, mark := range p.marks {
			if strings.Contains(text, mark) || strings.Contains(plain, mark) {
				found = append(found, what)
			}
		}
		return found
	}
	for _, p := range []*someone{ann, ben} {
		if found := has(p); len(found) != len(p.marks) {
			t.Fatalf("before: found only %v of %s", found, p.Name)
		}
	}

	s, l = open()
	now := func() time.Time { return eraseNow }
	done, err := retention.Forget(t.Context(), s, "s8979373d\n", "Mei Lin", now, rand.Reader)
	if want := (retention.Forgotten{Requests: 2, Phones: 1, Calls: 2}); err != nil || done != want {
		t.Fatalf("Forget: %+v, %v; want %+v", done, err, want)
	}
	if err := l.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	file := exported(t, l)
	trust := audit.Trust{Key: l.Signer.Key(), Checkpoints: []string{before.Note}}
	if r := verified(t, file, trust); r.Erased != 3 {
		t.Errorf("%d events were erased, want the three that had the name", r.Erased)
	}
	shown := func(int64) bool { return false }
	for _, p := range []*someone{ann, ben} {
		for _, id := range p.requests {
			events, err := s.Events(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			last := events[len(events)-1]
			if forgotten := last.Kind == request.EventForgotten; forgotten != (p == ann) ||
				forgotten && last.Detail.By != "Mei Lin" {
				t.Errorf("the trail of %s ends with %+v", id, last)
			}
			var evidence bytes.Buffer
			if err := l.Evidence(t.Context(), &evidence, id, len(events), shown); err != nil {
				t.Fatal(err)
			}
			if r := verified(t, evidence.Bytes(), audit.Trust{Key: l.Signer.Key()}); r.Events != len(
				events,
			) {
				t.Errorf("evidence of %s has %d events of %d", id, r.Events, len(events))
			}
		}
	}
	proposals, err := s.PersonProposals(t.Context(), time.Time{})
	if err != nil || len(proposals) != 1 || proposals[0].UIN != ben.UIN {
		t.Errorf("the proposals are %+v, %v", proposals, err)
	}
	phone, err := s.Phone(t.Context(), ann.phone.ID)
	if err != nil || phone.RevokedAt.IsZero() || phone.Serial != ann.phone.Serial {
		t.Errorf("the phone is not revoked: %+v, %v", phone, err)
	}
	stub, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	real, err := x509.ParseCertificate(ann.phone.Certificate)
	if err != nil || stub.SerialNumber.Cmp(real.SerialNumber) != 0 ||
		len(real.AuthorityKeyId) == 0 || !bytes.Equal(stub.AuthorityKeyId, real.AuthorityKeyId) {
		t.Error("the CRL cannot name the phone's certificate any more")
	}
	end, err := phone.EndedAt()
	if want, _ := ann.phone.EndedAt(); err != nil || !end.Equal(want) {
		t.Errorf("the phone ends at %s, want %s: %v", end, want, err)
	}
	again, err := retention.Forget(t.Context(), s, ann.UIN, "Mei Lin", now, rand.Reader)
	if err != nil || again != (retention.Forgotten{}) {
		t.Errorf("Forget again: %+v, %v", again, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if found := has(ann); len(found) > 0 {
		t.Errorf("the database still has the %v of a person who was forgotten", found)
	}
	if found := has(ben); len(found) != len(ben.marks) {
		t.Errorf("of another person only the %v are left", found)
	}
}

// TestRequestsOf checks that a person's requests are found by the intended signer and by the
// signer, once each, and no other person's, on both databases.
func TestRequestsOf(t *testing.T) {
	for name, s := range map[string]*store.Store{
		"SQLite":     openSQLite(t, filepath.Join(t.TempDir(), "a.db")),
		"PostgreSQL": openPostgres(t, cluster.Migrated(t)),
	} {
		ann := signer.Person{UIN: "S8979373D", Name: `Ann "uin":"S8116474F"`}
		ben := signer.Person{UIN: "S8116474F", Name: "Ben"}
		like := signer.Person{UIN: "T0000373D", Name: "the same last four characters"}
		add := func(i int, meant string, by *signer.Person) string {
			t.Helper()
			r := plainRequest(i)
			r.SignerHash, r.Signer = meant, by
			r.DocName = `"signer_hash":"` + ben.Hash() + `","uin":"S8116474F".pdf`
			if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
				t.Fatal(err)
			}
			return r.ID
		}
		add(1, "", nil)
		opened := add(2, "", nil)
		meant, both, by := add(3, ann.Hash(), nil), add(4, ann.Hash(), &ann), add(5, "", &ann)
		others := add(6, ben.Hash(), &ann)
		add(7, ben.Hash(), nil)
		add(8, ben.Hash(), &ben)
		add(9, "", &like)
		err := s.Update(t.Context(), opened, only(func(r *request.Request) error {
			r.Signer = &ann
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		find := func(p signer.Person) (ids []string) {
			t.Helper()
			err := s.RequestsOf(t.Context(), p, func(r *request.Request) { ids = append(ids, r.ID) })
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(ids)
			return ids
		}
		want := []string{opened, meant, both, by, others}
		slices.Sort(want)
		if got := find(ann); !slices.Equal(got, want) {
			t.Errorf("%s: found %q\nwant  %q", name, got, want)
		}
		if got := find(ben); len(got) != 3 {
			t.Errorf("%s: of another person found %q", name, got)
		}
		if got := find(signer.Person{UIN: "F1612345P"}); len(got) != 0 {
			t.Errorf("%s: of a person without requests found %q", name, got)
		}
		for _, uin := range []string{"S8979373A", "373D", ""} {
			none := func(*request.Request) { t.Errorf("%s: found a request of %q", name, uin) }
			if err := s.RequestsOf(t.Context(), signer.Person{UIN: uin}, none); err == nil {
				t.Errorf("%s: %q is a number", name, uin)
			}
		}
	}
}

// lift stores that an operator has ended a wait of the person's phone, and that one proposes so.
func lift(t *testing.T, s *store.Store, p *someone, why string) {
	t.Helper()
	err := s.ChangePhones(
		t.Context(), p.UIN, func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
			return nil, []signer.Event{{
				PhoneID: p.phone.ID, At: eraseOld, Kind: signer.EventApproved,
				Detail: signer.Detail{Operator: "Mei Lin", Why: why},
			}}, nil
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	err = s.ProposeForPerson(t.Context(), person.Proposal{
		Act: person.Act{Kind: person.Lift, UIN: p.UIN, PhoneID: p.phone.ID, Reason: why},
		ID:  "proposal " + p.UIN, By: person.Operator{Name: "Mei Lin", Subject: "1"}, At: eraseOld,
	}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
}

// TestForgetInUse checks that the files of a SQLite database that stays open have nothing that
// names a person who was forgotten.
func TestForgetInUse(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openSQLite(t, path)
	l := auditOf(t, s, "sign.test/audit")
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "https://sign.test/pki", Now: func() time.Time { return eraseOld },
		Rand: rand.Reader, Validity: 1000 * day,
	})
	if err != nil {
		t.Fatal(err)
	}
	ann := addSomeone(t, s, l, authority, 1, "S8979373D", "Tan Xiao Hui")
	found := func() (marks []string) {
		for _, file := range []string{path, path + "-wal"} {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for what, mark := range ann.marks {
				if bytes.Contains(text, []byte(mark)) {
					marks = append(marks, file+": "+what)
				}
			}
		}
		return marks
	}
	now := func() time.Time { return eraseNow }
	here, err := retention.Find(t.Context(), s, ann.UIN, now)
	want := retention.Forgotten{Requests: 2, Phones: 1, Calls: 1} // of the requests
	if err != nil || here.Forgotten != want || here.Signed != 1 || len(here.Active) > 0 {
		t.Errorf("Find: %+v, %v", here, err)
	}
	if len(found()) < len(ann.marks) {
		t.Fatal("the files do not name the person before")
	}
	by := "Mei Lin: Tan Xiao Hui asked for it"
	_, err = retention.Forget(t.Context(), s, ann.UIN, by, now, rand.Reader)
	if !errors.Is(err, retention.ErrRevealing) {
		t.Errorf("a reason that names the person: %v", err)
	}
	_, err = retention.Forget(t.Context(), s, ann.UIN, "Mei Lin", now, rand.Reader)
	if err := errors.Join(err, l.Integrate(t.Context()), s.Overwrite(t.Context())); err != nil {
		t.Fatal(err)
	}
	if marks := found(); len(marks) > 0 {
		t.Errorf("after it the files have %v", marks)
	}
}

func TestOverwritePostgres(t *testing.T) {
	if err := openPostgres(t, cluster.Migrated(t)).Overwrite(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestForgetInProgress checks that a person with a request in progress is not forgotten, nor one
// whose signed document the relying party may still fetch or is still to hear of.
func TestForgetInProgress(t *testing.T) {
	for name, change := range map[string]func(r *request.Request, e *request.Effects){
		"locked": func(r *request.Request, _ *request.Effects) {
			r.State, r.ExpiresAt = request.StateLocked, eraseNow.Add(time.Minute)
		},
		"sealing": func(r *request.Request, _ *request.Effects) { r.State = request.StateSealing },
		"just signed": func(r *request.Request, _ *request.Effects) {
			r.State = request.StateSigned
			r.Signed = &request.SignedDocument{At: eraseNow.Add(-time.Hour)}
		},
		"webhook": func(r *request.Request, e *request.Effects) {
			r.State = request.StateSigned
			r.Signed = &request.SignedDocument{At: eraseOld}
			e.Enqueue(request.JobWebhook, eraseNow)
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openSQLite(t, filepath.Join(t.TempDir(), "a.db"))
			r := plainRequest(1)
			r.Signer = &signer.Person{UIN: "S8979373D", Name: "Tan Xiao Hui"}
			var e request.Effects
			change(r, &e)
			if err := s.Create(t.Context(), r, e); err != nil {
				t.Fatal(err)
			}
			now := func() time.Time { return eraseNow }
			_, err := retention.Forget(t.Context(), s, "S8979373D", "Mei", now, rand.Reader)
			if !errors.Is(err, request.ErrInProgress) || !strings.Contains(err.Error(), r.ID) {
				t.Errorf("Forget: %v", err)
			}
			got, err := s.Get(t.Context(), r.ID)
			if err != nil || got.Signer == nil || got.Version != 1 {
				t.Errorf("the request was changed: %+v, %v", got, err)
			}
		})
	}
}

func TestCompactPostgres(t *testing.T) {
	if err := openPostgres(t, cluster.Migrated(t)).Compact(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestCompact checks that after it the file of a database has nothing of what was deleted before
// deleted data were overwritten.
func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := openSQLite(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=secure_delete(0)")
	if err != nil {
		t.Fatal(err)
	}
	const secret = "a text that was deleted"
	_, err = db.ExecContext(
		context.Background(),
		`INSERT INTO meta (key, value) VALUES ('a', '`+secret+`'); DELETE FROM meta WHERE key = 'a'`,
	)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	there := func() bool {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return bytes.Contains(text, []byte(secret))
	}
	if !there() {
		t.Fatal("the deleted text is not in the file anyway")
	}
	s := openSQLite(t, path)
	if err := errors.Join(s.Compact(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	if there() {
		t.Error("the deleted text is still in the file")
	}
}
