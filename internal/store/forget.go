package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

var _ retention.People = (*Store)(nil)

// RequestsOf implements retention.People. It reads the indexes of requests by person, also of
// requests that a release without them has written.
func (s *Store) RequestsOf(
	ctx context.Context, p signer.Person, f func(*request.Request),
) error {
	if !signer.ValidUIN(p.UIN) {
		return fmt.Errorf("finding the requests of a person: %w", person.ErrNoUIN)
	}
	args := []any{p.Hash(), p.UIN[5:]}
	err := s.readers.rows(ctx, s.dialect.requestsOf(), args, func(rows *sql.Rows) error {
		var version int64
		var data []byte
		if err := rows.Scan(&version, &data); err != nil {
			return err
		}
		r, err := decode(version, data, nil)
		if err == nil && r.Concerns(p) {
			f(r)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("finding the requests of a person: %w", err)
	}
	return nil
}

// requestsOf is the query for the requests whose intended signer has the hash $1, or whose signer's
// UIN of nine characters ends with the four characters $2. It returns each request once. The
// expressions are those of the indexes.
func (d dialect) requestsOf() string {
	const query = `SELECT version, data FROM requests
		WHERE @position@(data, '"signer_hash":"') > 0
		AND substr(data, @position@(data, '"signer_hash":"') + 15, 64) = $1
		UNION ALL SELECT version, data FROM requests WHERE @position@(data, '"uin":"') > 0
		AND substr(data, @position@(data, '"uin":"') + 12, 4) = $2
		AND NOT (@position@(data, '"signer_hash":"') > 0
		AND substr(data, @position@(data, '"signer_hash":"') + 15, 64) = $1)`
	return strings.ReplaceAll(query, "@position@", d.position)
}

// ForgetRequest implements retention.People.
func (s *Store) ForgetRequest(
	ctx context.Context, id string, now time.Time,
	change func(*request.Request) (request.Effects, error), reveals func(text string) bool,
) error {
	return s.writers.do(ctx, aRequest(id), func(ctx context.Context, tx *tx) error {
		before, err := tx.load(id)
		r, err := decode(before.version, []byte(before.data), err)
		if err != nil {
			return err
		}
		e, err := change(r)
		if err != nil {
			return err
		}
		var jobs int
		err = tx.row(
			ctx, `SELECT count(*) FROM outbox WHERE request_id = $1 AND status = 'pending'
				AND kind NOT IN ('renew', 'purge')`,
			[]any{id}, &jobs,
		)
		if err == nil && jobs > 0 {
			err = fmt.Errorf("%w: it has jobs to do", request.ErrInProgress)
		}
		if err != nil {
			return err
		}
		after, err := encode(r)
		if err != nil {
			return err
		}
		leaves, err := tx.eraseTexts(
			ctx, id, func(_ time.Time, detail string) bool { return reveals(detail) },
		)
		if err != nil {
			return err
		}
		if err := s.noteErasure(ctx, tx, now, leaves); err != nil {
			return err
		}
		// the payload of a renewal is a number
		tx.deferAny(
			`UPDATE outbox SET last_error = '', payload = CASE kind WHEN 'renew' THEN payload ELSE '' END
				WHERE request_id = $1`,
			id,
		)
		tx.deferAny(`DELETE FROM calls WHERE request_id = $1`, id)
		return tx.deferEffects(id, r.ClientID, tx.update(id, before, after), e)
	})
}

// ForgetPhones implements retention.People.
func (s *Store) ForgetPhones(
	ctx context.Context, uin, by string, now time.Time, forget func(*signer.Phone) error,
	reveals func(text string) bool,
) (n int, err error) {
	leaf, err := encodeOperatorLeaf(text(by), "")
	if err != nil {
		return 0, err
	}
	err = s.changePerson(ctx, uin, func(ctx context.Context, tx *tx) error {
		var phones []signer.Phone
		err := tx.read(ctx, selectPhones+phonesOf, []any{uin}, collect(&phones, scanPhone))
		if err != nil {
			return err
		}
		var leaves []int64
		for _, p := range phones {
			if err := forget(&p); err != nil {
				return err
			}
			erased, err := tx.eraseTexts(
				ctx, audit.PhoneTrail+p.ID,
				func(_ time.Time, detail string) bool { return reveals(detail) },
			)
			if err != nil {
				return err
			}
			leaves = append(leaves, erased...)
			tx.deferOne(
				`UPDATE phones SET uin = $2, name = $3, certificate = $4, revoked_at = $5,
					credential = '' WHERE id = $1`,
				p.ID, p.UIN, p.Name, base64.StdEncoding.EncodeToString(p.Certificate),
				micros(p.RevokedAt),
			)
			tx.deferOne(
				appendEvent, audit.PhoneTrail+p.ID, micros(now), string(request.EventForgotten),
				leaf,
			)
		}
		tx.deferAny(`DELETE FROM phone_events WHERE uin = $1`, uin)
		n = len(phones)
		return s.noteErasure(ctx, tx, now, leaves)
	})
	if err != nil {
		return 0, fmt.Errorf("forgetting phones: %w", err)
	}
	return n, nil
}

// ForgetProposals implements retention.People.
func (s *Store) ForgetProposals(ctx context.Context, uin string) error {
	err := s.changePerson(ctx, uin, func(_ context.Context, tx *tx) error {
		tx.deferAny(`DELETE FROM person_proposals WHERE uin = $1`, uin)
		return nil
	})
	if err != nil {
		return fmt.Errorf("forgetting proposals: %w", err)
	}
	return nil
}

// CallsOf implements retention.People.
func (s *Store) CallsOf(ctx context.Context, requestID string) (n int, err error) {
	const query = `SELECT count(*) FROM calls WHERE request_id = $1`
	if err := s.readers.row(ctx, query, []any{requestID}, &n); err != nil {
		return 0, fmt.Errorf("counting calls: %w", err)
	}
	return n, nil
}

// ForgetCallsOf implements retention.People. It removes the records in parts.
func (s *Store) ForgetCallsOf(
	ctx context.Context, reveals func(text string) bool,
) (n int, err error) {
	err = s.eachCallOf(ctx, reveals, func(ids []int64) error {
		err := s.writers.do(ctx, target{}, func(_ context.Context, tx *tx) error {
			for _, id := range ids {
				tx.deferAny(`DELETE FROM calls WHERE id = $1`, id)
			}
			return nil
		})
		if err == nil {
			n += len(ids)
		}
		return err
	})
	return n, err
}

// eachCallOf calls f with the ids of the records of calls that reveal a person, in parts.
func (s *Store) eachCallOf(
	ctx context.Context, reveals func(text string) bool, f func(ids []int64) error,
) error {
	const page = 500
	for last, more := int64(0), true; more; {
		var found []int64
		more = false
		err := s.readers.rows(
			ctx, `SELECT id, data FROM calls WHERE id > $1 ORDER BY id LIMIT $2`, []any{last, page},
			func(rows *sql.Rows) error {
				var data string
				more = true
				err := rows.Scan(&last, &data)
				if err == nil && reveals(data) {
					found = append(found, last)
				}
				return err
			},
		)
		if err == nil && len(found) > 0 {
			err = f(found)
		}
		if err != nil {
			return fmt.Errorf("forgetting calls: %w", err)
		}
	}
	return nil
}

// Compact rewrites a SQLite database, so that nothing is left in the file of what was deleted or
// overwritten, also by a release that did not overwrite it with zeros. In PostgreSQL it vacuums the
// tables with personal data. It delays other changes.
func (s *Store) Compact(ctx context.Context) error {
	if err := s.compact(ctx); err != nil {
		return fmt.Errorf("compacting the database: %w", err)
	}
	return nil
}

// Overwrite removes what was deleted from the files of a database that is in use. SQLite has
// overwritten it in the pages; Overwrite copies them into the database and empties the write-ahead
// log. In PostgreSQL it is [Store.Compact].
func (s *Store) Overwrite(ctx context.Context) error {
	if err := s.overwrite(ctx); err != nil {
		return fmt.Errorf("overwriting what was deleted: %w", err)
	}
	return nil
}
