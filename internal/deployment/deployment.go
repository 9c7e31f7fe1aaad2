// Package deployment prevents the parts of different deployments from being used together. A
// deployment has a random identity, which its first start writes into each of its parts: the
// database, and the folders with the documents (or their bucket), the keys and the authority. Every
// start compares them with [Check] before it uses any of them. So a node with the database of one
// deployment and the folder of another one, or with a folder whose file system is not mounted, does
// not run.
//
// The package does not know the contents of the parts. Packages store, documents, keydir and ca do.
package deployment

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/signet-sign/signet/internal/keydir"
)

// ErrMixed is the error for parts that do not belong to one deployment.
var ErrMixed = errors.New("the parts are not those of one deployment")

// Part is a part of a deployment.
type Part interface {
	// String names the part for the operator.
	String() string

	// Mark returns what the part says about its deployment. It changes nothing.
	Mark(ctx context.Context) (Mark, error)

	// Adopt gives the part an identity, unless it has one, and returns the identity that it then
	// has, which is on disk.
	Adopt(ctx context.Context, id string) (string, error)
}

// Mark is what a part says about its deployment.
type Mark struct {
	ID   string // identity, or ""
	Used bool   // whether a part without identity has been used
}

// Checked are parts that belong together.
type Checked struct {
	// ID is the identity that the parts have, or get from [Checked.Adopt].
	ID string

	// Old says that a release without identities has used the parts. Nothing proves that they
	// belong together; the caller has to check that before it calls Adopt.
	Old bool

	parts []Part
}

// Check compares the database with the folders. Either all have the same identity, or the database
// has none: in the deployment's first start, after an interrupted first start, or in the first
// start of a release with identities. Everything else is an [ErrMixed], which names the part and
// the remedy.
func Check(ctx context.Context, database Part, folders ...Part) (Checked, error) {
	c, err := check(ctx, database, folders)
	if errors.Is(err, ErrMixed) {
		// Another node may have completed the first start between reading two parts. It writes the
		// identity of the database last.
		c, err = check(ctx, database, folders)
	}
	return c, err
}

func check(ctx context.Context, database Part, folders []Part) (Checked, error) {
	of, err := database.Mark(ctx)
	if err != nil {
		return Checked{}, fmt.Errorf("reading the identity of %s: %w", database, err)
	}
	c := Checked{ID: of.ID, Old: of.ID == "" && of.Used, parts: append(folders, database)}
	source := database // of c.ID
	marks := make([]Mark, len(folders))
	begun := "" // identity of a first start with this database, which has not been completed
	for i, f := range folders {
		if marks[i], err = f.Mark(ctx); err != nil {
			return Checked{}, fmt.Errorf("reading the identity of %s: %w", f, err)
		}
		if _, inside := f.(Directory); inside && of.ID == "" && !of.Used {
			begun = cmp.Or(begun, marks[i].ID)
		}
	}
	for i, f := range folders {
		m := marks[i]
		switch {
		case m.ID != "" && c.ID != "" && m.ID != c.ID:
			return Checked{}, fmt.Errorf(
				"%w: %s is of deployment %s, and %s of %s: correct data, documents or database in the configuration",
				ErrMixed, source, c.ID, f, m.ID,
			)
		case m.ID == "" && of.ID != "":
			return Checked{}, fmt.Errorf(
				"%w: %s is of deployment %s, and %s has no identity: mount the folder, or set documents to the bucket, that the other nodes use, or restore it; if its content is lost for good, write the identity into %s",
				ErrMixed, database, of.ID, f, f,
			)
		case of.ID == "" && m.Used && !of.Used && (m.ID == "" || m.ID != begun):
			return Checked{}, fmt.Errorf(
				"%w: %s is new, and %s has been in use: set database to the one of the deployment",
				ErrMixed, database, f,
			)
		case of.ID == "" && !m.Used && of.Used:
			return Checked{}, fmt.Errorf(
				"%w: %s has been in use, and %s is empty: mount the folder, or set documents to the bucket, that the other nodes use, or restore it",
				ErrMixed, database, f,
			)
		case c.ID == "" && m.ID != "":
			c.ID, source = m.ID, f
		}
	}
	return c, nil
}

