package security

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/signet-sign/signet/internal/signer"
)

// Action is the kind of an attempt.
type Action string

// The actions.
const (
	Login         Action = "login"          // of a signer, at the identity provider
	Enrolment     Action = "enrolment"      // of a phone
	Removal       Action = "removal"        // of a phone
	PhoneApproval Action = "phone_approval" // of a phone, on another one
	Approval      Action = "approval"       // of a signature, on the phone
	Rejection     Action = "rejection"      // of a document, on the phone
	Token         Action = "token"          // of a relying party; only refusals
	ConsoleLogin  Action = "console_login"  // of an operator; with the password only refusals
	Console       Action = "console"        // of an operator: a change, or taking evidence
)

// Event is a security event. A handler sets what it knows; empty members are not known.
type Event struct {
	Action Action
	Actor  string // id of a phone, client id of a relying party, name of an operator
	Person string // UIN of a signer; the log contains a keyed hash of it
	Method string // how the actor was authenticated: oidc, phone, token or password
	Reason string // of a failure: a code or a few fixed words
	Failed bool   // although the status of the answer is not an error

	// Purpose is why an operator acted for a person, in the operator's words.
	Purpose string
}

// NoPhone says that a form names no phone of the person. The log does not have what it names, which
// may be any text.
var NoPhone = Event{Failed: true, Reason: "no phone of the person"}

type key struct{}

// Note adds to the event of the request with this context. Members that are set replace earlier
// ones. Without an observer it does nothing. Only the goroutine of the request may call it.
func Note(ctx context.Context, more Event) {
	e, ok := ctx.Value(key{}).(*Event)
	if !ok {
		return
	}
	for _, m := range []struct{ to, from *string }{
		{(*string)(&e.Action), (*string)(&more.Action)},
		{&e.Actor, &more.Actor},
		{&e.Person, &more.Person},
		{&e.Method, &more.Method},
		{&e.Reason, &more.Reason},
		{&e.Purpose, &more.Purpose},
	} {
		if *m.from != "" {
			*m.to = *m.from
		}
	}
	e.Failed = e.Failed || more.Failed
}

// Acts returns a handler whose requests are events of an action.
func Acts(a Action, h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Note(r.Context(), Event{Action: a})
		h.ServeHTTP(w, r)
	})
}

// Log writes security events.
type Log struct {
	Log    *slog.Logger
	Secret []byte // for the hashes of persons
	Now    func() time.Time

	mu      sync.Mutex
	repeats map[failure]*repeat
}

// Observe writes the events of the requests that next answers. r.RemoteAddr has to be the client's
// address.
func (l *Log) Observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e Event
		r = r.WithContext(context.WithValue(r.Context(), key{}, &e))
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if e.Action == "" {
			return
		}
		record := record{Event: e, route: r.Pattern}
		if id := r.PathValue("request_id"); requestID.MatchString(id) {
			record.requestID = id
		}
		record.Failed = e.Failed || rec.status >= http.StatusBadRequest ||
			e.Actor == "" && e.Person == ""
		record.address = address(r)
		record.userAgent = printable(signer.HideUINs(r.UserAgent()), 200)
		if !record.Failed {
			record.Reason = ""
		} else if !l.first(record) {
			return
		}
		l.write(r.Context(), record, 0)
	})
}

// requestID is the form of requests' ids. What is not one of them may be anything that a client has
// put into a path, such as a person's number.
var requestID = regexp.MustCompile(`^signv3-[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// record is an event with the data of the observer.
type record struct {
	Event
	address, userAgent, route, requestID string
}

// write writes a record. count is the number of events that it represents, or 0 for one.
func (l *Log) write(ctx context.Context, r record, count int) {
	level, outcome := slog.LevelInfo, "success"
	if r.Failed {
		level, outcome = slog.LevelWarn, "failure"
	}
	attrs := []any{slog.String("action", string(r.Action)), slog.String("outcome", outcome)}
	add := func(name, value string) {
		if value != "" {
			attrs = append(attrs, slog.String(name, value))
		}
	}
	add("reason", r.Reason)
	add("actor", printable(r.Actor, 100))
	add("person", l.person(r.Person))
	add("method", r.Method)
	add("purpose", printable(signer.HideUINs(r.Purpose), 800)) // 200 characters
	add("address", r.address)
	add("user_agent", r.userAgent)
	add("route", r.route)
	add("request_id", r.requestID)
	if count > 0 {
		attrs = append(attrs, slog.Int("count", count))
	}
	l.Log.LogAttrs(ctx, level, "security", slog.Group("security", attrs...))
}

// person returns a name for a UIN that is constant for one secret, and from which the UIN cannot be
// computed without the secret.
func (l *Log) person(uin string) string {
	if uin == "" {
		return ""
	}
	m := hmac.New(sha256.New, l.Secret)
	m.Write([]byte("signet security log\n" + uin))
	return hex.EncodeToString(m.Sum(nil)[:8])
}

// address is the client's address without the port.
func address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return ""
	}
	return ip.Unmap().WithZone("").String()
}

// printable returns at most n bytes of a client's text without unprintable characters.
func printable(s string, n int) string {
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// recorder records the status.
type recorder struct {
	http.ResponseWriter
	status int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(status int) {
	if r.status == 0 {
		r.status = status
	}
	r.ResponseWriter.WriteHeader(status)
}

// Unwrap returns the original writer, for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
