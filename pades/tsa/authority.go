package tsa

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
)

// Config of an [Authority].
type Config struct {
	// Key is an EC key on P-256. Chain is its certificate, then its issuers.
	Key   crypto.Signer
	Chain []*x509.Certificate
	// Policy is the dotted OID written into every token.
	Policy string
	// Accuracy is the accuracy that tokens state, in whole seconds, at least one.
	Accuracy time.Duration
	Now      func() time.Time
	Rand     io.Reader
}

// Authority is a time-stamping unit. Its methods may be called concurrently.
type Authority struct {
	cfg    Config
	policy []byte // OID content octets
}

// New checks the configuration; the certificate must be one for time stamping.
func New(c Config) (*Authority, error) {
	if c.Now == nil || c.Rand == nil || c.Key == nil || len(c.Chain) == 0 {
		return nil, errors.New("tsa: Key, Chain, Now and Rand are required")
	}
	pub, ok := c.Key.Public().(*ecdsa.PublicKey)
	if !ok || pub.Curve != elliptic.P256() || !pub.Equal(c.Chain[0].PublicKey) {
		return nil, errors.New("tsa: the key is not the certificate's P-256 key")
	}
	if !stampingOnly(c.Chain[0]) {
		return nil, errors.New("tsa: the certificate is not for time stamping alone")
	}
	if c.Accuracy < time.Second || c.Accuracy%time.Second != 0 {
		return nil, errors.New("tsa: Accuracy must be whole seconds")
	}
	oid, err := x509.ParseOID(c.Policy)
	if err != nil {
		return nil, fmt.Errorf("tsa: policy: %w", err)
	}
	policy, err := oid.MarshalBinary()
	if err != nil {
		return nil, fmt.Errorf("tsa: policy: %w", err)
	}
	return &Authority{cfg: c, policy: policy}, nil
}

// Timestamp returns a token over a SHA-256 imprint, certificates included.
func (a *Authority) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(imprint) != sha256.Size {
		return nil, fmt.Errorf("tsa: imprint of %d bytes is not SHA-256", len(imprint))
	}
	return a.stamp(query{hash: crypto.SHA256, imprint: imprint, certReq: true})
}

// TokenSize returns the largest number of bytes that a token can have.
func (a *Authority) TokenSize() int {
	n := 640 // headers, TSTInfo, attributes but for the issuer's name, signature
	for _, c := range a.cfg.Chain {
		n += len(c.Raw)
	}
	return n + 2*len(a.cfg.Chain[0].RawIssuer)
}

// stamp makes the token for a valid request.
func (a *Authority) stamp(q query) ([]byte, error) {
	serial := make([]byte, 16)
	if _, err := io.ReadFull(a.cfg.Rand, serial); err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive and of constant length
	now := a.cfg.Now().UTC().Truncate(time.Second)
	unit := a.cfg.Chain[0]
	if now.Before(unit.NotBefore) || now.After(unit.NotAfter) {
		return nil, errors.New("tsa: the time-stamping certificate is not valid now")
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { // TSTInfo
		b.AddASN1Int64(1)
		b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(a.policy) })
		addImprint(b, q.hash, q.imprint)
		b.AddASN1BigInt(new(big.Int).SetBytes(serial))
		b.AddASN1GeneralizedTime(now)
		b.AddASN1(
			cbasn1.SEQUENCE,
			func(b *cryptobyte.Builder) { b.AddASN1Int64(int64(a.cfg.Accuracy / time.Second)) },
		)
		if q.nonce != nil {
			b.AddASN1BigInt(q.nonce)
		}
	})
	info, err := b.Bytes()
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	digest := sha256.Sum256(info)
	attrs := cms.SignedAttributes(cms.OIDTSTInfo, digest[:], unit)
	sum := sha256.Sum256(attrs)
	sig, err := a.cfg.Key.Sign(a.cfg.Rand, sum[:], crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	return cms.Build(cms.Message{
		ContentType: cms.OIDTSTInfo, Content: info, Certificates: a.cfg.Chain,
		OmitCertificates: !q.certReq,
		SignedAttributes: attrs, Signature: sig,
	})
}

func addImprint(b *cryptobyte.Builder, h crypto.Hash, imprint []byte) {
	oid := map[crypto.Hash]asn1.ObjectIdentifier{
		crypto.SHA256: cms.OIDSHA256, crypto.SHA384: cms.OIDSHA384, crypto.SHA512: cms.OIDSHA512,
	}[h]
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(oid) })
		b.AddASN1OctetString(imprint)
	})
}
