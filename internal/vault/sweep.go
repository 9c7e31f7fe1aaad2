package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Check returns an error unless the keys of all documents can be unwrapped, of which it tries one
// for each wrapping key. It is to be called before the first Put, which may make a wrapping key:
// another one must not be made in the place of one that is missing.
func (v *Vault) Check(ctx context.Context) error {
	names, err := v.keys.WrappingKeys(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		sample, err := v.keys.KeysWrappedBy(ctx, name, Key{}, 1)
		if err != nil {
			return err
		}
		for _, k := range sample {
			if _, err := v.unwrap(ctx, k); err != nil {
				return fmt.Errorf(
					"documents cannot be decrypted: %w: restore the keys folder of the deployment",
					err,
				)
			}
		}
	}
	return nil
}

// sweepEvery is the time between two sweeps.
const sweepEvery = time.Hour

// Run sweeps now and then every hour until ctx ends. It logs the failures of sweeps and returns
// nil.
func (v *Vault) Run(ctx context.Context) error {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		if err := v.Sweep(ctx); err != nil && ctx.Err() == nil {
			v.log.Error("sweeping the keys of documents failed, will be tried again", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep wraps keys that are under an older wrapping key under the newest one, and deletes keys
// without a document, which a crash during a Put has left.
func (v *Vault) Sweep(ctx context.Context) error {
	return errors.Join(v.rewrap(ctx), v.deleteSpare(ctx))
}

// rewrap continues after a key that it cannot unwrap.
func (v *Vault) rewrap(ctx context.Context) error {
	names, err := v.keys.WrappingKeys(ctx)
	if err != nil || len(names) == 0 {
		return err
	}
	newest, err := v.wrapper.Newest(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		if name == newest {
			continue
		}
		n, err := v.rewrapFrom(ctx, name)
		if err != nil {
			failed = append(failed, fmt.Errorf("wrapping keys under %s: %w", newest, err))
			continue
		}
		v.log.Info(
			"no document needs this wrapping key any more; keep it for backups of the database that do",
			"key", name, "newest", newest, "documents", n,
		)
	}
	return errors.Join(failed...)
}

// rewrapFrom wraps all keys under a wrapping key again.
func (v *Vault) rewrapFrom(ctx context.Context, name string) (n int, err error) {
	const page = 200
	var last Key
	var failed error
	for {
		keys, err := v.keys.KeysWrappedBy(ctx, name, last, page)
		if err != nil || len(keys) == 0 {
			return n, errors.Join(err, failed)
		}
		last = keys[len(keys)-1]
		var again []Key
		for _, k := range keys {
			fileKey, err := v.unwrap(ctx, k)
			if err == nil {
				k.WrappedBy, k.Wrapped, err = v.wrapper.Wrap(ctx, fileKey, k.context())
			}
			if err != nil {
				failed = fmt.Errorf("document %s: %w", k.Document, err) // the last one is enough
				continue
			}
			again = append(again, k)
		}
		if err := v.keys.RewrapDocumentKeys(ctx, again); err != nil {
			return n, err
		}
		n += len(again)
	}
}

// spareAge is the age of a key before its document may be missed: a Put stores the key first.
const spareAge = time.Hour

func (v *Vault) deleteSpare(ctx context.Context) error {
	documents, err := v.keys.SpareDocumentKeys(ctx, v.now().Add(-spareAge))
	if err != nil || len(documents) == 0 {
		return err
	}
	var spare []string
	for _, d := range documents {
		f, err := v.Documents.Open(ctx, d)
		switch {
		case err == nil:
			err = f.Close()
		case errors.Is(err, fs.ErrNotExist):
			spare = append(spare, d)
			err = nil
		}
		if err != nil {
			return err
		}
	}
	if len(spare) == 0 {
		return nil
	}
	// The trash is listed last, because another node may have moved a document there since. The
	// time is for the clock of any machine.
	discarded, err := v.Documents.Discarded(ctx, v.now().AddDate(100, 0, 0))
	if err != nil {
		return err
	}
	spare = slices.DeleteFunc(spare, func(d string) bool { return slices.Contains(discarded, d) })
	if len(spare) == 0 {
		return nil
	}
	v.log.Info("deleting the keys of documents that are not stored", "documents", len(spare))
	return v.keys.DeleteDocumentKeys(ctx, spare...)
}
