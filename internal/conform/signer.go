package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// request is a sign request that the judge has made.
type request struct {
	api.Initiated
	document []byte
}

// The persons who sign. The sandbox's software phones act for every NRIC with a right check letter.
const (
	signer  = "S8979373D"
	another = "S8116474F"
)

// newRequest makes a request.
func (j *judge) newRequest(ctx context.Context, edits ...edit) *request {
	c := j.initiate(edits...)
	a := j.do(ctx, c)
	r := &request{document: c.body}
	err := json.Unmarshal(a.body, &r.Initiated)
	if err != nil || !a.succeeded() || r.RequestID == "" {
		j.fail(cannotTell("no request could be made: initiate is answered %s", a))
	}
	return r
}

// cancellable makes a request for a rule about cancels that is not one of the call itself.
func (j *judge) cancellable(ctx context.Context) *request {
	if !j.cancels {
		j.fail(cannotTell("%v", errNoCancel))
	}
	return j.newRequest(ctx)
}

// openRequest is a request that stays unsigned. All rules share it.
func (j *judge) openRequest(ctx context.Context) *request {
	if j.open != nil {
		return j.open
	}
	r := j.newRequest(ctx)
	if !j.failed() {
		j.open = r
	}
	return r
}

// signedRequest is a request that is signed. All rules share it.
func (j *judge) signedRequest(ctx context.Context) *request {
	if j.signed != nil {
		return j.signed
	}
	r := j.newRequest(ctx)
	j.sign(ctx, r)
	if !j.failed() {
		j.signed = r
	}
	return r
}

// sign has a request signed, and waits until it is.
func (j *judge) sign(ctx context.Context, r *request) {
	switch {
	case j.failed():
	case j.Control != "":
		if err := j.tryAct(ctx, r, signer, "open", "proceed", "approve"); err != nil {
			j.fail(cannotTell("the request could not be signed: %v", err))
		}
		j.waitSigned(ctx, r)
	case j.SignByGet:
		j.get(ctx, r.SigningURL)
		for range 50 {
			if j.do(ctx, j.resultOf(r)()).status == http.StatusOK || j.failed() {
				return
			}
			j.sleep(ctx, 200*time.Millisecond)
		}
		j.fail(cannotTell("the GET of the signing URL did not sign the document"))
	default:
		j.fail(cannotTell("no person signs: the control listener of a sandbox would"))
	}
}

// inSession makes a request with a sign session.
func (j *judge) inSession(ctx context.Context) *request {
	r := j.newRequest(ctx)
	j.act(ctx, r, signer, "open", "proceed")
	return r
}

// sealing makes a request that the signer has approved and whose document is not finished until
// finish is called.
func (j *judge) sealing(ctx context.Context) (r *request, finish func()) {
	r = j.newRequest(ctx)
	j.needControl("keeps a document from being sealed")
	finish = func() {}
	if j.failed() {
		return r, finish
	}
	down := map[string]any{"kind": "tsa-down", "request_id": r.RequestID}
	text, err := j.controlText(ctx, http.MethodPost, "/faults", down)
	var faults struct {
		Rules []struct {
			ID        int    `json:"id"`
			RequestID string `json:"request_id"`
		} `json:"rules"`
	}
	if err == nil {
		err = json.Unmarshal(text, &faults)
	}
	if err != nil {
		j.fail(cannotTell("sealing cannot be held up: %v", err))
	}
	finish = func() {
		for _, f := range faults.Rules {
			if f.RequestID == r.RequestID {
				j.fail(j.control(ctx, http.MethodDelete, fmt.Sprintf("/faults/%d", f.ID), nil))
			}
		}
		j.waitSigned(ctx, r)
	}
	j.act(ctx, r, signer, "open", "proceed", "approve")
	return r, finish
}

// waitSigned waits until a request that was approved is signed.
func (j *judge) waitSigned(ctx context.Context, r *request) {
	j.steer(ctx, http.MethodGet, "/requests/"+r.RequestID+"?wait=signed&timeout=30s", nil)
}

// get fetches a URL of the server without a token.
func (j *judge) get(ctx context.Context, url string, edits ...func(*http.Request)) *answer {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		j.failf("the server's URL is not understood")
		return new(answer)
	}
	for _, f := range edits {
		f(r)
	}
	return j.roundTrip(r.Method+" "+r.URL.Path, r)
}

// act makes the sandbox take steps of a person.
func (j *judge) act(ctx context.Context, r *request, as string, steps ...string) {
	j.fail(j.tryAct(ctx, r, as, steps...))
}

// tryAct is act for steps that may be refused. The error is the refusal of one.
func (j *judge) tryAct(ctx context.Context, r *request, as string, steps ...string) error {
	j.needControl("acts as the signer")
	if j.failed() {
		return nil
	}
	for _, step := range steps {
		err := j.control(
			ctx, http.MethodPost, "/requests/"+r.RequestID+"/act",
			map[string]string{"as": as, "do": step},
		)
		if err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// age makes a request older.
func (j *judge) age(ctx context.Context, r *request, d time.Duration) {
	j.needControl("lets time pass")
	change := map[string]string{"advance": d.String(), "request_id": r.RequestID}
	j.steer(ctx, http.MethodPost, "/clock", change)
}

// later calls do while the sandbox's clock is ahead by d.
func (j *judge) later(ctx context.Context, d time.Duration, do func()) {
	j.steer(ctx, http.MethodPost, "/clock", map[string]any{"advance": d.String()})
	do()
	j.fail(j.control(ctx, http.MethodPost, "/clock", map[string]any{"reset": true}))
}

// canSign reports whether there is a signer.
func (j *judge) canSign() bool { return j.Control != "" || j.SignByGet }

func (j *judge) needControl(does string) {
	if j.Control == "" {
		j.fail(cannotTell("the control listener of a sandbox, which %s, is not given", does))
	}
}

// steer makes a call of the control listener, which must succeed.
func (j *judge) steer(ctx context.Context, method, path string, in any) {
	if !j.failed() {
		j.fail(j.control(ctx, method, path, in))
	}
}

// control makes a call of the control listener. The error is an *api.Error if the step was refused.
func (j *judge) control(ctx context.Context, method, path string, in any) error {
	_, err := j.controlText(ctx, method, path, in)
	return err
}

// controlText is control and returns the answer.
func (j *judge) controlText(
	ctx context.Context, method, path string, in any,
) ([]byte, error) {
	text, err := json.Marshal(in)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(
		ctx, method, strings.TrimRight(j.Control, "/")+path, bytes.NewReader(text),
	)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if j.ControlToken != "" {
		r.Header.Set("Authorization", "Bearer "+j.ControlToken)
	}
	resp, err := j.steering.Do(r)
	if err != nil {
		return nil, cannotTell("the control listener does not answer: %v", err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, cannotTell("the control listener does not answer: %v", err)
	}
	if resp.StatusCode == http.StatusOK {
		return text, nil
	}
	refusal := new(api.Error)
	if json.Unmarshal(text, refusal) != nil || refusal.Code == "" {
		return nil, cannotTell("the control listener answers %s", resp.Status)
	}
	return nil, refusal
}

func (j *judge) sleep(ctx context.Context, d time.Duration) {
	if j.failed() {
		return
	}
	select {
	case <-ctx.Done():
		j.fail(context.Cause(ctx))
	case <-time.After(d):
	}
}
