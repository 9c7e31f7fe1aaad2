package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"hash"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func testCert(t testing.TB, key crypto.Signer, serial int64) *x509.Certificate {
	t.Helper()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		Subject:      pkix.Name{CommonName: "TAN AH KOW", Country: []string{"SG"}},
		NotBefore:    time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment,
		BasicConstraintsValid: true, IsCA: true,
	}
	tmpl.KeyUsage |= x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ecKey(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// rawSign signs as WebCrypto does: SHA-256, r||s.
func rawSign(t testing.TB, key *ecdsa.PrivateKey, msg []byte) []byte {
	t.Helper()
	h := sha256.Sum256(msg)
	r, s, err := ecdsa.Sign(rand.Reader, key, h[:])
	if err != nil {
		t.Fatal(err)
	}
	size := (key.Params().BitSize + 7) / 8
	out := make([]byte, 2*size)
	r.FillBytes(out[:size])
	s.FillBytes(out[size:])
	return out
}

func detached(content []byte) func(hash.Hash) error {
	return func(h hash.Hash) error { _, err := h.Write(content); return err }
}

func build(t testing.TB, key *ecdsa.PrivateKey, cert *x509.Certificate, content []byte) []byte {
	t.Helper()
	sum := sha256.Sum256(content)
	attrs := SignedAttributes(OIDData, sum[:], cert)
	sig, err := ECDSAToDER(&key.PublicKey, rawSign(t, key, attrs))
	if err != nil {
		t.Fatal(err)
	}
	der, err := Build(
		Message{
			ContentType: OIDData, Certificates: []*x509.Certificate{cert}, SignedAttributes: attrs,
			Signature: sig,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func TestBuildParseVerify(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	cert := testCert(t, key, 77)
	content := []byte("the ranges of a document")
	der := build(t, key, cert, content)
	sd, err := Parse(der)
	if err != nil {
		t.Fatal(err)
	}
	got, err := sd.Verify(detached(content))
	if err != nil || !got.Equal(cert) {
		t.Fatalf("Verify = %v, %v", got, err)
	}
	if _, ok := sd.Signer.Attribute(OIDSigningTime); ok {
		t.Error("PAdES forbids signing-time")
	}
	if _, err := sd.Verify(detached([]byte("something else"))); !errors.Is(err, ErrDigest) {
		t.Errorf("changed content: %v, want ErrDigest", err)
	}

	other := testCert(t, key, 78) // same key and name, another certificate
	swapped := *sd
	swapped.Certificates = []*x509.Certificate{other}
	if _, err := swapped.Verify(detached(content)); !errors.Is(err, ErrNoSigner) {
		t.Errorf("another serial: %v, want ErrNoSigner", err)
	}
	same := testCert(t, key, 77) // same issuer and serial: only the attribute tells them apart
	swapped.Certificates = []*x509.Certificate{same}
	if _, err := swapped.Verify(detached(content)); !errors.Is(err, ErrAttributes) {
		t.Errorf("substituted certificate: %v, want ErrAttributes", err)
	}
}

// Every single-bit change of a message must be noticed, unless it lies in a
// certificate's own signature (the chain's concern) or version number.
func TestEveryBitCounts(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	cert := testCert(t, key, 77)
	content := []byte("content")
	der := build(t, key, cert, content)
	// content-type
	attrs := bytes.Index(der, []byte{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03})
	if attrs < 0 {
		t.Fatal("no attributes found")
	}
	for i := attrs; i < len(der); i++ {
		for bit := range 8 {
			bad := bytes.Clone(der)
			bad[i] ^= 1 << bit
			sd, err := Parse(bad)
			if err != nil {
				continue
			}
			if _, err := sd.Verify(detached(content)); err == nil {
				t.Fatalf("bit %d of byte %d may change unseen", bit, i)
			}
		}
	}
	for n := range der {
		if _, err := Parse(der[:n]); err == nil {
			t.Fatalf("a message cut at %d parses", n)
		}
	}
	if _, err := Parse(append(bytes.Clone(der), 0)); err == nil {
		t.Error("a trailing byte is accepted")
	}
}

func TestECDSAToDER(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		key := ecKey(t, curve)
		for range 40 { // leading zeros and high bits come up by chance
			msg := []byte("message")
			raw := rawSign(t, key, msg)
			der, err := ECDSAToDER(&key.PublicKey, raw)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.Sum256(msg)
			if !ecdsa.VerifyASN1(&key.PublicKey, h[:], der) {
				t.Fatal("converted signature does not verify")
			}
			again, err := ECDSAToDER(&key.PublicKey, der)
			if err != nil || !bytes.Equal(again, der) {
				t.Fatalf("DER is not a fixed point: %v", err)
			}
		}
	}
	key := ecKey(t, elliptic.P256())
	order := key.Params().N.FillBytes(make([]byte, 32))
	one := append(make([]byte, 31), 1)
	for name, sig := range map[string][]byte{
		"empty": nil, "short": make([]byte, 63), "zero": make([]byte, 64),
		"r = 0": append(make([]byte, 32), one...),
		"s = 0": append(bytes.Clone(one), make([]byte, 32)...),
		"r = n": append(bytes.Clone(order), one...), "P-384 size": bytes.Repeat([]byte{1}, 96),
		"DER with a tail": append(encodeSig(big.NewInt(1), big.NewInt(1)), 0),
		"negative":        {0x30, 6, 2, 1, 0xff, 2, 1, 1},
		"long form":       {0x30, 7, 2, 2, 0, 1, 2, 1, 1},
	} {
		if _, err := ECDSAToDER(&key.PublicKey, sig); !errors.Is(err, ErrSignatureFormat) {
			t.Errorf("%s: %v, want ErrSignatureFormat", name, err)
		}
	}
}

func needProgram(t testing.TB, name, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing: apt-get install %s", name, pkg)
		}
		t.Skipf("%s is missing: apt-get install %s", name, pkg)
	}
}

func write(t testing.TB, dir, name string, data []byte) string {
	t.Helper()
	p := filepath.Join(dir, name)
	if err := os.WriteFile(p, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// TestOpenSSLVerifiesOurs has openssl verify a message of this package.
func TestOpenSSLVerifiesOurs(t *testing.T) {
	needProgram(t, "openssl", "openssl")
	key := ecKey(t, elliptic.P256())
	cert := testCert(t, key, 77)
	dir := t.TempDir()
	content := []byte("binary\r\ncontent\x00")
	sig := write(t, dir, "sig.der", build(t, key, cert, content))
	data := write(t, dir, "data", content)
	ca := write(
		t, dir, "ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
	)
	run := func(file string) error {
		return exec.Command(
			"openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", sig,
			"-content", file, "-CAfile", ca, "-purpose", "any", "-out", os.DevNull,
		).Run()
	}
	if err := run(data); err != nil {
		t.Errorf("openssl refuses our message: %v", err)
	}
	if err := run(write(t, dir, "other", []byte("other"))); err == nil {
		t.Error("openssl accepts another content")
	}
}

func TestWeVerifyOpenSSL(t *testing.T) {
	needProgram(t, "openssl", "openssl")
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("content")
	for _, tc := range []struct {
		name string
		key  crypto.Signer
		args []string
		want error
	}{
		{"rsa sha256", rsaKey, []string{"-md", "sha256"}, nil},
		{"rsa sha512", rsaKey, []string{"-md", "sha512"}, nil},
		{"rsa pss sha384", rsaKey, []string{"-md", "sha384", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha384"}, nil},
		{"rsa pss with a SHA-1 mask", rsaKey, []string{"-md", "sha256", "-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_mgf1_md:sha1"}, ErrAlgorithm},
		{"p384 sha384", ecKey(t, elliptic.P384()), []string{"-md", "sha384"}, nil},
		{"p256 sha512 keyid", ecKey(t, elliptic.P256()), []string{"-md", "sha512", "-keyid"}, nil},
		{"sha1", rsaKey, []string{"-md", "sha1"}, ErrAlgorithm},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			pk, err := x509.MarshalPKCS8PrivateKey(tc.key)
			if err != nil {
				t.Fatal(err)
			}
			cert := testCert(t, tc.key, 5)
			crt := write(
				t, dir, "c.pem",
				pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}),
			)
			kf := write(
				t, dir, "k.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pk}),
			)
			out := filepath.Join(dir, "out.der")
			args := append([]string{
				"cms", "-sign", "-binary", "-cades", "-nosmimecap", "-outform", "DER", "-in",
				write(t, dir, "data", content),
				"-signer", crt, "-inkey", kf, "-out", out,
			}, tc.args...)
			if msg, err := exec.Command("openssl", args...).CombinedOutput(); err != nil {
				t.Fatalf("openssl: %v\n%s", err, msg)
			}
			der, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			sd, err := Parse(der)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = sd.Verify(detached(content)); !errors.Is(err, tc.want) {
				t.Errorf("Verify = %v, want %v", err, tc.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	key := ecKey(f, elliptic.P256())
	cert := testCert(f, key, 77)
	content := []byte("content")
	der := build(f, key, cert, content)
	f.Add(der)
	sum := sha256.Sum256(content)
	for _, m := range []Message{
		{ContentType: OIDData, Timestamp: der},
		{ContentType: OIDTSTInfo, Content: content},
		{ContentType: OIDTSTInfo, Content: content, OmitCertificates: true},
	} {
		m.Certificates = []*x509.Certificate{cert, testCert(f, key, 78)}
		m.SignedAttributes, m.Signature = SignedAttributes(m.ContentType, sum[:], cert), []byte{0x30, 0}
		seed, err := Build(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		sd, err := Parse(in)
		if err != nil {
			return
		}
		// Whatever parses and verifies was signed by the seed's key over the seed's attributes.
		if c, err := sd.Verify(detached(content)); err == nil && c.Equal(cert) {
			want, _ := Parse(der)
			if !bytes.Equal(sd.Signer.SignedAttributes(), want.Signer.SignedAttributes()) {
				t.Fatal("verified attributes that were never signed")
			}
		}
	})
}

// TestSeveralValues parses attributes with two values, in one attribute and in two.
func TestSeveralValues(t *testing.T) {
	value := func(n int64) func(*cryptobyte.Builder) {
		return func(b *cryptobyte.Builder) { b.AddASN1Int64(n) }
	}
	both := attribute(
		OIDSignatureTimestamp, func(b *cryptobyte.Builder) { value(1)(b); value(2)(b) },
	)
	signedTag := cbasn1.Tag(0).Constructed().ContextSpecific()
	unsignedTag := cbasn1.Tag(1).Constructed().ContextSpecific()
	for name, attributes := range map[string][][]byte{
		"one attribute": {both},
		"two attributes": {
			attribute(OIDSignatureTimestamp, value(1)), attribute(OIDSignatureTimestamp, value(2)),
		},
	} {
		if _, _, err := parseAttributes(setOf(signedTag, attributes), signedTag); err == nil {
			t.Errorf("%s: signed attributes with two values are accepted", name)
		}
		out, _, err := parseAttributes(setOf(unsignedTag, attributes), unsignedTag)
		if values := out[OIDSignatureTimestamp.String()]; err != nil ||
			!bytes.Equal(bytes.Join(values, nil), []byte{2, 1, 1, 2, 1, 2}) {
			t.Errorf("%s: unsigned: %x, %v", name, values, err)
		}
	}
}

// TestWithout takes lists and a certificate out of a message, which is as valid as before.
func TestWithout(t *testing.T) {
	key, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	cert, issuer := testCert(t, key, 1), testCert(t, other, 2)
	content := []byte("content")
	sum := sha256.Sum256(content)
	attrs := SignedAttributes(OIDData, sum[:], cert)
	sig, err := ECDSAToDER(&key.PublicKey, rawSign(t, key, attrs))
	if err != nil {
		t.Fatal(err)
	}
	message := func(certs ...*x509.Certificate) []byte {
		der, err := Build(Message{
			ContentType: OIDData, Certificates: certs, SignedAttributes: attrs, Signature: sig,
		})
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	whole, want := message(cert, issuer), message(cert)

	// The lists stand between the certificates and the signer.
	in := cryptobyte.String(whole)
	var info, kind, wrapped, sd, element cryptobyte.String
	ctx0, ctx1 := cbasn1.Tag(0).Constructed().ContextSpecific(), cbasn1.Tag(1).Constructed().ContextSpecific()
	var b cryptobyte.Builder
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !info.ReadASN1Element(&kind, cbasn1.OBJECT_IDENTIFIER) ||
		!info.ReadASN1(&wrapped, ctx0) || !wrapped.ReadASN1(&sd, cbasn1.SEQUENCE) {
		t.Fatal("no message")
	}
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddBytes(kind)
		b.AddASN1(ctx0, func(b *cryptobyte.Builder) {
			b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
				for i := 0; !sd.Empty(); i++ {
					var tag cbasn1.Tag
					if i == 4 {
						b.AddASN1(ctx1, func(b *cryptobyte.Builder) {
							b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {})
						})
					}
					if !sd.ReadAnyASN1Element(&element, &tag) {
						t.Fatal("no element")
					}
					b.AddBytes(element)
				}
			})
		})
	})
	listed, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for name, der := range map[string][]byte{"without lists": whole, "with lists": listed} {
		got, dropped, err := Without(der, func(c *x509.Certificate) bool { return !c.Equal(cert) })
		if err != nil || !bytes.Equal(got, want) || len(dropped) != 1 || !dropped[0].Equal(issuer) {
			t.Fatalf("%s: %x, %d dropped, %v; want %x", name, got, len(dropped), err, want)
		}
		d, err := Parse(got)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Verify(detached(content)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := Without([]byte{0x30, 0}, nil); err == nil {
		t.Error("an empty message is accepted")
	}
}
