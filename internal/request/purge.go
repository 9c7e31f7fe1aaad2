package request

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-sign/signet/api"
)

// Purge is a wish to delete the stored documents that a request does not need any more. Every change to a final state leaves one.
type Purge struct {
	RequestID string
	DueAt     time.Time
	State     State // of the request, when the purge was listed

	Again  time.Time // as the outcome: when to try again; zero: it is done
	Events []Event   // as the outcome: what joins the trail
}

// purgeRetry is how long documents that could not be deleted wait for the next attempt.
const purgeRetry = 10 * seconds

// Purge deletes what is to be deleted: of a cancelled or expired request everything, of a signed one all but the signed document.
// Many requests share the flushes to the disk and the record. It reports how many are done and on record; the others are put off. It is safe to
// run again, also on several nodes at once.
func (s *Service) Purge(ctx context.Context, purges []Purge) (done int, err error) {
	spare := make([][]string, len(purges))
	failed := make([]error, len(purges))
	for i, p := range purges {
		spare[i], failed[i] = s.spare(ctx, p.RequestID, p.State)
	}
	if s.Documents.Delete(ctx, slices.Concat(spare...)...) != nil {
		for i := range purges { // each for itself, so that only the guilty one stays
			failed[i] = errors.Join(failed[i], s.Documents.Delete(ctx, spare[i]...))
		}
	}
	now := s.now()
	for i := range purges {
		p := &purges[i]
		switch {
		case failed[i] != nil:
			if ctx.Err() == nil {
				s.Log.Warn("deleting documents failed, will be tried again", "request_id", p.RequestID, "err", failed[i])
			}
			p.Again = now.Add(purgeRetry)
			continue
		case len(spare[i]) > 0:
			p.Events = []Event{{At: now, Kind: EventPurged, Detail: Detail{"documents": fmt.Sprint(len(spare[i]))}}}
		}
		done++
	}
	if err := s.Store.Purged(ctx, purges); err != nil {
		return 0, err
	}
	return done, nil
}

// spare lists what is stored for a request that it does not need.
func (s *Service) spare(ctx context.Context, id string, state State) ([]string, error) {
	keys, err := s.Documents.Keys(ctx, id)
	if err != nil || state == StateCancelled || state == StateExpired {
		return keys, err
	}
	var needed []string
	switch r, err := s.Store.Get(ctx, id); {
	case err == nil:
		needed = r.Keys()
	case !errors.Is(err, api.ErrNoRecord):
		return nil, err
	}
	return slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(needed, key) }), nil
}

// PurgeStrays deletes documents that no purge will find: of requests that do not exist, because the process died between the
// upload and the record, and of requests that were over already when a slower operation stored something. What cannot be deleted
// keeps no other stray.
func (s *Service) PurgeStrays(ctx context.Context) error {
	ids, err := s.Documents.Requests(ctx, s.now().Add(-time.Hour))
	if err != nil {
		return err
	}
	var failed []error
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := s.Store.Get(ctx, id)
		if err == nil && !r.final() || err != nil && !errors.Is(err, api.ErrNoRecord) {
			continue // somebody may be about to name what is there
		}
		strays, err := s.spare(ctx, id, "")
		if err == nil {
			err = s.Documents.Delete(ctx, strays...)
		}
		if err != nil && len(failed) < 10 { // enough to see what is wrong
			failed = append(failed, fmt.Errorf("%s: %w", id, err))
		}
	}
	return errors.Join(failed...)
}
