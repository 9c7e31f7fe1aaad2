package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/signer"
)

const phoneColumns = `id, uin, serial, name, certificate, enrolled_at, active_at, revoked_at,
	revoked_reason, credential`

// ChangePhones implements signer.Store.
func (s *Store) ChangePhones(
	ctx context.Context, uin string,
	change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
) error {
	return s.changePhones(ctx, uin, change, func(context.Context, *tx) error { return nil })
}

// changePhones changes phones if first has no error, which runs in the same transaction.
func (s *Store) changePhones(
	ctx context.Context, uin string,
	change func(phones []signer.Phone) ([]signer.Phone, []signer.Event, error),
	first func(ctx context.Context, tx *tx) error,
) error {
	err := s.changePerson(ctx, uin, func(ctx context.Context, tx *tx) error {
		if err := first(ctx, tx); err != nil {
			return err
		}
		var have []signer.Phone
		err := tx.read(ctx, selectPhones+phonesOf, []any{uin}, collect(&have, scanPhone))
		if err != nil {
			return err
		}
		known := map[string]bool{}
		for _, p := range have {
			known[p.ID] = true
		}
		changed, events, err := change(have)
		if err != nil {
			return err
		}
		enrolled := map[string][]byte{} // certificates by id
		for _, p := range changed {
			// This writes immediately, because the next change of the transaction may be for the
			// same person.
			credential, err := encodeCredential(p.Credential)
			if err != nil {
				return err
			}
			query, args := updatePhone, []any{
				p.ID, text(p.Name), micros(p.ActiveAt), micros(p.RevokedAt), credential,
				p.RevokedReason,
			}
			if !known[p.ID] {
				enrolled[p.ID] = p.Certificate
				query, args = insertPhone, []any{
					p.ID, p.UIN, p.Serial, text(p.Name),
					base64.StdEncoding.EncodeToString(p.Certificate), micros(p.EnrolledAt),
					micros(p.ActiveAt), micros(p.RevokedAt), p.RevokedReason, credential,
				}
			}
			n, err := tx.write(ctx, query, args...)
			if err != nil {
				return err
			}
			if n == 0 {
				return errors.New("the id or serial number of a new phone is taken")
			}
			if known[p.ID] {
				continue
			}
			cert := audit.NewCertificate(p.Serial, audit.KindSigner, p.Certificate, p.EnrolledAt)
			if _, err := tx.register(ctx, cert); err != nil {
				return err
			}
		}
		for _, e := range events {
			detail, err := encodePhoneDetail(e.Detail)
			if err != nil {
				return err
			}
			leaf, err := encodePhoneLeaf(e.Detail, enrolled[e.PhoneID])
			if err != nil {
				return err
			}
			tx.deferAny(insertPhoneEvent, uin, e.PhoneID, micros(e.At), string(e.Kind), detail)
			tx.deferOne(appendEvent, audit.PhoneTrail+e.PhoneID, micros(e.At), string(e.Kind), leaf)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("changing phones: %w", err)
	}
	return nil
}

// changePerson makes a change to the phones of a person, while no other one does.
func (s *Store) changePerson(
	ctx context.Context, uin string, change func(ctx context.Context, tx *tx) error,
) error {
	key := "phones " + uin
	return s.writers.do(ctx, target{key: key}, func(ctx context.Context, tx *tx) error {
		if err := s.lock(ctx, tx, key); err != nil {
			return err
		}
		return change(ctx, tx)
	})
}

const (
	selectPhones = `SELECT ` + phoneColumns + ` FROM phones `
	phonesOf     = `WHERE uin = $1 ORDER BY enrolled_at, id`
	insertPhone  = `INSERT INTO phones (` + phoneColumns + `) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT DO NOTHING`
	updatePhone = `UPDATE phones SET name = $2, active_at = $3, revoked_at = $4, credential = $5,
		revoked_reason = $6 WHERE id = $1`
	insertPhoneEvent = `INSERT INTO phone_events (uin, phone_id, at, kind, detail)
		VALUES ($1, $2, $3, $4, $5)`
)

// PhoneEvents implements signer.Store.
func (s *Store) PhoneEvents(ctx context.Context, uin string) ([]signer.Event, error) {
	const query = `SELECT phone_id, at, kind, detail FROM phone_events WHERE uin = $1 ORDER BY id`
	scan := func(rows *sql.Rows, e *signer.Event) error {
		var at int64
		var detail []byte
		err := rows.Scan(&e.PhoneID, &at, &e.Kind, &detail)
		if err == nil {
			e.Detail, err = decodePhoneDetail(detail)
		}
		e.At = instant(at)
		return err
	}
	return readAll(ctx, s.readers, "reading events of phones", query, []any{uin}, scan)
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
	return s.phones(ctx, phonesOf, uin)
}

// RevokedPhones implements signer.Store. The phones are in the order of their revocation.
func (s *Store) RevokedPhones(ctx context.Context) ([]signer.Phone, error) {
	return s.phones(ctx, `WHERE revoked_at <> 0 ORDER BY revoked_at, id`)
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

func (s *Store) phones(ctx context.Context, where string, args ...any) ([]signer.Phone, error) {
	return readAll(ctx, s.readers, "reading phones", selectPhones+where, args, scanPhone)
}

// scanPhone reads the columns of [phoneColumns].
func scanPhone(rows *sql.Rows, p *signer.Phone) error {
	var certificate string
	var enrolled, active, revoked int64
	var credential []byte
	err := rows.Scan(
		&p.ID, &p.UIN, &p.Serial, &p.Name, &certificate, &enrolled, &active, &revoked,
		&p.RevokedReason, &credential,
	)
	if err != nil {
		return err
	}
	if revoked == 0 {
		p.RevokedReason = 0
	}
	p.EnrolledAt, p.ActiveAt, p.RevokedAt = instant(enrolled), instant(active), instant(revoked)
	if p.Certificate, err = base64.StdEncoding.DecodeString(certificate); err != nil {
		return err
	}
	p.Credential, err = decodeCredential(credential)
	return err
}
