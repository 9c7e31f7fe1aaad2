package control

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/signer"
)

// Behaviour is a whole visit of a signer, from the signing URL on.
type Behaviour string

// The behaviours.
const (
	Approve     Behaviour = "approve"      // signs
	Reject      Behaviour = "reject"       // rejects on the phone
	Leave       Behaviour = "leave"        // leaves the page with the QR code
	Wait        Behaviour = "wait"         // opens the document and does not proceed
	NeverScan   Behaviour = "never-scan"   // does not scan the QR code
	WrongPerson Behaviour = "wrong-person" // another person opens the URL
	// another person opens it too, then the signer signs
	SecondVisitor Behaviour = "second-visitor"
	PhoneOffline  Behaviour = "phone-offline" // scans; the phone's answer never arrives
	// scans, leaves, and answers after the cancel
	ApproveAfterCancel Behaviour = "approve-after-cancel"
	// removes the phone between scan and answer
	RevokedCertificate Behaviour = "revoked-certificate"
)

// step is one act of a player.
type step func(*player, context.Context) error

// scripts are the steps of each behaviour.
var scripts = map[Behaviour][]step{
	Approve:     {(*player).open, (*player).proceed, (*player).scan, (*player).answer},
	Reject:      {(*player).open, (*player).proceed, (*player).reject},
	Leave:       {(*player).open, (*player).proceed, (*player).leave},
	Wait:        {(*player).open},
	NeverScan:   {(*player).open, (*player).proceed},
	WrongPerson: {(*player).visit},
	SecondVisitor: {
		(*player).open,
		(*player).visit,
		(*player).proceed,
		(*player).scan,
		(*player).answer,
	},
	PhoneOffline: {(*player).open, (*player).proceed, (*player).scan},
	ApproveAfterCancel: {
		(*player).open,
		(*player).proceed,
		(*player).scan,
		(*player).leave,
		(*player).awaitEnd,
		(*player).answerLate,
	},
	RevokedCertificate: {
		(*player).open,
		(*player).proceed,
		(*player).scan,
		(*player).revoke,
		(*player).answerLate,
	},
}

// Persona is a person of the sandbox with what they usually do.
type Persona struct {
	signer.Person
	Behaviour Behaviour // "" is Approve
}

// Plan is the behaviour of the signer of a request.
type Plan struct {
	// NRIC or FIN; "" is the intended signer if a persona, else the first persona
	As string    `json:"as"`
	Do Behaviour `json:"do"` // "" is what the persona usually does

	ClientID string `json:"client_id,omitempty"` // only for requests of this party; "" is any
}

// Signers play signers without a browser.
type Signers struct {
	personas []Persona
	phones   *SoftPhones
	auto     time.Duration
	log      *slog.Logger
	arrivals chan arrival

	// Save keeps the queue for the next start, which gives it to [Signers.Load]. May be nil. It is
	// called after each change.
	Save func(queue []byte)

	mu    sync.Mutex
	queue []Plan
}

// arrival is a new request whose signer is to be played.
type arrival struct {
	id   string
	plan Plan
}

// NewSigners returns the signers of a sandbox with these personas, at least one. If auto is not 0,
// each request for which no plan is in the queue is signed after that time.
func NewSigners(
	personas []Persona, phones *SoftPhones, auto time.Duration, log *slog.Logger,
) *Signers {
	return &Signers{
		personas: personas, phones: phones, auto: auto, log: log,
		arrivals: make(chan arrival, 1024),
	}
}

// ParseBehaviour returns the behaviour of this name; "" is [Approve].
func ParseBehaviour(name string) (Behaviour, error) {
	if name == "" {
		return Approve, nil
	}
	if _, ok := scripts[Behaviour(name)]; !ok {
		return "", fmt.Errorf(
			"unknown behaviour %q; there are %v", name, slices.Sorted(maps.Keys(scripts)),
		)
	}
	return Behaviour(name), nil
}

// Arrived tells the signers of a new request, before its relying party gets its id: a plan that is
// added later is not for it. It does not wait for the signers.
func (s *Signers) Arrived(r *request.Request) {
	plan, planned := s.planOf(r.ClientID)
	if !planned && s.auto == 0 {
		return
	}
	select {
	case s.arrivals <- arrival{r.ID, plan}:
	default:
		s.log.Warn("too many requests wait for automatic signers", "request_id", r.ID)
	}
}

