// Package maintenance does what operators do to a deployment by command, while its service runs or
// is stopped: back up and restore, rotate keys and secrets, bring them under another protection,
// manage the authority, renew archived documents, forget a person, migrate the database, export the
// audit log. Each function says whether the service may run. cmd/signet has the commands.
package maintenance

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"filippo.io/age"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/store"
)

// Backup writes everything of a deployment, encrypted to age recipients ("age1..."), as a tar
// archive: a snapshot of the SQLite database, then the documents, the keys and the authority. The
// service may run. A PostgreSQL database, which may have the keys and the authority, and a bucket
// with the documents are not in it; back up the database first and the bucket last.
func Backup(ctx context.Context, c config.Config, recipients []string, out io.Writer) (err error) {
	if err := c.CompleteCommand(); err != nil {
		return err
	}
	if c.Database != "" && c.Documents != "" && c.KeyFiles == config.InDatabase {
		return errors.New(
			"nothing of the deployment is on this machine: back up the database first and then the bucket",
		)
	}
	to, err := age.ParseRecipients(strings.NewReader(strings.Join(recipients, "\n")))
	if err != nil {
		return fmt.Errorf("recipient: %w", err)
	}
	sealed, err := age.Encrypt(out, to...)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(sealed)
	if c.Database == "" {
		if err := addSnapshot(ctx, archive, c.DatabasePath(), c.Data); err != nil {
			return err
		}
	}
	var folders []string
	if c.Documents == "" {
		folders = append(folders, "documents")
	}
	if c.KeyFiles != config.InDatabase {
		folders = append(folders, "keys", "authority")
	}
	for _, folder := range folders {
		if err := addFolder(ctx, archive, c.Data, folder); err != nil {
			return fmt.Errorf("backing up %s: %w", folder, err)
		}
	}
	return errors.Join(archive.Close(), sealed.Close())
}

// CheckRecipient returns an error for a text that is no age recipient.
func CheckRecipient(text string) error {
	if _, err := age.ParseRecipients(strings.NewReader(text)); err != nil {
		return fmt.Errorf(
			"%q is no age recipient: age-keygen prints one, age1 and 58 more characters", text,
		)
	}
	return nil
}

// addSnapshot adds a copy of the database, which it makes beside the original.
func addSnapshot(ctx context.Context, to *tar.Writer, database, data string) (err error) {
	if _, err := os.Stat(database); err != nil {
		return err
	}
	dir, err := os.MkdirTemp(data, ".backup-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := store.Snapshot(ctx, database, filepath.Join(dir, "signet.db")); err != nil {
		return err
	}
	return addFile(to, dir, "signet.db")
}

// addFolder adds the files of a folder. A document that is deleted while it runs is left out.
func addFolder(ctx context.Context, to *tar.Writer, data, folder string) error {
	return fs.WalkDir(os.DirFS(data), folder, func(path string, d fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist) && path != folder:
			return nil
		case err != nil:
			return err
		case path == "documents/tmp":
			return fs.SkipDir // uploads that are not complete
		case !d.Type().IsRegular() || strings.HasPrefix(d.Name(), "."):
			return ctx.Err()
		}
		if err := addFile(to, data, path); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}

func addFile(to *tar.Writer, base, name string) error {
	f, err := os.Open(filepath.Join(base, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	h := &tar.Header{Name: name, Mode: 0o600, Size: info.Size(), ModTime: info.ModTime()}
	if err := to.WriteHeader(h); err != nil {
		return err
	}
	_, err = io.Copy(to, f)
	return err
}

// Restore reads what [Backup] has written into the data folder, which must not exist or be empty.
// identities is the text of an age identity file. The files appear in the folder when all are
// complete and on disk, and the database appears last. The folder may be a mount point.
func Restore(ctx context.Context, c config.Config, identities, in io.Reader) (err error) {
	if err := c.CompleteCommand(); err != nil {
		return err
	}
	if c.Data == "" {
		return errors.New("data: a folder to restore is needed")
	}
	keys, err := age.ParseIdentities(identities)
	if err != nil {
		return fmt.Errorf("identity: %w", err)
	}
	had, err := deployment.Folder{Name: "data", Path: c.Data}.Mark(ctx)
	if err != nil {
		return err
	}
	if had.Used || had.ID != "" {
		return fmt.Errorf("the data folder must be empty, and %s is not", c.Data)
	}
	opened, err := age.Decrypt(in, keys...)
	if err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	made := os.Mkdir(c.Data, 0o700)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	dir, err := os.MkdirTemp(c.Data, ".restore-*")
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.RemoveAll(dir))
		if err != nil && made == nil {
			_ = os.Remove(c.Data) // fails if it has files
		}
	}()
	if err := extractAll(ctx, dir, opened); err != nil {
		return fmt.Errorf("reading the backup: %w", err)
	}
	entries, err := os.ReadDir(dir) // sorted: signet.db is the last one
	if err != nil {
		return err
	}
	for _, e := range entries {
		err := os.Rename(filepath.Join(dir, e.Name()), filepath.Join(c.Data, e.Name()))
		if err != nil {
			return err
		}
	}
	return disk.SyncFolder(c.Data)
}

// extractAll writes the files of an archive, and returns when they are on disk.
func extractAll(ctx context.Context, dir string, in io.Reader) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	archive := tar.NewReader(in)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err = errors.Join(err, ctx.Err()); err == nil {
			err = extract(root, h, archive)
		}
		if err != nil {
			return err
		}
	}
	// The end of the encrypted text shows that nothing is missing.
	if _, err := io.Copy(io.Discard, in); err != nil {
		return err
	}
	return filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			err = disk.SyncFolder(path)
		}
		return err
	})
}

// extract writes one file of an archive. Anyone who has the recipient can encrypt an archive, so it
// refuses what no backup has: links and devices, and sparse files, which fill the disk.
func extract(root *os.Root, h *tar.Header, r io.Reader) error {
	sparse := func(record string) bool { return strings.HasPrefix(record, "GNU.sparse.") }
	hidden := func(r rune) bool { return !unicode.IsPrint(r) }
	if h.Typeflag != tar.TypeReg || !fs.ValidPath(h.Name) || strings.ContainsFunc(h.Name, hidden) ||
		slices.ContainsFunc(slices.Collect(maps.Keys(h.PAXRecords)), sparse) {
		return fmt.Errorf("a backup has no file such as %.100q", h.Name)
	}
	name := filepath.FromSlash(h.Name)
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close(), root.Chtimes(name, h.ModTime, h.ModTime))
}
