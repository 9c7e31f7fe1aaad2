package pades

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// der returns an element with the parts as its contents.
func der(tag cbasn1.Tag, parts ...[]byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(tag, func(b *cryptobyte.Builder) { b.AddBytes(slices.Concat(parts...)) })
	return b.BytesOrPanic()
}

func derSeq(parts ...[]byte) []byte { return der(cbasn1.SEQUENCE, parts...) }
func derSet(parts ...[]byte) []byte { return der(cbasn1.SET, parts...) }

// derTag returns a constructed element with a context-specific tag.
func derTag(n uint8, parts ...[]byte) []byte {
	return der(cbasn1.Tag(n).ContextSpecific().Constructed(), parts...)
}

func derOctets(b []byte) []byte { return der(cbasn1.OCTET_STRING, b) }

// derOf marshals an integer or object identifier.
func derOf(v any) []byte {
	b, err := asn1.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func derOID(id ...int) []byte { return derOf(asn1.ObjectIdentifier(id)) }

func generalized(t time.Time) []byte {
	return der(cbasn1.GeneralizedTime, []byte(t.UTC().Format("20060102150405Z")))
}

var derNull = []byte{5, 0}

// Algorithm identifiers.
var (
	algSHA1        = derSeq(derOf(cms.OIDSHA1))
	algSHA256      = derSeq(derOf(cms.OIDSHA256))
	algSHA512      = derSeq(derOf(cms.OIDSHA512))
	algECDSASHA256 = derSeq(derOID(1, 2, 840, 10045, 4, 3, 2))
	algECDSASHA512 = derSeq(derOID(1, 2, 840, 10045, 4, 3, 4))
	algRSA         = derSeq(derOID(1, 2, 840, 113549, 1, 1, 1), derNull)
	algRSASHA256   = derSeq(derOID(1, 2, 840, 113549, 1, 1, 11), derNull)
	algRSASHA512   = derSeq(derOID(1, 2, 840, 113549, 1, 1, 13), derNull)
	algEd25519     = derSeq(derOID(1, 3, 101, 112))
)

// algPSS returns RSASSA-PSS with parameters (RFC 4055, 3.1).
func algPSS(hash, mask []byte, salt, trailer int) []byte {
	mgf1 := derSeq(derOID(1, 2, 840, 113549, 1, 1, 8), mask)
	params := [][]byte{derTag(0, hash), derTag(1, mgf1), derTag(2, derOf(salt))}
	if trailer != 1 {
		params = append(params, derTag(3, derOf(trailer)))
	}
	return derSeq(derOID(1, 2, 840, 113549, 1, 1, 10), derSeq(params...))
}

// holder is a key with its certificate.
type holder struct {
	key   crypto.Signer
	cert  *x509.Certificate
	above []*x509.Certificate // the issuer and so on, without the root
}

// pki is an authority that issues what a test needs.
type pki struct {
	t      *testing.T
	root   holder
	serial int64
	from   time.Time
	until  time.Time
}

func newPKI(t *testing.T, name string) *pki {
	p := &pki{
		t: t, serial: 100, from: time.Now().AddDate(-3, 0, 0), until: time.Now().AddDate(3, 0, 0),
	}
	p.root = p.self(name)
	return p
}

func ecKey(t *testing.T, curve elliptic.Curve) crypto.Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(t, err)
	return key
}

// self returns a self-signed authority.
func (p *pki) self(name string) holder {
	key := ecKey(p.t, elliptic.P256())
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: p.from, NotAfter: p.until, BasicConstraintsValid: true, IsCA: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	must(p.t, err)
	cert, err := x509.ParseCertificate(raw)
	must(p.t, err)
	return holder{key: key, cert: cert}
}

// issue returns a certificate for a key, a new one on P-256 if it is nil.
func (p *pki) issue(by holder, key crypto.Signer, edit ...func(*x509.Certificate)) holder {
	if key == nil {
		key = ecKey(p.t, elliptic.P256())
	}
	p.serial++
	c := &x509.Certificate{
		SerialNumber: big.NewInt(p.serial), Subject: pkix.Name{CommonName: fmt.Sprint("n", p.serial)},
		NotBefore: p.from, NotAfter: p.until,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
	}
	for _, e := range edit {
		e(c)
	}
	raw, err := x509.CreateCertificate(rand.Reader, c, by.cert, key.Public(), by.key)
	must(p.t, err)
	cert, err := x509.ParseCertificate(raw)
	must(p.t, err)
	h := holder{key: key, cert: cert}
	if !by.cert.Equal(p.root.cert) {
		h.above = append([]*x509.Certificate{by.cert}, by.above...)
	}
	return h
}

// authority makes a certificate one of an authority.
func authority(c *x509.Certificate) {
	c.IsCA, c.BasicConstraintsValid = true, true
	c.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
}