// Run plays the signers of new requests until ctx ends.
func (s *Signers) Run(ctx context.Context) error {
	var playing sync.WaitGroup
	defer playing.Wait()
	for {
		select {
		case <-ctx.Done():
			return nil
		case a := <-s.arrivals:
			playing.Go(func() {
				select {
				case <-ctx.Done():
					return
				case <-time.After(s.auto):
				}
				if err := s.Play(ctx, a.id, a.plan); err != nil && ctx.Err() == nil {
					s.log.Warn(
						"an automatic signer", "request_id", a.id, "does", a.plan.Do, "err", err,
					)
				}
			})
		}
	}
}

// planOf takes the first plan for a party's request out of the queue; planned is false if there is
// none.
func (s *Signers) planOf(clientID string) (plan Plan, planned bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(
		s.queue, func(p Plan) bool { return p.ClientID == "" || p.ClientID == clientID },
	)
	if i < 0 {
		return Plan{}, false
	}
	plan = s.queue[i]
	s.queue = slices.Delete(s.queue, i, i+1)
	s.save()
	return plan, true
}

// Play runs a plan with a request and returns when its last step is done. It fails with the first
// step that is refused and should not be.
func (s *Signers) Play(ctx context.Context, id string, plan Plan) error {
	r, err := s.phones.Requests.Get(ctx, id)
	if err != nil {
		return err
	}
	p := s.personas[0]
	switch {
	case plan.As != "":
		if p, err = s.Persona(plan.As); err != nil {
			return err
		}
	case r.SignerHash != "":
		i := slices.IndexFunc(s.personas, func(p Persona) bool { return p.Hash() == r.SignerHash })
		if i < 0 {
			return api.ErrClientSide("the intended signer is no persona: name an NRIC or FIN")
		}
		p = s.personas[i]
	}
	do := plan.Do
	if do == "" {
		do = p.Behaviour
	}
	if do == "" {
		do = Approve
	}
	player := &player{signers: s, id: id, person: p.Person}
	for _, step := range scripts[do] {
		if err := step(player, ctx); err != nil {
			return err
		}
	}
	return nil
}

// Persona returns the persona with an NRIC or FIN. Any valid one is a person.
func (s *Signers) Persona(uin string) (Persona, error) {
	uin = signer.Normalize(uin)
	for _, p := range s.personas {
		if p.UIN == uin {
			return p, nil
		}
	}
	if !signer.ValidUIN(uin) {
		return Persona{}, api.ErrClientSide(
			`"as" must be an NRIC or FIN with the right check letter`,
		)
	}
	return Persona{Person: signer.Person{UIN: uin, Name: "SANDBOX PERSON " + uin[5:]}}, nil
}

// player is a signer who goes through a script.
type player struct {
	signers *Signers
	id      string
	person  signer.Person

	// What the phone has after the scan.
	session   string
	phone     *softPhone
	signature []byte
}

func (p *player) requests() *request.Service { return p.signers.phones.Requests }

func (p *player) open(ctx context.Context) error {
	_, err := p.requests().Open(ctx, p.id, p.person)
	return err
}

func (p *player) proceed(ctx context.Context) error {
	_, err := p.requests().Proceed(ctx, p.id, p.person, request.SeenUnasked)
	return err
}

// scan scans the QR code and signs what the phone shows.
func (p *player) scan(ctx context.Context) (err error) {
	if p.session, err = p.signers.phones.session(ctx, p.id); err != nil {
		return err
	}
	if p.phone, err = p.signers.phones.of(ctx, p.person); err != nil {
		return err
	}
	c, err := p.requests().Challenge(ctx, p.id, p.session, p.phone.Phone)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(c.ToBeSigned)
	p.signature, err = ecdsa.SignASN1(p.signers.phones.Rand, p.phone.key, digest[:])
	return err
}

// answer approves with the signature of the scan.
func (p *player) answer(ctx context.Context) error {
	return p.requests().Approve(ctx, p.id, p.session, p.phone.Phone, p.signature, nil)
}

