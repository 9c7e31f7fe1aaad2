package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

// The root's key may be on another machine, or belong to an organisation's own authority. Then
// certificates come in three steps:
//
//	PrepareOffline, Requests   on this machine: keys, and PKCS #10 requests for them
//	SignRequests               on the other machine; or any program of the organisation
//	Install                    on this machine: certificates and the root's CRL

// offlineMark is the file that says that the root's key is on another machine.
const offlineMark = "offline-root"

// offlineListLife is how long the CRL of a root on another machine is good.
const offlineListLife = 366 * 24 * time.Hour

// Offline reports whether the root's key is on another machine.
func Offline(dir *keydir.Dir) (bool, error) {
	_, err := dir.Read(offlineMark)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func (a *Authority) offline() (bool, error) { return Offline(a.store) }

// PrepareOffline makes dir the directory of an authority whose root's key is on another machine,
// and returns the requests for its first certificates, see [Requests].
func PrepareOffline(dir *keydir.Dir, o Options) ([]byte, error) {
	a, err := prepare(dir, o)
	if err != nil {
		return nil, err
	}
	for _, file := range []string{"root.key", "root.crt"} {
		if _, err := a.store.Read(file); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(
				err, fmt.Errorf("ca: %s exists: the directory has an authority", file),
			)
		}
	}
	// It makes what needs no certificate, so that Open with Keep works after Install.
	if _, err := a.store.Secret("signers"); err != nil {
		return nil, err
	}
	if _, err := a.store.Create(offlineMark, []byte("ca csr, ca install\n")); err != nil {
		return nil, err
	}
	return a.requests([]Part{PartIssuing, PartTSA})
}

// Requests returns PKCS #10 requests, PEM, for the next issuing CA or time-stamping unit. It
// creates their keys; until [Install] has the certificates, it returns requests for the same keys.
func Requests(dir *keydir.Dir, o Options, which ...Part) ([]byte, error) {
	a, err := prepare(dir, o)
	if err != nil {
		return nil, err
	}
	if offline, err := a.offline(); err != nil {
		return nil, err
	} else if !offline {
		return nil, errors.New("ca: the root's key is on this machine and needs no request")
	}
	return a.requests(which)
}

func (a *Authority) requests(which []Part) (text []byte, err error) {
	for _, part := range which {
		n, err := a.free(string(part))
		if err != nil {
			return nil, err
		}
		curve, name, extensions := elliptic.P384(), a.issuingName, caRequest
		switch part {
		case PartIssuing:
		case PartTSA:
			curve, name, extensions = elliptic.P256(), a.tsaName, tsaRequest
		default:
			return nil, fmt.Errorf("ca: no request is needed for %q", part)
		}
		key, err := a.store.Signer(numbered(string(part), n), curve)
		if err != nil {
			return nil, err
		}
		subject, err := name(n)
		if err != nil {
			return nil, err
		}
		wanted, err := extensions()
		if err != nil {
			return nil, err
		}
		der, err := x509.CreateCertificateRequest(
			a.opts.Rand, &x509.CertificateRequest{RawSubject: subject, ExtraExtensions: wanted},
			key,
		)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		text = append(
			text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})...,
		)
	}
	return text, nil
}

// caRequest returns the extensions that the request of an issuing CA asks for: a CA without CAs
// below it, which signs certificates and CRLs (RFC 5280, 4.2.1.3 and 4.2.1.9).
func caRequest() ([]pkix.Extension, error) {
	constraints, err := asn1.Marshal(struct {
		CA      bool
		PathLen int
	}{true, 0})
	if err != nil {
		return nil, err
	}
	usage, err := asn1.Marshal(asn1.BitString{Bytes: []byte{0x06}, BitLength: 7})
	return []pkix.Extension{
		{Id: oidBasicConstr, Critical: true, Value: constraints},
		{Id: oidKeyUsage, Critical: true, Value: usage},
	}, err
}

// tsaRequest returns the extensions that the request of a time-stamping unit asks for (RFC 3161,
// 2.3).
func tsaRequest() ([]pkix.Extension, error) {
	eku, err := timestampUsage()
	if err != nil {
		return nil, err
	}
	usage, err := asn1.Marshal(asn1.BitString{Bytes: []byte{0x80}, BitLength: 1})
	return []pkix.Extension{eku, {Id: oidKeyUsage, Critical: true, Value: usage}}, err
}

