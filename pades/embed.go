package pades

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/tsa"
)

// Timestamper returns verified RFC 3161 tokens over SHA-256 imprints: imprint is the hash, 32
// bytes, and token a DER TimeStampToken. Calls may be concurrent. The sources of package tsa
// implement it.
type Timestamper interface {
	Timestamp(ctx context.Context, imprint []byte) (token []byte, err error)
}

// Errors of the second phase.
var (
	// ErrOriginal means that the document is not the one that was prepared.
	ErrOriginal = errors.New("pades: the original is not the document that was prepared")
	// ErrSignature means that the signature is not by this certificate over this document.
	ErrSignature = errors.New("pades: the signature does not verify")
	// ErrTooLarge means that the message does not fit into the placeholder.
	ErrTooLarge = errors.New("pades: certificates and timestamp do not fit into the reserved room")
)

// SignedAttributes returns the DER bytes that the signer's key has to sign with ECDSA and SHA-256:
// the key signs the SHA-256 of these bytes, not Prepared.Digest. They bind the document's digest to
// this certificate, and are the same on each call.
func (p *Prepared) SignedAttributes(cert *x509.Certificate) []byte {
	return cms.SignedAttributes(cms.OIDData, p.Digest[:], cert)
}

// VerifySignature reports whether sig, raw r||s or DER, is a signature over
// [Prepared.SignedAttributes] by the key of cert.
func (p *Prepared) VerifySignature(cert *x509.Certificate, sig []byte) error {
	_, err := p.verified(cert, sig)
	return err
}

// verified returns the signature in DER.
func (p *Prepared) verified(cert *x509.Certificate, sig []byte) ([]byte, error) {
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("%w: the certificate has no EC key", ErrSignature)
	}
	der, err := cms.ECDSAToDER(pub, sig)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSignature, err)
	}
	sum := sha256.Sum256(p.SignedAttributes(cert))
	if !ecdsa.VerifyASN1(pub, sum[:], der) {
		return nil, ErrSignature
	}
	return der, nil
}

// Embed writes the signed document, level B-T, to w: a copy of the original, and the update with
// the message in its placeholder. chain is the signer's certificate, then its issuers; the message
// contains all of them. signature is that of [Prepared.SignedAttributes] for chain[0], in DER or as
// r||s. Embed verifies it before it requests the timestamp over it, and fails with ErrSignature. It
// fails with ErrTooLarge if the message needs more than Options.Room, without the root and the
// lists in the timestamp, and with the error of ts.
//
// Embed hashes the original while it copies it. If that is not the document that was prepared, it
// fails with ErrOriginal, and the output is not usable. With the same token the output is the same,
// so Embed can be repeated after a crash.
func Embed(
	ctx context.Context, original io.ReaderAt, p *Prepared, chain []*x509.Certificate,
	signature []byte, ts Timestamper, w io.Writer,
) error {
	update, _, err := p.complete(ctx, chain, signature, ts, false)
	if err != nil {
		return err
	}
	if _, err := p.copy(ctx, original, w); err != nil {
		return err
	}
	_, err = w.Write(update)
	return err
}

// SealOptions are the options of [Seal].
type SealOptions struct {
	// Chain is the signer's certificate, then its issuers.
	Chain       []*x509.Certificate
	Timestamper Timestamper
	// Evidence is the source of revocation data for level B-LTA. If it is nil, the level is B-T.
	Evidence EvidenceSource
	// Known certificates complete chains; see [ExtendOptions].
	Known []*x509.Certificate
	// NoDocumentTimestamp stops at B-LT.
	NoDocumentTimestamp bool
	// TimestampField names the field of the document timestamp.
	TimestampField string
	Rand           io.Reader
	Limits         pdf.Limits
	Memo           *Memo // as in VerifyOptions
}

// Seal is [Embed] and [Extend] in one call, for callers that store the original. It returns the
// bytes to append to it, the revision with the signature and the one with the evidence, and the
// level that this reaches, which [Report.Meets] should then confirm. original must be the document
// that was prepared.
//
// Seal can be repeated after a crash. It then requests other timestamps, so the bytes differ.
func Seal(
	ctx context.Context, original io.ReaderAt, p *Prepared, signature []byte, o SealOptions,
) ([]byte, Level, error) {
	signed, moved, err := p.complete(ctx, o.Chain, signature, o.Timestamper, o.Evidence != nil)
	if err != nil {
		return nil, LevelNone, err
	}
	seen, err := p.copy(ctx, original, io.Discard)
	if err != nil {
		return nil, LevelNone, err
	}
	if o.Evidence == nil {
		return signed, LevelT, nil
	}
	level := LevelLTA
	e := ExtendOptions{
		Evidence: o.Evidence, Known: slices.Concat(o.Known, moved), Timestamper: o.Timestamper,
		FieldName: o.TimestampField, Rand: o.Rand, Limits: o.Limits, Memo: o.Memo,
	}
	if o.NoDocumentTimestamp {
		e.Timestamper, level = nil, LevelLT
	}
	seen.Write(signed)
	e.seen = seen
	joined, size := pdf.Joined(original, p.Size, signed)
	evidence, err := Extend(ctx, joined, size, e)
	if err != nil {
		return nil, LevelNone, err
	}
	return append(signed, evidence...), level, nil
}

