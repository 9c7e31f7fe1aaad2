//go:build pkcs11

package pkcs11

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/pkcs11/softhsm"
)

func openToken(t *testing.T, uri string) keydir.Module {
	t.Helper()
	m, err := Open(uri, softhsm.PIN)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.(io.Closer).Close() })
	return m
}

// TestToken makes keys and secrets in a directory with a token, and opens them again.
func TestToken(t *testing.T) {
	uri := softhsm.New(t, "first", "second")
	if _, err := Open(uri("first"), "000000"); err == nil {
		t.Error("another PIN opens the token")
	}
	path := filepath.Join(t.TempDir(), "keys")
	process := func(token string) *keydir.Dir {
		d, err := keydir.Open(path, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return d.With(keydir.Protect(d, openToken(t, uri(token))))
	}
	// Processes that start together use the same keys.
	var wg sync.WaitGroup
	var keys [4]*ecdsa.PublicKey
	var secrets [4][]byte
	for i := range keys {
		d := process("first")
		wg.Go(func() {
			key, err := d.Signer("issuing", elliptic.P384())
			if err != nil {
				t.Error(err)
				return
			}
			keys[i] = key.Public().(*ecdsa.PublicKey)
			if secrets[i], err = d.Secret("cookies"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i := range keys {
		if !keys[i].Equal(keys[0]) || !bytes.Equal(secrets[i], secrets[0]) {
			t.Errorf("process %d has other keys", i)
		}
	}
	for _, name := range []string{"issuing.key", "cookies.secret", "sealing.pem"} {
		text, err := os.ReadFile(filepath.Join(path, name))
		if err != nil || bytes.Contains(text, secrets[0]) ||
			bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}

	key, err := process("first").Existing("issuing", elliptic.P384())
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256([]byte("text"))
	sig, err := key.Sign(rand.Reader, digest[:], nil)
	if err != nil || !ecdsa.VerifyASN1(keys[0], digest[:], sig) {
		t.Errorf("the signature is not valid, %v", err)
	}
	if _, err := process("first").Existing("issuing", elliptic.P256()); err == nil {
		t.Error("a P-384 key is returned as P-256")
	}

	other := process("second")
	if _, err := other.Existing("issuing", elliptic.P384()); !errors.Is(err, errMissing) {
		t.Errorf("another token: %v", err)
	}
	for _, name := range []string{"cookies", "new"} {
		if _, err := other.Secret(name); !errors.Is(err, errMissing) {
			t.Errorf("another token, secret %s: %v", name, err)
		}
	}
	plain, err := keydir.Open(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Existing("issuing", elliptic.P384()); err == nil {
		t.Error("a key in a token is returned without it")
	}
}

// TestDiscard deletes the key of the process that was late.
func TestDiscard(t *testing.T) {
	m := openToken(t, softhsm.New(t, "one")("one"))
	record, err := m.NewSigner(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Discard(record); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Signer(record); !errors.Is(err, errMissing) {
		t.Errorf("after Discard: %v", err)
	}
}

// TestSealedFlip finds a change of any byte of what is encrypted.
func TestSealedFlip(t *testing.T) {
	m := openToken(t, softhsm.New(t, "one")("one"))
	record, err := m.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Sealer(record)
	if err != nil {
		t.Fatal(err)
	}
	secret, about := []byte("0123456789abcdef0123456789abcdef"), []byte("a.secret")
	sealed, err := s.Seal(secret, about)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(sealed, about); err != nil || !bytes.Equal(got, secret) {
		t.Fatalf("Open = %q, %v", got, err)
	}
	if again, err := s.Seal(secret, about); err != nil || bytes.Equal(again, sealed) {
		t.Errorf("sealed twice, it is the same: %v", err)
	}
	for i := range sealed {
		bad := bytes.Clone(sealed)
		bad[i] ^= 1
		if _, err := s.Open(bad, about); err == nil {
			t.Errorf("byte %d is changed, and it is opened", i)
		}
	}
	if _, err := s.Open(sealed, []byte("b.secret")); err == nil {
		t.Error("it is opened for another file")
	}
	if _, err := s.Open(nil, about); err == nil {
		t.Error("no bytes are opened")
	}
}

// TestPulledOut takes the token away while its keys are in use, and gives it back. The keys are
// used again without a start.
func TestPulledOut(t *testing.T) {
	m := openToken(t, softhsm.New(t, "one")("one"))
	record, err := m.NewSigner(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.Signer(record)
	if err != nil {
		t.Fatal(err)
	}
	sealing, err := m.NewSealer()
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.Sealer(sealing)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := s.Seal([]byte("secret"), nil)
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(nil)
	give := softhsm.Take(t)
	if _, err := key.Sign(rand.Reader, digest[:], crypto.SHA256); err == nil {
		t.Error("a token that is away signs")
	}
	if _, err := m.Signer(record); !errors.Is(err, ErrAway) {
		t.Errorf("a key of a token that is away: %v", err)
	}
	if _, err := s.Open(sealed, nil); err == nil {
		t.Error("a token that is away decrypts")
	}
	give()
	deadline := time.Now().Add(30 * time.Second)
	for {
		sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
		if err == nil {
			if !ecdsa.VerifyASN1(key.Public().(*ecdsa.PublicKey), digest[:], sig) {
				t.Error("the signature is not valid")
			}
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the token is back: %v", err)
		}
		time.Sleep(50 * time.Millisecond)
	}
	if got, err := s.Open(sealed, nil); err != nil || string(got) != "secret" {
		t.Errorf("the token is back: %q, %v", got, err)
	}
}

// TestImport brings plain keys and those under a password into a token. Until the import is
// finished, processes with the earlier protection use the same keys.
func TestImport(t *testing.T) {
	m := openToken(t, softhsm.New(t, "one")("one"))
	for _, encrypted := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "keys")
		raw, err := keydir.Open(path, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		var from *keydir.Protection
		if encrypted {
			password, err := keydir.NewPassword("correct horse battery", rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			from = keydir.Protect(raw, password)
		}
		before, after := raw.With(from), raw.With(keydir.Protect(raw, m))
		read := func(d *keydir.Dir) (keys []*ecdsa.PublicKey, secret []byte) {
			t.Helper()
			for name, curve := range map[string]elliptic.Curve{
				"webhook": elliptic.P256(), "issuing": elliptic.P384(),
			} {
				key, err := d.Signer(name, curve)
				if err != nil {
					t.Fatal(err)
				}
				digest := sha512.Sum384([]byte(name))
				sig, err := key.Sign(rand.Reader, digest[:], crypto.SHA384)
				public := key.Public().(*ecdsa.PublicKey)
				if err != nil || !ecdsa.VerifyASN1(public, digest[:], sig) {
					t.Errorf("%s: the signature is not valid, %v", name, err)
				}
				keys = append(keys, public)
			}
			slices.SortFunc(keys, func(a, b *ecdsa.PublicKey) int {
				return a.Params().BitSize - b.Params().BitSize
			})
			secret, err := d.Secret("cookies")
			if err != nil {
				t.Fatal(err)
			}
			return keys, secret
		}
		keys, secret := read(before)
		same := func(d *keydir.Dir) {
			t.Helper()
			again, other := read(d)
			if !again[0].Equal(keys[0]) || !again[1].Equal(keys[1]) || !bytes.Equal(other, secret) {
				t.Error("the keys are others")
			}
		}
		if _, err := after.Protection().FinishImport(raw); !errors.Is(
			err, keydir.ErrNotProtected,
		) &&
			err == nil {
			t.Error("an import is finished that was not made")
		}
		files, err := after.Protection().Import(from, raw)
		if err != nil || len(files) != 3 {
			t.Fatalf("Import = %q, %v", files, err)
		}
		if files, err := after.Protection().Import(from, raw); err != nil || len(files) != 0 {
			t.Errorf("the second import = %q, %v", files, err)
		}
		same(before)
		same(after)
		files, err = after.Protection().FinishImport(raw)
		if err != nil || len(files) != 4 {
			t.Fatalf("FinishImport = %q, %v", files, err)
		}
		same(after)
		same(raw.With(keydir.Protect(raw, m)))
		if _, err := before.Existing("webhook", elliptic.P256()); err == nil {
			t.Error("a finished import leaves the key outside the token")
		}
	}
}
