package store

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/person"
)

var _ person.Store = (*Store)(nil)

// ProposeForPerson implements person.Store.
func (s *Store) ProposeForPerson(ctx context.Context, p person.Proposal, before time.Time) error {
	err := s.changePerson(ctx, p.UIN, func(_ context.Context, tx *tx) error {
		tx.put(
			`DELETE FROM person_proposals WHERE at < $1 OR uin = $2 AND act = $3 AND phone_id = $4`,
			micros(before), p.UIN, string(p.Kind), text(p.PhoneID),
		)
		tx.must(
			`INSERT INTO person_proposals (id, uin, act, phone_id, reason, operator, subject, at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
			p.ID, p.UIN, string(p.Kind), text(p.PhoneID), text(p.Reason), text(p.By.Name),
			text(p.By.Subject), micros(p.At),
		)
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing a proposal: %w", err)
	}
	return nil
}

// PersonProposals implements person.Store.
func (s *Store) PersonProposals(
	ctx context.Context, since time.Time,
) (list []person.Proposal, err error) {
	err = s.readers.rows(
		ctx,
		`SELECT id, uin, act, phone_id, reason, operator, subject, at FROM person_proposals
			WHERE at >= $1 ORDER BY at, id`,
		[]any{micros(since)},
		func(rows *sql.Rows) error {
			var p person.Proposal
			var at int64
			err := rows.Scan(
				&p.ID, &p.UIN, &p.Kind, &p.PhoneID, &p.Reason, &p.By.Name, &p.By.Subject, &at,
			)
			p.At = instant(at)
			list = append(list, p)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading proposals: %w", err)
	}
	return list, nil
}

// DropPersonProposal implements person.Store.
func (s *Store) DropPersonProposal(ctx context.Context, id string) error {
	err := s.writers.do(
		ctx, target{key: "proposal " + id}, func(_ context.Context, tx *tx) error {
			tx.put(`DELETE FROM person_proposals WHERE id = $1`, text(id))
			return nil
		},
	)
	if err != nil {
		return fmt.Errorf("deleting a proposal: %w", err)
	}
	return nil
}
