package store

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

// keyFileTimeout bounds each read and write of a file of keys, which takes no context.
const keyFileTimeout = 5 * time.Second

// keyFiles implements keydir.Files.
type keyFiles struct {
	store  *Store
	folder string
}

// KeyFiles returns the files of a folder with keys: "keys" or "authority".
func (s *Store) KeyFiles(folder string) keydir.Files { return keyFiles{s, folder} }

// Read implements keydir.Files.
func (k keyFiles) Read(name string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyFileTimeout)
	defer cancel()
	return k.read(ctx, name)
}

func (k keyFiles) read(ctx context.Context, name string) ([]byte, error) {
	var text string
	err := k.store.readers.row(
		ctx, `SELECT content FROM key_files WHERE folder = $1 AND name = $2`,
		[]any{k.folder, name}, &text,
	)
	if errors.Is(err, sql.ErrNoRows) {
		err = fs.ErrNotExist
	}
	var data []byte
	if err == nil {
		data, err = base64.StdEncoding.DecodeString(text)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s/%s in the database: %w", k.folder, name, err)
	}
	return data, nil
}

// Create implements keydir.Files.
func (k keyFiles) Create(name string, data []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyFileTimeout)
	defer cancel()
	if err := k.write(ctx, name, data, time.Now(), `NOTHING`); err != nil {
		return nil, err
	}
	return k.read(ctx, name)
}

// ImportKeyFile inserts a file of a folder with keys, which changed at the given time, unless there
// is one with that name. The error wraps fs.ErrExist if that one has other content.
func (s *Store) ImportKeyFile(
	ctx context.Context, folder, name string, data []byte, changed time.Time,
) error {
	k := keyFiles{s, folder}
	if err := k.write(ctx, name, data, changed, `NOTHING`); err != nil {
		return err
	}
	stored, err := k.read(ctx, name)
	if err == nil && !bytes.Equal(stored, data) {
		err = fmt.Errorf("%s/%s in the database is another file: %w", folder, name, fs.ErrExist)
	}
	return err
}

// Replace implements keydir.Files.
func (k keyFiles) Replace(name string, data []byte) error {
	ctx, cancel := context.WithTimeout(context.Background(), keyFileTimeout)
	defer cancel()
	return k.write(
		ctx, name, data, time.Now(),
		`UPDATE SET content = excluded.content, changed_at = excluded.changed_at`,
	)
}

// write inserts a file. conflict is the clause for a file that exists.
func (k keyFiles) write(
	ctx context.Context, name string, data []byte, changed time.Time, conflict string,
) error {
	err := k.store.writers.do(
		ctx, target{key: "key files"}, func(ctx context.Context, tx *tx) error {
			_, err := tx.write(
				ctx,
				`INSERT INTO key_files (folder, name, content, changed_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (folder, name) DO `+conflict,
				k.folder, name, base64.StdEncoding.EncodeToString(data), micros(changed),
			)
			return err
		},
	)
	if err != nil {
		return fmt.Errorf("writing %s/%s in the database: %w", k.folder, name, err)
	}
	return nil
}

// List implements keydir.Files.
func (k keyFiles) List() (files []keydir.File, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), keyFileTimeout)
	defer cancel()
	err = k.store.readers.rows(
		ctx, `SELECT name, length(content), changed_at FROM key_files WHERE folder = $1
		ORDER BY name`, []any{k.folder},
		func(rows *sql.Rows) error {
			var f keydir.File
			var changed int64
			err := rows.Scan(&f.Name, &f.Size, &changed)
			f.Changed = instant(changed)
			files = append(files, f)
			return err
		},
	)
	if err != nil {
		return nil, fmt.Errorf("listing %s in the database: %w", k.folder, err)
	}
	return files, nil
}
