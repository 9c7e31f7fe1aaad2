package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

const phoneColumns = `id, uin, serial, name, certificate, enrolled_at, revoked_at`

// AddPhone implements signer.Store. An id or a serial number that is taken is an error.
func (s *Store) AddPhone(ctx context.Context, p signer.Phone) error {
	certificate := base64.StdEncoding.EncodeToString(p.Certificate)
	return s.writers.do(ctx, target{key: p.ID}, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(
			ctx,
			`INSERT INTO phones (`+phoneColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING`,
			p.ID,
			p.UIN,
			p.Serial,
			text(p.Name),
			certificate,
			micros(p.EnrolledAt),
			micros(p.RevokedAt),
		)
		if err != nil {
			return fmt.Errorf("adding a phone: %w", err)
		}
		if n == 0 {
			return errors.New("adding a phone: its id or serial number is taken")
		}
		return nil
	})
}

// Phone implements signer.Store.
func (s *Store) Phone(ctx context.Context, id string) (signer.Phone, error) {
	return s.onePhone(ctx, `WHERE id = $1`, id)
}

// PhoneBySerial implements signer.Store.
func (s *Store) PhoneBySerial(ctx context.Context, serial string) (signer.Phone, error) {
	return s.onePhone(ctx, `WHERE serial = $1`, serial)
}

// Phones implements signer.Store.
func (s *Store) Phones(ctx context.Context, uin string) ([]signer.Phone, error) {
	return s.phones(ctx, `WHERE uin = $1 ORDER BY enrolled_at, id`, uin)
}

// RevokedPhones implements signer.Store. They come in the order in which they were revoked.
func (s *Store) RevokedPhones(ctx context.Context) ([]signer.Phone, error) {
	return s.phones(ctx, `WHERE revoked_at <> 0 ORDER BY revoked_at, id`)
}

// RevokePhone implements signer.Store.
func (s *Store) RevokePhone(ctx context.Context, id string, at time.Time) error {
	if !isText(id) {
		return signer.ErrNoPhone
	}
	return s.writers.do(ctx, target{key: id}, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(
			ctx,
			`UPDATE phones SET revoked_at = CASE WHEN revoked_at = 0 THEN $2 ELSE revoked_at END WHERE id = $1`,
			id,
			micros(at),
		)
		if err != nil {
			return fmt.Errorf("revoking a phone: %w", err)
		}
		if n == 0 {
			return signer.ErrNoPhone
		}
		return nil
	})
}

// RenamePhone implements signer.Store.
func (s *Store) RenamePhone(ctx context.Context, id, name string) error {
	if !isText(id) {
		return signer.ErrNoPhone
	}
	return s.writers.do(ctx, target{key: id}, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(ctx, `UPDATE phones SET name = $2 WHERE id = $1`, id, text(name))
		if err != nil {
			return fmt.Errorf("renaming a phone: %w", err)
		}
		if n == 0 {
			return signer.ErrNoPhone
		}
		return nil
	})
}

func (s *Store) onePhone(ctx context.Context, where, arg string) (signer.Phone, error) {
	if !isText(arg) {
		return signer.Phone{}, signer.ErrNoPhone
	}
	list, err := s.phones(ctx, where, arg)
	if err != nil {
		return signer.Phone{}, err
	}
	if len(list) == 0 {
		return signer.Phone{}, signer.ErrNoPhone
	}
	return list[0], nil
}

func (s *Store) phones(
	ctx context.Context, where string, args ...any,
) (list []signer.Phone, err error) {
	err = s.readers.rows(
		ctx,
		`SELECT `+phoneColumns+` FROM phones `+where,
		args,
		func(rows *sql.Rows) error {
			var p signer.Phone
			var certificate string
			var enrolled, revoked int64
			if err := rows.Scan(&p.ID, &p.UIN, &p.Serial, &p.Name, &certificate, &enrolled, &revoked); err != nil {
				return err
			}
			p.EnrolledAt, p.RevokedAt = instant(enrolled), instant(revoked)
			var err error
			p.Certificate, err = base64.StdEncoding.DecodeString(certificate)
			list = append(list, p)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("reading phones: %w", err)
	}
	return list, nil
}
