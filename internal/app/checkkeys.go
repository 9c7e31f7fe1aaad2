package app

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
)

// checkKeys looks whether all keys can be read. A key that is missing would be made at a start, and
// what the old one has signed would not be valid any more.
func checkKeys(ctx context.Context, s *subject) (list []Finding) {
	for _, name := range []string{"keys", "authority"} {
		part, err := keyPart(s.config, name, s.store)
		if err == nil {
			err = s.marked(ctx, part)
		}
		if err != nil {
			return []Finding{faulty(err, "mount the folder that the other nodes use", "")}
		}
	}
	switch keys, err := s.openKeys(); {
	case errors.As(err, new(providerError)):
		return []Finding{faulty(err, providerRemedy, "")}
	case err == nil:
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
		list = append(list, s.keyFinding(k.folder, k.name+".key", err))
	}
	return list
}

const providerRemedy = "correct keys, and keys_password or its file (of a token the PIN); let " +
	"this machine reach what keys names, and give this command the environment of the service, " +
	"such as SOFTHSM2_CONF"

// checkKeyProvider looks whether the token or key management service can be opened, before the
// first start.
func checkKeyProvider(c *config.Config) Finding {
	p, err := keyProvider(c)
	if opened, ok := p.(io.Closer); ok && err == nil {
		err = opened.Close()
	}
	return faulty(err, providerRemedy, "")
}

// keyFinding returns the finding about the file of a key or secret.
func (s *subject) keyFinding(folder, file string, err error) Finding {
	remedy := "restore it from a backup"
	switch {
	case errors.Is(err, keydir.ErrPermissions):
		remedy = "chmod 600 " + filepath.Join(s.config.Data, folder, file)
	case errors.Is(err, fs.ErrPermission):
		remedy = "give it to the service's user, who owns the folder (chown), and no other user (chmod 600)"
	case errors.Is(err, keydir.ErrNotProtected):
		remedy = "stop all nodes and run signet secret encrypt, or remove keys and keys_password"
	case errors.Is(err, keydir.ErrProtected), errors.Is(err, keydir.ErrPassword):
		remedy = "set keys and keys_password, or its file, to those of the deployment"
	case errors.Is(err, errAuditKey):
		remedy = "restore keys/audit.secret from a backup; if it is lost, docs/operating.md, " +
			"\"The audit log\", says what to do"
	}
	if err != nil {
		err = fmt.Errorf("%w: %s", err, remedy)
	}
	f := faulty(err, remedy, "")
	f.Check = folder + "/" + file
	return f
}

// checkSecrets looks whether the secrets that a deployment has from its beginning can be read, and
// whether that of the audit log is the one that has signed it. A secret that was rotated may have
// successors only; without that of the signers older certificates cannot be checked.
func checkSecrets(ctx context.Context, s *subject) (list []Finding) {
	keys, err := s.openKeys()
	if err != nil {
		return []Finding{faulty(err, "restore the keys folder from a backup", "")}
	}
	authority, err := s.directory("authority")
	if err != nil {
		return []Finding{faulty(err, "restore the authority from a backup", "")}
	}
	for _, name := range []string{"cookies", "links", "enrolment"} {
		_, err := keys.ExistingSecret(name)
		if errors.Is(err, fs.ErrNotExist) {
			if next := successor(keys, name); next != "" {
				_, err = keys.ExistingSecret(next)
			}
		}
		f := s.keyFinding("keys", name+".secret", err)
		if errors.Is(err, fs.ErrNotExist) && !s.started(ctx) {
			f = Finding{Check: f.Check, Level: OK, Text: "a start makes it"}
		}
		list = append(list, f)
	}
	for _, name := range []string{clientKey, encryptionKey} {
		_, err := keys.ExistingKeyRing(name, clientKeyDelay, secretOverlap)
		if !errors.Is(err, fs.ErrNotExist) { // a start makes one that is missing
			list = append(list, s.keyFinding("keys", name+".key", err))
		}
	}
	_, err = authority.ExistingSecret("signers")
	return append(
		list, s.keyFinding("keys", "audit.secret", s.checkAuditKey(ctx, keys)),
		s.keyFinding("authority", "signers.secret", err),
	)
}

// started reports whether a service has been started on the deployment, which records the public
// URL, rather than only its authority made.
func (s *subject) started(ctx context.Context) bool {
	if s.store == nil || s.store.CheckSchema(ctx) != nil {
		return true
	}
	recorded, err := s.store.Recorded(ctx, "public_url")
	return err != nil || recorded != ""
}

// successor returns the name of a secret that was made by a rotation; "" if there is none.
func successor(dir *keydir.Dir, name string) string {
	files, _ := dir.List() // its error is that of the secret
	for _, f := range files {
		next, ok := strings.CutSuffix(f.Name, ".secret")
		if ok && strings.HasPrefix(next, name+"-") {
			return next
		}
	}
	return ""
}

// checkAuditKey checks that the secret of the audit log can be read, and has signed the newest
// checkpoint of the log, if there is one.
func (s *subject) checkAuditKey(ctx context.Context, keys *keydir.Dir) error {
	secret, unread := keys.ExistingSecret("audit")
	missing := errors.Is(unread, fs.ErrNotExist)
	if unread != nil && !missing || s.store == nil || s.store.CheckSchema(ctx) != nil {
		return unread
	}
	origin, err := s.store.Recorded(ctx, auditOrigin)
	if err != nil {
		return err
	}
	newest, err := s.store.Newest(ctx)
	switch {
	case err != nil:
		return err
	case newest.Size == 0:
		return unread
	case missing:
		return fmt.Errorf("%w: it is missing", errAuditKey)
	}
	signer, err := audit.NewSigner(origin, secret)
	if err == nil && signer.Check(newest.Note) != nil {
		err = fmt.Errorf("%w: it is another key", errAuditKey)
	}
	return err
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
	dir, err := directory(s.config, "authority", s.store)
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
		s.keys, err = existingKeys(s.config, s.store)
		return s.keys, err
	}
	_, err = directory(s.config, "keys", s.store)
	return s.keys, err
}

// directory opens the directory "keys" or "authority" with the protection of the keys.
func (s *subject) directory(name string) (*keydir.Dir, error) {
	keys, err := s.openKeys()
	if err != nil {
		return nil, err
	}
	dir, err := directory(s.config, name, s.store)
	if err != nil {
		return nil, err
	}
	return dir.With(keys.Protection()), nil
}

// existingKey reads a key.
func (s *subject) existingKey(k serviceKey) (crypto.Signer, error) {
	dir, err := s.directory(k.folder)
	if err != nil {
		return nil, err
	}
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
	dir, err := directory(s.config, "authority", s.store)
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
	o := authorityOptions(c, false, s.now)
	o.Keep = true
	dir, err := s.directory("authority")
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir, o)
}
