package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"fmt"
	"math"
	"time"

	"github.com/signet-sign/signet/internal/audit"
)

var _ audit.Certificates = (*Store)(nil)

const insertCertificate = `INSERT INTO certificates (serial, kind, sha256, issued_at)
	VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`

// RecordCertificates implements audit.Certificates.
func (s *Store) RecordCertificates(
	ctx context.Context, list []audit.Certificate, now time.Time,
) error {
	err := s.writers.do(ctx, target{key: "certificates"}, func(ctx context.Context, tx *tx) error {
		for _, c := range list {
			added, err := tx.register(ctx, c)
			if err != nil {
				return err
			}
			if !added {
				continue
			}
			detail, err := c.Detail()
			if err != nil {
				return err
			}
			tx.deferOne(
				appendEvent, audit.CertificateTrail+c.Serial, micros(now), audit.EventRecorded,
				detail,
			)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recording certificates: %w", err)
	}
	return nil
}

// register adds a certificate to the register, and reports whether it was not there.
func (t *tx) register(ctx context.Context, c audit.Certificate) (added bool, err error) {
	n, err := t.write(ctx, insertCertificate, c.Serial, c.Kind, c.SHA256, micros(c.IssuedAt))
	return n > 0, err
}

// UnrecordedPhones implements audit.Certificates.
func (s *Store) UnrecordedPhones(
	ctx context.Context, limit int,
) ([]audit.Certificate, error) {
	const query = `SELECT serial, certificate, enrolled_at FROM phones
		WHERE NOT EXISTS (SELECT 1 FROM certificates c WHERE c.serial = phones.serial)
		ORDER BY enrolled_at, id LIMIT $1`
	scan := func(rows *sql.Rows, c *audit.Certificate) error {
		var serial, text string
		var enrolled int64
		if err := rows.Scan(&serial, &text, &enrolled); err != nil {
			return err
		}
		der, err := base64.StdEncoding.DecodeString(text)
		*c = audit.NewCertificate(serial, audit.KindSigner, der, instant(enrolled))
		return err
	}
	return readAll(ctx, s.readers, "reading certificates", query, []any{limit}, scan)
}

// Certificates implements audit.Certificates.
func (s *Store) Certificates(
	ctx context.Context, after audit.Certificate, serial string, limit int,
) ([]audit.Certificate, error) {
	const query = `SELECT c.serial, c.kind, c.sha256, c.issued_at,
			coalesce(p.revoked_at, 0), coalesce(p.revoked_reason, 0), coalesce(r.leaf, e.leaf, -1)
		FROM certificates c LEFT JOIN phones p ON p.serial = c.serial
			LEFT JOIN events r
				ON r.request_id = '` + audit.CertificateTrail + `' || c.serial AND r.seq = 1
			LEFT JOIN events e
				ON e.request_id = '` + audit.PhoneTrail + `' || p.id AND e.seq = 1
		WHERE (c.issued_at, c.serial) < ($1, $2) AND ($3 = '' OR c.serial = $3)
		ORDER BY c.issued_at DESC, c.serial DESC LIMIT $4`
	before := micros(after.IssuedAt)
	if after.IssuedAt.IsZero() {
		before = math.MaxInt64
	}
	args := []any{before, after.Serial, serial, limit}
	scan := func(rows *sql.Rows, c *audit.Certificate) error {
		var issued, revoked int64
		err := rows.Scan(&c.Serial, &c.Kind, &c.SHA256, &issued, &revoked, &c.Reason, &c.Leaf)
		c.IssuedAt, c.RevokedAt = instant(issued), instant(revoked)
		if c.RevokedAt.IsZero() {
			c.Reason = 0
		}
		return err
	}
	return readAll(ctx, s.readers, "reading certificates", query, args, scan)
}
