package e2e_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/signet-sign/signet/api"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/signer/signertest"
)

// device is an authenticator of a phone of this sandbox.
func (s *sandbox) device(t testing.TB) *signertest.Device {
	t.Helper()
	d := signertest.New(t, s.url)
	return &d
}

// asked is a request whose code a phone has scanned, and what the phone has to sign.
type asked struct {
	api.Initiated
	session string
	phoneapi.SignChallenge
}

// asked has a phone scan the code of a new request.
func (p *phone) asked(t testing.TB, persona string) (a asked) {
	t.Helper()
	a.Initiated = p.s.initiate(t)
	desk := p.s.visitor(t)
	desk.login(t, a.Initiated, persona)
	desk.proceed(t, a.Initiated)
	a.session = p.scan(t, desk, a.Initiated)
	if c := p.call(t, a.session+"/challenge", nil, &a.SignChallenge); c.status != 200 {
		t.Fatalf("challenge: %d %s", c.status, c.body)
	}
	return a
}

// TestForgedAssertions attacks the calls of a phone that verifies its owner with everything that
// can be wrong in a registration or an assertion, with assertions for other documents, of other
// phones and from before, and with two copies of a credential at the same time.
func TestForgedAssertions(t *testing.T) {
	s := start(t, verifying(t, "required"))
	const refusal = "USER_VERIFICATION_FAILED"

	own := newPhone(t, s, alice)
	own.device = s.device(t)
	for name, edit := range signertest.Forgeries {
		own.call(t, "api/enrol", own.enrolment(t, edit), nil).refusedAs(t, name, 400, refusal)
	}
	of := func(c string) func(*signertest.Ceremony) {
		return func(r *signertest.Ceremony) { r.Challenge = c }
	}
	in := own.enrolment(t, of(own.challenge(t)))
	own.call(t, "api/enrol", in, nil).refusedAs(t, "the registration of another", 400, refusal)
	own.enrol(t)
	bobs := newPhone(t, s, bob)
	bobs.device = s.device(t)
	bobs.enrol(t)
	copied := *bobs.device
	copied.ID = own.device.ID

	a, other := own.asked(t, alice), own.asked(t, alice)
	own.counter = 5
	signature := own.signature(t, unbase64(t, a.ToBeSigned))
	refuses := func(name string, assertion json.RawMessage) {
		t.Helper()
		approval := phoneapi.Approval{Signature: signature, Assertion: assertion}
		own.call(t, a.session+"/approve", approval, nil).refusedAs(t, name, 400, refusal)
	}
	refuses("none", nil)
	for _, junk := range []string{"null", "{}", "[]", `""`, "7"} {
		refuses(junk, json.RawMessage(junk))
	}
	for name, edit := range signertest.Forgeries {
		refuses(name, own.asserts(t, a.ToBeSigned, edit))
	}
	refuses("another document", own.asserts(t, other.ToBeSigned))
	refuses("another phone", bobs.asserts(t, a.ToBeSigned))
	refuses("another key", copied.Answer(signertest.Get, unbase64(t, a.ToBeSigned)))
	refuses("a registration", own.device.Answer(signertest.Create, unbase64(t, a.ToBeSigned)))
	refuses("backup", own.asserts(t, a.ToBeSigned, func(c *signertest.Ceremony) {
		c.Flags |= signertest.Eligible
	}))

	// The assertion of a phone does not make the signature of another person's good.
	bob := bobs.approval(t, a.SignChallenge)
	own.call(t, a.session+"/approve", phoneapi.Approval{
		Signature: bob.Signature, Assertion: own.asserts(t, a.ToBeSigned),
	}, nil).refusedAs(t, "another key's signature", 400, "SIGNATURE_INVALID")

	// An answer that got lost is fetched again, with the same assertion.
	approval := own.approval(t, a.SignChallenge)
	for range 2 {
		if got := own.call(t, a.session+"/approve", approval, nil); got.status != http.StatusOK {
			t.Fatalf("%d %s", got.status, got.body)
		}
	}
	a, signature = other, own.signature(t, unbase64(t, other.ToBeSigned))
	refuses("the document before", approval.Assertion)
	refuses("the counter of before", own.asserts(t, a.ToBeSigned))
	refuses("a counter that goes back", own.asserts(t, a.ToBeSigned, signertest.Counter(1)))
	refuses("a counter that counts no more", own.asserts(t, a.ToBeSigned, signertest.Counter(0)))

	// Copies of the credential answer with the same counter at the same moment.
	own.counter++
	all := []asked{a, own.asked(t, alice), own.asked(t, alice), own.asked(t, alice)}
	codes := make([]int, len(all))
	var group sync.WaitGroup
	for i, a := range all {
		approval := phoneapi.Approval{
			Signature: own.signature(t, unbase64(t, a.ToBeSigned)),
			Assertion: own.asserts(t, a.ToBeSigned),
		}
		group.Go(func() { codes[i] = own.call(t, a.session+"/approve", approval, nil).status })
	}
	group.Wait()
	slices.Sort(codes)
	if !slices.Equal(codes, []int{200, 400, 400, 400}) {
		t.Errorf("four documents with one counter: %v", codes)
	}
}