// Adopt writes the deployment's identity to the parts that have none, the database last.
func (c *Checked) Adopt(ctx context.Context) error {
	if c.ID == "" {
		c.ID = rand.Text()
	}
	for i, p := range c.parts {
		id, err := p.Adopt(ctx, c.ID)
		switch {
		case err != nil:
			return fmt.Errorf("writing the identity into %s: %w", p, err)
		case i == 0:
			c.ID = id // another node was first
		case id != c.ID:
			return fmt.Errorf(
				"%w: another start has given %s the identity %s, and %s has %s",
				ErrMixed, p, id, c.parts[0], c.ID,
			)
		}
	}
	return nil
}

// File is the name of the file with the identity in a folder.
const File = "deployment"

// Folder is a part that is a folder; it need not exist.
type Folder struct {
	Name string // "keys"
	Path string
}

// String implements Part.
func (f Folder) String() string {
	return fmt.Sprintf("the %s folder (%s)", f.Name, filepath.Join(f.Path, File))
}

// Mark implements Part. A folder that contains only hidden files, or a file system's lost+found,
// counts as unused.
func (f Folder) Mark(context.Context) (Mark, error) {
	entries, err := os.ReadDir(f.Path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Mark{}, err
	}
	var m Mark
	for _, e := range entries {
		switch name := e.Name(); {
		case name == File:
			text, err := os.ReadFile(filepath.Join(f.Path, File))
			if err != nil {
				return Mark{}, err
			}
			if m.ID = strings.TrimSpace(string(text)); m.ID == "" {
				return Mark{}, fmt.Errorf("%s is empty", filepath.Join(f.Path, File))
			}
		case name != "lost+found" && !strings.HasPrefix(name, "."):
			m.Used = true
		}
	}
	return m, nil
}

// Adopt implements Part.
func (f Folder) Adopt(ctx context.Context, id string) (string, error) {
	if m, err := f.Mark(ctx); err != nil || m.ID != "" {
		return m.ID, err
	}
	dir, err := keydir.Open(f.Path, rand.Reader)
	if err != nil {
		return "", err
	}
	return Directory{f.Name, dir}.Adopt(ctx, id)
}

// Directory is a part whose files are in the database. It gets its identity before the parts
// outside do, so that it tells of a first start that another node has begun.
type Directory struct {
	Name string // "keys"
	Dir  *keydir.Dir
}

// String implements Part.
func (d Directory) String() string { return fmt.Sprintf("the %s in the database", d.Name) }

// Mark implements Part.
func (d Directory) Mark(context.Context) (Mark, error) {
	files, err := d.Dir.List()
	if err != nil {
		return Mark{}, err
	}
	var m Mark
	for _, f := range files {
		m.Used = m.Used || f.Name != File
	}
	text, err := d.Dir.Read(File)
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	m.ID = strings.TrimSpace(string(text))
	return m, err
}

// Adopt implements Part.
func (d Directory) Adopt(ctx context.Context, id string) (string, error) {
	if m, err := d.Mark(ctx); err != nil || m.ID != "" {
		return m.ID, err
	}
	text, err := d.Dir.Create(File, []byte(id+"\n"))
	return strings.TrimSpace(string(text)), err
}

// None is a database that does not exist yet. Its value is its name.
type None string

// String implements Part.
func (n None) String() string { return string(n) }

// Mark implements Part.
func (None) Mark(context.Context) (Mark, error) { return Mark{}, nil }

// Adopt implements Part. It does nothing.
func (n None) Adopt(context.Context, string) (string, error) {
	return "", fmt.Errorf("%s: %w", string(n), fs.ErrNotExist)
}
