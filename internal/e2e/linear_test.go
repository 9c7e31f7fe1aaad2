package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// histories is how many requests' histories each linearizability test records and checks: a
// multiple of roundSize.
var histories = flag.Int(
	"histories", 200,
	"number of histories that the linearizability tests record; 10000 for the long run",
)

const roundSize = 20 // requests that live at the same time

// node is one process of the service.
type node interface {
	// call does one operation on a request. sent is false if it certainly never began.
	call(ctx context.Context, in call, r *api.Initiated) (out outcome, sent bool)
}

// httpNode is a node that is reached as relying parties and tests reach it.
type httpNode struct {
	url, control string
	party        *partytest.Party
	clock        func() time.Time
}

func (n *httpNode) call(ctx context.Context, in call, r *api.Initiated) (outcome, bool) {
	method, path, jws, kind, base := "POST", "", "", "application/json", n.url
	var body []byte
	switch in.do {
	case "initiate":
		path, kind, body = "/api/v3/sign-requests", "application/octet-stream", pdftest.Minimal()
		jws = n.token(token.Initiate)
	case "cancel":
		path, jws = "/api/v3/sign-requests/cancel", n.token(
			token.Cancel, partytest.Claim("request_id", r.RequestID),
		)
	case "result":
		method, path = "GET", "/api/v3/sign-requests/"+r.RequestID+"/signed-doc"
		jws = n.token(token.Result, partytest.Claim("exchange_code", r.ExchangeCode))
	case "clock":
		base, path, body = n.control, "/clock", fmt.Appendf(nil, `{"advance":"%ds"}`, in.step)
	default:
		base, path, body = n.control, "/requests/"+r.RequestID+"/act", fmt.Appendf(
			nil, `{"as":%q,"do":%q}`, in.who, in.do,
		)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	if jws != "" {
		req.Header.Set("Authorization", jws)
	}
	req.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return outcome{
			unknown: true,
			dropped: ctx.Err() == nil,
		}, !errors.Is(err, syscall.ECONNREFUSED)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return outcome{unknown: true, dropped: ctx.Err() == nil}, true
	case resp.StatusCode >= 500:
		return outcome{unknown: true}, true
	case resp.StatusCode == http.StatusOK:
		if in.do == "initiate" {
			if err := json.Unmarshal(text, r); err != nil {
				return outcome{unknown: true}, true
			}
		}
		return outcome{}, true
	}
	var refusal api.Error
	_ = json.Unmarshal(text, &refusal)
	// A clock that moved between the token and its check spoils the token: nothing was asked.
	return outcome{code: refusal.Code}, refusal.Code != api.CodeUnauthorized
}

func (n *httpNode) token(c token.Call, edits ...partytest.Edit) string {
	now := n.clock().Unix()
	return n.party.Token(
		c,
		append(edits, partytest.Claim("iat", now), partytest.Claim("exp", now+120))...)
}

// clockOf returns the time of a control listener, or the test's own if the node does not answer.
func clockOf(control string) func() time.Time {
	return func() time.Time {
		resp, err := http.Get(control + "/clock")
		if err != nil {
			return time.Now()
		}
		defer resp.Body.Close()
		var v struct{ Now time.Time }
		if json.NewDecoder(resp.Body).Decode(&v) != nil {
			return time.Now()
		}
		return v.Now
	}
}

// recorder keeps histories: of each request, and of what happened to all of a round.
type recorder struct {
	begin   time.Time
	mu      sync.Mutex
	all     map[int][]porcupine.Operation // by request
	shared  map[int][]porcupine.Operation // by round
	ahead   [modelNodes]int               // how far the nodes' clocks were moved
	deaths  map[int]int64                 // by round: when the one node was dead
	clients int
	cut     int          // connections cut
	under   atomic.Int32 // calls that a request's clients wait for
}

func newRecorder() *recorder {
	return &recorder{
		begin: time.Now(), all: map[int][]porcupine.Operation{},
		shared: map[int][]porcupine.Operation{}, deaths: map[int]int64{},
	}
}

