package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

var _ retention.Store = (*Store)(nil)

// ClaimSweep implements retention.Store. A claim in the future is that of a clock that was wrong.
func (s *Store) ClaimSweep(
	ctx context.Context, now time.Time, every time.Duration,
) (claimed bool, err error) {
	err = s.writers.do(ctx, target{key: "meta"}, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(
			ctx, `INSERT INTO meta (key, value) VALUES ('swept_at', $1)
				ON CONFLICT (key) DO UPDATE SET value = excluded.value
				WHERE CAST(meta.value AS BIGINT) NOT BETWEEN $2 AND $3`,
			strconv.FormatInt(micros(now), 10), micros(now.Add(-every))+1, micros(now.Add(every)),
		)
		claimed = n == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("claiming a sweep: %w", err)
	}
	return claimed, nil
}

// EraseRequests implements retention.Store.
func (s *Store) EraseRequests(
	ctx context.Context, ids []string, now time.Time, may func(*request.Request) bool,
) (n int, err error) {
	t := target{key: audit.ErasureTrail, requests: ids}
	err = s.writers.do(ctx, t, func(ctx context.Context, tx *tx) error {
		n = 0
		var leaves []int64
		for _, id := range ids {
			stored, err := tx.load(id)
			if errors.Is(err, sql.ErrNoRows) {
				continue
			}
			r, err := decode(stored.version, []byte(stored.data), err)
			if err != nil {
				return err
			}
			if !may(r) {
				continue
			}
			idle, err := s.idle(ctx, tx, id)
			if err != nil {
				return err
			}
			trail, pending, err := tx.leavesOf(ctx, id)
			if err != nil {
				return err
			}
			if !idle || pending {
				continue
			}
			leaves = append(leaves, trail...)
			n++
			tx.deferOne(`DELETE FROM requests WHERE id = $1 AND version = $2`, id, stored.version)
			tx.eraseTrail(id)
			tx.deferAny(`DELETE FROM outbox WHERE request_id = $1`, id)
			tx.deferAny(`DELETE FROM calls WHERE request_id = $1`, id)
			var e request.Effects
			e.Enqueue(request.JobPurge, now)
			if err := tx.deferEffects(id, r.ClientID, 0, e); err != nil {
				return err
			}
		}
		return s.noteErasure(ctx, tx, now, leaves)
	})
	return n, err
}

// idle reports whether a request has no pending job but renewals that are not claimed. It locks
// these, so that no worker claims one in the meantime.
func (s *Store) idle(ctx context.Context, tx *tx, id string) (bool, error) {
	var pending, free int
	err := tx.row(
		ctx, `SELECT count(*) FROM outbox WHERE request_id = $1 AND status = 'pending'`, []any{id},
		&pending,
	)
	if err != nil || pending == 0 {
		return err == nil, err
	}
	err = tx.read(
		ctx, `SELECT id FROM outbox WHERE request_id = $1 AND status = 'pending' AND kind = 'renew'
			AND lease = 0`+s.dialect.skipLocked,
		[]any{id}, func(*sql.Rows) error { free++; return nil },
	)
	return free == pending, err
}

// leavesOf returns the indexes of a trail in the audit log, and whether an event has none yet.
func (t *tx) leavesOf(ctx context.Context, trail string) (leaves []int64, pending bool, err error) {
	err = t.read(
		ctx, `SELECT leaf FROM events WHERE request_id = $1`, []any{trail},
		func(rows *sql.Rows) error {
			var leaf sql.NullInt64
			err := rows.Scan(&leaf)
			leaves, pending = append(leaves, leaf.Int64), pending || !leaf.Valid
			return err
		},
	)
	return leaves, pending, err
}

// eraseTrail defers the deletion of the events of a trail. One that another change of the same
// transaction adds is not in the log yet, and stays.
func (t *tx) eraseTrail(trail string) {
	t.deferAny(`DELETE FROM events WHERE request_id = $1 AND leaf IS NOT NULL`, trail)
}

