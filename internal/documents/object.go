package documents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/minio/minio-go/v7"

	"github.com/signet-sign/signet/internal/request"
)

const (
	blockSize = 1 << 20
	maxBlocks = 16 // of an open document in memory
)

// Open implements request.Documents. It reads the first block; the others are read when they are
// needed, while ctx lasts.
func (s *S3) Open(ctx context.Context, key string) (request.Blob, error) {
	id, name, err := split(key)
	if err != nil {
		return nil, err
	}
	o := &object{store: s, ctx: ctx, name: s.object(storedFolder, id, name)}
	first, err := s.read(ctx, o.name, "", 0, blockSize)
	if isMissing(err) {
		err = fs.ErrNotExist
	}
	if err != nil {
		return nil, fmt.Errorf("opening a document: %w", err)
	}
	o.tag, o.size = first.tag, first.size
	o.blocks = []block{{0, first.text}}
	return o, nil
}

// object is an open document, as it was when it was opened.
type object struct {
	store *S3
	ctx   context.Context //nolint:containedctx // io.ReaderAt has none
	name  string
	tag   string // changes with the contents
	size  int64

	mu     sync.Mutex
	blocks []block // those that were used last, the newest first
}

type block struct {
	from int64
	text []byte
}

// Size implements request.Blob.
func (o *object) Size() int64 { return o.size }

// Close implements request.Blob.
func (*object) Close() error { return nil }

// ReadAt implements request.Blob. The error is fs.ErrNotExist if the document was replaced or
// deleted before the block was read.
func (o *object) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, errors.New("reading a document: negative offset")
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for n < len(p) && off < o.size {
		b, err := o.block(off - off%blockSize)
		if err != nil {
			return n, fmt.Errorf("reading a document: %w", err)
		}
		k := copy(p[n:], b.text[off-b.from:])
		n, off = n+k, off+int64(k)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (o *object) block(from int64) (block, error) {
	for i, b := range o.blocks {
		if b.from == from {
			copy(o.blocks[1:], o.blocks[:i])
			o.blocks[0] = b
			return b, nil
		}
	}
	got, err := o.store.read(o.ctx, o.name, o.tag, from, min(blockSize, o.size-from))
	if isMissing(err) || answer(err).StatusCode == http.StatusPreconditionFailed {
		err = fs.ErrNotExist
	}
	if err != nil {
		return block{}, err
	}
	b := block{from, got.text}
	kept := o.blocks
	if len(kept) > 1 && kept[0].from == from-blockSize && kept[1].from == from-2*blockSize {
		// Who reads from one end to the other does not come back: a slow download holds two blocks.
		kept = append(kept[:1:1], kept[2:]...)
	}
	o.blocks = append([]block{b}, kept[:min(len(kept), maxBlocks-1)]...)
	return b, nil
}

// A span is a part of an object.
type span struct {
	text []byte
	size int64 // of the whole object
	tag  string
}

// read reads up to n bytes of an object, or fewer at its end. If tag is not empty the object must
// still have it.
func (s *S3) read(ctx context.Context, object, tag string, from, n int64) (got span, err error) {
	var o minio.GetObjectOptions
	if err := o.SetRange(from, from+n-1); err != nil {
		return span{}, err
	}
	if tag != "" {
		if err := o.SetMatchETag(tag); err != nil {
			return span{}, err
		}
	}
	err = retry(ctx, func() error {
		body, info, header, err := s.core.GetObject(ctx, s.at.Bucket, object, o)
		if answer(err).Code == "InvalidRange" && from == 0 {
			got = span{} // an empty object has no bytes that could be asked for
			return nil
		}
		if err != nil {
			return err
		}
		defer func() { _ = body.Close() }()
		_, total, _ := strings.Cut(header.Get("Content-Range"), "/")
		got.size, err = strconv.ParseInt(total, 10, 64)
		if err != nil {
			return fmt.Errorf("the store does not answer with a range: %w", err)
		}
		got.tag, got.text = info.ETag, make([]byte, min(n, got.size-from))
		_, err = io.ReadFull(body, got.text)
		return err
	})
	return got, err
}
