package relyingparty

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/conform/report"
	"github.com/signet-sign/signet/internal/fault"
)

// call makes a call of the control listener. in and out may be nil.
func (j *judge) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, j.Control+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := j.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode != http.StatusOK:
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
	case out == nil:
		return nil
	}
	return json.Unmarshal(text, out)
}

// inject adds a fault for calls of the party.
func (j *judge) inject(ctx context.Context, r fault.Rule) error {
	r.ClientID = j.ClientID
	return j.call(ctx, http.MethodPost, "/faults", r, nil)
}

// newRequests returns the ids of requests of the party that it has not returned before.
func (j *judge) newRequests(ctx context.Context) (ids []string, err error) {
	var list struct {
		Requests []struct {
			RequestID string `json:"request_id"`
		} `json:"requests"`
	}
	path := "/requests?limit=1000&client_id=" + url.QueryEscape(j.ClientID)
	if err := j.call(ctx, http.MethodGet, path, nil, &list); err != nil {
		return nil, err
	}
	for _, r := range list.Requests {
		if !j.known[r.RequestID] {
			j.known[r.RequestID] = true
			ids = append(ids, r.RequestID)
		}
	}
	return ids, nil
}

// initiate has the party initiate, and returns the id of its request.
func (j *judge) initiate(ctx context.Context) (id string, err error) {
	j.initiating.Lock()
	defer j.initiating.Unlock()
	output, acted := j.Initiate(ctx, "")
	ids, err := j.newRequests(ctx)
	switch {
	case err != nil:
		return "", err
	case len(ids) > 0:
		return ids[0], nil
	case acted != nil:
		return "", fmt.Errorf("the party cannot initiate: %w", acted)
	}
	return "", fmt.Errorf("the party made no request; it says: %.200s", output)
}

// request is a request as the control listener shows it.
type request struct {
	State string           `json:"state"`
	Calls []calllog.Record `json:"calls"` // the oldest first
}

func (j *judge) look(ctx context.Context, id string) (r request, err error) {
	return r, j.call(ctx, http.MethodGet, "/requests/"+id, nil, &r)
}

// of returns the calls of a kind.
func (r request) of(kind calllog.Kind) (list []calllog.Record) {
	for _, c := range r.Calls {
		if c.Kind == kind {
			list = append(list, c)
		}
	}
	return list
}

// has reports a call of a kind.
func (r request) has(kind calllog.Kind) bool { return len(r.of(kind)) > 0 }

// evidence returns the calls as exchanges.
func (r request) evidence(kinds ...calllog.Kind) (list []report.Exchange) {
	for _, kind := range kinds {
		list = append(list, exchanges(r.of(kind))...)
	}
	return list
}

func exchanges(calls []calllog.Record) (list []report.Exchange) {
	for _, c := range calls {
		token := ""
		if c.Token != nil {
			text, _ := json.Marshal(c.Token) // of JSON that was made from JSON
			token = " " + string(text)
		}
		by := "the relying party's " + string(c.Kind)
		if c.Kind == calllog.Webhook {
			by = fmt.Sprintf("the service's webhook, attempt %d", c.Attempt)
		}
		answer := "no answer"
		if c.Status != 0 {
			answer = strings.TrimSpace(fmt.Sprintf("%d %s", c.Status, c.Error))
		}
		if reason := cmp.Or(c.Reason, c.Description); reason != "" {
			answer += ": " + reason
		}
		answer += fmt.Sprintf(" (after %s)", c.Took.Round(time.Millisecond))
		list = append(list, report.Exchange{
			At:      c.At,
			Request: fmt.Sprintf("%s %s %s%s", c.At.Format("15:04:05.000"), by, c.RequestID, token),
			Answer:  answer,
		})
	}
	return list
}

// sign has the signer sign a request, and returns when it is signed.
func (j *judge) sign(ctx context.Context, id string) error {
	in := map[string]string{"do": "approve", "request_id": id}
	if err := j.call(ctx, http.MethodPost, "/signers", in, nil); err != nil {
		return err
	}
	var r request
	err := j.call(ctx, http.MethodGet, "/requests/"+id+"?wait=signed&timeout=60s", nil, &r)
	if err == nil && r.State != "signed" {
		err = errors.New("the document is not signed: it is " + r.State)
	}
	return err
}

// signWith has a request initiated and signed with a fault of its own.
func (j *judge) signWith(ctx context.Context, kind fault.Kind) (id string, err error) {
	if id, err = j.initiate(ctx); err != nil {
		return "", err
	}
	if kind == "" {
		return id, j.sign(ctx, id)
	}
	return id, j.signUnder(ctx, id, fault.Rule{Kind: kind})
}

// signUnder has a request signed with faults of its own.
func (j *judge) signUnder(ctx context.Context, id string, rules ...fault.Rule) error {
	for _, rule := range rules {
		rule.RequestID = id
		if err := j.inject(ctx, rule); err != nil {
			return err
		}
	}
	return j.sign(ctx, id)
}

// await looks at a request until it is as done says, or the time is over, and returns it.
func (j *judge) await(
	ctx context.Context, id string, d time.Duration, done func(request) bool,
) (request, error) {
	for end := time.Now().Add(d); ; {
		r, err := j.look(ctx, id)
		if err != nil || done(r) || time.Now().After(end) {
			return r, err
		}
		select {
		case <-ctx.Done():
			return r, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// rest waits until a time is over.
func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// handled returns how often the party has handled a request; known is false if it cannot be asked.
func (j *judge) handled(ctx context.Context, id string) (n int, known bool, err error) {
	if j.Handled == nil {
		return 0, false, nil
	}
	output, acted := j.Handled(ctx, id)
	if n, err = strconv.Atoi(strings.TrimSpace(output)); err != nil {
		return 0, false, fmt.Errorf(
			"the action handled prints no number: %.100q (%v)", output, acted,
		)
	}
	return n, true, nil
}

// comeBack is a browser that the portal sends to the redirect URL with an outcome. The
// error says why it shows no page.
func (j *judge) comeBack(ctx context.Context, id, outcome string) error {
	back, err := url.Parse(j.RedirectURL)
	if err != nil || back.Host == "" {
		return errors.New("the party has no redirect URL")
	}
	q := back.Query()
	q.Set(api.ParamRequestID, id)
	q.Set(api.ParamStatus, outcome)
	back.RawQuery = q.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, back.String(), http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/html")
	resp, err := j.http.Do(req)
	if err != nil {
		return errors.New("no page is at the redirect URL")
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= 400 {
		return fmt.Errorf("the page at the redirect URL answers %d", resp.StatusCode)
	}
	return nil
}
