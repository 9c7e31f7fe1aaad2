package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/vault"
)

const documentKeyColumns = `request_id, name, id, wrapped_by, wrapped, created_at`

// AddDocumentKey implements vault.Keys.
func (s *Store) AddDocumentKey(ctx context.Context, k vault.Key) error {
	id, name, _ := strings.Cut(k.Document, "/")
	err := s.writers.do(ctx, target{key: k.Document}, func(_ context.Context, tx *tx) error {
		tx.deferOne(
			`INSERT INTO document_keys (`+documentKeyColumns+`) VALUES ($1, $2, $3, $4, $5, $6)`,
			id, name, k.ID, k.WrappedBy, base64.StdEncoding.EncodeToString(k.Wrapped),
			micros(k.CreatedAt),
		)
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the key of a document: %w", err)
	}
	return nil
}

// DocumentKeys implements vault.Keys.
func (s *Store) DocumentKeys(ctx context.Context, document string) ([]vault.Key, error) {
	id, name, _ := strings.Cut(document, "/")
	return s.documentKeys(ctx, `WHERE request_id = $1 AND name = $2 ORDER BY id`, id, name)
}

// KeysWrappedBy implements vault.Keys.
func (s *Store) KeysWrappedBy(
	ctx context.Context, wrapping string, after vault.Key, limit int,
) ([]vault.Key, error) {
	id, name, _ := strings.Cut(after.Document, "/")
	return s.documentKeys(ctx, `WHERE wrapped_by = $1 AND (request_id, name, id) > ($2, $3, $4)
		ORDER BY request_id, name, id LIMIT $5`, wrapping, id, name, after.ID, limit)
}

func (s *Store) documentKeys(
	ctx context.Context, where string, args ...any,
) ([]vault.Key, error) {
	const query = `SELECT ` + documentKeyColumns + ` FROM document_keys `
	scan := func(rows *sql.Rows, k *vault.Key) error {
		var id, name, wrapped string
		var created int64
		err := rows.Scan(&id, &name, &k.ID, &k.WrappedBy, &wrapped, &created)
		if err != nil {
			return err
		}
		k.Document, k.CreatedAt = id+"/"+name, instant(created)
		k.Wrapped, err = base64.StdEncoding.DecodeString(wrapped)
		return err
	}
	return readAll(ctx, s.readers, "reading the keys of documents", query+where, args, scan)
}

// DeleteDocumentKeys implements vault.Keys. SQLite overwrites what is deleted (secure_delete).
func (s *Store) DeleteDocumentKeys(ctx context.Context, documents ...string) error {
	if len(documents) == 0 {
		return nil
	}
	// Every node locks rows in this order.
	documents = slices.Sorted(slices.Values(documents))
	err := s.writers.do(ctx, target{key: documents[0]}, func(_ context.Context, tx *tx) error {
		for _, d := range documents {
			id, name, _ := strings.Cut(d, "/")
			tx.deferAny(`DELETE FROM document_keys WHERE request_id = $1 AND name = $2`, id, name)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("deleting the keys of documents: %w", err)
	}
	return nil
}

// WrappingKeys implements vault.Keys. Each step reads one entry of the index.
func (s *Store) WrappingKeys(ctx context.Context) (names []string, err error) {
	const next = `SELECT wrapped_by FROM document_keys WHERE wrapped_by > $1 ORDER BY wrapped_by LIMIT 1`
	for name := ""; ; names = append(names, name) {
		switch err := s.readers.row(ctx, next, []any{name}, &name); {
		case errors.Is(err, sql.ErrNoRows):
			return names, nil
		case err != nil:
			return nil, fmt.Errorf("reading the names of wrapping keys: %w", err)
		}
	}
}

// RewrapDocumentKeys implements vault.Keys.
func (s *Store) RewrapDocumentKeys(ctx context.Context, keys []vault.Key) error {
	if len(keys) == 0 {
		return nil
	}
	err := s.writers.do(ctx, target{key: keys[0].Document}, func(_ context.Context, tx *tx) error {
		for _, k := range keys {
			id, name, _ := strings.Cut(k.Document, "/")
			tx.deferAny(
				`UPDATE document_keys SET wrapped_by = $4, wrapped = $5
				WHERE request_id = $1 AND name = $2 AND id = $3`,
				id, name, k.ID, k.WrappedBy, base64.StdEncoding.EncodeToString(k.Wrapped),
			)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("storing the keys of documents: %w", err)
	}
	return nil
}

// SpareDocumentKeys implements vault.Keys.
func (s *Store) SpareDocumentKeys(ctx context.Context, before time.Time) ([]string, error) {
	const query = `SELECT DISTINCT k.request_id || '/' || k.name
		FROM document_keys k LEFT JOIN requests r ON r.id = k.request_id
		WHERE k.created_at < $1 AND (r.id IS NULL OR r.state IN ($2, $3) OR r.state = $4 AND
			(SELECT count(*) FROM document_keys other WHERE other.request_id = k.request_id) > 1)`
	args := []any{
		micros(before), string(request.StateCancelled), string(request.StateExpired),
		string(request.StateSigned),
	}
	scan := func(rows *sql.Rows, document *string) error { return rows.Scan(document) }
	return readAll(ctx, s.readers, "looking for keys without documents", query, args, scan)
}
