package rpapi

import (
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/limit"
)

// Limits bound the calls and uploads of relying parties, for each process. A call beyond them is
// refused with TOO_MANY_REQUESTS. Zero means no limit.
type Limits struct {
	// Rate is the number of authentic calls of one party per second. The bucket holds burstSeconds
	// times as many.
	Rate int

	PartyUploads, Uploads int   // in progress, of one party and of all
	PartyBytes, Bytes     int64 // announced for uploads in progress, of one party and of all
}

const burstSeconds = 10

// usage is the sum of uploads in progress.
type usage struct {
	uploads int
	bytes   int64
}

// limiter counts what Limits bound. The zero limiter is ready for use.
type limiter struct {
	rates   limit.Rates // by client id
	mu      sync.Mutex
	parties map[string]usage // by client id
	all     usage
	tokens  map[request.Ticket]bool // of uploads in progress
}

// admit counts an authentic call of a party, or refuses it.
func (a *API) admit(w http.ResponseWriter, clientID string) error {
	perSecond := a.Limits.Rate
	if perSecond == 0 {
		return nil
	}
	if a.limiter.rates.Allow(clientID, rate.Limit(perSecond), perSecond*burstSeconds) {
		return nil
	}
	w.Header().Set("RateLimit-Limit", strconv.Itoa(perSecond))
	w.Header().Set("RateLimit-Remaining", "0")
	w.Header().Set("RateLimit-Reset", "1")
	return tooMany(w, "the relying party makes more than %d calls a second", perSecond)
}

// tooMany returns the refusal of a call that may be repeated after a second.
func tooMany(w http.ResponseWriter, format string, args ...any) error {
	w.Header().Set("Retry-After", "1")
	return api.ErrTooManyRequests.Because(format, args...)
}

// beginUpload reserves the token and the share of an upload until end is called. size is the
// announced size; if it is negative, the largest size counts.
//
// Another call with the same token is refused while the upload is in progress. Other processes do
// not know of the upload: if several nodes receive uploads with one token, the first to finish
// creates the request.
func (a *API) beginUpload(
	w http.ResponseWriter, clientID string, t request.Ticket, size int64,
) (end func(), err error) {
	if size < 0 {
		size = api.MaxDocumentBytes
	}
	l := &a.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tokens[t] {
		return nil, api.ErrUnauthorized.Because(
			"initiate: claim jti: an upload with this token is in progress",
		)
	}
	if limits, used := a.Limits, l.parties[clientID]; beyond(limits.PartyUploads, used.uploads+1) ||
		beyond(limits.PartyBytes, used.bytes+size) {
		return nil, tooMany(
			w, "the relying party has %d uploads in progress, of %d bytes", used.uploads,
			used.bytes,
		)
	} else if beyond(limits.Uploads, l.all.uploads+1) || beyond(limits.Bytes, l.all.bytes+size) {
		return nil, tooMany(
			w, "all relying parties have %d uploads in progress, of %d bytes", l.all.uploads,
			l.all.bytes,
		)
	}
	if l.parties == nil {
		l.parties, l.tokens = map[string]usage{}, map[request.Ticket]bool{}
	}
	l.count(clientID, 1, size)
	if t != (request.Ticket{}) { // the zero Ticket stands for a token that may be used again
		l.tokens[t] = true
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.count(clientID, -1, -size)
		delete(l.tokens, t)
	}, nil
}

// count adds to the sums of uploads in progress, with mu held.
func (l *limiter) count(clientID string, uploads int, bytes int64) {
	l.all.uploads += uploads
	l.all.bytes += bytes
	used := l.parties[clientID]
	used.uploads += uploads
	used.bytes += bytes
	if l.parties[clientID] = used; used.uploads == 0 {
		delete(l.parties, clientID)
	}
}

func beyond[N int | int64](limit, n N) bool { return limit > 0 && n > limit }

// pacedBody is the body of an upload with a minimum rate: reading fails unless the next least bytes
// arrive within each window.
type pacedBody struct {
	io.ReadCloser
	connection *http.ResponseController
	window     time.Duration
	least      int64 // bytes per window
	left       int64 // bytes still missing in this window; 0 before a window begins
	failed     bool  // with an error other than io.EOF
}

func (a *API) paced(w http.ResponseWriter, r *http.Request) *pacedBody {
	b := &pacedBody{
		ReadCloser: r.Body, connection: http.NewResponseController(w), window: a.UploadWindow,
		least: a.SlowestUpload,
	}
	if b.window == 0 {
		b.window = 10 * time.Second
	}
	if b.least == 0 {
		b.least = 8 << 10
	}
	b.least = int64(math.Ceil(float64(b.least) * b.window.Seconds()))
	return b
}

// begin begins a window that ends at end, or one without end if end is zero. It ignores a
// ResponseWriter without deadlines, which only tests have.
func (b *pacedBody) begin(end time.Time) {
	b.left = b.least
	_ = b.connection.SetReadDeadline(end)
}

func (b *pacedBody) Read(p []byte) (int, error) {
	if b.left == 0 {
		b.begin(time.Now().Add(b.window))
	}
	n, err := b.ReadCloser.Read(p)
	switch b.left -= int64(n); {
	case errors.Is(err, io.EOF):
		b.begin(time.Time{}) // otherwise the deadline would end the context of the call
	case err != nil:
		b.failed = true
	case b.left <= 0:
		b.left = 0
	}
	return n, err
}

// maxUnauthenticated is the number of unauthenticated bodies that are read in full at the same
// time.
const maxUnauthenticated = 16

// drainBody reads the rest of an unused body, because many clients write the whole request before
// they read, and would get a connection reset instead of the answer. It reads up to twice the
// largest document size: for 10 s if the caller is authenticated, and for 2 s otherwise. Beyond
// maxUnauthenticated unauthenticated callers it reads 256 KiB. A client that waits for "100
// Continue" has sent no body yet.
func (a *API) drainBody(w http.ResponseWriter, r *http.Request, authentic bool) {
	if r.Header.Get("Expect") != "" {
		return
	}
	most, wait := int64(2*api.MaxDocumentBytes), 10*time.Second
	if !authentic {
		wait = 2 * time.Second
		if a.unauthenticated.Add(1) > maxUnauthenticated {
			most, wait = 256<<10, time.Second
		}
		defer a.unauthenticated.Add(-1)
	}
	limit.EndTurn(w)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(wait))
	_, _ = io.CopyN(io.Discard, r.Body, most)
}
