package rp

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"math/big"
	"os"
	"os/exec"
	"testing"

	"filippo.io/nistec"
)

// bit returns 2^n.
func bit(n int) *big.Int { return new(big.Int).Lsh(big.NewInt(1), uint(n)) }

// inOrder returns a number modulo the order of the group as a scalar.
func inOrder(n *big.Int) []byte { return new(big.Int).Mod(n, order).FillBytes(make([]byte, 32)) }

// number returns a random one below the order.
func number(t *testing.T) *big.Int {
	t.Helper()
	n, err := rand.Int(rand.Reader, new(big.Int).Sub(order, big.NewInt(1)))
	if err != nil {
		t.Fatal(err)
	}
	return n.Add(n, big.NewInt(1))
}

func times(t *testing.T, p *nistec.P256Point, scalar []byte) *nistec.P256Point {
	t.Helper()
	product, err := nistec.NewP256Point().ScalarMult(p, scalar)
	if err != nil {
		t.Fatal(err)
	}
	return product
}

func publicKey(t *testing.T, point *nistec.P256Point) *ecdsa.PublicKey {
	t.Helper()
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// TestCombMultiply: every bit stands where it belongs, and sums of them do not get into each other's way.
func TestCombMultiply(t *testing.T) {
	point := times(t, nistec.NewP256Point().SetGenerator(), inOrder(number(t)))
	c := newComb(publicKey(t, point))
	scalars := []*big.Int{new(big.Int), new(big.Int).Sub(order, big.NewInt(1)), order, new(big.Int).Sub(bit(256), big.NewInt(1))}
	for i := range 256 {
		scalars = append(scalars, bit(i))
	}
	for range 200 {
		scalars = append(scalars, number(t))
	}
	for _, n := range scalars {
		scalar := [32]byte(n.FillBytes(make([]byte, 32)))
		if got, want := c.multiply(&scalar).Bytes(), times(t, point, scalar[:]).Bytes(); !bytes.Equal(got, want) {
			t.Errorf("%x times the key is %x, want %x", scalar, got, want)
		}
	}
}

// TestCombAgrees: what crypto/ecdsa says of a signature, good or spoiled in any part, the table says too.
func TestCombAgrees(t *testing.T) {
	for range 20 {
		private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := newComb(&private.PublicKey)
		digest := number(t).FillBytes(make([]byte, 32))
		for i := range digest {
			if i%2 == 1 {
				digest[0] = 0xff // also digests above the order
			}
			r, s, err := ecdsa.Sign(rand.Reader, private, digest)
			if err != nil {
				t.Fatal(err)
			}
			if !c.verify(digest, r, s) {
				t.Fatalf("refuses r %x, s %x of %x", r, s, digest)
			}
			spoiled := bytes.Clone(digest)
			spoiled[i] ^= 1 << (i % 8)
			for name, v := range map[string]struct {
				digest []byte
				r, s   *big.Int
			}{
				"digest":  {spoiled, r, s},
				"r":       {digest, new(big.Int).Xor(r, bit(i*8)), s},
				"s":       {digest, r, new(big.Int).Xor(s, bit(i*8))},
				"swapped": {digest, s, r},
				"-s":      {digest, r, new(big.Int).Sub(order, s)}, // as good as s
				"r + n":   {digest, new(big.Int).Add(r, order), s},
				"s + n":   {digest, r, new(big.Int).Add(s, order)},
			} {
				if got, want := c.verify(v.digest, v.r, v.s), ecdsa.Verify(&private.PublicKey, v.digest, v.r, v.s); got != want {
					t.Errorf("%s: %v where crypto/ecdsa says %v: digest %x, r %x, s %x", name, got, want, v.digest, v.r, v.s)
				}
			}
		}
	}
}

// TestCombEdges makes signatures that chance never does, by choosing the two factors of the check first.
func TestCombEdges(t *testing.T) {
	generator := nistec.NewP256Point().SetGenerator()
	// sign returns what makes the check compute u times the generator plus v times the key.
	sign := func(u, v, r *big.Int) (digest []byte, s *big.Int) {
		s = new(big.Int).ModInverse(v, order)
		s.Mod(s.Mul(s, r), order)
		return inOrder(new(big.Int).Mul(u, s)), s
	}
	check := func(name string, key *ecdsa.PublicKey, digest []byte, r, s *big.Int, want bool) {
		t.Helper()
		if got := newComb(key).verify(digest, r, s); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if got := ecdsa.Verify(key, digest, r, s); got != want {
			t.Errorf("%s: crypto/ecdsa says %v, want %v: the test is wrong", name, got, want)
		}
	}
	// xOf returns r for a result of the check.
	xOf := func(p *nistec.P256Point) *big.Int {
		x, err := p.BytesX()
		if err != nil {
			t.Fatal(err)
		}
		n := new(big.Int).SetBytes(x)
		return n.Mod(n, order)
	}

	d, v := number(t), number(t)
	point := times(t, generator, inOrder(d))
	key := publicKey(t, point)
	u := new(big.Int).Mul(d, v) // both summands are the same point

	r := xOf(times(t, point, inOrder(new(big.Int).Lsh(v, 1))))
	digest, s := sign(u, v, r)
	check("a sum of two equal points", key, digest, r, s, true)

	digest, s = sign(new(big.Int).Neg(u), v, r)
	check("a sum that is infinity", key, digest, r, s, false)

	r = xOf(times(t, point, inOrder(v)))
	digest, s = sign(new(big.Int), v, r)
	check("a digest of zero", key, digest, r, s, true)

	// A result whose x is above the order: the first such point of the curve, and a key that leads there.
	var result *nistec.P256Point
	for x := new(big.Int).Add(order, big.NewInt(1)); result == nil; x.Add(x, big.NewInt(1)) {
		result, _ = nistec.NewP256Point().SetBytes(append([]byte{2}, x.FillBytes(make([]byte, 32))...))
	}
	u = number(t)
	rest := times(t, generator, inOrder(new(big.Int).Neg(u)))
	key = publicKey(t, times(t, rest.Add(rest, result), inOrder(new(big.Int).ModInverse(v, order))))
	r = xOf(result)
	digest, s = sign(u, v, r)
	check("an x above the order", key, digest, r, s, true)
	check("an r above the order", key, digest, new(big.Int).Add(r, order), s, false)

	one := big.NewInt(1)
	outside := []*big.Int{new(big.Int), big.NewInt(-1), order, new(big.Int).Add(order, one), new(big.Int).Sub(bit(256), one)}
	for _, bad := range outside {
		check("r outside", key, digest, bad, s, false)
		check("s outside", key, digest, r, bad, false)
		for _, worse := range outside {
			check("both outside", key, digest, bad, worse, false)
		}
	}
}

// TestCombOfKey: a key of a JWKS has its table, a set that is fetched anew keeps it, and other curves have none.
func TestCombOfKey(t *testing.T) {
	set := func() *keySet {
		s, err := parseKeySet([]byte(`{"keys": [
			{"kty": "EC", "kid": "a", "crv": "P-256", "x": "axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY", "y": "T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"},
			{"kty": "EC", "kid": "b", "crv": "P-384", "x": "qofKIr6LBTeOscce8yCtdG4dO2KLp5uYWfdB4IJUKjhVAvJdv1UpbDpUXjhydgq3", "y": "NhfeSpYmLG9dnpi_kpLcKfj0Hb0omhR86doxE7XwuMAKYLHOHX6BnXpDHXyQ6g5f"}
		]}`))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	before, after := set(), set()
	if before.keys[0].comb() == nil {
		t.Error("a key on P-256 has no table")
	}
	if before.keys[1].comb() != nil {
		t.Error("a key on P-384 has a table for P-256")
	}
	after.follow(before)
	if after.keys[0].comb() != before.keys[0].comb() {
		t.Error("the table was made again")
	}
}

// TestCombLeftOut: where all cryptography is left to Go's certified module, no key has a table, and signatures are checked.
func TestCombLeftOut(t *testing.T) {
	if !fips140.Enabled() {
		child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCombLeftOut$")
		child.Env = append(os.Environ(), "GODEBUG=fips140=on")
		if out, err := child.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	digest := make([]byte, 32)
	r, s, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		t.Fatal(err)
	}
	k := &key{public: &private.PublicKey, comb: func() *comb { return newComb(&private.PublicKey) }}
	if k.comb() != nil || !k.verify(digest, r, s) || k.verify(digest, s, r) {
		t.Errorf("there is a table: %v; a good signature passes: %v; a bad one: %v", k.comb() != nil, k.verify(digest, r, s), k.verify(digest, s, r))
	}
}

func BenchmarkES256(b *testing.B) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	digest := make([]byte, 32)
	r, s, err := ecdsa.Sign(rand.Reader, private, digest)
	if err != nil {
		b.Fatal(err)
	}
	c := newComb(&private.PublicKey)
	b.Run("comb", func(b *testing.B) {
		for b.Loop() {
			c.verify(digest, r, s)
		}
	})
	b.Run("crypto/ecdsa", func(b *testing.B) {
		for b.Loop() {
			ecdsa.Verify(&private.PublicKey, digest, r, s)
		}
	})
	b.Run("table", func(b *testing.B) {
		for b.Loop() {
			newComb(&private.PublicKey)
		}
	})
}