// stamping makes a certificate one of a time-stamping unit.
func stamping(c *x509.Certificate) {
	c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{
		Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Critical: true,
		Value: derSeq(derOID(1, 3, 6, 1, 5, 5, 7, 3, 8)),
	})
}

// message is a CMS message. Empty fields have the values that an honest program writes.
type message struct {
	by          holder
	contentType []byte
	content     []byte // encapsulated
	version     int
	certs       [][]byte
	lists       []byte
	digestAlg   []byte
	sigAlg      []byte
	hash        crypto.Hash
	digest      func([]byte) []byte
	sid         []byte
	signed      func(attrs [][]byte) [][]byte
	order       func(attrs [][]byte) [][]byte // how the signed attributes are embedded
	sign        func(attrs []byte) []byte
	unsigned    func(signature []byte) [][]byte
	infos       func(info []byte) []byte
	whole       func(der []byte) []byte
}

func derAttribute(id []byte, values ...[]byte) []byte { return derSeq(id, derSet(values...)) }

var (
	attrContentType  = derOf(cms.OIDContentType)
	attrDigest       = derOf(cms.OIDMessageDigest)
	attrSigningCert  = derOf(cms.OIDSigningCertificateV2)
	attrOldCert      = derOf(cms.OIDSigningCertificate)
	attrContentStamp = derOf(cms.OIDContentTimestamp)
	attrStamp        = derOf(cms.OIDSignatureTimestamp)
)

// named is the value of signing-certificate-v2, or of version 1, for certificates.
func named(hash crypto.Hash, certs ...*x509.Certificate) []byte {
	var ids [][]byte
	for _, c := range certs {
		h := hash.New()
		h.Write(c.Raw)
		ids = append(ids, derSeq(derOctets(h.Sum(nil))))
	}
	return derSeq(derSeq(ids...))
}

// ascending is the order of DER.
func ascending(attrs [][]byte) [][]byte {
	out := slices.Clone(attrs)
	slices.SortFunc(out, bytes.Compare)
	return out
}

// descending is the opposite of the order of DER.
func descending(attrs [][]byte) [][]byte {
	out := ascending(attrs)
	slices.Reverse(out)
	return out
}

// encode returns the message over data.
func (m message) encode(t *testing.T, data []byte) []byte {
	t.Helper()
	m.hash = cmp.Or(m.hash, crypto.SHA256)
	m.version = cmp.Or(m.version, 1)
	if m.contentType == nil {
		m.contentType = derOf(cms.OIDData)
	}
	if m.digestAlg == nil {
		m.digestAlg = algSHA256
	}
	if m.sigAlg == nil {
		m.sigAlg = algECDSASHA256
	}
	if m.certs == nil {
		for _, c := range append([]*x509.Certificate{m.by.cert}, m.by.above...) {
			m.certs = append(m.certs, c.Raw)
		}
	}
	if m.sid == nil {
		m.sid = derSeq(m.by.cert.RawIssuer, derOf(m.by.cert.SerialNumber))
	}
	h := m.hash.New()
	h.Write(data)
	digest := h.Sum(nil)
	if m.digest != nil {
		digest = m.digest(digest)
	}
	attrs := [][]byte{
		derAttribute(attrContentType, m.contentType), derAttribute(attrDigest, derOctets(digest)),
		derAttribute(attrSigningCert, named(crypto.SHA256, m.by.cert)),
	}
	if m.signed != nil {
		attrs = m.signed(attrs)
	}
	attrs = ascending(attrs)
	if m.sign == nil {
		m.sign = func(b []byte) []byte { return signWith(t, m.by.key, m.hash, b, nil) }
	}
	signature := m.sign(derSet(attrs...))
	if m.order != nil {
		attrs = m.order(attrs)
	}
	var info [][]byte
	info = append(
		info, derOf(m.version), m.sid, m.digestAlg, derTag(0, attrs...), m.sigAlg,
		derOctets(signature),
	)
	if m.unsigned != nil {
		info = append(info, derTag(1, m.unsigned(signature)...))
	}
	infos := derSeq(info...)
	if m.infos != nil {
		infos = m.infos(infos)
	}
	encap := m.contentType
	if m.content != nil {
		encap = slices.Concat(encap, derTag(0, derOctets(m.content)))
	}
	out := derSeq(derOf(cms.OIDSignedData), derTag(0, derSeq(
		derOf(max(m.version, 1)), derSet(m.digestAlg), derSeq(encap), derTag(0, m.certs...), m.lists,
		derSet(infos),
	)))
	if m.whole != nil {
		out = m.whole(out)
	}
	return out
}

// signWith signs the hash of b, or b itself with Ed25519.
func signWith(
	t *testing.T, key crypto.Signer, hash crypto.Hash, b []byte, o crypto.SignerOpts,
) []byte {
	t.Helper()
	if o == nil {
		o = hash
	}
	if _, ok := key.(ed25519.PrivateKey); ok {
		o = crypto.Hash(0)
	} else {
		h := hash.New()
		h.Write(b)
		b = h.Sum(nil)
	}
	sig, err := key.Sign(rand.Reader, b, o)
	must(t, err)
	return sig
}