// answerLate is answer that the service is to refuse.
func (p *player) answerLate(ctx context.Context) error {
	if err := p.answer(ctx); !httpx.Refused(err) {
		return fmt.Errorf("the answer was to be refused: %w", err)
	}
	return nil
}

func (p *player) reject(ctx context.Context) error {
	return p.signers.phones.Reject(ctx, p.id, p.person)
}

func (p *player) leave(ctx context.Context) error {
	return p.requests().Leave(ctx, p.id, p.person)
}

// visit has another persona open the request. It may be refused.
func (p *player) visit(ctx context.Context) error {
	other := signer.Person{UIN: "T0000001E", Name: "SANDBOX PERSON 001E"}
	if _, err := p.requests().Open(ctx, p.id, other); err != nil && !httpx.Refused(err) {
		return err
	}
	return nil
}

// revoke removes the phone.
func (p *player) revoke(ctx context.Context) (err error) {
	if err := p.signers.phones.Signers.Revoke(ctx, p.person, p.phone.ID); err != nil {
		return err
	}
	p.phone.Phone, err = p.signers.phones.Signers.Store.Phone(ctx, p.phone.ID)
	return err
}

// awaitEnd waits until the request is cancelled or expired.
func (p *player) awaitEnd(ctx context.Context) error {
	changed, stop := p.requests().Watcher.Watch(p.id)
	defer stop()
	for {
		r, err := p.requests().Get(ctx, p.id)
		if err != nil || !r.State.MayLogin() {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-time.After(time.Second): // the request's end is no change
		}
	}
}

// SignersView is the signers as the control listener shows them.
type SignersView struct {
	Personas   []PersonaView `json:"personas"`
	Behaviours []Behaviour   `json:"behaviours"` // that there are
	Queue      []Plan        `json:"queue"`      // the next signer first
}

// PersonaView is a persona as the control listener shows it.
type PersonaView struct {
	UIN       string    `json:"uin"`
	Name      string    `json:"name"`
	Behaviour Behaviour `json:"behaviour"`
}

func (s *Signers) show(w http.ResponseWriter, _ *http.Request) error {
	v := SignersView{Behaviours: slices.Sorted(maps.Keys(scripts)), Queue: s.queued()}
	for _, p := range s.personas {
		do, _ := ParseBehaviour(string(p.Behaviour))
		v.Personas = append(v.Personas, PersonaView{p.UIN, p.Name, do})
	}
	httpx.WriteJSON(w, http.StatusOK, v)
	return nil
}

// planSigner adds a plan to the queue, or runs it with the request that the body names.
func (c *API) planSigner(w http.ResponseWriter, r *http.Request) error {
	s := c.Signers
	var in struct {
		Plan
		RequestID ID `json:"request_id"`
		ClientID  ID `json:"client_id"` // instead of that of Plan
	}
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	plan, requestID := in.Plan, string(in.RequestID)
	plan.ClientID = string(in.ClientID)
	if err := c.known(r.Context(), plan.ClientID, requestID); err != nil {
		return err
	}
	if in.Do != "" {
		if _, err := ParseBehaviour(string(in.Do)); err != nil {
			return api.ErrClientSide(err.Error())
		}
	}
	if in.As != "" {
		if _, err := s.Persona(in.As); err != nil {
			return err
		}
	}
	if requestID != "" {
		if err := s.Play(r.Context(), requestID, plan); err != nil {
			return notFound(err)
		}
		return s.show(w, r)
	}
	s.mu.Lock()
	s.queue = append(s.queue, plan)
	s.save()
	s.mu.Unlock()
	return s.show(w, r)
}

// clear empties the queue.
func (s *Signers) clear(w http.ResponseWriter, r *http.Request) error {
	s.empty("")
	return s.show(w, r)
}

// empty removes the plans for the requests of one relying party, or with "" all plans.
func (s *Signers) empty(clientID string) {
	s.mu.Lock()
	s.queue = slices.DeleteFunc(s.queue, func(p Plan) bool {
		return clientID == "" || p.ClientID == clientID
	})
	s.save()
	s.mu.Unlock()
}

// queued returns the queue, the next signer first.
func (s *Signers) queued() []Plan {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Plan{}, s.queue...)
}