// complete returns the update with the signature in its placeholder. If the timestamp is larger
// than its room, it takes out what the timestamp does not sign: lists and roots, and if a security
// store will follow, the other certificates of issuers, which it returns for that.
func (p *Prepared) complete(
	ctx context.Context, chain []*x509.Certificate, signature []byte, ts Timestamper, store bool,
) (update []byte, moved []*x509.Certificate, err error) {
	if len(chain) == 0 || ts == nil {
		return nil, nil, errors.New(
			"pades: a certificate and a time-stamping authority are required",
		)
	}
	der, err := p.verified(chain[0], signature)
	if err != nil {
		return nil, nil, err
	}
	imprint := sha256.Sum256(der)
	token, err := ts.Timestamp(ctx, imprint[:])
	if err != nil {
		return nil, nil, fmt.Errorf("pades: timestamp: %w", err)
	}
	embed := func() ([]byte, error) {
		message, err := cms.Build(cms.Message{
			ContentType: cms.OIDData, Certificates: chain,
			SignedAttributes: p.SignedAttributes(chain[0]), Signature: der, Timestamp: token,
		})
		if err != nil {
			return nil, err
		}
		return p.fill(message)
	}
	if update, err = embed(); !errors.Is(err, ErrTooLarge) {
		return update, nil, err
	}
	stamp, parseErr := tsa.Parse(token)
	if parseErr != nil {
		return nil, nil, parseErr
	}
	drops := []func(*x509.Certificate) bool{
		func(c *x509.Certificate) bool { return bytes.Equal(c.RawIssuer, c.RawSubject) },
	}
	if unit, err := stamp.Unit(); err == nil && store {
		drops = append(drops, func(c *x509.Certificate) bool { return !c.Equal(unit) })
	}
	for _, drop := range drops {
		var dropped []*x509.Certificate
		if token, dropped, err = cms.Without(token, drop); err != nil {
			return nil, nil, err
		}
		moved = append(moved, dropped...)
		if update, err = embed(); !errors.Is(err, ErrTooLarge) {
			return update, moved, err
		}
	}
	return nil, nil, err
}

// fill returns the update with a message in its placeholder.
func (p *Prepared) fill(message []byte) ([]byte, error) {
	contents, err := p.contents(message)
	if err != nil {
		return nil, err
	}
	return slices.Concat(p.Before, contents, p.After), nil
}

// copy writes the original to w, checks that it is the document that was prepared, and returns its
// hash state.
func (p *Prepared) copy(ctx context.Context, original io.ReaderAt, w io.Writer) (hash.Hash, error) {
	sum := sha256.New()
	n, err := io.Copy(
		io.MultiWriter(sum, w), contextReader{ctx, io.NewSectionReader(original, 0, p.Size)},
	)
	if err != nil {
		return nil, err
	}
	seen, err := clone(sum)
	if err != nil {
		return nil, err
	}
	// Recompute the digests, so that a Prepared that was damaged in storage does not lead to a
	// document with an invalid signature.
	again := Prepared{Before: p.Before, After: p.After}
	if err := again.digest(sum); err != nil {
		return nil, err
	}
	if n != p.Size || again.SHA256 != p.SHA256 || again.Digest != p.Digest {
		return nil, ErrOriginal
	}
	return seen, nil
}

// clone returns a hash with the same state.
func clone(h hash.Hash) (hash.Hash, error) {
	c, ok := h.(hash.Cloner)
	if !ok {
		return nil, errors.New("pades: the hash cannot be cloned")
	}
	return c.Clone()
}

// contents returns the value of /Contents: the message in hexadecimal, padded with zeros to the
// size of the placeholder.
func (p *Prepared) contents(message []byte) ([]byte, error) {
	if p.Hole < 2 || int64(len(message))*2 > p.Hole-2 {
		return nil, fmt.Errorf("%w: %d bytes, room for %d", ErrTooLarge, len(message), (p.Hole-2)/2)
	}
	out := bytes.Repeat([]byte{'0'}, int(p.Hole))
	out[0], out[len(out)-1] = '<', '>'
	hex.Encode(out[1:], message)
	return out, nil
}

// contextReader stops a long copy when the context ends.
type contextReader struct {
	ctx context.Context // lives only within one call of fill
	r   io.Reader
}

func (c contextReader) Read(b []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(b)
}
