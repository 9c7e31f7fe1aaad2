package keydir

import (
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
	dir  *Dir
	name string
	keep time.Duration
	now  func() time.Time // of the file system

	mu   sync.Mutex
	read time.Time
	list [][]byte
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
	r := &Ring{dir: d, name: name, keep: keep, now: now}
	list, err := r.load()
	r.list, r.read = list, now()
	return r, err
}

// Rotate creates the next secret of a name. It is used a minute later.
func (d *Dir) Rotate(name string) error {
	if _, err := d.Read(name + ".secret"); err != nil {
		return err
	}
	for n := 2; ; n++ {
		next := fmt.Sprintf("%s-%d", name, n)
		_, err := d.Read(next + ".secret")
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return d.createSecret(next)
		case err != nil:
			return err
		}
	}
}

// Secrets returns the secret to use, and then those that are accepted beside it.
func (r *Ring) Secrets() [][]byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.now().Sub(r.read) >= ringReread {
		if list, err := r.load(); err == nil { // else the known ones; readiness checks the folder
			r.list = list
		}
		r.read = r.now()
	}
	return r.list
}

// load reads the files.
func (r *Ring) load() ([][]byte, error) {
	files, err := r.dir.List()
	if err != nil {
		return nil, err
	}
	made := map[string]time.Time{}
	for _, f := range files {
		made[f.Name()] = f.ModTime()
	}
	var used []byte
	var others [][]byte
	for n := 1; n <= len(files)+1; n++ {
		name := r.name
		if n > 1 {
			name = fmt.Sprintf("%s-%d", r.name, n)
		}
		at, ok := made[name+".secret"]
		if !ok {
			continue
		}
		secret, err := r.dir.existingSecret(name)
		if err != nil {
			return nil, err
		}
		switch age := r.now().Sub(at); {
		case used == nil:
			used = secret
		case age < ringDelay: // another process may use it by now
			others = append(others, secret)
		default:
			if age < ringDelay+r.keep {
				others = append(others, used)
			} else {
				others = nil // they have ended, and so have all before them
			}
			used = secret
		}
	}
	if used == nil {
		return nil, fmt.Errorf("keys: %s.secret: %w", r.name, fs.ErrNotExist)
	}
	return append([][]byte{used}, others...), nil
}
