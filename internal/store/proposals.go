package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/party"
)

const proposalColumns = `client_id, version, operator, subject, at, name, jwks_url, redirect_url,
	webhook_url, allow_download, require_all_pages, webhook_ladder, allow_private, ca`

// ProposeParty implements party.Store.
func (s *Store) ProposeParty(ctx context.Context, p party.Proposal, c party.Change) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		if err := tx.dropProposal(ctx, p.ClientID); err != nil {
			return err
		}
		n, err := tx.write(
			ctx, `INSERT INTO party_proposals (`+proposalColumns+`)
			SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
			WHERE EXISTS (SELECT 1 FROM parties WHERE client_id = $1 AND version = $2)`,
			p.ClientID, p.Version, text(p.By), text(p.Subject), micros(p.At), p.Name, p.JWKSURL,
			p.RedirectURL, p.WebhookURL, bit(p.AllowDownload), bit(p.RequireAllPages),
			bit(p.WebhookLadder), bit(p.AllowPrivate), p.CA,
		)
		return tx.missed(ctx, p.ClientID, n, err)
	})
}

// dropProposal deletes the proposed change of a party, if there is one.
func (t *tx) dropProposal(ctx context.Context, clientID string) error {
	_, err := t.write(ctx, `DELETE FROM party_proposals WHERE client_id = $1`, clientID)
	return err
}

// Proposal implements party.Store.
func (s *Store) Proposal(ctx context.Context, clientID string) (p party.Proposal, err error) {
	if !isText(clientID) {
		return p, party.ErrNoProposal
	}
	var at, download, all, ladder, private int64
	const query = `SELECT ` + proposalColumns + ` FROM party_proposals WHERE client_id = $1`
	err = s.readers.row(
		ctx, query, []any{clientID}, &p.ClientID, &p.Version, &p.By, &p.Subject, &at, &p.Name,
		&p.JWKSURL, &p.RedirectURL, &p.WebhookURL, &download, &all, &ladder, &private, &p.CA,
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return party.Proposal{}, party.ErrNoProposal
	case err != nil:
		return p, fmt.Errorf("reading a proposed change: %w", err)
	}
	p.At, p.WebhookLadder = instant(at), ladder != 0
	p.AllowPrivate = private != 0
	p.AllowDownload, p.RequireAllPages = download != 0, all != 0
	return p, nil
}

// ApproveParty implements party.Store.
func (s *Store) ApproveParty(ctx context.Context, p party.Proposal, c party.Change) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		if err := tx.takeProposal(ctx, p.ClientID, p.At); err != nil {
			return err
		}
		if p.Removal() {
			return tx.removeParty(ctx, p.ClientID, p.Version)
		}
		return tx.changeParty(ctx, p.Party, p.Version, c.At)
	})
}

// RejectParty implements party.Store.
func (s *Store) RejectParty(
	ctx context.Context, clientID string, at time.Time, c party.Change,
) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		return tx.takeProposal(ctx, clientID, at)
	})
}

// takeProposal deletes the change of a party that was proposed at a time, which has to be there.
func (t *tx) takeProposal(ctx context.Context, clientID string, at time.Time) error {
	const query = `DELETE FROM party_proposals WHERE client_id = $1 AND at = $2`
	n, err := t.write(ctx, query, clientID, micros(at))
	if err == nil && n == 0 {
		err = party.ErrNoProposal
	}
	return err
}
