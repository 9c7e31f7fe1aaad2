package app

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/keydir"
)

// checkKeys looks whether all keys can be read. A key that is missing would be made at a start, and
// what the old one has signed would not be valid any more.
func checkKeys(ctx context.Context, s *subject) (list []Finding) {
	err := errors.Join(s.marked(ctx, s.folder("keys")), s.marked(ctx, s.folder("authority")))
	if err != nil {
		return []Finding{faulty(err, "mount the folder that the other nodes use", "")}
	}
	if keys, err := s.openKeys(); err == nil {
		if err := keys.Protection().Check(); err != nil {
			err = fmt.Errorf("%s does not answer: %w", s.config.Keys, err)
			return []Finding{faulty(err, "connect it, and look at its own log", "")}
		}
	}
	for _, k := range s.config.serviceKeys() {
		path := filepath.Join(s.config.Data, k.folder)
		_, err := os.Stat(path)
		if err == nil {
			_, err = s.existingKey(k)
		}
		remedy := "restore it from a backup"
		if errors.Is(err, keydir.ErrPermissions) {
			remedy = "chmod 600 " + filepath.Join(path, k.name+".key")
		}
		if err != nil {
			err = fmt.Errorf("%w: %s", err, remedy)
		}
		f := faulty(err, remedy, "")
		f.Check = k.folder + "/" + k.name + ".key"
		list = append(list, f)
	}
	return list
}

// serviceKey is a private key of the service.
type serviceKey struct {
	folder, name string
	curve        elliptic.Curve
}

// serviceKeys returns the keys that a deployment has from its beginning.
func (c *Config) serviceKeys() []serviceKey {
	list := []serviceKey{
		{"keys", "webhook", elliptic.P256()},
		{"authority", "issuing", elliptic.P384()},
		{"authority", "ocsp", elliptic.P256()},
	}
	if !ca.Offline(c.authorityFolder()) {
		list = append(
			list, serviceKey{"authority", "root", elliptic.P384()},
			serviceKey{"authority", "tsa", elliptic.P256()},
		)
	}
	return list
}

// openKeys opens the keys folder once, and does not make one.
func (s *subject) openKeys() (_ *keydir.Dir, err error) {
	if s.keys == nil {
		s.keys, err = s.config.existingKeys()
		return s.keys, err
	}
	_, err = os.Stat(filepath.Join(s.config.Data, "keys"))
	return s.keys, err
}

// existingKey reads a key.
func (s *subject) existingKey(k serviceKey) (crypto.Signer, error) {
	keys, err := s.openKeys()
	if err != nil {
		return nil, err
	}
	path := filepath.Join(s.config.Data, k.folder)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	dir, err := keydir.Open(path, rand.Reader)
	if err != nil {
		return nil, err
	}
	dir = dir.With(keys.Protection())
	if k.name != webhookKey {
		return dir.Existing(k.name, k.curve)
	}
	ring, err := dir.ExistingKeyRing(webhookKey, webhookKeyDelay, secretOverlap)
	if errors.Is(err, fs.ErrNotExist) {
		return dir.Existing(k.name, k.curve) // whose error names the file
	}
	if err != nil {
		return nil, err
	}
	return ring.Keys()[0], nil
}

// endingSoon is how long before the end of a certificate of the authority checkCertificates warns.
const endingSoon = 90 * 24 * time.Hour

// checkCertificates looks when the certificates of the authority end.
func checkCertificates(_ context.Context, s *subject) (list []Finding) {
	dir := filepath.Join(s.config.Data, "authority")
	files, err := filepath.Glob(filepath.Join(dir, "*.crt"))
	if err != nil {
		return []Finding{faulty(err, "", "")}
	}
	ends := map[string]*x509.Certificate{} // of each role the last to end
	for _, file := range files {
		role, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".crt"), "-")
		cert, err := readCertificate(file)
		if err != nil {
			list = append(list, faulty(err, "restore the file from a backup", ""))
			continue
		}
		if known := ends[role]; known == nil || cert.NotAfter.After(known.NotAfter) {
			ends[role] = cert
		}
	}
	for _, role := range []string{"root", "issuing", "ocsp", "tsa"} {
		cert := ends[role]
		if cert == nil && role == "tsa" && len(s.config.TSAURLs) > 0 && ca.Offline(dir) {
			continue
		}
		if cert == nil {
			list = append(list, faulty(
				fmt.Errorf("there is no certificate of %s in %s", role, dir),
				"restore the folder authority from a backup", "",
			))
			continue
		}
		remedy := "give the authority a successor (docs/operating.md)"
		if role != "root" {
			remedy = "signet ca rotate --part " + role
		}
		text := fmt.Sprintf("%s until %s", role, cert.NotAfter.UTC().Format(time.DateOnly))
		switch left := cert.NotAfter.Sub(s.now()); {
		case left <= 0:
			list = append(list, faulty(fmt.Errorf("%s: it has ended", text), remedy, ""))
		case left < endingSoon:
			list = append(list, warning(remedy, "%s: it ends soon", text))
		default:
			list = append(list, ok("%s", text))
		}
	}
	return list
}

// authority opens the authority of the data folder, and creates nothing.
func (s *subject) authority() (*ca.Authority, error) {
	c := s.config
	o := c.authorityOptions(false, s.now)
	o.Keep = true
	keys, err := s.openKeys()
	if err != nil {
		return nil, err
	}
	return c.openCA(keys, o)
}
