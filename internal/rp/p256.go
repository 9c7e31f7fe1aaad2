package rp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"math/big"

	"filippo.io/nistec"
)

// comb is a public key on P-256 made ready to check many signatures. A check multiplies two points: the curve's generator, whose
// multiples the library has at hand, and the key, for which crypto/ecdsa begins anew each time and spends two thirds of the check.
// A party's key stays the same for months, so its multiples are computed once: then a check takes half the time. Making
// the table takes as long as two checks of crypto/ecdsa, and it holds 24 KB.
//
// The method is the fixed-base comb of Lim and Lee (CRYPTO '94): the 256 bits of a scalar are written as 8 rows of 32, and entry
// i of the table is the sum of 2^(32 row) times the key over the rows whose bit is set in i. Each of the 32 columns then costs
// one doubling and one addition. Nothing here takes constant time, and nothing has to: key, digest and signature are public.
type comb [1 << combRows]nistec.P256Point

// The rows and columns in which a comb reads a scalar.
const (
	combRows    = 8
	combColumns = 32
)

// order is that of P-256's group, n in FIPS 186-5.
var order = elliptic.P256().Params().N

// newComb computes the table of a key. It is nil for a key on another curve, and where all cryptography is left to Go's certified
// module (GODEBUG=fips140=on); then crypto/ecdsa checks.
func newComb(public *ecdsa.PublicKey) *comb {
	if public.Curve != elliptic.P256() || fips140.Enabled() {
		return nil
	}
	text, err := public.Bytes()
	if err != nil {
		return nil // never: the key was parsed
	}
	power, err := nistec.NewP256Point().SetBytes(text) // 2^(32 row) times the key
	if err != nil {
		return nil // never: the key is on the curve
	}
	c := new(comb)
	c[0].Set(nistec.NewP256Point()) // infinity
	for row := range combRows {
		bit := 1 << row
		for i := range bit {
			c[bit+i].Add(power, &c[i])
		}
		for range combColumns {
			power.Double(power)
		}
	}
	return c
}

// multiply returns the key times a scalar, which is 32 bytes with the most significant one first.
func (c *comb) multiply(scalar *[32]byte) *nistec.P256Point {
	product := nistec.NewP256Point()
	for column := combColumns - 1; column >= 0; column-- {
		i := byte(0)
		for row := range combRows {
			bit := column + combColumns*row
			i |= scalar[len(scalar)-1-bit/8] >> (bit % 8) & 1 << row
		}
		product.Double(product)
		product.Add(product, &c[i])
	}
	return product
}

// verify reports whether r and s are the key's signature of a digest of 32 bytes (FIPS 186-5, section 6.4.2).
func (c *comb) verify(digest []byte, r, s *big.Int) bool {
	if r.Sign() <= 0 || s.Sign() <= 0 || r.Cmp(order) >= 0 || s.Cmp(order) >= 0 {
		return false
	}
	inverse := new(big.Int).ModInverse(s, order)
	var u, v [32]byte
	scalar := new(big.Int).SetBytes(digest)
	scalar.Mod(scalar.Mul(scalar, inverse), order).FillBytes(u[:])
	scalar.Mod(scalar.Mul(r, inverse), order).FillBytes(v[:])

	sum, err := nistec.NewP256Point().ScalarBaseMult(u[:])
	if err != nil {
		return false // never: u has the length of a scalar
	}
	x, err := sum.Add(sum, c.multiply(&v)).BytesX()
	if err != nil {
		return false // infinity has no x
	}
	return scalar.Mod(scalar.SetBytes(x), order).Cmp(r) == 0
}