// token is a timestamp. Empty fields have the values that an honest authority writes.
type token struct {
	message
	at         time.Time
	imprintAlg []byte
	imprint    func(data []byte) []byte
	extensions []byte
	version    int
}

// encode returns the token over data.
func (k token) encode(t *testing.T, data []byte) []byte {
	t.Helper()
	if k.at.IsZero() {
		k.at = time.Now()
	}
	if k.imprintAlg == nil {
		k.imprintAlg = algSHA256
	}
	sum := sha256.Sum256(data)
	imprint := sum[:]
	if k.imprint != nil {
		imprint = k.imprint(data)
	}
	info := [][]byte{
		derOf(cmp.Or(k.version, 1)), derOID(1, 2, 3, 4),
		derSeq(k.imprintAlg, derOctets(imprint)), derOf(7),
		generalized(k.at),
	}
	if k.extensions != nil {
		info = append(info, derTag(1, k.extensions))
	}
	k.message.contentType = derOf(cms.OIDTSTInfo)
	k.message.content = derSeq(info...)
	k.message.version = cmp.Or(k.message.version, 1)
	return k.message.encode(t, k.message.content)
}

// encoder is a message or a token.
type encoder interface {
	encode(t *testing.T, data []byte) []byte
}

// putMessage adds an invisible field with a signature dictionary, whose /Contents is the encoding of
// m over the bytes of the ByteRange.
func putMessage(t *testing.T, doc []byte, name string, m encoder, entries ...pdf.Pair) []byte {
	t.Helper()
	p := prepareOther(t, doc, putField(t, name, "/Rect [0 0 0 0]"), entries...)
	update, err := p.fill(m.encode(t, slices.Concat(doc, p.Before, p.After)))
	must(t, err)
	return slices.Concat(doc, update)
}

// putStamp adds a document timestamp.
func putStamp(t *testing.T, doc []byte, name string, k encoder, entries ...pdf.Pair) []byte {
	t.Helper()
	return putMessage(t, doc, name, k, append([]pdf.Pair{
		{Key: "Type", Value: "/DocTimeStamp"}, {Key: "SubFilter", Value: "/" + subFilterStamp},
	}, entries...)...)
}

// forge is the authorities and people of the tests of messages.
type forge struct {
	t                    *testing.T
	p, stranger          *pki
	signer, unit, friend holder
	roots                *x509.CertPool
}

func newForge(t *testing.T) *forge {
	f := &forge{t: t, p: newPKI(t, "Root"), stranger: newPKI(t, "Stranger")}
	f.signer = f.p.issue(f.p.root, nil)
	f.friend = f.p.issue(f.p.root, nil)
	f.unit = f.p.issue(f.p.root, nil, stamping)
	f.roots = x509.NewCertPool()
	f.roots.AddCert(f.p.root.cert)
	return f
}

func (f *forge) verify(doc []byte) *Report {
	f.t.Helper()
	r, err := Verify(bytes.NewReader(doc), int64(len(doc)), VerifyOptions{
		Roots: f.roots, TSARoots: f.roots, Now: time.Now(),
	})
	must(f.t, err)
	return r
}

// stamped returns an unsigned attribute with a token over the signature.
func (f *forge) stamped(k token) func([]byte) [][]byte {
	return func(signature []byte) [][]byte {
		return [][]byte{derAttribute(attrStamp, k.encode(f.t, signature))}
	}
}

// sign signs a document, with a timestamp.
func (f *forge) sign(t *testing.T, k token) []byte {
	t.Helper()
	return putMessage(t, pdftest.Minimal(), "one", message{by: f.signer, unsigned: f.stamped(k)})
}

// expect checks the verdict on one signature.
func (f *forge) expect(t *testing.T, doc []byte, i int, sub SubIndication) {
	t.Helper()
	s := f.verify(doc).Signatures[i]
	if _, got := s.Indication(); got != sub {
		t.Errorf("%q instead of %q: %v", got, sub, s.Err())
	}
}

func sha1Sum(b []byte) []byte   { s := sha1.Sum(b); return s[:] }
func sha256Sum(b []byte) []byte { s := sha256.Sum256(b); return s[:] }

// Changes of the signed attributes of a message.

func without(id []byte) func([][]byte) [][]byte {
	return func(attrs [][]byte) [][]byte {
		return slices.DeleteFunc(attrs, func(a []byte) bool { return bytes.Contains(a, id) })
	}
}

func with(more ...[]byte) func([][]byte) [][]byte {
	return func(attrs [][]byte) [][]byte { return append(attrs, more...) }
}

func instead(id []byte, attr []byte) func([][]byte) [][]byte {
	return func(attrs [][]byte) [][]byte { return append(without(id)(attrs), attr) }
}
