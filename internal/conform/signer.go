package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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
func (j *judge) newRequest(ctx context.Context, edits ...edit) (*request, error) {
	c := j.initiate(edits...)
	a, err := j.do(ctx, c)
	if err != nil {
		return nil, err
	}
	r := &request{document: c.body}
	if err := json.Unmarshal(a.body, &r.Initiated); err != nil || a.status != http.StatusOK ||
		r.RequestID == "" {
		return nil, cannotTell("no request could be made: initiate is answered %s", a)
	}
	return r, nil
}

// cancellable makes a request for a rule about cancels that is not one of the call itself.
func (j *judge) cancellable(ctx context.Context) (*request, error) {
	if !j.cancels {
		return nil, cannotTell("the server has no call cancel")
	}
	return j.newRequest(ctx)
}

// openRequest is a request that stays unsigned. All rules share it.
func (j *judge) openRequest(ctx context.Context) (r *request, err error) {
	if j.open == nil {
		j.open, err = j.newRequest(ctx)
	}
	return j.open, err
}

// signedRequest is a request that is signed. All rules share it.
func (j *judge) signedRequest(ctx context.Context) (*request, error) {
	if j.signed != nil {
		return j.signed, nil
	}
	r, err := j.newRequest(ctx)
	if err == nil {
		err = j.sign(ctx, r)
	}
	if err == nil {
		j.signed = r
	}
	return r, err
}

// sign has a request signed, and waits until it is.
func (j *judge) sign(ctx context.Context, r *request) error {
	switch {
	case j.Control != "":
		if err := j.act(ctx, r, signer, "open", "proceed", "approve"); err != nil {
			return cannotTell("the request could not be signed: %v", err)
		}
		return j.waitSigned(ctx, r)
	case j.SignByGet:
		if _, err := j.get(ctx, r.SigningURL); err != nil {
			return err
		}
		for range 50 {
			a, err := j.do(ctx, j.resultOf(r)())
			if err != nil {
				return err
			}
			if a.status == http.StatusOK {
				return nil
			}
			if err := sleep(ctx, 200*time.Millisecond); err != nil {
				return err
			}
		}
		return cannotTell("the GET of the signing URL did not sign the document")
	}
	return cannotTell("no person signs: the control listener of a sandbox would")
}

// inSession makes a request with a sign session.
func (j *judge) inSession(ctx context.Context) (*request, error) {
	r, err := j.newRequest(ctx)
	if err != nil {
		return nil, err
	}
	return r, j.act(ctx, r, signer, "open", "proceed")
}

// sealing makes a request that the signer has approved and whose document is being finished, for
// two seconds.
func (j *judge) sealing(ctx context.Context) (*request, error) {
	r, err := j.newRequest(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.needControl("makes sealing slow"); err != nil {
		return nil, err
	}
	slow := map[string]any{"kind": "sealing-slow", "count": 1, "delay": "2s"}
	if err := j.control(ctx, http.MethodPost, "/faults", slow); err != nil {
		return nil, cannotTell("sealing cannot be made slow: %v", err)
	}
	return r, j.act(ctx, r, signer, "open", "proceed", "approve")
}

// waitSigned waits until a request that was approved is signed.
func (j *judge) waitSigned(ctx context.Context, r *request) error {
	return j.control(
		ctx, http.MethodGet, "/requests/"+r.RequestID+"?wait=signed&timeout=30s", nil,
	)
}

// get fetches a URL of the server without a token.
func (j *judge) get(
	ctx context.Context, url string, edits ...func(*http.Request),
) (*answer, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, errors.New("the server's URL is not understood")
	}
	for _, f := range edits {
		f(r)
	}
	return j.roundTrip(r.Method+" "+r.URL.Path, r)
}

// act makes the sandbox take steps of a person. The error is the refusal of a step.
func (j *judge) act(ctx context.Context, r *request, as string, steps ...string) error {
	if err := j.needControl("acts as the signer"); err != nil {
		return err
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
func (j *judge) age(ctx context.Context, r *request, d time.Duration) error {
	if err := j.needControl("lets time pass"); err != nil {
		return err
	}
	return j.control(
		ctx, http.MethodPost, "/clock",
		map[string]string{"advance": d.String(), "request_id": r.RequestID},
	)
}

func (j *judge) needControl(does string) error {
	if j.Control == "" {
		return cannotTell("the control listener of a sandbox, which %s, is not given", does)
	}
	return nil
}

// control makes a call of the control listener. The error is an *api.Error if the step was refused.
// These calls are no evidence, so that they are not recorded.
func (j *judge) control(ctx context.Context, method, path string, in any) error {
	text, err := json.Marshal(in)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(
		ctx, method, strings.TrimRight(j.Control, "/")+path, bytes.NewReader(text),
	)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if j.ControlToken != "" {
		r.Header.Set("Authorization", "Bearer "+j.ControlToken)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return cannotTell("the control listener does not answer: %v", err)
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return cannotTell("the control listener does not answer: %v", err)
	}
	if resp.StatusCode == http.StatusOK {
		return nil
	}
	refusal := new(api.Error)
	if json.Unmarshal(text, refusal) != nil || refusal.Code == "" {
		return cannotTell("the control listener answers %s", resp.Status)
	}
	return refusal
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
