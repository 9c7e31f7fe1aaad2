package doctor

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
	"github.com/signet-sign/signet/internal/parts"
)

// checkKeys looks whether all keys can be read. A key that is missing would be made at a start, and
// what the old one has signed would not be valid any more.
func checkKeys(ctx context.Context, s *Service) (list []Finding) {
	for _, name := range []string{"keys", "authority"} {
		part, err := parts.KeyPart(s.Config, name, s.Store)
		if err == nil {
			err = s.marked(ctx, part)
		}
		if err != nil {
			return []Finding{faulty(err, "mount the folder that the other nodes use", "")}
		}
	}
	switch keys, err := s.openKeys(); {
	case errors.As(err, new(parts.ProviderError)):
		return []Finding{faulty(err, providerRemedy, "")}
	case err == nil:
		if err := keys.Protection().Check(); err != nil {
			err = fmt.Errorf("%s does not answer: %w", s.Config.Keys, err)
			return []Finding{faulty(err, "connect it, and look at its own log", "")}
		}
	}
	keys, err := s.serviceKeys()
	if err != nil {
		return []Finding{faulty(err, "restore the authority from a backup", "")}
	}
	for _, k := range keys {
		_, err := s.existingKey(k)
		if err == nil && k == webhookService {
			err = s.checkWebhookKey(ctx)
		}
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
	p, err := parts.KeyProvider(c)
	if opened, ok := p.(io.Closer); ok && err == nil {
		err = opened.Close()
	}
	return faulty(err, providerRemedy, "")
}

// keyFinding returns the finding about the file of a key or secret.
func (s *Service) keyFinding(folder, file string, err error) Finding {
	remedy := "restore it from a backup"
	switch {
	case errors.Is(err, keydir.ErrPermissions):
		remedy = "chmod 600 " + filepath.Join(s.Config.Data, folder, file)
	case errors.Is(err, fs.ErrPermission):
		remedy = "give it to the service's user, who owns the folder (chown), and no other user (chmod 600)"
	case errors.Is(err, keydir.ErrNotProtected):
		remedy = "stop all nodes and run signet secret encrypt, or remove keys and keys_password"
	case errors.Is(err, keydir.ErrProtected), errors.Is(err, keydir.ErrPassword):
		remedy = "set keys and keys_password, or its file, to those of the deployment"
	case errors.Is(err, parts.ErrWebhookKey):
		remedy = "restore it from a backup; if it is lost or was stolen, docs/operating.md, " +
			"\"A key was stolen\", says what to do"
	case errors.Is(err, parts.ErrAuditKey):
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
func checkSecrets(ctx context.Context, s *Service) (list []Finding) {
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
	for _, name := range []string{parts.ClientKey, parts.EncryptionKey} {
		_, err := keys.ExistingKeyRing(name, parts.ClientKeyDelay, parts.SecretOverlap)
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
func (s *Service) started(ctx context.Context) bool {
	if s.Store == nil || s.Store.CheckSchema(ctx) != nil {
		return true
	}
	recorded, err := s.Store.Recorded(ctx, "public_url")
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
func (s *Service) checkAuditKey(ctx context.Context, keys *keydir.Dir) error {
	secret, unread := keys.ExistingSecret("audit")
	missing := errors.Is(unread, fs.ErrNotExist)
	if unread != nil && !missing || s.Store == nil || s.Store.CheckSchema(ctx) != nil {
		return unread
	}
	origin, err := s.Store.Recorded(ctx, parts.AuditOrigin)
	if err != nil {
		return err
	}
	newest, err := s.Store.Newest(ctx)
	switch {
	case err != nil:
		return err
	case newest.Size == 0:
		return unread
	case missing:
		return fmt.Errorf("%w: it is missing", parts.ErrAuditKey)
	}
	signer, err := audit.NewSigner(origin, secret)
	if err == nil && signer.Check(newest.Note) != nil {
		err = fmt.Errorf("%w: it is another key", parts.ErrAuditKey)
	}
	return err
}

// checkWebhookKey checks that the webhook key is one of those that the database has recorded, if it
// has. A running service has done so at its start, and records the keys of later rotations.
func (s *Service) checkWebhookKey(ctx context.Context) error {
	if s.Running || s.Store == nil || s.Store.CheckSchema(ctx) != nil {
		return nil
	}
	keys, err := s.openKeys()
	if err == nil {
		_, _, err = parts.CheckWebhookKey(ctx, s.Store, keys)
	}
	return err
}

// serviceKey is a private key of the service.
type serviceKey struct {
	folder, name string
	curve        elliptic.Curve
}

// webhookService is the key that signs webhooks.
var webhookService = serviceKey{"keys", parts.WebhookKey, elliptic.P256()}

// serviceKeys returns the keys that a deployment has from its beginning.
func (s *Service) serviceKeys() ([]serviceKey, error) {
	list := []serviceKey{
		webhookService,
		{"authority", "issuing", elliptic.P384()},
		{"authority", "ocsp", elliptic.P256()},
	}
	dir, err := parts.Directory(s.Config, "authority", s.Store)
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
func (s *Service) openKeys() (_ *keydir.Dir, err error) {
	if s.Keys == nil {
		s.Keys, err = parts.ExistingKeys(s.Config, s.Store)
		return s.Keys, err
	}
	_, err = parts.Directory(s.Config, "keys", s.Store)
	return s.Keys, err
}

// directory opens the directory "keys" or "authority" with the protection of the keys.
func (s *Service) directory(name string) (*keydir.Dir, error) {
	keys, err := s.openKeys()
	if err != nil {
		return nil, err
	}
	dir, err := parts.Directory(s.Config, name, s.Store)
	if err != nil {
		return nil, err
	}
	return dir.With(keys.Protection()), nil
}

// existingKey reads a key.
func (s *Service) existingKey(k serviceKey) (crypto.Signer, error) {
	dir, err := s.directory(k.folder)
	if err != nil {
		return nil, err
	}
	if k.name != parts.WebhookKey {
		return dir.Existing(k.name, k.curve)
	}
	ring, err := dir.ExistingKeyRing(parts.WebhookKey, parts.WebhookKeyDelay, parts.SecretOverlap)
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
func checkCertificates(_ context.Context, s *Service) (list []Finding) {
	var files []keydir.File
	offline := false
	dir, err := parts.Directory(s.Config, "authority", s.Store)
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
		cert, err := parts.CertificateIn(dir, file.Name)
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
		if cert == nil && role == "tsa" && len(s.Config.TSAURLs) > 0 && offline {
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
		switch left := cert.NotAfter.Sub(s.Now()); {
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
func (s *Service) authority() (*ca.Authority, error) {
	c := s.Config
	o := parts.AuthorityOptions(c, false, s.Now)
	o.Keep = true
	dir, err := s.directory("authority")
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir, o)
}
