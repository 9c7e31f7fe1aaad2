package cms

import (
	"crypto"
	"crypto/rsa"
	"encoding/asn1"
	"fmt"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// checkPSS verifies RSASSA-PSS (RFC 4056). The parameters must name the digest
// algorithm for both hash and mask; their SHA-1 defaults are not accepted.
func (s *SignerInfo) checkPSS(pub *rsa.PublicKey, digest []byte, digestHash crypto.Hash) error {
	bad := fmt.Errorf("%w: PSS parameters", ErrAlgorithm)
	in := cryptobyte.String(s.signatureParams)
	var params, hashField, maskField cryptobyte.String
	if !in.ReadASN1(&params, cbasn1.SEQUENCE) || !in.Empty() ||
		!params.ReadASN1(&hashField, cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!params.ReadASN1(&maskField, cbasn1.Tag(1).Constructed().ContextSpecific()) {
		return bad
	}
	salt, trailer := int64(20), int64(1) // the DEFAULTs of RFC 4055
	for n, v := range []*int64{&salt, &trailer} {
		var field cryptobyte.String
		var has bool
		tag := cbasn1.Tag(n + 2).Constructed().ContextSpecific()
		if !params.ReadOptionalASN1(&field, &has, tag) || has && !field.ReadASN1Integer(v) {
			return bad
		}
	}
	hashOID, _, ok := readAlgorithm(&hashField)
	if h, known := HashByOID(hashOID); !ok || !known || h != digestHash {
		return bad
	}
	maskOID, maskParams, ok := readAlgorithm(&maskField)
	if !ok || !maskOID.Equal(oidMGF1) {
		return bad
	}
	mgfOID, _, ok := readAlgorithm(&maskParams)
	if h, known := HashByOID(mgfOID); !ok || !known || h != digestHash {
		return bad
	}
	if salt < 0 || salt > 512 || trailer != 1 || !params.Empty() {
		return bad
	}
	// Package rsa takes a salt of length 0 for one of any length.
	opts := &rsa.PSSOptions{SaltLength: int(salt), Hash: digestHash}
	if rsa.VerifyPSS(pub, digestHash, digest, s.Signature, opts) != nil {
		return ErrSignature
	}
	return nil
}

func readAlgorithm(
	in *cryptobyte.String,
) (oid asn1.ObjectIdentifier, params cryptobyte.String, ok bool) {
	var alg cryptobyte.String
	ok = in.ReadASN1(&alg, cbasn1.SEQUENCE) && alg.ReadASN1ObjectIdentifier(&oid)
	return oid, alg, ok
}
