package request

import (
	"context"
	"crypto/x509"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/signet-sign/signet/pades"
)

// turns bounds how many documents are parsed at once, because parsing a hostile one can take
// seconds of CPU time and about 100 MiB of memory. It is fair: one relying party never holds all
// slots, and waiting parties are served in turn, however many documents each has.
type turns struct {
	mu      sync.Mutex
	free    int
	most    int                        // slots that one party may hold
	held    map[string]int             // slots by party
	waiting map[string][]chan struct{} // by party, in the order of arrival
	order   []string                   // waiting parties, the next one to serve first
}

// newTurns returns turns with a slot for each processor, at least two.
func newTurns() *turns {
	slots := max(2, runtime.GOMAXPROCS(0))
	return &turns{
		free: slots, most: slots - 1, held: make(map[string]int),
		waiting: make(map[string][]chan struct{}),
	}
}

// take waits until a document of a party may be parsed. The caller ends the turn when it is.
func (t *turns) take(ctx context.Context, party string) (*turn, error) {
	if err := t.wait(ctx, party); err != nil {
		return nil, err
	}
	return &turn{turns: t, party: party, held: true}, nil
}

// wait waits for a slot.
func (t *turns) wait(ctx context.Context, party string) error {
	t.mu.Lock()
	if t.free > 0 && t.held[party] < t.most {
		t.free--
		t.held[party]++
		t.mu.Unlock()
		return nil
	}
	granted := make(chan struct{})
	if len(t.waiting[party]) == 0 {
		t.order = append(t.order, party)
	}
	t.waiting[party] = append(t.waiting[party], granted)
	t.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if i := slices.Index(t.waiting[party], granted); i >= 0 {
		t.remove(party, i)
		return ctx.Err()
	}
	return nil // the slot was granted at the same moment
}

func (t *turns) release(party string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.free++
	if t.held[party]--; t.held[party] == 0 {
		delete(t.held, party)
	}
	for t.free > 0 {
		i := slices.IndexFunc(t.order, func(p string) bool { return t.held[p] < t.most })
		if i < 0 {
			return
		}
		next := t.order[i]
		close(t.waiting[next][0])
		t.free--
		t.held[next]++
		t.order = append(slices.Delete(t.order, i, i+1), next) // behind the others
		t.remove(next, 0)
	}
}

// Parsing returns how many documents are parsed now, and how many wait for that. A hostile one can
// take 100 MiB of memory.
func (s *Service) Parsing() (running, waiting int) {
	t := s.parsing
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.held {
		running += n
	}
	for _, list := range t.waiting {
		waiting += len(list)
	}
	return running, waiting
}

// remove removes a waiting call from the lists.
func (t *turns) remove(party string, i int) {
	t.waiting[party] = slices.Delete(t.waiting[party], i, i+1)
	if len(t.waiting[party]) == 0 {
		delete(t.waiting, party)
		t.order = slices.DeleteFunc(t.order, func(p string) bool { return p == party })
	}
}

// turn is a slot that can be given up for the time of an external call.
type turn struct {
	turns *turns
	party string
	held  bool
}

// end releases the slot, unless it is released already.
func (t *turn) end() {
	if t.held {
		t.turns.release(t.party)
		t.held = false
	}
}

// without calls call without the slot, and then takes a slot again.
func (t *turn) without(ctx context.Context, call func() error) error {
	t.end()
	if err := call(); err != nil {
		return err
	}
	err := t.turns.wait(ctx, t.party)
	t.held = err == nil
	return err
}

// turnlessTimestamper holds no slot during its calls, which may take long.
type turnlessTimestamper struct {
	pades.Timestamper
	turn    *turn
	request *Request
}

func (s turnlessTimestamper) Timestamp(
	ctx context.Context, imprint []byte,
) (token []byte, err error) {
	err = s.turn.without(ctx, func() error {
		token, err = s.Timestamper.Timestamp(context.WithValue(ctx, stamped{}, s.request), imprint)
		return err
	})
	return token, err
}

// stamped is the key of the request in the context of its timestamps.
type stamped struct{}

// Timestamped returns the request whose document a [Timestamper] is asked to stamp, or nil.
func Timestamped(ctx context.Context) *Request {
	r, _ := ctx.Value(stamped{}).(*Request)
	return r
}

// TokenSize implements pades.TokenSizer.
func (s turnlessTimestamper) TokenSize() int {
	if sizer, ok := s.Timestamper.(pades.TokenSizer); ok {
		return sizer.TokenSize()
	}
	return 0
}

// turnlessEvidence holds no slot during its calls, and calls begin before each, unless it is nil.
type turnlessEvidence struct {
	pades.EvidenceSource
	turn  *turn
	begin func()
}

func (u turnlessEvidence) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	if u.begin != nil {
		u.begin()
	}
	err = u.turn.without(ctx, func() error {
		responses, crls, err = u.EvidenceSource.Evidence(ctx, certs)
		return err
	})
	return responses, crls, err
}

// verify verifies a stored document of a party. The error is errGate if the document cannot be
// parsed; other errors do not depend on the document.
func (s *Service) verify(ctx context.Context, party string, b Blob) (*pades.Report, error) {
	turn, err := s.parsing.take(ctx, party)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	parsed := &reading{Blob: b}
	report, err := pades.Verify(parsed, b.Size(), s.trust())
	if failure := parsed.failure(); failure != nil {
		return nil, failure
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errGate, err)
	}
	return report, nil
}
