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

// purgeRetry is the pause before the next attempt to delete documents.
const purgeRetry = 10 * time.Second

// Purge runs jobs of the kind JobPurge, which every change to a final state adds. It deletes the
// stored documents that the requests no longer need: all of a cancelled or expired request, and all
// except the signed document of a signed one. Those of a request that was erased go to the trash.
// The deletions share their flushes to disk. Purge returns the outcomes of the jobs, in their
// order. It may run again, also on several nodes at once.
func (s *Service) Purge(ctx context.Context, jobs []Job) []Settlement {
	settled := make([]Settlement, len(jobs))
	unneeded := make([][]string, len(jobs))
	failed := make([]error, len(jobs))
	// The documents are listed first, because an upload stores its document before the record.
	keys, ids := make([][]string, len(jobs)), make([]string, len(jobs))
	for i, job := range jobs {
		ids[i] = job.RequestID
		keys[i], failed[i] = s.Documents.Keys(ctx, job.RequestID)
	}
	requests, err := s.Store.GetAll(ctx, ids)
	for i, id := range ids {
		r := requests[id]
		if err != nil && failed[i] == nil {
			// one at a time, so that only the one that fails is retried
			r, failed[i] = s.find(ctx, id)
		}
		switch {
		case failed[i] != nil:
		case r == nil:
			settled[i].Drop = true
			failed[i] = s.Documents.Discard(ctx, keys[i]...)
		default:
			unneeded[i], failed[i] = s.unneeded(ctx, r, keys[i])
		}
	}
	if s.Documents.Delete(ctx, slices.Concat(unneeded...)...) != nil {
		for i := range jobs { // one at a time, so that only the one that fails is retried
			failed[i] = errors.Join(failed[i], s.Documents.Delete(ctx, unneeded[i]...))
		}
	}
	now := s.now()
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
			settled[i].Drop = false
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

// find returns a request, or nil if it is unknown.
func (s *Service) find(ctx context.Context, id string) (*Request, error) {
	r, err := s.Store.Get(ctx, id)
	if errors.Is(err, api.ErrNoRecord) {
		return nil, nil
	}
	return r, err
}

// unneeded returns those keys of a request's documents that the request does not need.
func (s *Service) unneeded(ctx context.Context, r *Request, keys []string) ([]string, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	needed := r.Keys()
	if r.State.Signed() && !slices.Contains(keys, r.Signed.Key) {
		// The database may be restored from a backup, and the stored document be a renewed one.
		return nil, fmt.Errorf("the record names %s, which is not stored", r.Signed.Key)
	}
	kept, err := s.unknownSigned(ctx, r, keys)
	if err != nil {
		return nil, err
	}
	needed = append(needed, kept...)
	return slices.DeleteFunc(
		keys, func(key string) bool { return slices.Contains(needed, key) },
	), nil
}

// unknownSigned lists the signed documents of a request that the database says was never approved,
// which happens with an old backup. It logs each.
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
			"request_id", r.ID, "key", key,
		)
	}
	return unknown, nil
}

// Bounds on discarding documents of unknown requests. Such a document may belong to a real request
// in another database: the node may have been started with a wrong database, or with an old backup.
const (
	strayAge      = time.Hour      // younger documents may belong to an upload in progress
	strayDatabase = 24 * time.Hour // a younger database discards none
	// a sweep discards one in this many stored requests, at least one
	strayShare = 100
	trashAge   = 7 * 24 * time.Hour
)

// Outcomes for stray documents; see [Config].
const (
	StrayKept      = "kept"
	StrayDiscarded = "discarded"
	StrayDeleted   = "deleted"
)

// PurgeStrays looks for documents that no job will delete. It deletes documents that a slow
// operation stored after their request was finished. It moves documents of requests that the
// database does not know to the trash, and deletes them from there after trashAge; it logs each.
// Such documents are left by a process that died between the upload and the record. It keeps signed
// documents, those that were initiated before the database was created, and what exceeds the bounds
// above. After an error for one request it continues with the others.
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
		strays, known, err := s.straysOf(ctx, id)
		switch {
		case err != nil || len(strays) == 0:
		case known:
			err = s.Documents.Delete(ctx, strays...)
		case slices.ContainsFunc(strays, IsSigned):
			signed++
			s.countStrays(StrayKept, len(strays))
		case allowed == 0 || initiatedAt(id).Before(created):
			kept++
			s.countStrays(StrayKept, len(strays))
		default:
			allowed--
			err = s.trash(ctx, strays)
		}
		if err != nil && len(failed) < 10 { // enough to find the cause
			failed = append(failed, fmt.Errorf("%s: %w", id, err))
		}
	}
	if kept > limit || signed > 0 {
		s.Log.Error(
			"keeping documents of requests that are not in the database: is it the wrong one, or an old backup? signet restore --check lists them",
			"requests", kept+signed, "signed", signed, "stored", len(ids),
			"database_created_at", created,
		)
	}
	return errors.Join(append(failed, s.emptyTrash(ctx))...)
}

// straysOf returns the keys of a request's documents that no job will delete, and whether the
// database knows the request. It returns none while an operation may be about to name them.
func (s *Service) straysOf(
	ctx context.Context, id string,
) (strays []string, known bool, err error) {
	r, err := s.find(ctx, id)
	if err != nil || r != nil && !r.State.Final() {
		return nil, false, nil
	}
	keys, err := s.Documents.Keys(ctx, id)
	if err != nil {
		return nil, false, err
	}
	r, err = s.find(ctx, id) // after the documents, as in Purge
	switch {
	case err != nil:
		return nil, false, err
	case r != nil:
		strays, err = s.unneeded(ctx, r, keys)
		return strays, true, err
	}
	// A job deletes the documents of a request that was erased.
	jobs, err := s.Outbox.Jobs(ctx, id)
	if err != nil || len(jobs) > 0 {
		return nil, false, err
	}
	return keys, false, nil
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
		s.countStrays(StrayDiscarded, len(keys))
	}
	return err
}

// emptyTrash deletes what was moved to the trash trashAge ago.
func (s *Service) emptyTrash(ctx context.Context) error {
	keys, err := s.Documents.Discarded(ctx, s.now().Add(-trashAge))
	for _, key := range keys {
		id, _, _ := strings.Cut(key, "/")
		s.Log.Info(
			"deleting a document that has been in the trash for a week",
			"request_id", id, "key", key,
		)
	}
	if err = errors.Join(err, s.Documents.DeleteDiscarded(ctx, keys...)); err == nil {
		s.countStrays(StrayDeleted, len(keys))
	}
	return err
}

// countStrays counts stray documents by their outcome.
func (s *Service) countStrays(outcome string, n int) {
	if s.Strays != nil {
		s.Strays(outcome, n)
	}
}

// IsSigned reports whether a key is that of a signed document.
func IsSigned(key string) bool {
	_, name, _ := strings.Cut(key, "/")
	return strings.HasPrefix(name, signedPrefix)
}
