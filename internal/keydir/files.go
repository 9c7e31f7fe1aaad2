package keydir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/disk"
)

// Files stores the files of a [Dir]. Several goroutines and processes may call its methods
// concurrently. All names are plain ones.
type Files interface {
	// Read returns the content of a file. The error wraps fs.ErrNotExist if there is none.
	Read(name string) ([]byte, error)

	// Create stores a file if there is none with its name, and returns what is then stored. It
	// returns when the file is durable.
	Create(name string, data []byte) ([]byte, error)

	// Replace stores a file whether there is one or not.
	Replace(name string, data []byte) error

	// List returns the files, sorted by name.
	List() ([]File, error)
}

// File describes a file of a [Dir].
type File struct {
	Name    string
	Size    int64 // bytes
	Changed time.Time
}

// Read returns the content of a file that Create made, or of the key or secret that was imported
// from it. The error wraps fs.ErrNotExist if there is none. It refuses files of a folder that other
// users can read.
func (d *Dir) Read(file string) ([]byte, error) {
	if !plain(file) {
		return nil, ErrName
	}
	if d.protection != nil && isKey(file) {
		data, err := d.read(imported(file, d.protection.provider))
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return d.read(file)
}

func (d *Dir) read(file string) ([]byte, error) {
	data, err := d.files.Read(file)
	switch {
	case err != nil:
		return nil, fmt.Errorf("keys: %w", err)
	case len(data) > maxFile:
		return nil, fmt.Errorf("keys: %s: too large", file)
	}
	return data, nil
}

// Create creates the file with this content if it does not exist. It returns the file's content:
// data, or what another process stored first. If the error is nil, the file and its name are on
// disk.
func (d *Dir) Create(file string, data []byte) ([]byte, error) {
	if !plain(file) {
		return nil, ErrName
	}
	stored, err := d.files.Create(file, data)
	if err != nil {
		return nil, fmt.Errorf("keys: %s: %w", file, err)
	}
	return stored, nil
}

// Replace writes the file completely or not at all, whether it exists or not. It is for public
// data, such as a CRL: of two concurrent calls, the content of one remains.
func (d *Dir) Replace(file string, data []byte) error {
	if !plain(file) {
		return ErrName
	}
	if err := d.files.Replace(file, data); err != nil {
		return fmt.Errorf("keys: %s: %w", file, err)
	}
	return nil
}

// List returns the files, sorted by name. A file that is removed at the same time may be missing.
func (d *Dir) List() ([]File, error) {
	files, err := d.files.List()
	if err != nil {
		return nil, fmt.Errorf("keys: %w", err)
	}
	return files, nil
}

func plain(file string) bool {
	return file != "" && !strings.HasPrefix(file, ".") && filepath.Base(file) == file &&
		!strings.ContainsAny(file, `/\`)
}

// folder is the path of a folder with the files of a [Dir].
type folder string

// folder returns the folder of the directory, for what changes existing keys.
func (d *Dir) folder() (folder, error) {
	path, ok := d.files.(folder)
	if !ok {
		return "", errors.New("keys: only the files of a folder can be changed")
	}
	return path, nil
}

func (f folder) file(name string) string { return filepath.Join(string(f), name) }

// Read implements Files.
func (f folder) Read(name string) ([]byte, error) {
	file, err := os.Open(f.file(name))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%w (%s)", ErrPermissions, name)
	}
	return io.ReadAll(io.LimitReader(file, maxFile+1))
}

// Create implements Files.
func (f folder) Create(name string, data []byte) ([]byte, error) {
	// It does not replace a file, so two processes that start together use the same key.
	err := disk.Create(f.file(name), 0o600, content(data))
	if !errors.Is(err, fs.ErrExist) {
		return data, err
	}
	if err := f.sync(); err != nil { // the other process may not have done so yet
		return nil, err
	}
	return f.Read(name)
}

// Replace implements Files.
func (f folder) Replace(name string, data []byte) error {
	return disk.Replace(f.file(name), 0o600, content(data))
}

// replace is Replace, and sets the time of the file.
func (f folder) replace(name string, data []byte, changed time.Time) error {
	return disk.Replace(f.file(name), 0o600, func(file *os.File) error {
		return errors.Join(content(data)(file), os.Chtimes(file.Name(), changed, changed))
	})
}

// content returns a function that writes data.
func content(data []byte) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.Write(data)
		return errors.Join(err, own(f))
	}
}

// List implements Files.
func (f folder) List() (files []File, err error) {
	entries, err := os.ReadDir(string(f))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !plain(e.Name()) {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files = append(files, File{e.Name(), info.Size(), info.ModTime()})
	}
	return files, nil
}

// sync makes the names of the files durable.
func (f folder) sync() error { return disk.SyncFolder(string(f)) }