// SignRequests signs the requests of [Requests] with the root in dir, which it creates on first
// use, and returns the certificates, the root's among them, and the root's next CRL, PEM, as
// [Install] takes them. revoke are issuing CAs to add to the CRL. Without requests it only makes
// the CRL. signed are the new certificates. o.BaseURL is that of the service.
func SignRequests(
	dir *keydir.Dir, o Options, requests []byte, revoke ...Revoked,
) (text []byte, signed []*x509.Certificate, err error) {
	a, err := prepare(dir, o)
	if err != nil {
		return nil, nil, err
	}
	root, err := a.ensure("root", elliptic.P384(), nil, a.rootProfile)
	if err != nil {
		return nil, nil, err
	}
	for block, rest := pem.Decode(requests); block != nil; block, rest = pem.Decode(rest) {
		cert, err := a.sign(root, block)
		if err != nil {
			return nil, nil, err
		}
		signed = append(signed, cert)
	}
	if len(signed) == 0 && len(bytes.TrimSpace(requests)) > 0 {
		return nil, nil, errors.New("ca: no certificate request in PEM")
	}
	lists, err := a.readLists()
	if err != nil {
		return nil, nil, err
	}
	list, err := a.extendList(root, (&parts{lists: lists}).listOf(root.cert), revoke...)
	if err != nil {
		return nil, nil, err
	}
	if err := a.store.Replace("root.crl", encodeList(list)); err != nil {
		return nil, nil, err
	}
	text = encodeCertificates(append(slices.Clone(signed), root.cert)...)
	return append(text, encodeList(list)...), signed, nil
}

// sign signs one request.
func (a *Authority) sign(root entity, block *pem.Block) (*x509.Certificate, error) {
	if block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("ca: a PEM block of type %s is no request", block.Type)
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err == nil {
		err = request.CheckSignature()
	}
	if err != nil {
		return nil, fmt.Errorf("ca: request: %w", err)
	}
	pub, ok := request.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, errors.New("ca: request: not an EC key")
	}
	profile := a.issuingProfileOf
	if slices.ContainsFunc(
		request.Extensions, func(e pkix.Extension) bool { return e.Id.Equal(oidExtKeyUsage) },
	) {
		profile = a.tsaProfileOf
	}
	p, err := profile(&root, request.RawSubject, pub)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	cert, err := a.issue(p, root)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return cert, nil
}

// Install stores what the root's machine has signed: the certificates for the keys of [Requests],
// the CAs above them up to the root, and CRLs of the root and of the CAs between, all PEM in any
// order. Only a CRL may come alone, to follow one that ends. An issuing CA gets its OCSP responder,
// and is in use a minute later. A root other than the one that is installed is refused. It returns
// the certificates for this machine's keys.
func Install(dir *keydir.Dir, o Options, text []byte) ([]*x509.Certificate, error) {
	a, err := prepare(dir, o)
	if err != nil {
		return nil, err
	}
	if offline, err := a.offline(); err != nil {
		return nil, err
	} else if !offline {
		return nil, errors.New("ca: the root's key is on this machine, nothing can be installed")
	}
	in, err := parseInstalled(text)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	root, err := a.installedRoot(in)
	if err != nil {
		return nil, err
	}
	var mine []*x509.Certificate
	var ready []func() error // after everything was checked
	for _, part := range []Part{PartTSA, PartIssuing} {
		e, write, err := a.installPart(part, root, in)
		if err != nil {
			return nil, fmt.Errorf("ca: %s: %w", part, err)
		}
		if e.cert == nil {
			continue
		}
		mine, ready = append(mine, e.cert), append(ready, write)
		if part == PartIssuing {
			ready = append(ready, func() error {
				_, err := a.nextResponder(e)
				return err
			})
		}
	}
	if len(mine) == 0 && len(in.lists) == 0 {
		return nil, errors.New("ca: no certificate is for a key that waits for one, and no CRL")
	}
	if err := a.installLists(root, in); err != nil {
		return nil, err
	}
	if _, err := a.store.Create("root.crt", encodeCertificates(root)); err != nil {
		return nil, err
	}
	for _, write := range ready {
		if err := write(); err != nil {
			return nil, err
		}
	}
	return mine, nil
}

// installed is the parsed argument of [Install].
type installed struct {
	certs []*x509.Certificate
	lists []*x509.RevocationList
}

