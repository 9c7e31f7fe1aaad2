package pades

import (
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/tsa"
)

// detached parses the message. If it is not a detached signature, it returns nil and records the
// reason in out.
func (s *signature) detached(out *Signature) (*cms.SignedData, error) {
	sd, err := cms.Parse(s.message)
	if err != nil {
		return nil, out.fault(err)
	}
	if sd.Content != nil || !sd.ContentType.Equal(cms.OIDData) {
		out.fail(FormatFailure, "the message is not a detached signature")
		return nil, nil
	}
	return sd, nil
}

// checkOlder verifies a signature of the kind before PAdES (ISO 32000-1, 12.8.3.3): its message
// only, to know whether its field shows what a person signed.
func (v *verifier) checkOlder(s *signature, out *Signature, content func(hash.Hash) error) error {
	sd, err := s.detached(out)
	if sd == nil {
		return err
	}
	if out.Signer, err = sd.VerifyUnbound(content); err != nil {
		out.weak = errors.Is(err, cms.ErrSHA1)
		return out.fault(err)
	}
	out.Digest, out.verified = messageDigest(sd), true
	return nil
}

// checkCMS verifies a person's signature: message, attributes, chain, timestamp.
func (v *verifier) checkCMS(s *signature, out *Signature, content func(hash.Hash) error) error {
	sd, err := s.detached(out)
	if sd == nil {
		return err
	}
	out.Digest = messageDigest(sd)
	out.Signer, err = sd.Verify(content)
	if errors.Is(err, cms.ErrUnbound) {
		// Common programs write messages without the attribute, which PAdES demands.
		out.fail(SigConstraintsFailure, "%w", err)
		out.Signer, err = sd.VerifyUnbound(content)
	}
	if err != nil {
		out.weak = errors.Is(err, cms.ErrSHA1)
		return out.fault(err)
	}
	out.verified = true
	if _, ok := sd.Signer.Attribute(cms.OIDSigningTime); ok {
		out.fail(SigConstraintsFailure, "the signing-time attribute is not allowed in PAdES")
	}
	if out.ClaimedAt.IsZero() {
		out.fail(SigConstraintsFailure, "/M, the claimed time, is missing")
	}
	if why := unfit(out.Signer); why != "" {
		out.fail(
			ChainConstraintsFailure, "the signer's certificate is not for signing documents: %s",
			why,
		)
	}
	v.stamped(sd, out)
	if raw, ok := sd.Signer.Attribute(cms.OIDRevocationArchival); ok {
		out.archived = v.parsed.archived(raw, v.opts.Memo)
		if out.archived.cut {
			out.fail(SigConstraintsFailure, "the message has more revocation data than is read")
		}
	}
	if err := v.contentStamped(sd, out, content); err != nil {
		return err
	}
	at := v.opts.Now
	if !out.StampedAt.IsZero() && out.StampedAt.Before(at) {
		at = out.StampedAt
	}
	if v.opts.Roots == nil {
		out.fail(NoCertificateChainFound, "no trusted root is given")
		return nil
	}
	out.Chain, err = v.opts.Memo.Chain(
		out.Signer, slices.Concat(v.dss.certs, sd.Certificates), v.opts.Roots, at,
		x509.ExtKeyUsageAny,
	)
	if err != nil {
		out.fail(out.untrusted(err), "the signer's certificate is not trusted: %w", err)
		return nil
	}
	if len(out.Problems) == 0 {
		out.Level = LevelB
		if !out.StampedAt.IsZero() {
			out.Level = LevelT
		}
	}
	return nil
}

// untrusted returns the sub-indication for an error of a signer's chain. A certificate that was not
// valid at the time is a failure if the signature itself says that it is from after the end, or if
// a timestamp shows that it is from before the beginning.
func (s *Signature) untrusted(err error) SubIndication {
	sub := classify(err)
	var invalid x509.CertificateInvalidError
	if sub != OutOfBoundsNoPOE || !errors.As(err, &invalid) || !invalid.Cert.Equal(s.Signer) {
		return sub
	}
	switch {
	case s.ClaimedAt.After(s.Signer.NotAfter):
		return Expired
	case !s.StampedAt.IsZero() && s.StampedAt.Before(s.Signer.NotBefore):
		return NotYetValid
	}
	return sub
}

// stamp parses a timestamp. Those who issued its certificate may be in the document's store only.
func (v *verifier) stamp(der []byte) (*tsa.Token, error) {
	t, err := tsa.Parse(der)
	if err == nil {
		t.Issuers = v.dss.certs
	}
	return t, err
}

