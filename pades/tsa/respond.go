package tsa

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// query is a valid TimeStampReq.
type query struct {
	hash    crypto.Hash
	imprint []byte
	policy  []byte // nil for any
	nonce   *big.Int
	certReq bool
}

// failure is a bit of PKIFailureInfo (RFC 3161, 2.4.2).
type failure int

const (
	badAlgorithm        failure = 0
	badRequest          failure = 2
	badDataFormat       failure = 5
	unacceptedPolicy    failure = 15
	unacceptedExtension failure = 16
	systemFailure       failure = 25
)

// maxRequest is far above the size of a request: two hashes and some numbers.
const maxRequest = 4 << 10

// Respond answers a DER TimeStampReq with a DER TimeStampResp. It always returns a response to
// send; if that is a refusal, the error says why, for the log.
func (a *Authority) Respond(ctx context.Context, request []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return refusal(systemFailure), err
	}
	q, why, err := parseQuery(request)
	if err != nil {
		return refusal(why), err
	}
	if q.policy != nil && !bytes.Equal(q.policy, a.policy) {
		return refusal(unacceptedPolicy), errors.New("tsa: the request asks for another policy")
	}
	token, err := a.stamp(q)
	if err != nil {
		return refusal(systemFailure), err
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) { b.AddASN1Int64(0) }) // granted
		b.AddBytes(token)
	})
	return b.Bytes()
}

func parseQuery(der []byte) (q query, why failure, err error) {
	bad := func(why failure, what string) (query, failure, error) {
		return query{}, why, fmt.Errorf("tsa: bad request: %s", what)
	}
	in := cryptobyte.String(der)
	var req, policy, extensions cryptobyte.String
	var version int64
	if len(der) > maxRequest || !in.ReadASN1(&req, cbasn1.SEQUENCE) || !in.Empty() {
		return bad(badDataFormat, "not a TimeStampReq")
	}
	if !req.ReadASN1Integer(&version) || version != 1 {
		return bad(badRequest, "version")
	}
	q.hash, q.imprint, err = readImprint(&req)
	if errors.Is(err, errAlgorithm) {
		return query{}, badAlgorithm, err
	} else if err != nil {
		return query{}, badDataFormat, err
	}
	var has bool
	if !req.ReadOptionalASN1(&policy, &has, cbasn1.OBJECT_IDENTIFIER) {
		return bad(badDataFormat, "policy")
	}
	if has {
		q.policy = policy
	}
	if req.PeekASN1Tag(cbasn1.INTEGER) {
		q.nonce = new(big.Int)
		if !req.ReadASN1Integer(q.nonce) {
			return bad(badDataFormat, "nonce")
		}
	}
	if req.PeekASN1Tag(cbasn1.BOOLEAN) && !req.ReadASN1Boolean(&q.certReq) {
		return bad(badDataFormat, "certReq")
	}
	if !req.ReadOptionalASN1(&extensions, &has, cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!req.Empty() {
		return bad(badDataFormat, "end of request")
	}
	if has {
		return bad(unacceptedExtension, "extensions")
	}
	return q, 0, nil
}

// refusal encodes status "rejection" with one failure bit.
func refusal(why failure) []byte {
	bits := make([]byte, int(why)/8+1)
	bits[why/8] = 0x80 >> (why % 8)
	unused := byte(7 - why%8)
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
			b.AddASN1Int64(2)
			b.AddASN1(cbasn1.BIT_STRING, func(b *cryptobyte.Builder) {
				b.AddUint8(unused)
				b.AddBytes(bits)
			})
		})
	})
	return b.BytesOrPanic() // fixed small values
}
