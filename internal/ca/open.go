package ca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

// Lifetimes of the authority's own certificates.
const (
	rootLife    = 20 * 365 * 24 * time.Hour
	issuingLife = 10 * 365 * 24 * time.Hour
	serviceLife = 10 * 365 * 24 * time.Hour
	// successionDue is the rest of its lifetime at which the time-stamping unit gets a successor.
	successionDue = 2 * 365 * 24 * time.Hour
	// DefaultValidity is the default lifetime of a signer's certificate.
	DefaultValidity = 365 * 24 * time.Hour
	// backdate is how long before its issue a certificate begins, for verifiers whose clocks are
	// slow.
	backdate = time.Minute
)

// Paths below Options.BaseURL that certificates refer to. An HTTP server answers them with
// [Authority.OCSP], [Authority.CRL] and the certificates.
const (
	PathOCSP       = "/ocsp"
	PathRootCRL    = "/root.crl"
	PathIssuingCRL = "/issuing.crl"
	PathRootCert   = "/root.cer"
	PathIssuing    = "/issuing.cer"
)

// Options are the options of [Open].
type Options struct {
	// Name begins every subject: "Signet" gives "Signet Root CA". At most 40 characters.
	Name string
	// Sandbox adds the word SANDBOX to every name, so that test signatures are recognisable. It
	// cannot be changed for an existing directory.
	Sandbox bool
	// BaseURL is where verifiers find CRLs and OCSP, without a slash at the end. Certificates
	// contain the value at the time of their issue.
	BaseURL string
	// Validity is the lifetime of signer certificates; 0 means DefaultValidity. A certificate ends
	// at the latest with the issuing CA.
	Validity time.Duration
	// PlainHash makes the serialNumber of signers' certificates a SHA-256 over UID and UIN, as in
	// the real service, instead of an HMAC. Any reader of the certificate can then find the UIN by
	// trying all.
	PlainHash bool
	// Keep creates nothing: what is missing is an fs.ErrNotExist, and a time-stamping unit gets no
	// successor.
	Keep bool
	Now  func() time.Time
	Rand io.Reader
}

// Authority issues certificates, OCSP responses and CRLs. Its methods may be called concurrently.
type Authority struct {
	opts                     Options
	root, issuing, ocsp, tsa entity
	secret                   []byte // of the hashes in signers' certificates

	mu   sync.Mutex
	made [2]madeCRL // the newest of the root and of the issuing CA
}

type entity struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// Open loads the authority from dir. On first use it creates the keys and certificates.
//
// Each step leaves either nothing or a complete file, in an order in which no certificate exists
// without its key. The next Open completes the work of a process that crashed, and two processes
// that open the same new directory use the same authority. A certificate without its key is an
// error, because a new key could not replace the old one.
func Open(dir string, o Options) (*Authority, error) {
	if o.Now == nil || o.Rand == nil {
		return nil, errors.New("ca: Now and Rand are required")
	}
	if n := len([]rune(o.Name)); n == 0 || n > 40 {
		return nil, errors.New("ca: Name must have 1 to 40 characters")
	}
	if !strings.HasPrefix(o.BaseURL, "http://") && !strings.HasPrefix(o.BaseURL, "https://") ||
		strings.HasSuffix(o.BaseURL, "/") {
		return nil, fmt.Errorf(
			"ca: BaseURL %q must be an http(s) URL without a slash at its end", o.BaseURL,
		)
	}
	if o.Validity == 0 {
		o.Validity = DefaultValidity
	}
	if o.Validity < time.Hour {
		return nil, errors.New("ca: Validity is below one hour")
	}
	store, err := keydir.Open(dir, o.Rand)
	if err != nil {
		return nil, err
	}
	a := &Authority{opts: o}
	if o.Keep {
		if _, err := store.Read("signers.secret"); err != nil {
			return nil, err
		}
	}
	if a.secret, err = store.Secret("signers"); err != nil {
		return nil, err
	}
	for _, step := range []struct {
		name   string
		into   *entity
		parent *entity // nil for self-signed
		curve  elliptic.Curve
		make   func(*ecdsa.PublicKey) (profile, error)
	}{
		{"root", &a.root, nil, elliptic.P384(), a.rootProfile},
		{"issuing", &a.issuing, &a.root, elliptic.P384(), a.issuingProfile},
		{"ocsp", &a.ocsp, &a.issuing, elliptic.P256(), a.ocspProfile},
		{"tsa", &a.tsa, &a.root, elliptic.P256(), a.tsaProfile(1)},
	} {
		e, err := a.load(store, step.name, step.curve)
		if errors.Is(err, fs.ErrNotExist) && !o.Keep {
			e, err = a.create(store, step.name, step.curve, step.parent, step.make)
		}
		if err != nil {
			return nil, fmt.Errorf("ca: %s: %w", step.name, err)
		}
		parent := e
		if step.parent != nil {
			parent = *step.parent
		}
		if err := e.cert.CheckSignatureFrom(parent.cert); err != nil {
			return nil, fmt.Errorf(
				"ca: %s was not issued by the authority beside it: %w", step.name, err,
			)
		}
		if strings.Contains(e.cert.Subject.CommonName, sandboxMark) != o.Sandbox {
			return nil, fmt.Errorf(
				"ca: %s: %q and Sandbox=%v do not go together", step.name,
				e.cert.Subject.CommonName, o.Sandbox,
			)
		}
		*step.into = e
	}
	if err := a.succeedTSA(store); err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return a, nil
}