// round begins a round. The model starts with equal clocks, so it gets the differences as steps.
func (r *recorder) round(number int) {
	for n, ahead := range r.ahead {
		r.addShared(number, call{do: "clock", node: n, step: ahead}, r.since(), outcome{})
	}
}

func (r *recorder) addShared(round int, in call, called int64, out outcome) {
	op := porcupine.Operation{
		ClientId: r.client(), Input: in, Call: called, Output: out, Return: r.since(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shared[round] = append(r.shared[round], op)
}

func (r *recorder) client() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clients++
	return r.clients
}

func (r *recorder) since() int64 { return int64(time.Since(r.begin)) }

func (r *recorder) add(request, client int, in call, called int64, out outcome) {
	end := r.since()
	if out.unknown {
		end = math.MaxInt64 // it may be done at any time from now on
	}
	op := porcupine.Operation{ClientId: client, Input: in, Call: called, Output: out, Return: end}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all[request] = append(r.all[request], op)
}

// check holds every history against the model; it returns the requests whose history no order
// explains.
func (r *recorder) check(t *testing.T) (broken []int) {
	t.Helper()
	model := requestModel()
	for id := range r.all {
		h := r.history(id)
		switch result, _ := porcupine.CheckOperationsVerbose(model, h, time.Minute); result {
		case porcupine.Illegal:
			broken = append(broken, id)
		case porcupine.Unknown:
			t.Errorf("request %d: the checker gave up on %d operations", id, len(h))
		}
	}
	return broken
}

// history is all that happened to a request. A call that the one node dropped when it was killed
// took effect before that, or never: the next process must not complete it.
func (r *recorder) history(request int) []porcupine.Operation {
	ops := append(slices.Clone(r.all[request]), r.shared[request/roundSize]...)
	if dead := r.deaths[request/roundSize]; dead > 0 {
		for i := range ops {
			if ops[i].Output.(outcome).dropped && ops[i].Call < dead {
				ops[i].Return = dead
			}
		}
	}
	return ops
}

// tell shows a history.
func (r *recorder) tell(request int) string {
	ops := r.history(request)
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	var b strings.Builder
	for _, op := range ops {
		fmt.Fprintf(
			&b, "%12s .. %-12s client %3d  %+v -> %+v\n", time.Duration(op.Call),
			time.Duration(op.Return), op.ClientId, op.Input, op.Output,
		)
	}
	return b.String()
}

// live makes all calls of the roundSize requests of one round, concurrently and through all nodes,
// while disturb runs. cuts is the share of calls, in per mille, whose connection is cut.
func (r *recorder) live(nodes []node, seed uint64, cuts int, disturb func(rng *rand.Rand)) {
	r.round(int(seed))
	var wg sync.WaitGroup
	for i := range roundSize {
		request := int(seed)*roundSize + i
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, uint64(i)))
			var in api.Initiated
			c := r.client()
			for { // a request that was lost in a cut has no id
				first := call{do: "initiate", node: rng.IntN(len(nodes))}
				called := r.since()
				if out, _ := nodes[first.node].call(context.Background(), first, &in); out == (outcome{}) {
					r.add(request, c, first, called, out)
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
			var clients sync.WaitGroup
			for k, steps := range [][]string{
				{"cancel", "result", "cancel"},
				{"open", "proceed", "approve", "proceed", "leave", "proceed"},
				{"open", "proceed", "reject", "leave"},
				{"approve", "approve", "reject", "approve"},
			} {
				rng := rand.New(rand.NewPCG(seed, uint64(i*100+k)))
				who := alice
				if k == 2 && rng.IntN(2) == 0 {
					who = bob
				}
				c := r.client()
				clients.Go(func() {
					for _, do := range steps {
						time.Sleep(time.Duration(rng.ExpFloat64() * float64(8*time.Millisecond)))
						if do == "cancel" && rng.IntN(3) > 0 {
							time.Sleep(time.Duration(rng.IntN(60)) * time.Millisecond)
						}
						ctx, cancel := context.WithCancel(context.Background())
						step := call{do: do, who: who, node: rng.IntN(len(nodes))}
						cut := rng.IntN(1000) < cuts
						if cut {
							time.AfterFunc(
								time.Duration(rng.ExpFloat64()*float64(2*time.Millisecond)), cancel,
							)
						}
						called := r.since()
						r.under.Add(1)
						out, sent := nodes[step.node].call(ctx, step, &in)
						r.under.Add(-1)
						cancel()
						if sent {
							r.add(request, c, step, called, out)
						}
						if cut && out.unknown {
							r.mu.Lock()
							r.cut++
							r.mu.Unlock()
						}
					}
				})
			}
			clients.Wait()
		})
	}
	wg.Go(func() { disturb(rand.New(rand.NewPCG(seed, 1<<40))) })
	wg.Wait()
}

