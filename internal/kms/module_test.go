package kms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms/kmstest"
)

const password = "correct horse battery"

func open(t *testing.T, uri, password string) *Module {
	t.Helper()
	m, err := Open(uri, password)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.(*Module).Close() })
	return m.(*Module)
}

// sign checks that a key signs.
func sign(t *testing.T, key crypto.Signer) {
	t.Helper()
	public := key.Public().(*ecdsa.PublicKey)
	hash, digest := crypto.SHA256, []byte(nil)
	if public.Curve == elliptic.P384() {
		hash = crypto.SHA384
		sum := sha512.Sum384([]byte("text"))
		digest = sum[:]
	} else {
		sum := sha256.Sum256([]byte("text"))
		digest = sum[:]
	}
	sig, err := key.Sign(rand.Reader, digest, hash)
	if err != nil || !ecdsa.VerifyASN1(public, digest, sig) {
		t.Errorf("the signature of %s is not valid, %v", public.Curve.Params().Name, err)
	}
}

// testKeys makes keys and secrets in a directory, and opens them again in another process.
func testKeys(t *testing.T, uri, password string) {
	path := filepath.Join(t.TempDir(), "keys")
	process := func() *keydir.Dir {
		d, err := keydir.Open(path, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return d.With(keydir.Protect(d, open(t, uri, password)))
	}
	first := process()
	curves := map[string]elliptic.Curve{"webhook": elliptic.P256(), "issuing": elliptic.P384()}
	made := map[string]crypto.PublicKey{}
	for name, curve := range curves {
		key, err := first.Signer(name, curve)
		if err != nil {
			t.Fatal(err)
		}
		sign(t, key)
		made[name] = key.Public()
	}
	secret, err := first.Secret("cookies")
	if err != nil {
		t.Fatal(err)
	}
	second := process()
	for name, curve := range curves {
		key, err := second.Existing(name, curve)
		if err != nil || !made[name].(*ecdsa.PublicKey).Equal(key.Public()) {
			t.Fatalf("%s is another key in another process, %v", name, err)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { sign(t, key) })
		}
		wg.Wait()
		text, err := os.ReadFile(filepath.Join(path, name+".key"))
		if err != nil || !bytes.Contains(text, []byte("MODULE KEY")) {
			t.Errorf("%s.key: %s, %v", name, text, err)
		}
	}
	if again, err := second.Secret("cookies"); err != nil || !bytes.Equal(again, secret) {
		t.Errorf("the secret is another one in another process, %v", err)
	}
	text, err := os.ReadFile(filepath.Join(path, "cookies.secret"))
	if err != nil || bytes.Contains(text, secret) {
		t.Errorf("cookies.secret: %q, %v", text, err)
	}
}

// TestAWS keeps keys and the key of secrets in a key management service with the API of AWS.
func TestAWS(t *testing.T) {
	kmstest.Program(t)
	aws := kmstest.NewAWS(t)
	t.Run("decryption key", func(t *testing.T) {
		testKeys(t, "awskms:region=ap-southeast-1;decryption-key="+kmstest.DecryptionKey, "")
		if aws.Calls("Decrypt") == 0 || aws.Calls("Sign") < 10 {
			t.Errorf("%d signatures, %d decryptions", aws.Calls("Sign"), aws.Calls("Decrypt"))
		}
	})
	t.Run("password", func(t *testing.T) {
		testKeys(t, "awskms:region=ap-southeast-1", password)
	})
	t.Run("unknown", func(t *testing.T) {
		m := open(t, "awskms:region=ap-southeast-1", password)
		if _, err := m.Signer([]byte("awskms:key-id=unknown")); err == nil ||
			!strings.Contains(err.Error(), "NotFoundException") {
			t.Errorf("an unknown key: %v", err)
		}
		if err := m.agent.call("Sign", digest{"awskms:key-id=unknown", nil, 0}, new([]byte)); err == nil {
			t.Error("an unknown key signs")
		}
	})
}

// TestTPM keeps keys in a TPM.
func TestTPM(t *testing.T) {
	kmstest.Program(t)
	uri := kmstest.TPM(t)
	testKeys(t, uri, password)

	m := open(t, uri, password)
	record, err := m.NewSigner(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Discard(record); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Signer(record); err == nil {
		t.Error("a key is found after Discard")
	}
	if _, err := Open(uri+";decryption-key=a", ""); err == nil ||
		!strings.Contains(err.Error(), "no keys that decrypt") {
		t.Errorf("decryption-key of a TPM: %v", err)
	}
}

// TestAway uses keys while their service, and then the program, is away.
func TestAway(t *testing.T) {
	kmstest.Program(t)
	aws := kmstest.NewAWS(t)
	m := open(t, "awskms:region=ap-southeast-1", password)
	record, err := m.NewSigner(elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.Signer(record)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Check(); err != nil {
		t.Error(err)
	}
	aws.Stop()
	m.checked = time.Time{}
	if err := m.Check(); err == nil {
		t.Error("a service that is away passes the check")
	}
	sum := sha256.Sum256(nil)
	if _, err := key.Sign(nil, sum[:], crypto.SHA256); err == nil {
		t.Error("a key signs without its service")
	}
	if _, err := m.Signer(record); err != nil {
		t.Errorf("a key that was used is not opened: %v", err)
	}
	aws.Start(t)
	sign(t, key)
	m.checked = time.Time{}
	if err := m.Check(); err != nil {
		t.Error(err)
	}

	// The program ends, during a call or between two.
	p, err := m.agent.running()
	if err != nil {
		t.Fatal(err)
	}
	p.cancel()
	for range 2 {
		if _, err := key.Sign(nil, sum[:], crypto.SHA256); err == nil {
			break
		}
	}
	sign(t, key)
}

func TestCheck(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	for _, c := range []struct{ uri, password, want string }{
		{"gcp:", password, "scheme must be one of"},
		{"azurekms:vault=v;client-secret=s", password, "would be logged"},
		{"awskms:", "short", "at least 16 bytes"},
		{"awskms:region=a;decryption-key=b", password, "not both"},
		{"tpmkms:", password, ErrAbsent.Error()},
	} {
		err := Check(c.uri, c.password)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Check(%q, %q) = %v; want %q", c.uri, c.password, err, c.want)
		}
	}
	if _, err := Open("tpmkms:", password); !errors.Is(err, ErrAbsent) {
		t.Errorf("Open = %v", err)
	}
}
