package conform

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/conform/report"
)

// receiver is the party's webhook URL, and its JWKS URL too.
type receiver struct {
	server *http.Server

	mu      sync.Mutex
	plans   map[string][]reply       // for the next webhooks, by request id
	before  map[string]func(arrival) // what is called with a webhook before it is answered
	arrived []arrival
	keys    []byte        // the JWKS at published, or nil
	fetches int           // of it
	wake    chan struct{} // closed and replaced when a webhook arrives
}

// reply is how the receiver answers one webhook; the zero reply is 204 at once.
type reply struct {
	status   int
	after    time.Duration
	location string
	body     string
	abort    bool // closes the connection instead
}

// arrival is a request that arrived at the webhook URL.
type arrival struct {
	at        time.Time
	method    string
	path      string
	header    http.Header
	body      []byte
	token     string
	requestID string // that the token names, which is not verified here
	recorder  *report.Recorder
}

// receive serves on l until close.
func receive(l net.Listener, mistake *Mistake, party client.Key, other *Party) (*receiver, error) {
	jwks, err := client.JWKSHandler(party)
	if err != nil {
		return nil, err
	}
	others := http.NotFoundHandler()
	if other != nil {
		if others, err = client.JWKSHandler(other.Key); err != nil {
			return nil, err
		}
	}
	r := &receiver{
		plans: map[string][]reply{}, before: map[string]func(arrival){},
		wake: make(chan struct{}),
	}
	hooks := http.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		recorder := new(report.Recorder)
		recorder.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			r.serve(w, req, recorder)
		})).ServeHTTP(w, req)
	}))
	if mistake != nil && mistake.webhook != nil {
		hooks = mistake.webhook(hooks)
	}
	r.server = &http.Server{
		Addr:              l.Addr().String(),
		ReadHeaderTimeout: 10 * time.Second,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			switch {
			case req.URL.Path == published:
				r.serveKeys(w)
				return
			case req.URL.Path == otherJWKS:
				others.ServeHTTP(w, req)
				return
			case req.Method == http.MethodGet && req.URL.Path != redirected:
				jwks.ServeHTTP(w, req)
				return
			}
			hooks.ServeHTTP(w, req)
		}),
	}
	go func() { _ = r.server.Serve(l) }()
	return r, nil
}

// otherJWKS is where the key of the second party is, which the first one's JWKS must not have.
const otherJWKS = "/other-jwks"

// published is where keys are that a token's header names.
const published = "/published"

// publish returns the URL of a JWKS.
func (r *receiver) publish(keys []byte) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keys = keys
	return "http://" + r.server.Addr + published
}

// fetched returns how often the JWKS of publish was fetched.
func (r *receiver) fetched() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.fetches
}

func (r *receiver) serveKeys(w http.ResponseWriter) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fetches++
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(r.keys)
}

func (r *receiver) close() { _ = r.server.Close() }

// redirected is where webhooks are redirected to that must not be followed.
const redirected = "/redirected"

func (r *receiver) serve(w http.ResponseWriter, req *http.Request, recorder *report.Recorder) {
	body, _ := io.ReadAll(req.Body) // the recorder has read it
	var envelope api.Webhook
	_ = json.Unmarshal(body, &envelope) // without a token if it is not understood
	a := arrival{
		at: time.Now(), method: req.Method, path: req.URL.Path, header: req.Header, body: body,
		token: envelope.Token, requestID: text(claimsOf(envelope.Token)["request_id"]),
		recorder: recorder,
	}
	r.mu.Lock()
	before := r.before[a.requestID]
	r.mu.Unlock()
	if before != nil {
		before(a)
	}
	answer := r.note(a)
	time.Sleep(answer.after)
	if answer.abort {
		panic(http.ErrAbortHandler) // closes the connection
	}
	if answer.location != "" {
		w.Header().Set("Location", answer.location)
	}
	if answer.status == 0 {
		answer.status = http.StatusNoContent
	}
	w.WriteHeader(answer.status)
	_, _ = io.WriteString(w, answer.body)
}

// note keeps an arrival and returns the planned reply.
func (r *receiver) note(a arrival) (next reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if plan := r.plans[a.requestID]; len(plan) > 0 {
		next, r.plans[a.requestID] = plan[0], plan[1:]
	}
	r.arrived = append(r.arrived, a)
	close(r.wake)
	r.wake = make(chan struct{})
	return next
}

// plan sets the replies to the next webhooks of a request.
func (r *receiver) plan(requestID string, replies ...reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.plans[requestID] = replies
}

// first sets what is called with the webhooks of a request before they are answered.
func (r *receiver) first(requestID string, do func(arrival)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.before[requestID] = do
}

// await returns what arrived for a request when there are n webhooks, or less after a time. What
// names no request counts too, because the server's mistake may be there.
func (r *receiver) await(
	ctx context.Context, requestID string, n int, within time.Duration,
) ([]arrival, error) {
	late := time.After(within)
	for {
		var list []arrival
		r.mu.Lock()
		for _, a := range r.arrived {
			if a.requestID == requestID || a.requestID == "" {
				list = append(list, a)
			}
		}
		wake := r.wake
		r.mu.Unlock()
		if len(list) >= n {
			return list, nil
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-late:
			return list, nil
		case <-wake:
		}
	}
}
