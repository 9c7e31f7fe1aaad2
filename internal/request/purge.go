package request

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-sign/signet/api"
)

// purgeRetry is how long documents that could not be deleted wait for the next attempt.
const purgeRetry = 10 * time.Second

// Purge does jobs of the kind JobPurge, which every change to a final state leaves behind: it
// deletes the stored documents that the requests do not need any more, of a cancelled or expired
// request all, of a signed one all but the signed document. The deletions share their flushes to
// the disk. It returns what became of the jobs, in their order, and may run again, also on several
// nodes at once.
func (s *Service) Purge(ctx context.Context, jobs []Job) []Settlement {
	unneeded := make([][]string, len(jobs))
	failed := make([]error, len(jobs))
	for i, job := range jobs {
		unneeded[i], failed[i] = s.unneeded(ctx, job.RequestID)
	}
	if s.Documents.Delete(ctx, slices.Concat(unneeded...)...) != nil {
		for i := range jobs { // each for itself, so that only the one that fails is tried again
			failed[i] = errors.Join(failed[i], s.Documents.Delete(ctx, unneeded[i]...))
		}
	}
	now := s.now()
	settled := make([]Settlement, len(jobs))
	for i, job := range jobs {
		switch {
		case failed[i] != nil:
			if ctx.Err() == nil {
				s.Log.Warn(
					"deleting documents failed, will be tried again", "request_id", job.RequestID,
					"err", failed[i],
				)
			}
			job.Retry(now.Add(purgeRetry), failed[i])
		default:
			job.Finish()
			if n := len(unneeded[i]); n > 0 {
				settled[i].Events = []Event{
					{At: now, Kind: EventPurged, Detail: Detail{Documents: fmt.Sprint(n)}},
				}
			}
		}
		settled[i].Job = job
	}
	return settled
}

// unneeded lists what is stored for a request that it does not need.
func (s *Service) unneeded(ctx context.Context, id string) ([]string, error) {
	keys, err := s.Documents.Keys(ctx, id)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	var needed []string
	switch r, err := s.Store.Get(ctx, id); {
	case err == nil:
		if needed = r.Keys(); r.State.Signed() && !slices.Contains(keys, r.Signed.Key) {
			// The database may be restored from a backup, and the stored document be a renewed one.
			return nil, fmt.Errorf("the record names %s, which is not stored", r.Signed.Key)
		}
	case !errors.Is(err, api.ErrNoRecord):
		return nil, err
	}
	return slices.DeleteFunc(
		keys, func(key string) bool { return slices.Contains(needed, key) },
	), nil
}

// A request that the database does not know may be a real one of another database: the node was
// started with a wrong database, or with an old backup. So PurgeStrays deletes the documents of
// unknown requests only within these bounds.
const (
	strayAge      = time.Hour      // younger documents may belong to an upload in progress
	strayDatabase = 24 * time.Hour // a younger database deletes none
	strayShare    = 100            // a sweep deletes one in so many stored requests, at least one
)

// PurgeStrays deletes documents that no job will find: of requests that the database does not know,
// because the process died between the upload and the record, and of finished requests for which a
// slower operation stored something afterwards. It logs the id of each unknown request whose
// documents it deletes. It keeps those that were initiated before the database was created, and
// what exceeds the bounds above. An error for one request does not keep it from deleting the
// documents of others.
func (s *Service) PurgeStrays(ctx context.Context) error {
	ids, err := s.Documents.Requests(ctx, s.now().Add(-strayAge))
	if err != nil {
		return err
	}
	created, err := s.Store.CreatedAt(ctx)
	if err != nil {
		return err
	}
	limit := max(1, len(ids)/strayShare)
	allowed, kept := limit, 0
	if s.now().Sub(created) < strayDatabase {
		allowed = 0
	}
	var failed []error
	for _, id := range ids {
		if err := ctx.Err(); err != nil {
			return err
		}
		r, err := s.Store.Get(ctx, id)
		unknown := errors.Is(err, api.ErrNoRecord)
		switch {
		case !unknown && (err != nil || !r.State.final()):
			continue // an operation may be about to name what is stored
		case unknown && (allowed == 0 || initiatedAt(id).Before(created)):
			kept++
			continue
		}
		if unknown {
			allowed--
			s.Log.Warn(
				"deleting the documents of a request that is not in the database", "request_id", id,
			)
		}
		strays, err := s.unneeded(ctx, id)
		if err == nil {
			err = s.Documents.Delete(ctx, strays...)
		}
		if err != nil && len(failed) < 10 { // enough to see what is wrong
			failed = append(failed, fmt.Errorf("%s: %w", id, err))
		}
	}
	if kept > limit {
		s.Log.Error(
			"keeping documents of requests that are not in the database: is it the wrong one?",
			"requests", kept, "stored", len(ids), "database_created_at", created,
		)
	}
	return errors.Join(failed...)
}
