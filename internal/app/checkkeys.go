package app

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/keydir"
)

// checkKeys looks whether all keys can be read. A key that is missing would be made at a start, and
// what the old one has signed would not be valid any more.
func checkKeys(ctx context.Context, s *subject) (list []Finding) {
	for _, name := range []string{"keys", "authority"} {
		part, err := s.config.keyPart(name, s.store)
		if err == nil {
			err = s.marked(ctx, part)
		}
		if err != nil {
			return []Finding{faulty(err, "mount the folder that the other nodes use", "")}
		}
	}
	if keys, err := s.openKeys(); err == nil {
		if err := keys.Protection().Check(); err != nil {
			err = fmt.Errorf("%s does not answer: %w", s.config.Keys, err)
			return []Finding{faulty(err, "connect it, and look at its own log", "")}
		}
	}
	keys, err := s.serviceKeys()
	if err != nil {
		return []Finding{faulty(err, "restore the authority from a backup", "")}
	}
	for _, k := range keys {
		_, err := s.existingKey(k)
		remedy := "restore it from a backup"
		if errors.Is(err, keydir.ErrPermissions) {
			remedy = "chmod 600 " + filepath.Join(s.config.Data, k.folder, k.name+".key")
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

// webhookService is the key that signs webhooks.
var webhookService = serviceKey{"keys", webhookKey, elliptic.P256()}

// serviceKeys returns the keys that a deployment has from its beginning.
func (s *subject) serviceKeys() ([]serviceKey, error) {
	list := []serviceKey{
		webhookService,
		{"authority", "issuing", elliptic.P384()},
		{"authority", "ocsp", elliptic.P256()},
	}
	dir, err := s.config.directory("authority", s.store)
	if err != nil {
		return nil, err
	}
	offline, err := ca.Offline(dir)
	if !offline {
		list = append(
			list, serviceKey{"authority", "root", elliptic.P384()},
			serviceKey{"authority", "tsa", elliptic.P256()},
		)
	}
	return list, err
}

// openKeys opens the directory of the keys once, and does not make it.
func (s *subject) openKeys() (_ *keydir.Dir, err error) {
	if s.keys == nil {
		s.keys, err = s.config.existingKeys(s.store)
		return s.keys, err
	}
	_, err = s.config.directory("keys", s.store)
	return s.keys, err
}

// existingKey reads a key.
func (s *subject) existingKey(k serviceKey) (crypto.Signer, error) {
	keys, err := s.openKeys()
	if err != nil {
		return nil, err
	}
	dir, err := s.config.directory(k.folder, s.store)
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
	var files []keydir.File
	offline := false
	dir, err := s.config.directory("authority", s.store)
	if err == nil {
		files, err = dir.List()
	}
	if err == nil {
		offline, err = ca.Offline(dir)
	}
	if err != nil {
		return []Finding{faulty(err, "restore the authority from a backup", "")}
	}
	ends := map[string]*x509.Certificate{} // of each role the last to end
	for _, file := range files {
		name, isCertificate := strings.CutSuffix(file.Name, ".crt")
		if !isCertificate {
			continue
		}
		role, _, _ := strings.Cut(name, "-")
		cert, err := certificateIn(dir, file.Name)
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
		if cert == nil && role == "tsa" && len(s.config.TSAURLs) > 0 && offline {
			continue
		}
		if cert == nil {
			list = append(list, faulty(
				fmt.Errorf("the authority has no certificate of %s", role),
				"restore the authority from a backup", "",
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
	dir, err := c.directory("authority", s.store)
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir.With(keys.Protection()), o)
}
