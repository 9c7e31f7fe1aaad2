package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
)

// Exchange is a request and its answer as text: the first line, headers and body. Tokens are
// decoded and masked as in the log of calls, documents are named by their size, and what opens
// something is cut: exchange codes, the paths of URLs that lead to documents, queries.
type Exchange struct {
	At      time.Time `json:"at"`
	Request string    `json:"request"`
	Answer  string    `json:"answer"` // or why there is none
}

func (e Exchange) String() string { return e.Request + "\n" + e.Answer + "\n" }

// Recorder keeps the exchanges that pass through it, in either direction. It is safe for concurrent
// use. The zero Recorder is ready for use.
type Recorder struct {
	mu        sync.Mutex
	exchanges []Exchange
}

// Take returns the exchanges since the last Take.
func (r *Recorder) Take() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.exchanges
	r.exchanges = nil
	return taken
}

// Exchanges returns the exchanges since the last Take, and keeps them.
func (r *Recorder) Exchanges() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.exchanges)
}

func (r *Recorder) add(e Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.exchanges = append(r.exchanges, e)
}

// maxBody is the largest body in bytes that a Recorder lets through.
const maxBody = 64 << 20

// Transport records the requests that are sent through next.
func (r *Recorder) Transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(req *http.Request) (*http.Response, error) {
		e := Exchange{At: time.Now()}
		sent, err := readAll(req.Body)
		if err != nil {
			return nil, err
		}
		req = req.Clone(req.Context())
		req.Body = io.NopCloser(bytes.NewReader(sent))
		e.Request = requestText(req, sent)
		resp, err := next.RoundTrip(req)
		var got []byte
		if err == nil {
			got, err = readAll(resp.Body)
		}
		if err != nil {
			e.Answer = "no answer: " + err.Error()
			r.add(e)
			return nil, err
		}
		resp.Body = io.NopCloser(bytes.NewReader(got))
		e.Answer = resp.Proto + " " + resp.Status + "\n" + headerText(resp.Header) + bodyText(got)
		r.add(e)
		return resp, nil
	})
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Handler records the requests that next answers.
func (r *Recorder) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		e := Exchange{At: time.Now()}
		got, err := readAll(req.Body)
		if err != nil {
			http.Error(w, "the body could not be read", http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(got))
		e.Request = requestText(req, got)
		copied := &copier{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(copied, req)
		e.Answer = fmt.Sprintf(
			"%s %d %s\n%s%s", req.Proto, copied.status, http.StatusText(copied.status),
			headerText(w.Header()), bodyText(copied.body.Bytes()),
		)
		r.add(e)
	})
}

// copier keeps what is written to it.
type copier struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (c *copier) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

func (c *copier) Write(p []byte) (int, error) {
	c.body.Write(p)
	return c.ResponseWriter.Write(p)
}

func readAll(body io.ReadCloser) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	defer body.Close()
	all, err := io.ReadAll(io.LimitReader(body, maxBody+1))
	if err == nil && len(all) > maxBody {
		err = errors.New("the body is too large")
	}
	return all, err
}

func requestText(r *http.Request, body []byte) string {
	return r.Method + " " + party.ShownURL(r.URL.String()) + "\n" + headerText(r.Header) +
		bodyText(body)
}

// headerText is a line for each header, in alphabetical order.
func headerText(header http.Header) string {
	var b strings.Builder
	names := make([]string, 0, len(header))
	for name := range header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		for _, value := range header[name] {
			switch name {
			case "Authorization":
				value = tokenText(value)
			case "Cookie", "Set-Cookie":
				value = "•••"
			default:
				value = calllog.Scrub(value)
			}
			b.WriteString(name + ": " + value + "\n")
		}
	}
	return b.String()
}

// tokenText is a token decoded and masked.
func tokenText(compact string) string {
	text, err := marshal(calllog.ReadToken(compact))
	if err != nil {
		return "(a token)"
	}
	return text
}

// maxText is how much of a body that is not JSON is kept, in bytes.
const maxText = 1000

// bodyText is a body as evidence.
func bodyText(body []byte) string {
	var object map[string]any
	switch {
	case len(body) == 0:
		return ""
	case bytes.HasPrefix(body, []byte("%PDF-")):
		return fmt.Sprintf("(a PDF of %d bytes)\n", len(body))
	case json.Unmarshal(body, &object) == nil:
		text, err := marshal(masked(object))
		if err == nil {
			return text + "\n"
		}
	case !utf8.Valid(body):
		return fmt.Sprintf("(%d bytes)\n", len(body))
	}
	text, mark := body, ""
	if len(text) > maxText {
		text, mark = text[:maxText], "…"
	}
	return calllog.Scrub(strings.ToValidUTF8(string(text), "")) + mark + "\n"
}

// masked returns a value of a JSON body without its secrets.
func masked(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for name, inner := range v {
			text, isText := inner.(string)
			switch {
			case isText && strings.EqualFold(name, "exchange_code"):
				v[name] = fmt.Sprintf("••• (%d characters)", utf8.RuneCountInString(text))
			case isText && strings.EqualFold(name, "token"):
				v[name] = calllog.ReadToken(text)
			case isText && strings.HasSuffix(strings.ToLower(name), "_url"):
				v[name] = origin(text)
			default:
				v[name] = masked(inner)
			}
		}
	case []any:
		for i := range v {
			v[i] = masked(v[i])
		}
	case string:
		return calllog.Scrub(v)
	}
	return value
}

// origin cuts the path of a URL that opens something.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return "(not a URL)"
	}
	return u.Scheme + "://" + u.Host + "/…"
}

func marshal(v any) (string, error) {
	var b strings.Builder
	out := json.NewEncoder(&b)
	out.SetEscapeHTML(false)
	err := out.Encode(v)
	return strings.TrimSuffix(b.String(), "\n"), err
}
