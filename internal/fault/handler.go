package fault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/token"
)

// Header is the header that names the fault in an answer.
const Header = "Signet-Fault"

// ErrRequestFailed is an answer to a result call that relying parties know and no public page
// describes (docs/contract.md, 14.34).
var ErrRequestFailed = &api.Error{Code: "REQUEST_FAILED", Description: "Sign request has failed"}

// Owner returns the client id of a request, or "".
type Owner func(ctx context.Context, requestID string) string

// Handler injects faults into calls of relying parties. All other requests reach next unchanged.
func (s *Set) Handler(owner Owner, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		t, ok := targetOf(r)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		next := next
		if t.Call == "keys" {
			next = s.publish(next)
		}
		if t.ClientID == "" && t.RequestID != "" {
			t.ClientID = owner(r.Context(), t.RequestID)
		}
		of := []Kind{Error, Reset, Slow, AnswerLost, Unavailable}
		if t.Call == "download" {
			if s.isOver(t.RequestID, r.URL) {
				w.Header().Set(Header, string(DownloadExpired))
				refuse(w, r, DownloadExpired, http.StatusForbidden, api.ErrUnauthorized)
				return
			}
			of = append(of, DownloadExpired, DownloadDamaged, DownloadCut)
		}
		if t.Call == "result" {
			s.renew(t.RequestID)
			of = append(of, ResultFailed)
		}
		if slices.Contains(callsOf(AnswerExtended), t.Call) {
			of = append(of, AnswerExtended)
		}
		rule, ok := s.take(t, of...)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set(Header, string(rule.Kind))
		switch rule.Kind {
		case Error:
			refuse(w, r, rule.Kind, http.StatusInternalServerError, api.ErrServerSide)
		case Unavailable:
			seconds := math.Ceil(time.Duration(rule.Delay).Seconds())
			w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
			refuse(w, r, rule.Kind, http.StatusServiceUnavailable, api.ErrUnavailable)
		case ResultFailed:
			refuse(w, r, rule.Kind, http.StatusBadRequest, ErrRequestFailed)
		case DownloadDamaged:
			next.ServeHTTP(&damager{ResponseWriter: w}, r)
		case DownloadCut:
			next.ServeHTTP(&cutter{ResponseWriter: w}, r)
			_ = http.NewResponseController(w).Flush()
			panic(http.ErrAbortHandler) // closes the connection
		case AnswerExtended:
			extend(w, r, next)
		case DownloadExpired:
			s.end(t.RequestID, r.URL)
			refuse(w, r, rule.Kind, http.StatusForbidden, api.ErrUnauthorized)
		case Reset:
			reset(w)
		case Slow:
			if !wait(r.Context(), rule.Delay) {
				panic(http.ErrAbortHandler) // without it the HTTP server sends 200
			}
			next.ServeHTTP(w, r)
		case AnswerLost:
			next.ServeHTTP(discard{w, http.Header{}}, r)
			panic(http.ErrAbortHandler) // closes the connection
		}
	})
}

// end ends the link to the document of a request.
func (s *Set) end(requestID string, link *url.URL) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended == nil {
		s.ended = map[string]string{}
	}
	s.ended[requestID] = link.RequestURI()
}

// isOver reports whether a link was ended.
func (s *Set) isOver(requestID string, link *url.URL) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ended[requestID] == link.RequestURI()
}

// renew forgets the link of a request that was ended, because another one of the same second is the
// same text.
func (s *Set) renew(requestID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ended, requestID)
}

// publish adds the key of WebhookNewKey, if there is one, to the JWKS that next answers with.
func (s *Set) publish(next http.Handler) http.Handler {
	s.mu.Lock()
	key := s.newKey
	s.mu.Unlock()
	if key == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		published := &collector{header: w.Header()}
		next.ServeHTTP(published, r)
		var set jose.JSONWebKeySet
		if err := json.Unmarshal(published.body.Bytes(), &set); err == nil {
			set.Keys = append(set.Keys, jose.JSONWebKey{
				Key: key.Public(), KeyID: newKeyID, Algorithm: string(jose.ES256), Use: "sig",
			})
			_ = json.NewEncoder(w).Encode(set)
		}
	})
}

// collector is a ResponseWriter that keeps the status and the body.
type collector struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (c *collector) Header() http.Header         { return c.header }
func (c *collector) WriteHeader(status int)      { c.status = status }
func (c *collector) Write(b []byte) (int, error) { return c.body.Write(b) }

