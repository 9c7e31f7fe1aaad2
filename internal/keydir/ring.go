package keydir

import (
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"
)

// A new secret of a [Ring] is used after ringDelay, when each process accepts it, because each
// reads the directory every ringReread.
const (
	ringDelay  = time.Minute
	ringReread = 10 * time.Second
)

// Ring is a secret that can be rotated while processes use it. Its files are <name>.secret,
// <name>-2.secret and so on. Its methods may be called concurrently.
type Ring struct {
	dir    *Dir
	name   string
	suffix string // of its files
	read   func(name string) ([]byte, error)
	delay  time.Duration // after which a new one is used
	keep   time.Duration
	now    func() time.Time // of the file system

	mu     sync.Mutex
	loaded time.Time
	list   [][]byte
}

// Ring returns the secret with that name, and creates it on first use. A secret is accepted for
// keep after its successor is in use.
func (d *Dir) Ring(name string, keep time.Duration) (*Ring, error) {
	return d.ring(name, keep, time.Now)
}

func (d *Dir) ring(name string, keep time.Duration, now func() time.Time) (*Ring, error) {
	if _, err := d.Secret(name); err != nil {
		return nil, err
	}
	r := &Ring{
		dir: d, name: name, suffix: ".secret", read: d.ExistingSecret, delay: ringDelay,
		keep: keep, now: now,
	}
	return r, r.reload()
}

// KeyRing is a P-256 key that can be rotated while processes use it. Its files are <name>.key,
// <name>-2.key and so on. Its methods may be called concurrently.
type KeyRing struct {
	ring Ring     // of the names of the keys
	keys sync.Map // crypto.Signer by name
}

// KeyRing returns the key with that name, and creates it on first use. Others know its public part:
// a successor is used after delay, and the key itself for keep after that. If the file of the key
// is removed, its successor is used at once.
func (d *Dir) KeyRing(name string, delay, keep time.Duration) (*KeyRing, error) {
	if _, err := d.Signer(name, elliptic.P256()); err != nil {
		return nil, err
	}
	return d.ExistingKeyRing(name, delay, keep)
}

// ExistingKeyRing is [Dir.KeyRing], but never creates a key. The error wraps fs.ErrNotExist if
// there is none.
func (d *Dir) ExistingKeyRing(name string, delay, keep time.Duration) (*KeyRing, error) {
	r := &KeyRing{}
	r.ring.dir, r.ring.name, r.ring.suffix, r.ring.now = d, name, ".key", time.Now
	r.ring.delay, r.ring.keep = delay, keep
	r.ring.read = func(name string) ([]byte, error) {
		if _, ok := r.keys.Load(name); ok {
			return []byte(name), nil
		}
		key, err := d.Existing(name, elliptic.P256())
		if err == nil {
			r.keys.Store(name, key)
		}
		return []byte(name), err
	}
	return r, r.ring.reload()
}

// Keys returns the key to use, and then those that others may use.
func (r *KeyRing) Keys() (list []crypto.Signer) {
	for _, name := range r.ring.Secrets() {
		key, _ := r.keys.Load(string(name))
		list = append(list, key.(crypto.Signer))
	}
	return list
}

// Rotate creates the next secret of a name. It is used a minute later.
func (d *Dir) Rotate(name string) error { return d.rotate(name, ".secret", d.createSecret) }

// RotateKey creates the next key of a [KeyRing].
func (d *Dir) RotateKey(name string) error {
	return d.rotate(name, ".key", func(next string) error {
		_, err := d.Signer(next, elliptic.P256())
		return err
	})
}

func (d *Dir) rotate(name, suffix string, create func(next string) error) error {
	if _, err := d.Read(name + suffix); err != nil {
		return err
	}
	for n := 2; ; n++ {
		next := fmt.Sprintf("%s-%d", name, n)
		_, err := d.Read(next + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return create(next)
		case err != nil:
			return err
		}
	}
}

// Secrets returns the secret to use, and then those that are accepted beside it.
func (r *Ring) Secrets() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.loaded) >= ringReread {
		_ = r.reload() // after an error the known ones; readiness checks the folder
	}
	return r.list
}

// reload reads the files. After an error the list is as it was.
func (r *Ring) reload() error {
	r.loaded = r.now()
	list, err := r.load()
	if err == nil {
		r.list = list
	}
	return err
}

// load reads the files.
func (r *Ring) load() ([][]byte, error) {
	files, err := r.dir.List()
	if err != nil {
		return nil, err
	}
	made := map[string]time.Time{}
	for _, f := range files {
		made[f.Name] = f.Changed
	}
	var used []byte
	var others [][]byte
	for n := 1; n <= len(files)+1; n++ {
		name := r.name
		if n > 1 {
			name = fmt.Sprintf("%s-%d", r.name, n)
		}
		at, ok := made[name+r.suffix]
		if !ok {
			continue
		}
		secret, err := r.read(name)
		if err != nil {
			return nil, err
		}
		switch age := r.now().Sub(at); {
		case used == nil:
			used = secret
		case age < r.delay: // another process may use it by now
			others = append(others, secret)
		default:
			if age < r.delay+r.keep {
				others = append(others, used)
			} else {
				others = nil // they have ended, and so have all before them
			}
			used = secret
		}
	}
	if used == nil {
		return nil, fmt.Errorf("keys: %s%s: %w", r.name, r.suffix, fs.ErrNotExist)
	}
	return append([][]byte{used}, others...), nil
}