// noteErasure defers the event that names erased leaves. Erasures of all nodes have one trail,
// which it locks.
func (s *Store) noteErasure(ctx context.Context, tx *tx, now time.Time, leaves []int64) error {
	if len(leaves) == 0 {
		return nil
	}
	if err := s.lock(ctx, tx, audit.ErasureTrail); err != nil {
		return err
	}
	detail, err := audit.Erasure(leaves)
	if err != nil {
		return err
	}
	tx.deferOne(appendEvent, audit.ErasureTrail, micros(now), audit.KindErasure, detail)
	return nil
}

// PhonesAfter implements retention.Store.
func (s *Store) PhonesAfter(ctx context.Context, id string, limit int) ([]signer.Phone, error) {
	return s.phones(ctx, `WHERE id > $1 ORDER BY id LIMIT $2`, id, limit)
}

// ErasePhone implements retention.Store.
func (s *Store) ErasePhone(
	ctx context.Context, p signer.Phone, now time.Time, may func(signer.Phone) bool,
) (erased bool, err error) {
	err = s.changePerson(ctx, p.UIN, func(ctx context.Context, tx *tx) error {
		erased = false
		var stored []signer.Phone
		err := tx.read(ctx, selectPhones+`WHERE id = $1`, []any{p.ID}, collect(&stored, scanPhone))
		if err != nil || len(stored) == 0 || stored[0].UIN != p.UIN || !may(stored[0]) {
			return err
		}
		trail := audit.PhoneTrail + p.ID
		leaves, pending, err := tx.leavesOf(ctx, trail)
		if err != nil || pending {
			return err
		}
		erased = true
		tx.eraseTrail(trail)
		tx.deferAny(`DELETE FROM phones WHERE id = $1`, p.ID)
		tx.deferAny(`DELETE FROM phone_events WHERE uin = $1 AND phone_id = $2`, p.UIN, p.ID)
		return s.noteErasure(ctx, tx, now, leaves)
	})
	return erased, err
}

// EraseChanges implements retention.Store. Of a change in the audit log the text is erased; the
// trail of a relying party that exists goes on.
func (s *Store) EraseChanges(
	ctx context.Context, before, now time.Time, limit int,
) (n int, err error) {
	err = s.writers.do(ctx, target{key: partiesTopic}, func(ctx context.Context, tx *tx) error {
		n = 0
		parties := map[string]bool{}
		err := tx.read(
			ctx, `SELECT id, client_id FROM party_changes WHERE at < $1 ORDER BY id LIMIT $2`,
			[]any{micros(before), limit},
			func(rows *sql.Rows) error {
				var id int64
				var clientID string
				err := rows.Scan(&id, &clientID)
				tx.deferAny(`DELETE FROM party_changes WHERE id = $1`, id)
				parties[clientID] = true
				n++
				return err
			},
		)
		var leaves []int64
		for _, clientID := range slices.Sorted(maps.Keys(parties)) {
			if err != nil {
				break
			}
			var some []int64
			some, err = tx.eraseTexts(
				ctx, audit.PartyTrail+clientID,
				func(at time.Time, _ string) bool { return at.Before(before) },
			)
			leaves = append(leaves, some...)
		}
		if err != nil {
			return err
		}
		return s.noteErasure(ctx, tx, now, leaves)
	})
	return n, err
}

// errPending is the error for an event that cannot be erased yet.
var errPending = errors.New("an event is not in the audit log yet; try again")

// eraseTexts defers the erasure of the texts of those events of a trail for which a holds, and
// returns their leaves. The events keep their numbers and their indexes in the audit log.
func (t *tx) eraseTexts(
	ctx context.Context, trail string, a func(at time.Time, detail string) bool,
) (leaves []int64, err error) {
	err = t.read(
		ctx,
		`SELECT seq, leaf, at, detail FROM events WHERE request_id = $1 AND kind <> $2`,
		[]any{trail, audit.KindErased},
		func(rows *sql.Rows) error {
			var seq, at int64
			var leaf sql.NullInt64
			var detail string
			err := rows.Scan(&seq, &leaf, &at, &detail)
			if err != nil || !a(instant(at), detail) {
				return err
			}
			if !leaf.Valid {
				return errPending
			}
			leaves = append(leaves, leaf.Int64)
			t.deferOne(
				`UPDATE events SET kind = $3, detail = '' WHERE request_id = $1 AND seq = $2`,
				trail, seq, audit.KindErased,
			)
			return nil
		},
	)
	return leaves, err
}
