package documents

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/request"
)

// Options are the options of [OpenDir].
type Options struct {
	// Path is the directory. OpenDir creates it if needed. It should contain nothing else.
	Path string

	// Now is the clock for the age of documents; nil means time.Now.
	Now func() time.Time

	// Free returns the free space of the file system of a path in bytes; nil asks the system.
	Free func(path string) (uint64, error)

	// Fault, for tests, is called with each of [FaultPoints] as Put passes it.
	Fault func(point string)
}

// The points at which a test can stop the process, in the order in which a Put passes them.
const (
	FaultReceived = "blob: received, not in place"
	FaultPlaced   = "blob: in place, not flushed"
	FaultFlushed  = "blob: in place and flushed, not acknowledged"
	FaultDeleted  = "blob: deleted, not acknowledged"
)

// FaultPoints lists the points.
func FaultPoints() []string {
	return []string{FaultReceived, FaultPlaced, FaultFlushed, FaultDeleted}
}

// Dir keeps documents in a directory. It implements [Store].
type Dir struct {
	deployment.Folder
	root  *os.Root
	now   func() time.Time
	free  func(path string) (uint64, error)
	fault func(string)
}

const (
	// folder of incomplete documents; not the name of a shard, which has two characters
	tmp = "tmp"

	// Age at which a file in tmp is removed. An upload takes seconds, so the process that wrote it
	// has died.
	stale = time.Hour
)

// OpenDir opens a directory of documents. It removes files that a process left by dying during a
// Put.
func OpenDir(o Options) (_ *Dir, err error) {
	if err := os.MkdirAll(o.Path, 0o700); err != nil {
		return nil, fmt.Errorf("opening documents: %w", err)
	}
	root, err := os.OpenRoot(o.Path)
	if err != nil {
		return nil, fmt.Errorf("opening documents: %w", err)
	}
	d := &Dir{
		Folder: deployment.Folder{Name: "documents", Path: o.Path},
		root:   root, now: o.Now, free: o.Free, fault: o.Fault,
	}
	if d.free == nil {
		d.free = FreeSpace
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.fault == nil {
		d.fault = func(string) {}
	}
	if err := errors.Join(d.prepare(), d.sweep()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening documents: %w", err), root.Close())
	}
	return d, nil
}

// prepare creates all shards, so that no Put has to.
func (d *Dir) prepare() error {
	made := false
	for i := -1; i < 256; i++ {
		name := tmp
		if i >= 0 {
			name = fmt.Sprintf("%02x", i)
		}
		err := d.root.Mkdir(name, 0o700)
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		made = made || err == nil
	}
	if !made {
		return nil
	}
	return d.sync(".")
}

// sweep removes old files from tmp. It compares with the file system's clock, which may be another
// machine's.
func (d *Dir) sweep() error {
	probe, name, err := d.create()
	if err != nil {
		return err
	}
	info, err := probe.Stat()
	if err := errors.Join(err, probe.Close(), d.root.Remove(name)); err != nil {
		return err
	}
	files, err := d.list(tmp)
	if err != nil {
		return err
	}
	for _, f := range files {
		left, err := f.Info()
		if err == nil && info.ModTime().Sub(left.ModTime()) > stale {
			err = d.root.Remove(path.Join(tmp, f.Name()))
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another process may have removed it
			return err
		}
	}
	return nil
}

// Close releases the directory. Open documents stay readable.
func (d *Dir) Close() error { return d.root.Close() }

// Put implements request.Documents. It flushes the file, the folder and the shard at the same time,
// after the rename, because three flushes in sequence would make every upload wait for the disk
// three times. If the machine loses power before the flushes end, a new key may hold a part of the
// bytes. Put has not returned then, so no record names the key, and it is removed as a stray. A key
// that is replaced must not lose its old contents, so in that case Put flushes the file before the
// rename.
func (d *Dir) Put(ctx context.Context, key string, r io.Reader) (size int64, err error) {
	id, name, err := split(key)
	if err != nil {
		return 0, err
	}
	f, temp, err := d.create()
	if err != nil {
		return 0, failed("storing a document", err)
	}
	at := temp
	defer func() {
		_ = f.Close()
		if err != nil {
			_ = d.root.Remove(at)
			err = failed("storing a document", err)
		}
	}()
	if w, ok := r.(io.WriterTo); ok {
		size, err = w.WriteTo(contextWriter{ctx, f})
	} else {
		size, err = receive(f, contextReader{ctx, r})
	}
	if err != nil {
		return 0, err
	}
	now := d.now()
	// before the flush, which then covers the time too
	if err = d.root.Chtimes(temp, now, now); err != nil {
		return 0, err
	}
	d.fault(FaultReceived)
	_, missing := d.root.Lstat(folder(id) + "/" + name)
	if !errors.Is(missing, fs.ErrNotExist) {
		if err = f.Sync(); err != nil {
			return 0, err
		}
	}
	if err = d.place(temp, id, name); err != nil {
		return 0, err
	}
	if missing != nil {
		at = folder(id) + "/" + name
	}
	d.fault(FaultPlaced)
	// Flush the shard even if the folder existed: the process that created it may not have flushed
	// it yet. If the folder is gone, another process has deleted the document in the meantime.
	var flushes errgroup.Group
	flushes.Go(func() error { return d.sync(shard(id)) })
	flushes.Go(func() error {
		if err := d.sync(folder(id)); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
	if err = errors.Join(f.Sync(), flushes.Wait()); err != nil {
		return 0, err
	}
	d.fault(FaultFlushed)
	return size, nil
}

// failed returns the error of what was done. A failure of the file system is a [request.ErrNoRoom]
// or a [request.ErrAway]: the disk is full, fails, is read-only or not mounted, and the same may
// succeed later. If a file that must exist does not, only the text is left, because callers would
// take it for a document that does not exist.
func failed(what string, err error) error {
	var path *fs.PathError
	var link *os.LinkError
	disk := errors.As(err, &path) || errors.As(err, &link)
	switch {
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		err = fmt.Errorf("%w: %w", request.ErrNoRoom, err)
	case disk && errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %v", request.ErrAway, err)
	case disk && !errors.Is(err, request.ErrAway):
		err = fmt.Errorf("%w: %w", request.ErrAway, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// chunk is the size of writes. Writing whole pages halves the cost for a document that the network
// delivers in small pieces.
const chunk = 64 << 10

var chunks = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, chunk) }}

// receive writes the contents of r to f.
func receive(f *os.File, r io.Reader) (size int64, err error) {
	w := chunks.Get().(*bufio.Writer) //nolint:forcetypeassert // the pool has one type only
	defer func() {
		w.Reset(nil)
		chunks.Put(w)
	}()
	w.Reset(struct{ io.Writer }{f}) // hides File.ReadFrom, which would bypass the buffer
	if size, err = w.ReadFrom(r); err != nil {
		return size, err
	}
	return size, w.Flush()
}

// place moves a complete file to its key's place.
func (d *Dir) place(temp, id, name string) error {
	in := folder(id)
	for try := 0; ; try++ {
		if err := d.root.Mkdir(in, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		err := d.root.Rename(temp, in+"/"+name)
		// A Delete has removed the empty folder between the two steps. Try again.
		if err == nil || !errors.Is(err, fs.ErrNotExist) || try > 1000 {
			return err
		}
	}
}

// Open implements request.Documents.
func (d *Dir) Open(_ context.Context, key string) (request.Blob, error) {
	id, name, err := split(key)
	if err != nil {
		return nil, err
	}
	f, err := d.root.Open(folder(id) + "/" + name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening a document: %w", err)
	}
	if err != nil {
		return nil, failed("opening a document", err)
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(failed("opening a document", err), f.Close())
	}
	return &file{f, info.Size()}, nil
}

// file is an open document.
type file struct {
	*os.File
	size int64
}

// Size implements request.Blob.
func (f *file) Size() int64 { return f.size }

// ReadAt implements request.Blob.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.File.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		err = failed("reading a document", err)
	}
	return n, err
}

// Keys implements request.Documents.
func (d *Dir) Keys(_ context.Context, requestID string) ([]string, error) {
	if !validID(requestID) {
		return nil, fmt.Errorf("%w: request %.200q", ErrKey, requestID)
	}
	files, err := d.list(folder(requestID))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, failed("listing documents", err)
	}
	var keys []string
	for _, f := range files {
		keys = append(keys, requestID+"/"+f.Name())
	}
	slices.Sort(keys)
	return keys, nil
}

// Delete implements request.Documents. It also removes the folders of requests that are empty. When
// it returns, the deletion is durable: it flushes every changed folder once, after all changes in
// it.
func (d *Dir) Delete(_ context.Context, keys ...string) error {
	ids := map[string]bool{}
	for _, key := range keys {
		id, name, err := split(key)
		if err != nil {
			return err
		}
		err = d.root.Remove(folder(id) + "/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("deleting a document", err)
		}
		ids[id] = true
	}
	d.fault(FaultDeleted)
	changed := map[string]bool{}
	for id := range ids {
		in := shard(id)
		if !d.prune(id) {
			in = folder(id) // the folder is not empty
		}
		changed[in] = true
	}
	for in := range changed {
		if err := d.sync(in); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("deleting a document", err)
		}
	}
	return nil
}

