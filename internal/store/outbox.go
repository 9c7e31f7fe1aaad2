package store

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

const jobColumns = `id, request_id, client_id, kind, status, attempts, due_at, lease, payload, last_error`

// Due jobs. The second condition is that of the index by party, which leaves out purges, because a
// purge never waits for a relying party.
const (
	dueJobs        = `kind = $1 AND status = 'pending' AND ready_at <= $2`
	dueJobsByParty = dueJobs + ` AND kind <> 'purge' AND client_id = $5`
	pendingByParty = `kind = $1 AND status = 'pending' AND kind <> 'purge'`
)

// dueParties selects the parties that have due jobs, the earliest first. It reads a row or two for
// each party that has pending ones, however many these are.
const dueParties = `WITH RECURSIVE parties (client_id) AS (
		SELECT min(client_id) FROM outbox WHERE ` + pendingByParty + `
		UNION ALL
		SELECT (SELECT min(client_id) FROM outbox WHERE ` + pendingByParty + ` AND client_id > p.client_id)
		FROM parties AS p WHERE p.client_id IS NOT NULL),
	firsts (client_id, first) AS (
		SELECT p.client_id, (
			SELECT min(ready_at) FROM outbox WHERE ` + pendingByParty + ` AND client_id = p.client_id)
		FROM parties AS p WHERE p.client_id IS NOT NULL)
	SELECT client_id, held FROM (
		SELECT client_id, first, coalesce((
			SELECT held_until FROM receivers AS r
			WHERE $1 = 'webhook' AND r.client_id = firsts.client_id), 0) AS held
		FROM firsts) AS f
	WHERE first <= $2 AND held <= $2 ORDER BY first, client_id`

// notHeld leaves out the webhooks of parties whose receivers fail.
const notHeld = ` AND NOT EXISTS (SELECT 1 FROM receivers AS r
	WHERE $1 = 'webhook' AND r.client_id = outbox.client_id AND r.held_until <> 0)`

// claim is one call of Claim.
type claim struct {
	kind       request.JobKind
	now, until int64
	jobs       []request.Job
	probes     []request.Job // one for each receiver that failed
}

// args are the arguments of a statement that picks up to n jobs.
func (c *claim) args(n int, more ...any) []any {
	return append([]any{string(c.kind), c.now, n, c.until}, more...)
}

