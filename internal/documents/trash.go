package documents

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"time"
)

// where documents are that Discard has moved; no request's shard, which has two characters
const trash = "trash"

// Discard implements request.Documents. A document <shard>/<request id>/<name> is then
// trash/<request id>/<name>, from where an operator can move it back.
func (d *Dir) Discard(_ context.Context, keys ...string) error {
	for _, key := range keys {
		if err := d.discard(key); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("discarding a document", err)
		}
	}
	return nil
}

func (d *Dir) discard(key string) error {
	id, name, err := split(key)
	if err != nil {
		return err
	}
	from, into := folder(id), trash+"/"+id
	if err := d.root.MkdirAll(into, 0o700); err != nil {
		return err
	}
	now := d.now() // by which its week is counted
	if err := d.root.Chtimes(from+"/"+name, now, now); err != nil {
		return err
	}
	if err := d.root.Rename(from+"/"+name, into+"/"+name); err != nil {
		return err
	}
	// The new name first: without the other flush the document is in both places.
	if err := errors.Join(d.sync(into), d.sync(trash), d.sync(from)); err != nil {
		return err
	}
	d.prune(id)
	return nil
}

// Discarded implements request.Documents.
func (d *Dir) Discarded(ctx context.Context, before time.Time) (keys []string, err error) {
	folders, err := d.list(trash)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, in := range folders {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		files, listErr := d.list(trash + "/" + in.Name())
		err = errors.Join(err, listErr)
		for _, f := range files {
			if olderThan(f, before) {
				keys = append(keys, in.Name()+"/"+f.Name())
			}
		}
	}
	if err != nil {
		return nil, failed("listing discarded documents", err)
	}
	slices.Sort(keys)
	return keys, nil
}

// DeleteDiscarded implements request.Documents.
func (d *Dir) DeleteDiscarded(_ context.Context, keys ...string) error {
	for _, key := range keys {
		id, name, err := split(key)
		if err != nil {
			return err
		}
		in := trash + "/" + id
		err = d.root.Remove(in + "/" + name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return failed("deleting a discarded document", err)
		}
		_ = d.root.Remove(in) // if it is empty
	}
	return nil
}
