package fault

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/token"
)

// Header is the header that names the fault in an answer.
const Header = "Signet-Fault"

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
		if t.ClientID == "" && t.RequestID != "" {
			t.ClientID = owner(r.Context(), t.RequestID)
		}
		of := []Kind{Error, Reset, Slow, AnswerLost}
		if t.Call == "download" {
			of = append(of, DownloadExpired)
		}
		rule, ok := s.take(t, of...)
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set(Header, string(rule.Kind))
		switch rule.Kind {
		case Error:
			refuse(w, http.StatusInternalServerError, api.ErrServerSide)
		case DownloadExpired:
			refuse(w, http.StatusForbidden, api.ErrUnauthorized)
		case Reset:
			reset(w)
		case Slow:
			if wait(r.Context(), rule.Delay) {
				next.ServeHTTP(w, r)
			}
		case AnswerLost:
			next.ServeHTTP(discard{w, http.Header{}}, r)
			panic(http.ErrAbortHandler) // closes the connection
		}
	})
}

// targetOf returns the target of a request; ok is false if it is not a call of a relying party.
func targetOf(r *http.Request) (t Target, ok bool) {
	path := r.URL.Path
	dir, last := path[:strings.LastIndexByte(path, '/')+1], path[strings.LastIndexByte(path, '/')+1:]
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

func refuse(w http.ResponseWriter, status int, refusal *api.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(refusal)
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