// Claim implements request.Outbox. A claim that finds nothing costs one read.
func (s *Store) Claim(
	ctx context.Context, kind request.JobKind, now time.Time, lease time.Duration, q request.Quota,
) ([]request.Job, error) {
	if q.Jobs <= 0 {
		return nil, nil
	}
	c := claim{
		kind: kind, now: now.UnixMicro(),
		// rounded up, because the lease must not end early
		until: now.Add(lease + time.Microsecond - 1).UnixMicro(),
	}
	due := []any{string(kind), c.now}
	var one int
	err := s.readers.row(ctx, `SELECT 1 FROM outbox WHERE `+dueJobs+` LIMIT 1`, due, &one)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("looking for jobs: %w", err)
	}
	var parties, probed []string
	if q.PerParty != 0 {
		err := s.readers.rows(ctx, dueParties, due, func(rows *sql.Rows) error {
			var clientID string
			var held int64
			err := rows.Scan(&clientID, &held)
			if held == 0 {
				parties = append(parties, clientID)
			} else {
				probed = append(probed, clientID)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("looking for jobs: %w", err)
		}
	}
	if q.PerParty == 0 || len(parties) > 0 {
		err = s.writers.do(ctx, target{}, func(ctx context.Context, tx *tx) error {
			c.jobs = nil
			if q.PerParty == 0 {
				return s.pick(ctx, tx, dueJobs, c.args(q.Jobs), &c.jobs)
			}
			for i, clientID := range parties {
				n := q.Of(clientID, q.Jobs-len(c.jobs), len(parties)-i)
				if n == 0 {
					continue
				}
				err := s.pick(ctx, tx, dueJobsByParty+notHeld, c.args(n, clientID), &c.jobs)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	if probed = probed[:min(len(probed), q.Jobs-len(c.jobs))]; len(probed) > 0 {
		err = s.claimProbes(ctx, probed, &c)
	}
	jobs := append(c.jobs, c.probes...)
	slices.SortFunc(jobs, func(a, b request.Job) int {
		return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID))
	})
	return jobs, err
}

// pickJobs leases the first jobs that meet a condition. They are in the order of an index, without
// which PostgreSQL would read and sort all of them for each claim of a few.
func (d *dialect) pickJobs(where string) string {
	return `WITH picked AS (
			SELECT id FROM outbox WHERE ` + where + ` ORDER BY ready_at LIMIT $3` + d.skipLocked + `)
		UPDATE outbox SET attempts = attempts + 1, lease = $4, ready_at = $4
		WHERE id IN (SELECT id FROM picked) RETURNING ` + jobColumns
}

// pick leases jobs and adds them to the list. The arguments begin with the kind, the time, the
// number of jobs, and the end of the lease.
func (s *Store) pick(
	ctx context.Context, tx *tx, where string, args []any, jobs *[]request.Job,
) error {
	err := tx.writeRows(ctx, s.dialect.pickJobs(where), args, collect(jobs, scanJob))
	if err != nil {
		return fmt.Errorf("claiming jobs: %w", err)
	}
	return nil
}

// Settle implements request.Outbox. It compares Lease with the stored one, so it also accepts a job
// that is not claimed, as returned by Jobs. Resend uses that to retry a job.
func (s *Store) Settle(ctx context.Context, settled ...request.Settlement) error {
	groups := map[*writer][]request.Settlement{}
	for _, st := range settled {
		w := s.writers.of(st.Job.RequestID)
		groups[w] = append(groups[w], st)
	}
	var errs []error
	for _, group := range groups {
		errs = append(errs, s.settle(ctx, group))
	}
	return errors.Join(errs...)
}

// settle settles jobs of requests of one writer.
func (s *Store) settle(ctx context.Context, settled []request.Settlement) error {
	t := target{key: settled[0].Job.RequestID}
	statements := make([]statement, len(settled))
	for i, st := range settled {
		if len(st.Events) > 0 { // the row lock serialises the numbering of the trail
			t.requests = append(t.requests, st.Job.RequestID)
		}
		j := st.Job
		statements[i].query = settleJob
		statements[i].args = []any{
			j.ID, j.RequestID, micros(j.Lease), string(j.Status), micros(j.DueAt), text(j.Payload),
			text(j.LastError),
		}
	}
	return s.writers.do(ctx, t, func(ctx context.Context, tx *tx) error {
		counts, err := tx.writeAll(ctx, statements)
		if err != nil {
			return fmt.Errorf("settling jobs: %w", err)
		}
		for i, st := range settled {
			if counts[i] == 0 {
				continue
			}
			if st.Drop {
				tx.deferAny(`DELETE FROM outbox WHERE id = $1`, st.Job.ID)
				continue
			}
			e := request.Effects{Events: st.Events}
			if err := tx.deferEffects(st.Job.RequestID, st.Job.ClientID, 0, e); err != nil {
				return err
			}
			tx.told.jobs = tx.told.jobs ||
				st.Job.Status == request.JobPending && st.Job.Kind.Wakes()
		}
		return nil
	})
}

// Backlog returns the backlog of each kind of job.
func (s *Store) Backlog(
	ctx context.Context, now time.Time,
) (map[request.JobKind]request.Backlog, error) {
	all := map[request.JobKind]request.Backlog{}
	for _, kind := range []request.JobKind{
		request.JobSeal, request.JobWebhook, request.JobRenew, request.JobPurge,
	} {
		var b request.Backlog
		var oldest int64
		// by the index outbox_ready, which also has the jobs of the years to come
		err := s.readers.row(
			ctx, `SELECT count(*), coalesce(min(ready_at), $2) FROM outbox WHERE `+dueJobs+notHeld,
			[]any{string(kind), now.UnixMicro()}, &b.Jobs, &oldest,
		)
		if err != nil {
			return nil, fmt.Errorf("counting jobs: %w", err)
		}
		b.Oldest = now.Sub(instant(oldest))
		all[kind] = b
	}
	return all, nil
}

// Jobs implements request.Outbox.
func (s *Store) Jobs(ctx context.Context, requestID string) ([]request.Job, error) {
	if !isText(requestID) {
		return nil, nil
	}
	const query = `SELECT ` + jobColumns + ` FROM outbox WHERE request_id = $1 ORDER BY id`
	return readAll(ctx, s.readers, "reading jobs", query, []any{requestID}, scanJob)
}

// Failed implements request.Outbox.
func (s *Store) Failed(
	ctx context.Context, f request.FailedFilter,
) (jobs []request.Job, all int, err error) {
	failed := ` FROM outbox WHERE kind = $1 AND status = 'failed'`
	args := []any{string(f.Kind)}
	where := func(condition string, value any) {
		args = append(args, value)
		failed += fmt.Sprintf(" AND "+condition, len(args))
	}
	if f.ClientID != "" { // jobs of old versions do not name it
		where(
			`(SELECT client_id FROM requests AS r WHERE r.id = request_id) = $%d`, text(f.ClientID),
		)
	}
	if !f.From.IsZero() {
		where(`due_at >= $%d`, micros(f.From))
	}
	if !f.To.IsZero() {
		where(`due_at < $%d`, micros(f.To))
	}
	if f.Before != 0 {
		where(`id < $%d`, f.Before)
	}
	err = s.readers.row(ctx, `SELECT count(*)`+failed, args, &all)
	if err == nil && all > 0 && f.Limit > 0 {
		err = s.readers.rows(
			ctx, fmt.Sprintf(`SELECT %s%s ORDER BY id DESC LIMIT %d`, jobColumns, failed, f.Limit),
			args, collect(&jobs, scanJob),
		)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("reading failed jobs: %w", err)
	}
	return jobs, all, nil
}

// scanJob reads the columns of [jobColumns].
func scanJob(rows *sql.Rows, j *request.Job) error {
	var due, lease int64
	err := rows.Scan(
		&j.ID, &j.RequestID, &j.ClientID, &j.Kind, &j.Status, &j.Attempts, &due, &lease,
		&j.Payload, &j.LastError,
	)
	j.DueAt, j.Lease = instant(due), instant(lease)
	return err
}
