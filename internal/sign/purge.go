package sign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
)

// purgeRetry is how long documents that could not be deleted wait for the next attempt.
const purgeRetry = 10 * seconds

// Purge deletes the stored documents that these requests do not need any more, as their PurgeAt asks for: those of a cancelled
// or expired request, and of a signed one all but the signed document. Many requests share the flushes to the disk. It reports
// how many requests are done; the others are put off. It is safe to run again, also on several nodes at once.
func (s *Service) Purge(ctx context.Context, ids []string) (done int) {
	outcomes := make([]purged, len(ids))
	var all []string
	for i, id := range ids {
		outcomes[i] = s.spare(ctx, id)
		all = append(all, outcomes[i].keys...)
	}
	if err := s.Documents.Delete(ctx, all...); err != nil {
		for i := range outcomes { // each for itself, so that only the guilty one stays
			if o := &outcomes[i]; o.err == nil {
				o.err = s.Documents.Delete(ctx, o.keys...)
			}
		}
	}
	var wg sync.WaitGroup
	for i := range outcomes { // at once, so that they share commits
		wg.Go(func() { outcomes[i].err = s.recordPurge(ctx, ids[i], outcomes[i]) })
	}
	wg.Wait()
	for i, o := range outcomes {
		switch {
		case o.err == nil:
			done++
		case ctx.Err() == nil:
			s.Log.Warn("deleting documents failed, will be tried again", "request_id", ids[i], "err", o.err)
		}
	}
	return done
}

// purged is what became of the documents of one request.
type purged struct {
	keys []string
	err  error
}

// spare lists what is stored for a request that it does not need.
func (s *Service) spare(ctx context.Context, id string) purged {
	keys, err := s.Documents.Keys(ctx, id)
	if err != nil {
		return purged{err: err}
	}
	var needed []string
	switch r, err := s.Store.Get(ctx, id); {
	case err == nil:
		needed = r.Keys()
	case !errors.Is(err, api.ErrNoRecord):
		return purged{err: err}
	}
	return purged{keys: slices.DeleteFunc(keys, func(key string) bool { return slices.Contains(needed, key) })}
}

// recordPurge writes down that the documents are gone, or when to try again.
func (s *Service) recordPurge(ctx context.Context, id string, p purged) error {
	err := s.update(ctx, id, func(r *Request, now time.Time) error {
		switch {
		case r.PurgeAt.IsZero(): // another node was faster
		case p.err != nil:
			r.PurgeAt = now.Add(purgeRetry)
		default:
			r.PurgeAt = time.Time{}
			if len(p.keys) > 0 {
				r.record(now, EventPurged, Detail{"documents": fmt.Sprint(len(p.keys))})
			}
		}
		return nil
	})
	return errors.Join(p.err, err)
}

// PurgeStrays deletes documents that no purge will find: of requests that do not exist, because the process died between the
// upload and the record, and of requests that were over already when a slower operation stored something.
func (s *Service) PurgeStrays(ctx context.Context) error {
	ids, err := s.Documents.Requests(ctx, s.now().Add(-time.Hour))
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := s.Store.Get(ctx, id)
		if err == nil && !r.final() || err != nil && !errors.Is(err, api.ErrNoRecord) {
			continue // somebody may be about to name what is there
		}
		strays := s.spare(ctx, id)
		if strays.err == nil {
			strays.err = s.Documents.Delete(ctx, strays.keys...)
		}
		if strays.err != nil {
			return strays.err
		}
	}
	return nil
}