// succeedTSA loads the newest time-stamping unit, and creates the next one when its certificate has
// less than successionDue left. Archived documents can only be renewed by a unit that is valid for
// longer than the previous one.
func (a *Authority) succeedTSA(store *keydir.Dir) error {
	for n := 2; ; n++ {
		name := fmt.Sprintf("tsa-%d", n)
		e, err := a.load(store, name, elliptic.P256())
		if errors.Is(err, fs.ErrNotExist) {
			now, ends := a.opts.Now(), a.tsa.cert.NotAfter
			if a.opts.Keep || ends.Sub(now) > successionDue || !a.root.cert.NotAfter.After(ends) ||
				!a.root.cert.NotAfter.After(now) {
				return nil
			}
			e, err = a.create(store, name, elliptic.P256(), &a.root, a.tsaProfile(n))
		}
		if err == nil {
			err = e.cert.CheckSignatureFrom(a.root.cert)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		a.tsa = e
	}
}

// load returns fs.ErrNotExist only if there is no certificate.
func (a *Authority) load(store *keydir.Dir, name string, curve elliptic.Curve) (entity, error) {
	data, err := store.Read(name + ".crt")
	if err != nil {
		return entity{}, err
	}
	key, err := store.Existing(name, curve)
	if errors.Is(err, fs.ErrNotExist) {
		return entity{}, errors.New(
			"the certificate is there but its key is not; restore the key from a backup",
		)
	}
	if err != nil {
		return entity{}, err
	}
	return pair(data, key)
}

func (a *Authority) create(
	store *keydir.Dir, name string, curve elliptic.Curve, parent *entity,
	makeProfile func(*ecdsa.PublicKey) (profile, error),
) (entity, error) {
	key, err := store.Signer(name, curve)
	if err != nil {
		return entity{}, err
	}
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return entity{}, errors.New("not an EC key")
	}
	p, err := makeProfile(pub)
	if err != nil {
		return entity{}, err
	}
	issuer := entity{cert: p.template, key: key}
	if parent != nil {
		issuer = *parent
	}
	cert, err := a.issue(p, issuer)
	if err != nil {
		return entity{}, err
	}
	// Another process may have stored its certificate first. It is for the same key, because the
	// key file was created before.
	data, err := store.Create(
		name+".crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
	)
	if err != nil {
		return entity{}, err
	}
	return pair(data, key)
}

func pair(data []byte, key crypto.Signer) (entity, error) {
	block, _ := pem.Decode(data)
	if block == nil || block.Type != "CERTIFICATE" {
		return entity{}, errors.New("not a PEM certificate")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return entity{}, err
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok || !pub.Equal(key.Public()) {
		return entity{}, errors.New("certificate and key do not belong together")
	}
	return entity{cert: cert, key: key}, nil
}

// Chain returns the certificates that follow a signer's: issuing CA, root.
func (a *Authority) Chain() []*x509.Certificate {
	return []*x509.Certificate{a.issuing.cert, a.root.cert}
}

// Root returns the trust anchor.
func (a *Authority) Root() *x509.Certificate { return a.root.cert }

// Issuing returns the CA that issues signers' certificates.
func (a *Authority) Issuing() *x509.Certificate { return a.issuing.cert }

// Roots returns a pool that contains only the trust anchor.
func (a *Authority) Roots() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.root.cert)
	return pool
}

// TSA returns the key of the time-stamping unit and its certificate chain, leaf first.
func (a *Authority) TSA() (crypto.Signer, []*x509.Certificate) {
	return a.tsa.key, []*x509.Certificate{a.tsa.cert, a.root.cert}
}

// Certificates returns the authority's own certificates by role: root, issuing, ocsp and tsa.
func (a *Authority) Certificates() map[string]*x509.Certificate {
	return map[string]*x509.Certificate{
		"root": a.root.cert, "issuing": a.issuing.cert, "ocsp": a.ocsp.cert, "tsa": a.tsa.cert,
	}
}