func parseInstalled(text []byte) (in installed, err error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		switch block.Type {
		case "CERTIFICATE":
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return in, err
			}
			in.certs = append(in.certs, cert)
		case "X509 CRL":
			list, err := x509.ParseRevocationList(block.Bytes)
			if err != nil {
				return in, err
			}
			in.lists = append(in.lists, list)
		default:
			return in, fmt.Errorf("a PEM block of type %s", block.Type)
		}
	}
	return in, nil
}

// installedRoot returns the root of the directory, or the one to install.
func (a *Authority) installedRoot(in installed) (*x509.Certificate, error) {
	var root *x509.Certificate
	for _, c := range in.certs {
		if bytes.Equal(c.RawIssuer, c.RawSubject) && c.CheckSignatureFrom(c) == nil {
			if root != nil && !root.Equal(c) {
				return nil, errors.New("ca: two root certificates")
			}
			root = c
		}
	}
	switch have, err := a.readRoot(); {
	case errors.Is(err, ErrIncomplete) && root == nil:
		return nil, errors.New("ca: the root's certificate is missing")
	case errors.Is(err, ErrIncomplete):
		return root, nil
	case err != nil:
		return nil, err
	case root != nil && !root.Equal(have.cert):
		return nil, errors.New("ca: the directory has another root")
	default:
		return have.cert, nil
	}
}

// installPart finds the certificate for the part's next key, checks it, and returns a function that
// writes it. The entity has no certificate if there is none.
func (a *Authority) installPart(
	part Part, root *x509.Certificate, in installed,
) (e entity, write func() error, err error) {
	n, err := a.free(string(part))
	if err != nil {
		return e, nil, err
	}
	curve := elliptic.P384()
	if part == PartTSA {
		curve = elliptic.P256()
	}
	name := numbered(string(part), n)
	key, err := a.store.Existing(name, curve)
	if errors.Is(err, fs.ErrNotExist) {
		return e, nil, nil
	}
	if err != nil {
		return e, nil, err
	}
	mine := slices.IndexFunc(in.certs, func(c *x509.Certificate) bool {
		pub, ok := c.PublicKey.(*ecdsa.PublicKey)
		return ok && pub.Equal(key.Public())
	})
	if mine < 0 {
		return e, nil, nil
	}
	e = entity{in.certs[mine], key}
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	for _, c := range in.certs {
		between.AddCert(c)
	}
	usage := x509.ExtKeyUsageAny
	if part == PartTSA {
		usage = x509.ExtKeyUsageTimeStamping
	}
	chains, err := e.cert.Verify(x509.VerifyOptions{
		Roots: roots, Intermediates: between, CurrentTime: a.opts.Now(),
		KeyUsages: []x509.ExtKeyUsage{usage},
	})
	if err != nil {
		return e, nil, err
	}
	switch c := e.cert; {
	case len(c.SubjectKeyId) == 0:
		return e, nil, errors.New("the certificate has no subject key identifier")
	case part == PartIssuing && (!c.IsCA || c.KeyUsage&authorityKeyUse != authorityKeyUse):
		return e, nil, errors.New("the certificate is not for signing certificates and CRLs")
	case part == PartTSA && (c.IsCA || len(c.ExtKeyUsage) != 1):
		return e, nil, errors.New("the certificate is not for timestamps alone")
	}
	chain := chains[0]
	return e, func() error {
		_, err := a.store.Create(name+".crt", encodeCertificates(chain[:len(chain)-1]...))
		return err
	}, nil
}

// installLists stores the newest CRL of each CA. There must be one of the root.
func (a *Authority) installLists(root *x509.Certificate, in installed) error {
	old, err := a.readLists()
	if err != nil {
		return err
	}
	all := &parts{lists: append(old, in.lists...)}
	if all.listOf(root) == nil {
		return errors.New("ca: the root's CRL is missing")
	}
	above := append(slices.Clone(in.certs), root)
	if p, err := a.read(); err == nil { // it fails before the first installation
		above = append(above, p.certificates()...)
	}
	var text []byte
	for _, c := range above {
		newest := all.listOf(c)
		if newest == nil || bytes.Contains(text, encodeList(newest.Raw)) {
			continue
		}
		if err := newest.CheckSignatureFrom(c); err != nil {
			return fmt.Errorf("ca: the CRL of %q: %w", c.Subject.CommonName, err)
		}
		if newest.NextUpdate.Before(a.opts.Now()) {
			return fmt.Errorf("ca: the CRL of %q has ended", c.Subject.CommonName)
		}
		text = append(text, encodeList(newest.Raw)...)
	}
	return a.store.Replace("root.crl", text)
}
