package maintenance

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/pades"
)

// Archive renews documents that were signed by the authority of a data folder. It works beside a
// running service or without one.
type Archive struct {
	keys   *parts.KeyAccess
	stamps parts.Stamps
	roots  *x509.CertPool
	now    func() time.Time
}

// OpenArchive opens the authority of a deployment, which must exist, and the timestamp authorities
// of c. Close the archive.
func OpenArchive(ctx context.Context, c config.Config) (*Archive, error) {
	return openArchive(ctx, c, time.Now)
}

func openArchive(
	ctx context.Context, c config.Config, now func() time.Time,
) (_ *Archive, err error) {
	if err := c.CheckTSA(); err != nil {
		return nil, err
	}
	keys, err := parts.OpenKeyAccess(ctx, &c)
	if errors.Is(err, fs.ErrNotExist) && c.Keys == "" && c.KeysPassword == "" {
		keys, err = &parts.KeyAccess{}, nil // of a machine that has the authority alone
	}
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, keys.Close())
		}
	}()
	dir, err := parts.Directory(&c, "authority", keys.Store)
	var issuing *x509.Certificate
	if err == nil {
		if keys.Keys != nil {
			dir = dir.With(keys.Keys.Protection())
		}
		issuing, err = parts.CertificateIn(dir, "issuing.crt")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: no authority: %w", parts.KeyFiles(&c), err)
	}
	offline, err := ca.Offline(dir)
	if err != nil {
		return nil, err
	}
	// The old certificates of the authority contain URL and name. Those of a root on another
	// machine need not; without its key nothing is issued here that would contain them.
	base, label, sandbox := "http://localhost", "Signet", false
	if points := issuing.CRLDistributionPoints; !offline && len(points) > 0 {
		base = strings.TrimSuffix(points[0], ca.PathRootCRL)
		name := strings.Join(issuing.Subject.Organization, " ")
		label, sandbox = strings.CutSuffix(name, " SANDBOX")
	}
	authority, err := ca.OpenIn(
		dir, ca.Options{Name: label, Sandbox: sandbox, BaseURL: base, Now: now, Rand: rand.Reader},
	)
	if err != nil {
		return nil, err
	}
	s, err := parts.NewStamps(&c, authority, parts.ServiceEvidence{Authority: authority}, now)
	if err != nil {
		return nil, err
	}
	return &Archive{keys: keys, stamps: s, roots: authority.Roots(), now: now}, nil
}

// Close implements io.Closer.
func (a *Archive) Close() error { return a.keys.Close() }

// Renew adds evidence and a timestamp to a file if the certificate of its newest timestamp ends
// within before. It writes the new file beside the old one, verifies it, and then renames it, so an
// error leaves the old file unchanged. It returns false if the renewal is not due.
func (a *Archive) Renew(
	ctx context.Context, file string, before time.Duration,
) (renewed bool, err error) {
	// Replace the file, not a symbolic link to it.
	if file, err = filepath.EvalSymlinks(file); err != nil {
		return false, err
	}
	old, err := os.Open(file)
	if err != nil {
		return false, err
	}
	defer old.Close()
	info, err := old.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%s: not a file", file)
	}
	o := pades.RenewOptions{
		ExtendOptions: pades.ExtendOptions{
			Evidence: a.stamps.Evidence, Known: a.stamps.Known, Timestamper: a.stamps.Source,
			FieldName: "Timestamp", Rand: rand.Reader,
		},
		Verify: a.trust(), Before: before,
	}
	update, err := pades.Renew(ctx, old, info.Size(), o)
	if errors.Is(err, pades.ErrNotDue) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, a.replace(file, old, info, update)
}

func (a *Archive) trust() pades.VerifyOptions {
	return pades.VerifyOptions{Roots: a.roots, TSARoots: a.stamps.Roots, Now: a.now()}
}

// replace replaces the file with one that has the update, unless that is not valid.
func (a *Archive) replace(file string, old *os.File, info os.FileInfo, update []byte) error {
	return disk.Replace(file, 0o600, func(fresh *os.File) error {
		if err := fresh.Chmod(info.Mode().Perm()); err != nil {
			return err
		}
		if _, err := io.Copy(fresh, io.NewSectionReader(old, 0, info.Size())); err != nil {
			return err
		}
		if _, err := fresh.Write(update); err != nil {
			return err
		}
		report, err := pades.Verify(fresh, info.Size()+int64(len(update)), a.trust())
		if err != nil {
			return err
		}
		if err := report.Err(); err != nil {
			return err
		}
		if now, err := os.Stat(file); err != nil || !os.SameFile(now, info) ||
			now.Size() != info.Size() ||
			!now.ModTime().Equal(info.ModTime()) {
			return errors.Join(fmt.Errorf("%s: another process changed it", file), err)
		}
		return nil
	})
}