// stamped finds the earliest valid timestamp over a signature. One that is not valid proves
// nothing, and anyone can add one, so it is a problem only if there is no valid one (EN 319 102-1,
// 5.5.4).
func (v *verifier) stamped(sd *cms.SignedData, out *Signature) {
	var first error
	for _, token := range sd.Signer.Timestamps() {
		stamp, err := v.stamp(token)
		var chain []*x509.Certificate
		if err == nil {
			chain, err = stamp.Check(
				func(h hash.Hash) error { _, err := h.Write(sd.Signer.Signature); return err },
				v.opts.TSARoots, v.opts.Memo,
			)
		}
		if err == nil {
			err = v.premature(stamp.Time)
		}
		switch {
		case err != nil && first == nil:
			first = err
		case err == nil && (out.StampedAt.IsZero() || stamp.Time.Before(out.StampedAt)):
			out.StampedAt, out.stampChain = stamp.Time, chain
		}
	}
	if first == nil || !out.StampedAt.IsZero() {
		return
	}
	sub := classify(first)
	if sub.Failed() {
		// the timestamp proves nothing; the signature may still be valid
		sub = SigConstraintsFailure
	}
	out.fail(sub, "timestamp: %w", first)
}

// contentStamped finds the newest valid timestamp over the content. The signer has signed that
// they are over it, so one that is not, or cannot be read, is a problem. One whose authority is not
// trusted proves nothing.
func (v *verifier) contentStamped(
	sd *cms.SignedData, out *Signature, content func(hash.Hash) error,
) error {
	sums := make(map[crypto.Hash][]byte) // a file is hashed once for any number of stamps
	for _, der := range sd.Signer.ContentTimestamps() {
		stamp, err := v.stamp(der)
		if err == nil && sums[stamp.Hash] == nil {
			h := stamp.Hash.New()
			if err := content(h); err != nil {
				return err
			}
			sums[stamp.Hash] = h.Sum(nil)
		}
		if err == nil {
			_, err = stamp.CheckImprint(
				stamp.Hash, sums[stamp.Hash], v.opts.TSARoots, v.opts.Memo,
			)
		}
		if err == nil {
			err = v.premature(stamp.Time)
		}
		switch {
		case errors.Is(err, tsa.ErrUntrusted), errors.Is(err, tsa.ErrPurpose):
		case err != nil:
			out.fail(SigConstraintsFailure, "timestamp over the content: %w", err)
		case stamp.Time.After(out.ContentStampedAt):
			out.ContentStampedAt = stamp.Time
		}
	}
	if !out.StampedAt.IsZero() && out.StampedAt.Add(maxSkew).Before(out.ContentStampedAt) {
		out.fail(
			TimestampOrderFailure, "the timestamp is from before the one over the content, of %s",
			out.ContentStampedAt.UTC().Format(time.RFC3339),
		)
	}
	return nil
}

// errPremature is the error for a timestamp from the future.
var errPremature = errors.New("the timestamp is from after the time of validation")

func (v *verifier) premature(t time.Time) error {
	if t.After(v.opts.Now.Add(maxSkew)) {
		return fmt.Errorf("%w: %s", errPremature, t.UTC().Format(time.RFC3339))
	}
	return nil
}

func (v *verifier) checkDocumentTimestamp(
	s *signature, out *Signature, content func(hash.Hash) error,
) error {
	if kind := s.dict.Get("Type").Name(); kind != typeDocStamp {
		out.fail(FormatFailure, "/Type is %q instead of DocTimeStamp", kind)
	}
	token, err := v.stamp(s.message)
	if err != nil {
		return out.fault(err)
	}
	out.Digest = token.Imprint
	out.Signer, _ = token.Unit()
	chain, err := token.Check(content, v.opts.TSARoots, v.opts.Memo)
	out.verified = err == nil || errors.Is(err, tsa.ErrUntrusted) || errors.Is(err, tsa.ErrPurpose)
	if err == nil {
		err = v.premature(token.Time)
	}
	if err != nil {
		return out.fault(err)
	}
	out.Chain, out.StampedAt = chain, token.Time
	return nil
}

// messageDigest returns the attribute's value, nil if it is malformed.
func messageDigest(sd *cms.SignedData) []byte {
	raw, _ := sd.Signer.Attribute(cms.OIDMessageDigest)
	in := cryptobyte.String(raw)
	var digest cryptobyte.String
	if !in.ReadASN1(&digest, cbasn1.OCTET_STRING) {
		return nil
	}
	return digest
}

// documentUsages are the extended key usages with which a certificate may sign documents.
var documentUsages = []x509.ExtKeyUsage{
	x509.ExtKeyUsageAny, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageClientAuth,
}

// documentPurposes are those that package x509 does not know: document signing (RFC 9336), and the
// older ones of Microsoft and Adobe.
var documentPurposes = []asn1.ObjectIdentifier{
	{1, 3, 6, 1, 5, 5, 7, 3, 36}, {1, 3, 6, 1, 4, 1, 311, 10, 3, 12}, {1, 2, 840, 113583, 1, 1, 5},
}

// unfit returns why a certificate must not sign documents, or "". A certificate without key usages
// is not restricted (RFC 5280, 4.2.1.3 and 4.2.1.12).
func unfit(c *x509.Certificate) string {
	if usage := c.KeyUsage; usage != 0 &&
		usage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return "key usage"
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return ""
	}
	for _, u := range c.ExtKeyUsage {
		if slices.Contains(documentUsages, u) {
			return ""
		}
	}
	for _, u := range c.UnknownExtKeyUsage {
		if slices.ContainsFunc(documentPurposes, u.Equal) {
			return ""
		}
	}
	return "extended key usage"
}
