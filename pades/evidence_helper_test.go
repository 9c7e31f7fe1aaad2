package pades

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// answer is what an OCSP response says about one certificate. Empty fields have the values that an
// honest responder writes.
type answer struct {
	about        *x509.Certificate
	issuer       holder
	hash         crypto.Hash
	name, key    []byte // of the issuer, before hashing
	revoked      time.Time
	reason       int // -1 for none
	unknown      bool
	this, next   time.Time
	endless      bool // no nextUpdate
	extensions   []byte
	serialNumber *big.Int
}

// response is an OCSP response.
type response struct {
	by       holder
	alone    bool // without the responder's certificate
	certs    []*x509.Certificate
	produced time.Time
	answers  []answer
}

func (a answer) encode() []byte {
	name, key := a.issuer.cert.RawSubject, publicKey(a.issuer.cert)
	if a.name != nil {
		name = a.name
	}
	if a.key != nil {
		key = a.key
	}
	hash, alg := cmp.Or(a.hash, crypto.SHA1), algSHA1
	if hash == crypto.SHA256 {
		alg = algSHA256
	}
	sum := func(b []byte) []byte {
		h := hash.New()
		h.Write(b)
		return h.Sum(nil)
	}
	serial := a.about.SerialNumber
	if a.serialNumber != nil {
		serial = a.serialNumber
	}
	status := []byte{0x80, 0}
	switch {
	case a.unknown:
		status = []byte{0x82, 0}
	case !a.revoked.IsZero() && a.reason < 0:
		status = derTag(1, generalized(a.revoked))
	case !a.revoked.IsZero():
		status = derTag(1, generalized(a.revoked), derTag(0, der(cbasn1.ENUM, []byte{byte(a.reason)})))
	}
	if a.this.IsZero() {
		a.this = time.Now()
	}
	if a.next.IsZero() {
		a.next = a.this.AddDate(0, 0, 7)
	}
	parts := [][]byte{
		derSeq(alg, derOctets(sum(name)), derOctets(sum(key)), derOf(serial)), status,
		generalized(a.this),
	}
	if !a.endless {
		parts = append(parts, derTag(0, generalized(a.next)))
	}
	if a.extensions != nil {
		parts = append(parts, derTag(1, derSeq(a.extensions)))
	}
	return derSeq(parts...)
}

func publicKey(c *x509.Certificate) []byte {
	var key struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(c.RawSubjectPublicKeyInfo, &key); err != nil {
		panic(err)
	}
	return key.Key.Bytes
}

func (r response) encode(t *testing.T) []byte {
	t.Helper()
	if r.produced.IsZero() {
		r.produced = time.Now()
	}
	var answers [][]byte
	for _, a := range r.answers {
		answers = append(answers, a.encode())
	}
	data := derSeq(
		derTag(1, r.by.cert.RawSubject), generalized(r.produced), derSeq(answers...),
	)
	signature := signWith(t, r.by.key, crypto.SHA256, data, nil)
	parts := [][]byte{data, algECDSASHA256, der(cbasn1.BIT_STRING, []byte{0}, signature)}
	if !r.alone {
		certs := [][]byte{r.by.cert.Raw}
		for _, c := range r.certs {
			certs = append(certs, c.Raw)
		}
		parts = append(parts, derTag(0, derSeq(certs...)))
	}
	return derSeq(
		der(cbasn1.ENUM, []byte{0}),
		derTag(0, derSeq(derOID(1, 3, 6, 1, 5, 5, 7, 48, 1, 1), derOctets(derSeq(parts...)))),
	)
}

// crl is a CRL.
type crl struct {
	by         holder
	this, next time.Time
	entries    []x509.RevocationListEntry
	extensions []pkix.Extension
}

func (l crl) encode(t *testing.T) []byte {
	t.Helper()
	if l.this.IsZero() {
		l.this = time.Now()
	}
	if l.next.IsZero() {
		l.next = l.this.AddDate(0, 0, 7)
	}
	raw, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: l.this, NextUpdate: l.next,
		RevokedCertificateEntries: l.entries, ExtraExtensions: l.extensions,
	}, l.by.cert, l.by.key)
	must(t, err)
	return raw
}

// store appends a document security store.
func store(t *testing.T, doc []byte, certs []*x509.Certificate, responses, lists [][]byte) []byte {
	t.Helper()
	v := newVictim(t, nil, doc)
	objects := make(map[int]string)
	next := 700
	put := func(list [][]byte) string {
		var refs []string
		for _, der := range list {
			objects[next] = pdftest.Stream("", string(der))
			refs = append(refs, fmt.Sprintf("%d 0 R", next))
			next++
		}
		return "[" + strings.Join(refs, " ") + "]"
	}
	var raw [][]byte
	for _, c := range certs {
		raw = append(raw, c.Raw)
	}
	objects[v.root()] = v.set(v.root(), pdf.Pair{Key: "DSS", Value: fmt.Sprintf(
		"<< /Certs %s /OCSPs %s /CRLs %s >>", put(raw), put(responses), put(lists),
	)})
	return v.update(objects)
}
