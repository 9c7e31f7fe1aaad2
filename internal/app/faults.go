package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/webhook"
)

// openFaults makes the set of faults that the configuration describes.
func (a *App) openFaults() error {
	c := &a.Config
	rules := []fault.Rule(c.Faults)
	if c.Rehearsal {
		rules = append(rules, fault.Rehearsal()...)
	}
	seed := c.FaultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	set, err := fault.NewSet(seed, a.now, a.injected, rules...)
	if err != nil {
		return config.Mistake(fmt.Errorf("faults: %w", err))
	}
	if len(rules) > 0 {
		a.log.Info("faults are injected", "rules", len(rules), "fault_seed", seed)
	}
	a.faults = set
	save, err := a.restore(faultsFile, set.Load)
	if err != nil {
		return err
	}
	set.Save = a.logged(faultsFile, save)
	return nil
}

// misbehave puts the faults around what works.
func (a *App) misbehave(sender *webhook.Sender) {
	traced := sender.Clients.Wrap
	sender.Clients.Wrap = func(next http.RoundTripper) http.RoundTripper {
		return a.faults.Webhooks(a.owner, sender.Key, traced(next))
	}
	a.sign.Timestamper = a.faults.Timestamper(sealed, a.sign.Timestamper)
	a.sign.Silent = a.faults.Silent
	a.sign.Hang = func(r *request.Request, sessionID string) time.Duration {
		return a.faults.Session(r.ClientID, r.ID, sessionID)
	}
}

// sealed returns the relying party and the request that a timestamp is for.
func sealed(ctx context.Context) (clientID, requestID string) {
	r := request.Timestamped(ctx)
	if r == nil {
		return "", ""
	}
	return r.ClientID, r.ID
}

// owner implements fault.Owner.
func (a *App) owner(ctx context.Context, requestID string) string {
	r, err := a.sign.Get(ctx, requestID)
	if err != nil {
		return ""
	}
	return r.ClientID
}

// injected logs a fault. It records the call if the fault kept it from being executed; other calls
// are recorded by package rpapi.
func (a *App) injected(i fault.Injection) {
	a.log.Info(
		"injected a fault", "fault", i.Kind, "call", i.Call, "client_id", i.ClientID, "request_id",
		i.RequestID,
	)
	rec := calllog.Record{
		Kind: calllog.Kind(i.Call), Party: i.ClientID, RequestID: i.RequestID,
		Reason: "injected fault: " + string(i.Kind),
	}
	refusal := api.ErrServerSide
	switch i.Kind {
	case fault.Unavailable:
		rec.Status, refusal = http.StatusServiceUnavailable, api.ErrUnavailable
	case fault.Error:
		rec.Status = http.StatusInternalServerError
	case fault.ResultFailed:
		rec.Status, refusal = http.StatusBadRequest, fault.ErrRequestFailed
	case fault.Reset:
	case fault.DownloadExpired:
		rec.Status, refusal = http.StatusForbidden, api.ErrUnauthorized
	default:
		return
	}
	if i.Call == "keys" {
		return
	}
	rec.Error, rec.Description = refusal.Code, refusal.Description
	a.calls.Record(rec, i.Token)
}
