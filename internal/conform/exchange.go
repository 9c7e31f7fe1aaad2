package conform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// exchange is a call and its answer, which a mistake changes before the judge sees it.
type exchange struct {
	call          string // "initiate", "result", "cancel", or "act" of a signer; "" is another
	request       *http.Request
	sent          []byte
	authorization string
	jose, claims  map[string]json.RawMessage

	status int
	header http.Header
	body   []byte
}

// spoil changes each answer.
func spoil(change func(*exchange)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			e := &exchange{request: r, authorization: r.Header.Get("Authorization")}
			var err error
			if r.Body != nil {
				if e.sent, err = io.ReadAll(r.Body); err != nil {
					return nil, err
				}
				r.Body = io.NopCloser(bytes.NewReader(e.sent))
			}
			compact := strings.TrimPrefix(e.authorization, "Bearer ")
			e.claims = claimsOf(compact)
			head, _, _ := strings.Cut(compact, ".")
			raw, _ := base64.RawURLEncoding.DecodeString(head)
			_ = json.Unmarshal(raw, &e.jose) // nil if it is no token
			switch {
			case strings.HasSuffix(r.URL.Path, api.PathCancel):
				e.call = "cancel"
			case strings.HasSuffix(r.URL.Path, api.PathRequest):
				e.call = "initiate"
			case strings.Contains(r.URL.Path, api.PathRequest):
				e.call = "result"
			case strings.HasSuffix(r.URL.Path, "/act"):
				e.call = "act"
			}
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			if e.body, err = io.ReadAll(resp.Body); err != nil {
				return nil, err
			}
			e.status, e.header = resp.StatusCode, resp.Header
			change(e)
			if r.Method != http.MethodHead {
				e.header.Set("Content-Length", strconv.Itoa(len(e.body)))
				resp.ContentLength = int64(len(e.body))
			}
			resp.StatusCode, resp.Header = e.status, e.header
			resp.Status = fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
			resp.Body = io.NopCloser(bytes.NewReader(e.body))
			return resp, nil
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// code is the error of the answer, or "".
func (e *exchange) code() string { return (&answer{body: e.body}).code() }

// now is the time in seconds.
func (e *exchange) now() float64 { return float64(time.Now().Unix()) }

// time is a claim that is a number, or 0.
func (e *exchange) time(name string) (n float64) {
	_ = json.Unmarshal(e.claims[name], &n)
	return n
}

// places are the sign_locations, if they are numbers.
func (e *exchange) places() (list []struct{ X, Y json.Number }) {
	_ = json.Unmarshal(e.claims["sign_locations"], &list)
	return list
}

func (e *exchange) isPDF() bool { return bytes.HasPrefix(e.body, []byte("%PDF-")) }

// set sets a member of the answer.
func (e *exchange) set(name string, value any) {
	object := (&answer{body: e.body}).members()
	text, err := json.Marshal(value)
	if err != nil || object == nil {
		return
	}
	object[name] = text
	e.body, _ = json.Marshal(object)
}

func (e *exchange) refuse(status int, code, description string) {
	e.status = status
	e.body, _ = json.Marshal(api.Error{Code: code, Description: description})
	e.header.Set("Content-Type", "application/json")
}

// succeed answers as if the call was authentic and right.
func (e *exchange) succeed() {
	switch e.call {
	case "initiate":
		e.status = http.StatusOK
		e.body, _ = json.Marshal(api.Initiated{
			SigningURL: "https://sign.invalid/", RequestID: unknownID(), ExchangeCode: "x",
		})
	case "result":
		e.refuse(http.StatusBadRequest, api.CodeNotSigned, api.ErrNotSigned.Description)
	case "cancel":
		e.status, e.body = http.StatusOK, nil
	}
}

// accepts answers refused calls for which when holds as if they were right.
func accepts(when func(*exchange) bool) func(*exchange) {
	return func(e *exchange) {
		if code := e.code(); (code == api.CodeUnauthorized || code == api.CodeClientSide) &&
			when(e) {
			e.succeed()
		}
	}
}

// sends reports whether the body has a text.
func sends(text string) func(*exchange) bool {
	return func(e *exchange) bool { return bytes.Contains(e.sent, []byte(text)) }
}

// requestID is the id of the request that the call is about, or "".
func (e *exchange) requestID() string {
	parts := strings.Split(e.request.URL.Path, "/")
	switch e.call {
	case "cancel":
		return text(e.claims["request_id"])
	case "result", "act":
		return parts[len(parts)-2]
	}
	return ""
}

// step is what a signer does.
func (e *exchange) step() string {
	var in struct{ Do string }
	_ = json.Unmarshal(e.sent, &in) // "" if it is no step
	return in.Do
}

// fail answers a signer's step with a refusal.
func (e *exchange) fail() { e.refuse(http.StatusConflict, "NOT_ALLOWED", "This is over") }

// history is what a mistake remembers of requests. Times are those of the requests' clocks.
type history struct {
	made     map[string]int // requests by id, in their order
	answered map[string]int // calls with one outcome: "cancel", "result", a code or a step
	aged     map[string]time.Duration
	moved    time.Duration // the clock of the whole sandbox
	links    map[string]string
}

// note adds an exchange.
func (h *history) note(e *exchange) {
	id := e.requestID()
	switch {
	case e.request.URL.Path == "/clock":
		var change struct {
			Advance   string `json:"advance"`
			RequestID string `json:"request_id"`
		}
		_ = json.Unmarshal(e.sent, &change)        // empty if it is no advance
		d, _ := time.ParseDuration(change.Advance) // 0 is a reset
		if change.RequestID != "" {
			h.aged[change.RequestID] += d
		} else {
			h.moved = d
		}
	case e.call == "initiate" && e.status == http.StatusOK:
		h.made[(&answer{body: e.body}).member("request_id")] = len(h.made) + 1
	case e.call == "act" && e.status == http.StatusOK:
		h.answered[id+e.step()]++
	case e.call != "" && e.status == http.StatusOK:
		h.answered[id+e.call]++
	case e.code() != "":
		h.answered[id+e.code()]++
	}
	if link := (&answer{body: e.body}).member("signed_doc_url"); e.call == "result" && link != "" {
		h.links[link] = id
	}
}
