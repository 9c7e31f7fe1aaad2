package cms

import (
	"crypto/ecdsa"
	"errors"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrSignatureFormat is the error for an ECDSA signature that is neither r||s of the curve's size
// nor DER, or whose numbers are out of range.
var ErrSignatureFormat = errors.New("cms: not an ECDSA signature of this curve")

// ECDSAToDER returns sig as a DER Ecdsa-Sig-Value (RFC 3279, 2.2.3), the form in CMS. sig may be
// r||s in fixed width (IEEE P1363, which WebCrypto and JOSE produce) or already DER. ECDSAToDER
// checks form and range, not the signature.
//
// The two forms cannot be confused. A raw signature has exactly twice the curve's length, and a
// value of that length counts as raw unless it parses as strict DER with both numbers in range. The
// probability that a raw signature parses as DER is below 2^-40.
func ECDSAToDER(pub *ecdsa.PublicKey, sig []byte) ([]byte, error) {
	if pub == nil || pub.Curve == nil {
		return nil, errors.New("cms: no public key")
	}
	order := pub.Curve.Params().N
	size := (order.BitLen() + 7) / 8
	if r, s, ok := parseSigDER(sig); ok && inRange(r, order) && inRange(s, order) {
		return encodeSig(r, s), nil
	}
	if len(sig) != 2*size {
		return nil, ErrSignatureFormat
	}
	r := new(big.Int).SetBytes(sig[:size])
	s := new(big.Int).SetBytes(sig[size:])
	if !inRange(r, order) || !inRange(s, order) {
		return nil, ErrSignatureFormat
	}
	return encodeSig(r, s), nil
}

func inRange(v, order *big.Int) bool { return v.Sign() > 0 && v.Cmp(order) < 0 }

func parseSigDER(sig []byte) (r, s *big.Int, ok bool) {
	in := cryptobyte.String(sig)
	var seq cryptobyte.String
	r, s = new(big.Int), new(big.Int)
	ok = in.ReadASN1(&seq, cbasn1.SEQUENCE) && in.Empty() &&
		seq.ReadASN1Integer(r) && seq.ReadASN1Integer(s) && seq.Empty()
	return r, s, ok
}

func encodeSig(r, s *big.Int) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1BigInt(r)
		b.AddASN1BigInt(s)
	})
	return b.BytesOrPanic() // two positive numbers can always be encoded
}
