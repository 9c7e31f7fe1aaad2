package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// Error is an answer of the service other than the success of the call. errors.Is compares it with
// the values api.Err... by Code, and for CLIENT_SIDE_ERROR, which has many causes, also by
// Description. errors.As also finds the *api.Error in it.
type Error struct {
	Call string // "initiate", "cancel", "result" or "download"

	// Status is the HTTP status. Do not decide by it if there is a Code (docs/contract.md, 14.2).
	// It is 2xx for a success that could not be parsed.
	Status int

	// Code is one of the constants api.Code..., or one that this version does not know. It is empty
	// if the answer is not an error of the API; then a proxy or a gateway has answered, or BaseURL
	// is wrong.
	Code string

	// Description is for operators, not for signers.
	Description string

	// RetryAfter is how long the service asks to wait before the next attempt; 0 if it does not
	// say.
	RetryAfter time.Duration

	// Explanation says why the call was refused and how to mend it, and Diagnostics is the id for
	// GET /diagnostics/{id} on the control listener. Only the sandbox sends them.
	Explanation string
	Diagnostics string

	// Header and Body are the answer as it came, the body cut at 4 KiB. They are for looking at;
	// the body of a success that is not understood may hold secrets, and so Error does not print
	// it.
	Header http.Header
	Body   []byte

	cause error // of a success that is not understood
}

// Error says which call failed and why, in one line and without secrets.
func (e *Error) Error() string {
	switch {
	case e.cause != nil:
		return fmt.Sprintf("client: %s: %v", e.Call, e.cause)
	case e.Code == "":
		return fmt.Sprintf(
			"client: %s: status %d, and the answer is no error of the API (%s)", e.Call, e.Status,
			e.kind(),
		)
	default:
		text := fmt.Sprintf(
			"client: %s: %s: %s (status %d)", e.Call, e.Code, e.Description, e.Status,
		)
		if e.Explanation != "" {
			text += ": " + e.Explanation
		}
		return text
	}
}

func (e *Error) kind() string {
	if kind := e.Header.Get("Content-Type"); kind != "" {
		return kind
	}
	return "no Content-Type"
}

// Is implements the comparison of errors.Is with an *api.Error.
func (e *Error) Is(target error) bool {
	refusal, ok := target.(*api.Error)
	if !ok || e.Code == "" || e.Code != refusal.Code {
		return false
	}
	return e.Code != api.CodeClientSide || e.Description == refusal.Description
}

// Unwrap returns the refusal as an *api.Error, or why a success was not understood.
func (e *Error) Unwrap() error {
	if e.Code != "" {
		return &api.Error{Code: e.Code, Description: e.Description}
	}
	return e.cause
}

// Temporary reports whether the same call may succeed later: the signer is signing, the service is
// busy or has failed, or a proxy has answered instead of it. All other refusals are final.
func (e *Error) Temporary() bool {
	switch e.Code {
	case api.CodeActiveSession, api.CodeTooManyRequests, api.CodeServerSide,
		api.CodeUnavailable:
		return true
	case "":
		return e.Status >= 500 || e.Status == http.StatusTooManyRequests ||
			e.Status == http.StatusRequestTimeout
	}
	return false
}

// IsCancelled reports whether err says that the sign request is cancelled already. To a caller that
// cancels, that is a success: if the answer to a cancel call is lost, the next attempt is answered
// REQUEST_ALREADY_CANCELLED.
func IsCancelled(err error) bool {
	return errors.Is(err, api.ErrAlreadyCancelled) || errors.Is(err, api.ErrCancelled)
}

// refusal reads an answer that is not a success. It never fails: an answer that cannot be parsed
// has no Code.
func (c *Client) refusal(call string, resp *http.Response) *Error {
	e := &Error{
		Call: call, Status: resp.StatusCode, Header: resp.Header,
		RetryAfter: c.retryAfter(resp.Header),
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	e.Body = text[:min(len(text), maxExcerpt)]
	if err != nil {
		return e // truncated: the part must not be taken for the whole
	}
	var refusal api.Error
	if json.Unmarshal(text, &refusal) == nil {
		e.Code, e.Description = refusal.Code, refusal.Description
	}
	// The header begins with the text that Error has already.
	why := resp.Header.Get("Signet-Explanation")
	why = strings.TrimPrefix(why, e.Code+" because ")
	e.Explanation = strings.TrimPrefix(strings.TrimPrefix(why, refusal.Error()), ". ")
	e.Diagnostics = resp.Header.Get("Signet-Diagnostics")
	return e
}

// nonsense returns the error of a success that could not be parsed.
func (a *answer) nonsense(call string, cause error) *Error {
	return &Error{
		Call: call, Status: a.status, Header: a.header, Body: a.body[:min(len(a.body), maxExcerpt)],
		cause: fmt.Errorf("the answer is not understood: %w", cause),
	}
}

// retryAfter parses Retry-After (RFC 9110, section 10.2.3): seconds, or a date. It returns 0 if the
// header is absent or not valid.
func (c *Client) retryAfter(header http.Header) time.Duration {
	text := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(c.now()))
	}
	return 0
}
