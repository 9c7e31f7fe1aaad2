package documents

import (
	"context"
	"errors"
	"fmt"

	"github.com/signet-sign/signet/internal/request"
)

// reserve is the room, in bytes, that uploads leave on the disk: for sealing what was uploaded, and
// for a SQLite database on the same disk.
const reserve = 64 << 20

// Room implements request.Documents.
func (d *Dir) Room(context.Context) error {
	free, err := d.free(d.root.Name())
	if err != nil {
		return fmt.Errorf(
			"%w: reading the free space of the documents' disk: %v", request.ErrAway, err,
		)
	}
	if free < reserve {
		return fmt.Errorf(
			"%w: %d MiB are free, and %d MiB are kept for sealing",
			request.ErrNoRoom, free>>20, reserve>>20,
		)
	}
	return nil
}

// Check tries whether documents can be stored: whether there is room, and whether a file can be
// made.
func (d *Dir) Check(ctx context.Context) error {
	if err := d.Room(ctx); err != nil {
		return err
	}
	f, name, err := d.create()
	if err != nil {
		return err
	}
	_, err = f.Write([]byte("probe"))
	return errors.Join(err, f.Close(), d.root.Remove(name))
}

// CheckSweep implements [Store].
func (d *Dir) CheckSweep(context.Context) error {
	_, err := d.list(".")
	return err
}
