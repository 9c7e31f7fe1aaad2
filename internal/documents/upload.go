package documents

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/minio/minio-go/v7"
)

func (s *S3) putOptions() minio.PutObjectOptions {
	return minio.PutObjectOptions{
		ContentType: "application/octet-stream", ServerSideEncryption: s.at.Encryption,
	}
}

var parts = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// Put implements request.Documents. A document of less than a part is one request, which replaces
// the object as a whole. A larger one is a multipart upload, and the object is replaced when that
// is completed; what a process leaves by dying before is aborted by Requests.
func (s *S3) Put(ctx context.Context, key string, r io.Reader) (size int64, err error) {
	id, name, err := split(key)
	if err != nil {
		return 0, err
	}
	part := parts.Get().(*bytes.Buffer) //nolint:forcetypeassert // the pool has one type only
	defer func() {
		part.Reset()
		parts.Put(part)
		if err != nil {
			err = fmt.Errorf("storing a document: %w", err)
		}
	}()
	object, from := s.object(storedFolder, id, name), contextReader{ctx, r}
	if err := fill(part, from); err != nil {
		return 0, err
	}
	if part.Len() == partSize {
		return s.putParts(ctx, object, part, from)
	}
	s.fault(FaultReceived)
	if err := s.put(ctx, object, part.Bytes(), s.putOptions()); err != nil {
		return 0, err
	}
	s.fault(FaultFlushed)
	return int64(part.Len()), nil
}

// fill reads the next part.
func fill(part *bytes.Buffer, r io.Reader) error {
	part.Reset()
	if _, err := io.CopyN(part, r, partSize); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// body is the body of one request. The transport may read it after the call has failed, when the
// buffer already has another document; close prevents that.
type body struct {
	mu     sync.Mutex
	r      *bytes.Reader
	closed bool
}

func newBody(text []byte) *body { return &body{r: bytes.NewReader(text)} }

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed {
		return 0, os.ErrClosed
	}
	return b.r.Read(p)
}

func (b *body) Seek(offset int64, whence int) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.r.Seek(offset, whence)
}

func (b *body) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
}

func (s *S3) put(ctx context.Context, object string, text []byte, o minio.PutObjectOptions) error {
	return retry(ctx, func() error {
		b := newBody(text)
		defer b.close()
		_, err := s.core.Client.PutObject(ctx, s.at.Bucket, object, b, int64(len(text)), o)
		return err
	})
}

// putParts uploads a document that begins with a full part.
func (s *S3) putParts(
	ctx context.Context, object string, part *bytes.Buffer, r io.Reader,
) (size int64, err error) {
	const mark = "Upload" // metadata by which the finished object is known
	o := s.putOptions()
	o.UserMetadata = map[string]string{mark: rand.Text()}
	var upload string
	err = retry(ctx, func() (err error) {
		upload, err = s.core.NewMultipartUpload(ctx, s.at.Bucket, object, o)
		return err
	})
	if err != nil {
		return 0, err
	}
	defer func() {
		if err == nil {
			return
		}
		aborting, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.timeout)
		defer cancel()
		// Requests aborts what this does not.
		_ = s.core.AbortMultipartUpload(aborting, s.at.Bucket, object, upload)
	}()
	var sent []minio.CompletePart
	for part.Len() > 0 {
		var done minio.ObjectPart
		err := retry(ctx, func() (err error) {
			b := newBody(part.Bytes())
			defer b.close()
			done, err = s.core.PutObjectPart(
				ctx, s.at.Bucket, object, upload, len(sent)+1, b, int64(part.Len()),
				minio.PutObjectPartOptions{},
			)
			return err
		})
		if err != nil {
			return 0, err
		}
		sent = append(sent, minio.CompletePart{PartNumber: len(sent) + 1, ETag: done.ETag})
		size += int64(part.Len())
		if err := fill(part, r); err != nil {
			return 0, err
		}
	}
	s.fault(FaultReceived)
	err = retry(ctx, func() error {
		_, err := s.core.CompleteMultipartUpload(ctx, s.at.Bucket, object, upload, sent, o)
		if answer(err).Code != minio.NoSuchUpload {
			return err
		}
		// A try before this one completed the upload if the object is the one of this upload.
		found, statErr := s.core.StatObject(ctx, s.at.Bucket, object, minio.StatObjectOptions{})
		if statErr != nil || found.UserMetadata[mark] != o.UserMetadata[mark] {
			return err
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	s.fault(FaultFlushed)
	return size, nil
}
