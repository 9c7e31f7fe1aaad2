package request

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
		unknown, err := s.unknownSigned(ctx, r, keys)
		if err != nil {
			return nil, err
		}
		needed = append(needed, unknown...)
	case !errors.Is(err, api.ErrNoRecord):
		return nil, err
	}
	return slices.DeleteFunc(
		keys, func(key string) bool { return slices.Contains(needed, key) },
	), nil
}

// unknownSigned lists the signed documents of a request that was never approved, by what the
// database knows: it is an old backup. It logs each.
func (s *Service) unknownSigned(
	ctx context.Context, r *Request, keys []string,
) (unknown []string, err error) {
	for _, key := range keys {
		if !r.State.Signed() && IsSigned(key) {
			unknown = append(unknown, key)
		}
	}
	if len(unknown) == 0 {
		return nil, nil
	}
	events, err := s.Store.Events(ctx, r.ID)
	if err != nil ||
		slices.ContainsFunc(events, func(e Event) bool { return e.Kind == EventApproved }) {
		return nil, err
	}
	for _, key := range unknown {
		s.Log.Error(
			"keeping a signed document of a request that was not approved: is the database an old backup?",
			"request_id",
			r.ID,
			"key",
			key,
		)
	}
	return unknown, nil
}

// A request that the database does not know may be a real one of another database: the node was
// started with a wrong database, or with an old backup. So PurgeStrays discards the documents of
// unknown requests only within these bounds.
const (
	strayAge      = time.Hour      // younger documents may belong to an upload in progress
	strayDatabase = 24 * time.Hour // a younger database discards none
	strayShare    = 100            // a sweep discards one in so many stored requests, at least one
	trashAge      = 7 * 24 * time.Hour
)

// What became of stray documents; see [Config].
const (
	StrayKept      = "kept"
	StrayDiscarded = "discarded"
	StrayDeleted   = "deleted"
)

// PurgeStrays looks for documents that no job will find. Those of finished requests, for which a
// slower operation stored something afterwards, it deletes. Those of requests that the database
// does not know, because the process died between the upload and the record, it moves to the trash,
// and deletes them from there after trashAge; it logs each. It keeps signed documents, those that
// were initiated before the database was created, and what exceeds the bounds above. An error for
// one request does not keep it from the documents of others.
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
	allowed, kept, signed := limit, 0, 0
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
		if !unknown && (err != nil || !r.State.final()) {
			continue // an operation may be about to name what is stored
		}
		strays, err := s.unneeded(ctx, id)
		switch {
		case err != nil:
		case !unknown:
			err = s.Documents.Delete(ctx, strays...)
		case slices.ContainsFunc(strays, IsSigned):
			signed++
			s.stray(StrayKept, len(strays))
		case allowed == 0 || initiatedAt(id).Before(created):
			kept++
			s.stray(StrayKept, len(strays))
		default:
			allowed--
			err = s.trash(ctx, strays)
		}
		if err != nil && len(failed) < 10 { // enough to see what is wrong
			failed = append(failed, fmt.Errorf("%s: %w", id, err))
		}
	}
	if kept > limit || signed > 0 {
		s.Log.Error(
			"keeping documents of requests that are not in the database: is it the wrong one, or an old backup? signet restore --check lists them",
			"requests",
			kept+signed,
			"signed",
			signed,
			"stored",
			len(ids),
			"database_created_at",
			created,
		)
	}
	return errors.Join(append(failed, s.emptyTrash(ctx))...)
}

// trash moves the documents of an unknown request to the trash.
func (s *Service) trash(ctx context.Context, keys []string) error {
	for _, key := range keys {
		id, _, _ := strings.Cut(key, "/")
		s.Log.Warn(
			"moving a document of a request that is not in the database to the trash",
			"request_id", id, "key", key,
		)
	}
	err := s.Documents.Discard(ctx, keys...)
	if err == nil {
		s.stray(StrayDiscarded, len(keys))
	}
	return err
}

// emptyTrash deletes what was discarded trashAge ago.
func (s *Service) emptyTrash(ctx context.Context) error {
	keys, err := s.Documents.Discarded(ctx, s.now().Add(-trashAge))
	for _, key := range keys {
		id, _, _ := strings.Cut(key, "/")
		s.Log.Warn(
			"deleting a document that has been in the trash for a week",
			"request_id", id, "key", key,
		)
	}
	if err = errors.Join(err, s.Documents.DeleteDiscarded(ctx, keys...)); err == nil {
		s.stray(StrayDeleted, len(keys))
	}
	return err
}

// stray counts stray documents.
func (s *Service) stray(outcome string, n int) {
	if s.Strays != nil {
		s.Strays(outcome, n)
	}
}

// IsSigned reports whether a key is that of a signed document.
func IsSigned(key string) bool {
	_, name, _ := strings.Cut(key, "/")
	return strings.HasPrefix(name, signedPrefix)
}
