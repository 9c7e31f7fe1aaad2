package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/signer"
)

var _ person.Store = (*Store)(nil)

// ProposeForPerson implements person.Store.
func (s *Store) ProposeForPerson(ctx context.Context, p person.Proposal, before time.Time) error {
	err := s.changePerson(ctx, p.UIN, func(_ context.Context, tx *tx) error {
		tx.deferAny(
			`DELETE FROM person_proposals WHERE at < $1 AND claimed_until = 0
				OR uin = $2 AND act = $3 AND phone_id = $4`,
			micros(before), p.UIN, string(p.Kind), text(p.PhoneID),
		)
		tx.deferOne(
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
func (s *Store) PersonProposals(ctx context.Context, since time.Time) ([]person.Proposal, error) {
	const query = `SELECT id, uin, act, phone_id, reason, operator, subject, at, claimed_until
		FROM person_proposals WHERE at >= $1 OR claimed_until > 0 ORDER BY at, id`
	scan := func(rows *sql.Rows, p *person.Proposal) error {
		var at, until int64
		err := rows.Scan(
			&p.ID, &p.UIN, &p.Kind, &p.PhoneID, &p.Reason, &p.By.Name, &p.By.Subject, &at, &until,
		)
		p.At, p.ClaimedUntil = instant(at), instant(until)
		return err
	}
	return readAll(ctx, s.readers, "reading proposals", query, []any{micros(since)}, scan)
}

// ClaimProposal implements person.Store.
func (s *Store) ClaimProposal(ctx context.Context, id string, now, until time.Time) error {
	return s.decideProposal(
		ctx, id, `UPDATE person_proposals SET claimed_until = $3
			WHERE id = $1 AND claimed_until <= $2`,
		text(id), micros(now), micros(until),
	)
}

// RejectProposal implements person.Store.
func (s *Store) RejectProposal(ctx context.Context, id string, now time.Time) error {
	return s.decideProposal(
		ctx, id, `DELETE FROM person_proposals WHERE id = $1 AND claimed_until <= $2`,
		text(id), micros(now),
	)
}

// decideProposal writes one proposal that is not claimed.
func (s *Store) decideProposal(ctx context.Context, id, query string, args ...any) error {
	of := target{key: "proposal " + id}
	err := s.writers.do(ctx, of, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(ctx, query, args...)
		if err != nil || n > 0 {
			return err
		}
		var there int
		const one = `SELECT 1 FROM person_proposals WHERE id = $1`
		switch err := tx.row(ctx, one, []any{text(id)}, &there); {
		case errors.Is(err, sql.ErrNoRows):
			return person.ErrNoProposal
		case err != nil:
			return err
		}
		return person.ErrClaimed
	})
	if err != nil {
		return fmt.Errorf("deciding a proposal: %w", err)
	}
	return nil
}

// UnclaimProposal implements person.Store.
func (s *Store) UnclaimProposal(ctx context.Context, id string, until time.Time) error {
	err := s.writers.do(ctx, target{key: "proposal " + id}, func(_ context.Context, tx *tx) error {
		tx.deferAny(
			`UPDATE person_proposals SET claimed_until = 0 WHERE id = $1 AND claimed_until = $2`,
			text(id), micros(until),
		)
		return nil
	})
	if err != nil {
		return fmt.Errorf("ending the claim of a proposal: %w", err)
	}
	return nil
}

// ChangeProposedPhones implements person.Store.
func (s *Store) ChangeProposedPhones(
	ctx context.Context, id, uin string,
	change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
) error {
	return s.changePhones(ctx, uin, change, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(ctx, `DELETE FROM person_proposals WHERE id = $1`, text(id))
		if err == nil && n == 0 {
			err = person.ErrNoProposal
		}
		return err
	})
}
