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
	"os"
	"strings"
	"sync"
	"sync/atomic"
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
// [Authority.OCSP], [Authority.RootCRL], [Authority.CRL] and the certificates. The files of the
// n-th issuing CA, after the first, have its number: "/issuing-2.crl".
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
	opts    Options
	store   *keydir.Dir
	secrets *keydir.Ring // of the hashes in signers' certificates; the first one is for new ones

	parts   atomic.Pointer[parts]
	reading sync.Mutex

	mu   sync.Mutex
	made map[string]madeCRL // the newest of each CA, by its subject key identifier
}

// Open loads the authority from the folder dir, whose keys are not protected. See [OpenIn].
func Open(dir string, o Options) (*Authority, error) {
	if o.Keep {
		if _, err := os.Stat(dir); err != nil {
			return nil, err
		}
	}
	if o.Rand == nil {
		return nil, errNoSources
	}
	files, err := keydir.Open(dir, o.Rand)
	if err != nil {
		return nil, err
	}
	return OpenIn(files, o)
}

// OpenIn loads the authority from dir. On first use it creates the keys and certificates, unless
// [PrepareOffline] was there before; then the error is [ErrIncomplete] until [Install] was called.
//
// Each step leaves either nothing or a complete file, in an order in which no certificate exists
// without its key. The next Open completes the work of a process that crashed, and two processes
// that open the same new directory use the same authority. A certificate without its key is an
// error, because a new key could not replace the old one.
func OpenIn(dir *keydir.Dir, o Options) (*Authority, error) {
	a, err := prepare(dir, o)
	if err != nil {
		return nil, err
	}
	if o.Keep {
		if _, err := a.store.Read("signers.secret"); err != nil {
			return nil, err
		}
	}
	if a.secrets, err = a.store.Ring("signers", 0); err != nil {
		return nil, err
	}
	offline, err := a.offline()
	if err != nil {
		return nil, err
	}
	if !offline && !o.Keep {
		if err := a.createAll(); err != nil {
			return nil, err
		}
	}
	if err := a.Reload(); err != nil {
		return nil, err
	}
	if !o.Keep {
		if err := a.succeedTSA(); err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
	}
	return a, nil
}

var errNoSources = errors.New("ca: Now and Rand are required")

// prepare checks the options.
func prepare(dir *keydir.Dir, o Options) (*Authority, error) {
	if o.Now == nil || o.Rand == nil {
		return nil, errNoSources
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
	return &Authority{opts: o, store: dir, made: map[string]madeCRL{}}, nil
}

// createAll creates the keys and certificates that are missing.
func (a *Authority) createAll() error {
	var root, issuing entity
	for _, step := range []struct {
		name   string
		into   *entity
		parent *entity // nil for self-signed
		curve  elliptic.Curve
		make   makeProfile
	}{
		{"root", &root, nil, elliptic.P384(), a.rootProfile},
		{"issuing", &issuing, &root, elliptic.P384(), a.issuingProfile(&root, 1)},
		{"ocsp", new(entity), &issuing, elliptic.P256(), a.ocspProfile(&issuing, 1)},
		{"tsa", new(entity), &root, elliptic.P256(), a.tsaProfile(&root, 1)},
	} {
		e, err := a.ensure(step.name, step.curve, step.parent, step.make)
		if err != nil {
			return err
		}
		*step.into = e
	}
	return nil
}

// succeedTSA creates the next time-stamping unit when the certificate of the newest one has less
// than successionDue left. Archived documents can only be renewed by a unit that is valid for
// longer than the previous one.
func (a *Authority) succeedTSA() error {
	for {
		p := a.parts.Load()
		if p.root.key == nil || p.tsa.cert == nil {
			return nil
		}
		now, ends := a.opts.Now(), p.tsa.cert.NotAfter
		if ends.Sub(now) > successionDue || !p.root.cert.NotAfter.After(ends) ||
			!p.root.cert.NotAfter.After(now) {
			return nil
		}
		if _, err := a.Rotate(PartTSA); err != nil {
			return err
		}
	}
}

// load reads an entity and the certificates that follow its own in the file. The error is
// fs.ErrNotExist only if there is no certificate.
func (a *Authority) load(name string, curve elliptic.Curve) (entity, []*x509.Certificate, error) {
	data, err := a.store.Read(name + ".crt")
	if err != nil {
		return entity{}, nil, err
	}
	key, err := a.store.Existing(name, curve)
	if errors.Is(err, fs.ErrNotExist) {
		return entity{}, nil, errors.New(
			"the certificate is there but its key is not; restore the key from a backup",
		)
	}
	if err != nil {
		return entity{}, nil, err
	}
	return pair(data, key)
}

func (a *Authority) create(
	name string, curve elliptic.Curve, parent *entity, profileOf makeProfile,
) (entity, error) {
	key, err := a.store.Signer(name, curve)
	if err != nil {
		return entity{}, err
	}
	pub, ok := key.Public().(*ecdsa.PublicKey)
	if !ok {
		return entity{}, errors.New("not an EC key")
	}
	p, err := profileOf(pub)
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
	data, err := a.store.Create(name+".crt", encodeCertificates(cert))
	if err != nil {
		return entity{}, err
	}
	e, _, err := pair(data, key)
	return e, err
}

func encodeCertificates(certs ...*x509.Certificate) (text []byte) {
	for _, c := range certs {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
	}
	return text
}

// parseCertificates parses PEM that contains certificates only.
func parseCertificates(data []byte) (certs []*x509.Certificate, err error) {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("a PEM block of type %s", block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs, data = append(certs, cert), rest
	}
	if len(certs) == 0 {
		return nil, errors.New("not a PEM certificate")
	}
	return certs, nil
}

func pair(data []byte, key crypto.Signer) (entity, []*x509.Certificate, error) {
	certs, err := parseCertificates(data)
	if err != nil {
		return entity{}, nil, err
	}
	pub, ok := certs[0].PublicKey.(*ecdsa.PublicKey)
	if !ok || !pub.Equal(key.Public()) {
		return entity{}, nil, errors.New("certificate and key do not belong together")
	}
	return entity{cert: certs[0], key: key}, certs[1:], nil
}