// prune removes a request's folder if it is empty, and reports whether it is gone. A concurrent Put
// creates it again.
func (d *Dir) prune(id string) (gone bool) {
	err := d.root.Remove(folder(id))
	return err == nil || errors.Is(err, fs.ErrNotExist)
}

// Requests implements request.Documents. It removes empty folders.
func (d *Dir) Requests(ctx context.Context, before time.Time) ([]string, error) {
	var ids []string
	for i := range 256 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		folders, err := d.list(fmt.Sprintf("%02x", i))
		if err != nil {
			return nil, failed("listing documents", err)
		}
		for _, f := range folders {
			id := f.Name()
			if !f.IsDir() || !validID(id) || shard(id) != fmt.Sprintf("%02x", i) {
				continue // not a request's folder
			}
			files, err := d.list(folder(id))
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, failed("listing documents", err)
			}
			if len(files) == 0 {
				d.prune(id)
			}
			if slices.ContainsFunc(
				files, func(e fs.DirEntry) bool { return olderThan(e, before) },
			) {
				ids = append(ids, id)
			}
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func olderThan(e fs.DirEntry, t time.Time) bool {
	info, err := e.Info()
	return err == nil && info.ModTime().Before(t)
}

// create opens a new file in tmp.
func (d *Dir) create() (f *os.File, name string, err error) {
	name = tmp + "/" + rand.Text()
	f, err = d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	return f, name, err
}

// list returns the entries of a folder.
func (d *Dir) list(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	return f.ReadDir(-1)
}

// sync flushes the entries of a folder.
func (d *Dir) sync(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	// Some network file systems flush by themselves and do not support the call.
	if errors.Is(err, syscall.EINVAL) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

// contextReader is a Reader that fails after its context ends.
type contextReader struct {
	ctx context.Context //nolint:containedctx // the reader lives only during the call
	r   io.Reader
}

// contextWriter fails when the context has ended.
type contextWriter struct {
	ctx context.Context //nolint:containedctx // the writer lives only during the call
	w   io.Writer
}

func (c contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
