package keydir

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// Wrapping encrypts other keys under the secrets <name>-1, <name>-2 and so on of a directory with
// AES-256-GCM. The one with the highest number is the newest. All methods may be called
// concurrently.
type Wrapping struct {
	dir  *Dir
	name string

	mu     sync.Mutex
	newest string
	aeads  map[string]cipher.AEAD // that were used
}

// Wrapping returns the wrapping keys with a name. It makes none.
func (d *Dir) Wrapping(name string) *Wrapping {
	return &Wrapping{dir: d, name: name, aeads: map[string]cipher.AEAD{}}
}

// Newest looks for the newest wrapping key, which Wrap then uses, and returns its name. It makes
// the first one.
func (w *Wrapping) Newest(context.Context) (string, error) {
	n, err := w.highest()
	if err != nil {
		return "", err
	}
	return w.use(max(n, 1))
}

// Rotate makes a new wrapping key and returns its name.
func (w *Wrapping) Rotate() (string, error) {
	n, err := w.highest()
	if err != nil {
		return "", err
	}
	return w.use(n + 1)
}

// highest returns the number of the newest wrapping key, or 0.
func (w *Wrapping) highest() (highest int, err error) {
	files, err := w.dir.List()
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		name, secret := strings.CutSuffix(f.Name, ".secret")
		number, ours := strings.CutPrefix(name, w.name+"-")
		n, err := strconv.Atoi(number)
		if secret && ours && err == nil {
			highest = max(highest, n)
		}
	}
	return highest, nil
}

// use makes the wrapping key with a number the newest one.
func (w *Wrapping) use(n int) (string, error) {
	name := fmt.Sprintf("%s-%d", w.name, n)
	if _, err := w.dir.Secret(name); err != nil {
		return "", err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.newest = name
	return name, nil
}

// Wrap encrypts a key under the newest wrapping key, and returns the name of that one. Unwrap needs
// the same context, which is not stored.
func (w *Wrapping) Wrap(ctx context.Context, key, about []byte) (
	by string, wrapped []byte, err error,
) {
	w.mu.Lock()
	by = w.newest
	w.mu.Unlock()
	if by == "" {
		if by, err = w.Newest(ctx); err != nil {
			return "", nil, err
		}
	}
	aead, err := w.aead(by)
	if err != nil {
		return "", nil, err
	}
	return by, aead.Seal(nil, nil, key, about), nil
}

// Unwrap decrypts what Wrap encrypted under a wrapping key.
func (w *Wrapping) Unwrap(_ context.Context, by string, wrapped, about []byte) ([]byte, error) {
	aead, err := w.aead(by)
	if err != nil {
		return nil, err
	}
	key, err := aead.Open(nil, nil, wrapped, about)
	if err != nil {
		return nil, fmt.Errorf(
			"keys: %s.secret is not the key that it was wrapped under, or it is damaged", by,
		)
	}
	return key, nil
}

// aead returns the cipher of a wrapping key that exists.
func (w *Wrapping) aead(name string) (cipher.AEAD, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if aead, ok := w.aeads[name]; ok {
		return aead, nil
	}
	if !strings.HasPrefix(name, w.name+"-") {
		return nil, fmt.Errorf("keys: %.40q is no wrapping key of %s", name, w.name)
	}
	secret, err := w.dir.ExistingSecret(name)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("keys: %s.secret: %w", name, err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err == nil {
		w.aeads[name] = aead
	}
	return aead, err
}