// targetOf returns the target of a request; ok is false if it is not a call of a relying party.
func targetOf(r *http.Request) (t Target, ok bool) {
	path := r.URL.Path
	slash := strings.LastIndexByte(path, '/')
	dir, last := path[:slash+1], path[slash+1:]
	switch {
	case r.Method == http.MethodPost && strings.HasSuffix(path, api.PathCancel):
		t.Call = "cancel"
	case r.Method == http.MethodPost && strings.HasSuffix(path, api.PathRequest):
		t.Call = "initiate"
	case r.Method != http.MethodGet:
		return t, false
	case strings.Contains(dir, api.PathRequest+"/") && strings.HasPrefix(last, "signed"):
		t.Call = "result"
		_, id, _ := strings.Cut(dir, api.PathRequest+"/")
		t.RequestID = strings.TrimSuffix(id, "/")
	case dir == "/documents/":
		t.Call, t.RequestID = "download", last
	case path == api.PathKeys || strings.HasSuffix(path, "/jwks"):
		t.Call = "keys"
	default:
		return t, false
	}
	t.Token = r.Header.Get("Authorization")
	if parts := strings.Split(t.Token, "."); len(parts) == 3 && len(t.Token) <= token.MaxToken {
		claims, _ := token.ReadPart(parts[1]) // the call itself refuses a part that cannot be read
		for _, c := range claims {
			text, _ := c.Value.Text()
			switch {
			case c.Name == "client_id" || c.Name == "client_request":
				t.ClientID = text
			case c.Name == "request_id" && t.Call == "cancel":
				t.RequestID = text
			}
		}
	}
	return t, true
}

// refuse reads the body before it answers, because many clients write the whole request before they
// read. A client that waits for "100 Continue" has sent none.
func refuse(w http.ResponseWriter, r *http.Request, kind Kind, status int, refusal *api.Error) {
	if r.Header.Get("Expect") == "" {
		_, _ = io.Copy(io.Discard, r.Body) // the server's timeout bounds it
	}
	w.Header().Set(
		httpx.HeaderExplanation,
		fmt.Sprintf(
			"%s because the fault %s was injected. DELETE /faults of the control listener removes "+
				"the faults.", refusal.Code, kind,
		),
	)
	httpx.WriteJSON(w, status, refusal)
}

// reset closes the connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // it is not HTTP/1
		panic(http.ErrAbortHandler)
	}
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// wait waits for a delay; it returns false if ctx ends before.
func wait(ctx context.Context, d Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(time.Duration(d)):
		return true
	}
}

// damaged is the position of the byte that DownloadDamaged changes.
const damaged = 100

// damager is a ResponseWriter that changes one byte of the body.
type damager struct {
	http.ResponseWriter
	written int
}

func (d *damager) Write(b []byte) (int, error) {
	if i := damaged - d.written; i >= 0 && i < len(b) {
		b = bytes.Clone(b)
		b[i] ^= 1
	}
	n, err := d.ResponseWriter.Write(b)
	d.written += n
	return n, err
}

// Unwrap lets http.ResponseController set the deadlines of the connection.
func (d *damager) Unwrap() http.ResponseWriter { return d.ResponseWriter }

// cutOff is how many bytes DownloadCut withholds: a part of the signature, so that the uploaded
// bytes arrive.
const cutOff = 1000

// cutter is a ResponseWriter that fails before the end of the body, whose length the header has.
type cutter struct {
	http.ResponseWriter
	written int
}

func (c *cutter) Write(b []byte) (int, error) {
	length, err := strconv.Atoi(c.Header().Get("Content-Length"))
	if err != nil {
		length = cutOff // nothing passes
	}
	rest := max(0, length-cutOff-c.written)
	n, err := c.ResponseWriter.Write(b[:min(len(b), rest)])
	c.written += n
	if err == nil && len(b) >= rest {
		err = io.ErrShortWrite
	}
	return n, err
}

// Unwrap lets http.ResponseController set the deadlines of the connection.
func (c *cutter) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// extend adds a member to the JSON object that next answers with, and changes its description.
func extend(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := &collector{header: w.Header(), status: http.StatusOK}
	next.ServeHTTP(answer, r)
	body := answer.body.Bytes()
	var object map[string]any
	if json.Unmarshal(body, &object) == nil {
		object["further"] = "A member that relying parties ignore"
		if object["error_description"] != nil {
			object["error_description"] = "Other words, by which relying parties do not decide"
		}
		body, _ = json.Marshal(object)
		w.Header().Del("Content-Length")
	}
	w.WriteHeader(answer.status)
	_, _ = w.Write(body)
}

// discard is a ResponseWriter whose answer is not sent.
type discard struct {
	http.ResponseWriter
	header http.Header
}

func (d discard) Header() http.Header         { return d.header }
func (d discard) WriteHeader(int)             {}
func (d discard) Write(b []byte) (int, error) { return len(b), nil }

// Unwrap lets http.ResponseController set the deadlines of the connection.
func (d discard) Unwrap() http.ResponseWriter { return d.ResponseWriter }
