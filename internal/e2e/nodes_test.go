package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestLinearPostgres records histories on three nodes over one PostgreSQL database, each a process
// of its own with a clock of its own. In some rounds a node is killed and started again, in some
// the database restarts under all of them.
func TestLinearPostgres(t *testing.T) {
	var cluster pgtest.Cluster
	t.Cleanup(cluster.Stop)
	database := cluster.Database(t)
	first := newProcess(t)
	var processes []*process
	var nodes []node
	for i := range modelNodes {
		p := first
		if i > 0 {
			p = first.sibling(t)
		}
		p.args = append(p.args, "--database", database)
		p.start(t)
		processes = append(processes, p)
		nodes = append(nodes, &httpNode{p.url, p.control, first.party, clockOf(p.control)})
	}
	r := newRecorder()
	kills, restarts := 0, 0
	for round := range *histories / roundSize {
		r.live(nodes, uint64(round), 20, func(rng *rand.Rand) {
			time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
			victim := rng.IntN(len(nodes))
			switch round % 4 {
			case 0:
				for n := range nodes { // nearly together, as clocks are
					r.step(round, nodes[n], n, 200)
				}
			case 1:
				// a clock that runs away
				r.step(round, nodes[victim], victim, []int{2, 200, 1900}[rng.IntN(3)])
			case 2:
				kills++
				r.kill(t, round, processes[victim], victim)
			case 3:
				restarts++
				cluster.Restart(t)
			}
		})
	}
	t.Logf("%d kills of a node, %d restarts of the database", kills, restarts)
	r.report(t)
}

// sibling is another node over the same data.
func (p *process) sibling(t *testing.T) *process {
	t.Helper()
	q := &process{party: p.party, args: slices.Clone(p.args)}
	listen, control := freeAddr(t), freeAddr(t)
	q.url, q.control = "http://"+listen, "http://"+control
	q.args[slices.Index(q.args, "--listen")+1] = listen
	q.args[slices.Index(q.args, "--control")+1] = control
	t.Cleanup(func() {
		q.kill()
		if t.Failed() {
			t.Logf("the log of a sibling:\n%s", q.log.String())
		}
	})
	return q
}

// domainNode is a node without HTTP, so that a bug can be planted between the domain and its store.
type domainNode struct {
	*world
	clock func(time.Duration)
}

func (n *domainNode) call(ctx context.Context, in call, r *api.Initiated) (outcome, bool) {
	p := signer.Person{UIN: in.who, Name: "PERSON " + in.who}
	var err error
	switch in.do {
	case "initiate":
		var made *api.Initiated
		made, err = n.Initiate(ctx, request.Application{
			ClientID: "shop", DocName: "lease.pdf",
			Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err == nil {
			*r = *made
		}
	case "open":
		_, err = n.Open(ctx, r.RequestID, p)
	case "proceed":
		_, err = n.Proceed(ctx, r.RequestID, p, request.SeenUnasked)
	case "approve":
		err = n.phones.Approve(ctx, r.RequestID, p)
	case "reject":
		err = n.phones.Reject(ctx, r.RequestID, p)
	case "leave":
		err = n.Leave(ctx, r.RequestID, p)
	case "cancel":
		err = n.Cancel(ctx, "shop", r.RequestID)
	case "result":
		_, err = n.Result(ctx, r.RequestID, r.ExchangeCode, n.Now())
	case "clock":
		n.clock(time.Duration(in.step) * time.Second)
	}
	var refusal *api.Error
	switch {
	case err == nil:
		return outcome{}, true
	case errors.As(err, &refusal):
		return outcome{code: refusal.Code}, true
	}
	return outcome{unknown: true}, true
}

// blindStore is the bug: it reads, decides, lets others go on, and writes over whatever they did.
type blindStore struct{ request.Store }

func (s blindStore) Update(
	ctx context.Context, id string, change func(*request.Request) (request.Effects, error),
) error {
	decided, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	e, err := change(decided)
	if err != nil {
		return err
	}
	sum := sha256.Sum256([]byte(id + string(decided.State)))
	time.Sleep(time.Duration(sum[0]) * 10 * time.Microsecond)
	return s.Store.Update(ctx, id, func(r *request.Request) (request.Effects, error) {
		*r = *decided.Clone()
		return e, nil
	})
}

// TestLinearFindsPlantedBug runs the same histories on the domain: as it is, they pass; on a store
// without compare-and-set they must not.
func TestLinearFindsPlantedBug(t *testing.T) {
	for name, wrong := range map[string]bool{"compare-and-set": false, "blind writes": true} {
		t.Run(name, func(t *testing.T) {
			o := worldOptions{dir: t.TempDir()}
			clock := new(control.Clock)
			o.now = clock.Now
			if wrong {
				o.store = func(s request.Store) request.Store { return blindStore{s} }
			}
			w, err := openWorld(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(context.Background())
			stopped := make(chan error, 1)
			go func() { stopped <- w.worker.Run(ctx) }()
			defer func() {
				cancel()
				if err := errors.Join(<-stopped, w.close()); err != nil {
					t.Error(err)
				}
			}()
			r := newRecorder()
			for round := range 3 {
				n := &domainNode{w, clock.Advance}
				r.live([]node{n}, uint64(round), 0, func(*rand.Rand) { r.step(round, n, 0, 100) })
			}
			broken := r.check(t)
			t.Logf("%d of %d histories are not linearizable", len(broken), len(r.all))
			if wrong && len(broken) == 0 {
				t.Error("the checker did not notice")
			}
			if !wrong && len(broken) > 0 {
				t.Errorf("no order of these calls explains their answers:\n%s", r.tell(broken[0]))
			}
		})
	}
}