// report fails for each history that no order explains, and says how many there were.
func (r *recorder) report(t *testing.T) {
	t.Helper()
	broken := r.check(t)
	for i, id := range broken {
		if i < 2 {
			t.Errorf("no order of these calls explains their answers:\n%s", r.tell(id))
		}
	}
	codes := map[string]int{}
	calls := 0
	for _, h := range r.all {
		for _, op := range h {
			calls++
			codes[op.Input.(call).do+" "+op.Output.(outcome).code]++
		}
	}
	t.Logf(
		"%d histories, %d calls, %d connections cut, %d not linearizable", len(r.all), calls, r.cut,
		len(broken),
	)
	for _, must := range []string{"cancel ", "cancel " + api.CodeActiveSession, "cancel " + api.CodeAlreadyCancelled, "approve ", "proceed " + api.CodeCancelled} {
		if codes[must] == 0 {
			t.Errorf("there was no %q among the calls: %v", must, codes)
		}
	}
}

// step moves a node's clock and records it for all requests of the round.
func (r *recorder) step(round int, n node, number int, seconds int) {
	in := call{do: "clock", node: number, step: seconds}
	called := r.since()
	if out, sent := n.call(context.Background(), in, nil); sent && !out.unknown {
		r.addShared(round, in, called, out)
		r.ahead[number] += seconds
	}
}

// kill ends a node with kill -9 and starts it again, on the same data.
func (r *recorder) kill(t *testing.T, round int, p *process, number int) (dead int64) {
	called := r.since()
	p.kill()
	dead = r.since()
	p.start(t)
	ahead := int(time.Until(clockOf(p.control)()).Round(time.Second) / time.Second)
	r.addShared(round, call{do: "restart", node: number, step: ahead}, called, outcome{})
	r.ahead[number] = ahead
	return dead
}

// TestLinearSQLite records histories on one node with SQLite, a process of its own. In every other
// round it is killed in the middle and started again on its data folder.
func TestLinearSQLite(t *testing.T) {
	p := newProcess(t)
	p.start(t)
	n := &httpNode{p.url, p.control, p.party, clockOf(p.control)}
	r := newRecorder()
	for round := range *histories / roundSize {
		r.live([]node{n}, uint64(round), 40, func(rng *rand.Rand) {
			steps := rng.IntN(3)
			victim := -1 // after how many steps of the clock it is killed
			if round%2 == 1 {
				victim = rng.IntN(steps + 1)
			}
			for i := range steps + 1 {
				time.Sleep(time.Duration(rng.IntN(40)) * time.Millisecond)
				if i == victim {
					// a kill between two calls, or while requests are being made, would test
					// nothing
					for range 1000 {
						if r.under.Load() > 0 {
							break
						}
						time.Sleep(time.Millisecond)
					}
					r.deaths[round] = r.kill(t, round, p, 0)
				}
				if i < steps {
					r.step(round, n, 0, []int{100, 200, 1900}[rng.IntN(3)])
				}
			}
		})
	}
	dropped := 0
	for _, h := range r.all {
		for _, op := range h {
			if op.Output.(outcome).dropped {
				dropped++
			}
		}
	}
	t.Logf("%d kills of the node, which dropped %d calls", len(r.deaths), dropped)
	if len(r.deaths) > 0 && dropped == 0 {
		t.Error("no call met a kill")
	}
	r.report(t)
}
