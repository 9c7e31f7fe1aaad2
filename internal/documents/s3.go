package documents

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"github.com/signet-sign/signet/internal/request"
)

// S3Options are the options of [OpenS3].
type S3Options struct {
	Location *Location

	// Credentials is "<access key id>:<secret access key>". Empty are, in this order: the
	// environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), the shared file of
	// credentials (AWS_SHARED_CREDENTIALS_FILE, AWS_PROFILE), and for AWS's endpoint the role of
	// the container or machine.
	Credentials string

	// Timeout bounds each try of a request; 0 means 10 s.
	Timeout time.Duration

	// Now is the clock for the age of interrupted uploads; nil means time.Now.
	Now func() time.Time

	// Fault, for tests, is called with each of [FaultPoints] except FaultPlaced.
	Fault func(point string)
}

// S3 keeps documents in a bucket of an object store. It implements [Store].
type S3 struct {
	core      minio.Core
	at        *Location
	transport *http.Transport
	timeout   time.Duration // of a try
	now       func() time.Time
	fault     func(string)

	mu     sync.Mutex
	probed time.Time // when Check last wrote with success
	swept  time.Time // when CheckSweep last succeeded
}

// Folders below the prefix, and the object with the deployment's identity.
const (
	storedFolder = "documents/"
	trashFolder  = "trash/"
	probeFolder  = "probe/"
	markObject   = "deployment"
)

const (
	// Bytes of an upload that are held in memory: of a larger one each part is sent before the next
	// one is read. It is the smallest part that S3 allows.
	partSize = 5 << 20

	// A request to the store is tried so often, with pauses that double.
	tries      = 4
	firstPause = 100 * time.Millisecond
)

// OpenS3 opens a bucket, which must exist. It does not connect to it.
func OpenS3(ctx context.Context, o S3Options) (*S3, error) {
	at := o.Location
	keys, err := o.credentials(ctx)
	if err != nil {
		return nil, err
	}
	secure := at.Endpoint.Scheme == "https"
	transport, err := minio.DefaultTransport(secure)
	if err != nil {
		return nil, err
	}
	transport.MaxIdleConnsPerHost = 64 // more uploads than these at a time connect each time
	s := &S3{
		at: at, transport: transport, timeout: cmp.Or(o.Timeout, 10*time.Second), now: o.Now,
		fault: o.Fault,
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.fault == nil {
		s.fault = func(string) {}
	}
	region := cmp.Or(
		at.Region, os.Getenv("AWS_REGION"), os.Getenv("AWS_DEFAULT_REGION"), "us-east-1",
	)
	core, err := minio.NewCore(at.Endpoint.Host, &minio.Options{
		Creds: keys, Secure: secure, Region: region, Transport: limited{transport, s.timeout},
		MaxRetries: 1, // retry does it
	})
	if err != nil {
		return nil, err
	}
	s.core = *core
	return s, nil
}

func (o S3Options) credentials(ctx context.Context) (*credentials.Credentials, error) {
	client := &http.Client{Timeout: 5 * time.Second} // of a machine's own service for roles
	if o.Credentials != "" {
		id, secret, ok := strings.Cut(o.Credentials, ":")
		if !ok || id == "" || secret == "" {
			return nil, errors.New(
				"documents_credentials: it must be an access key id, a colon and the secret access key",
			)
		}
		return credentials.NewStaticV4(id, secret, ""), nil
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if o.Location.Endpoint.Host == awsHost {
		chain = append(chain, &credentials.IAM{Client: client})
	}
	keys := credentials.NewChainCredentials(chain)
	value, err := keys.GetWithContext(&credentials.CredContext{Context: ctx, Client: client})
	if err == nil && value.AccessKeyID == "" {
		err = errors.New(
			"there are none: set documents_credentials_file or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
		)
	}
	if err != nil {
		return nil, fmt.Errorf("credentials of the object store: %w", err)
	}
	return keys, nil
}

// limited bounds the time of each request, until its answer's body is closed.
type limited struct {
	http.RoundTripper
	timeout time.Duration
}

func (l limited) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), l.timeout)
	answer, err := l.RoundTripper.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel()
		return nil, err
	}
	answer.Body = cancelBody{answer.Body, cancel}
	return answer, nil
}

type cancelBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b cancelBody) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// retry makes a call that may be repeated. An error of a store that does not answer or that refuses
// is an [request.ErrAway] afterwards.
func retry(ctx context.Context, call func() error) error {
	for n := 0; ; n++ {
		err := call()
		switch {
		case err == nil || isMissing(err):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		case n == tries-1 || !isTransient(err):
			return away(err)
		}
		pause := firstPause << n
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause/2 + mathrand.N(pause/2)): // not all callers at once
		}
	}
}

// isTransient reports whether another try may succeed: the store did not answer in full, answered
// with a failure of its own, or was doing something else with the object.
func isTransient(err error) bool {
	a := answer(err)
	codes := []string{"", "InternalError", "SlowDown", "ServiceUnavailable"} // "" is no answer
	statuses := []int{http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests}
	return a.StatusCode >= 500 || slices.Contains(statuses, a.StatusCode) ||
		slices.Contains(codes, a.Code)
}

// answer returns the store's answer in an error; it is empty if there is none.
func answer(err error) (a minio.ErrorResponse) {
	errors.As(err, &a)
	return a
}

func isMissing(err error) bool { return answer(err).Code == minio.NoSuchKey }

func away(err error) error {
	a := answer(err)
	full := []string{"QuotaExceeded", "XMinioStorageFull"}
	if a.StatusCode == http.StatusInsufficientStorage || slices.Contains(full, a.Code) {
		return fmt.Errorf("%w: %w", request.ErrNoRoom, err)
	}
	if a.Code == "" { // it did not answer
		return fmt.Errorf("%w: %w", request.ErrAway, err)
	}
	return fmt.Errorf("%w: %s: %w", request.ErrAway, a.Code, err)
}

// object is the name of the object of a key in a folder.
func (s *S3) object(folder, id, name string) string {
	return s.at.Prefix + folder + id + "/" + name
}

// list calls each for every object in a folder below the prefix, with its name in the folder, in
// order, until it returns false.
func (s *S3) list(
	ctx context.Context, folder string, each func(name string, changed time.Time) bool,
) error {
	after := ""
	// A retry goes on after the last object.
	return retry(ctx, func() error {
		o := minio.ListObjectsOptions{
			Prefix: s.at.Prefix + folder, Recursive: true, StartAfter: after,
		}
		for found := range s.core.ListObjectsIter(ctx, s.at.Bucket, o) {
			if found.Err != nil {
				return found.Err
			}
			after = found.Key
			if !each(strings.TrimPrefix(found.Key, o.Prefix), found.LastModified) {
				return nil
			}
		}
		return ctx.Err() // the end of ctx ends the list without an error
	})
}

// Keys implements request.Documents.
func (s *S3) Keys(ctx context.Context, requestID string) (keys []string, err error) {
	if !validID(requestID) {
		return nil, fmt.Errorf("%w: request %.200q", ErrKey, requestID)
	}
	folder := storedFolder + requestID + "/"
	err = s.list(ctx, folder, func(name string, _ time.Time) bool {
		keys = append(keys, requestID+"/"+name)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("listing documents: %w", err)
	}
	return keys, nil
}

// Requests implements request.Documents. It goes by the store's clock. It reads the list of all
// objects, a thousand with a request. It also aborts the uploads that processes left by dying
// during a Put.
func (s *S3) Requests(ctx context.Context, before time.Time) (ids []string, err error) {
	err = s.list(ctx, storedFolder, func(key string, changed time.Time) bool {
		id, _, err := split(key)
		if err == nil && changed.Before(before) && (len(ids) == 0 || ids[len(ids)-1] != id) {
			ids = append(ids, id)
		}
		return true
	})
	if err == nil {
		err = s.abortStale(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("listing documents: %w", err)
	}
	return ids, nil
}

// abortStale aborts uploads whose process has died.
func (s *S3) abortStale(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends a list that is left
	folder := s.at.Prefix + storedFolder
	return retry(ctx, func() error {
		for u := range s.core.ListIncompleteUploads(ctx, s.at.Bucket, folder, true) {
			if u.Err != nil {
				return u.Err
			}
			if s.now().Sub(u.Initiated) < stale {
				continue
			}
			err := s.core.AbortMultipartUpload(ctx, s.at.Bucket, u.Key, u.UploadID)
			if err != nil && answer(err).Code != minio.NoSuchUpload { // another node was first
				return err
			}
		}
		return ctx.Err()
	})
}

// Delete implements request.Documents. A thousand documents are one request.
func (s *S3) Delete(ctx context.Context, keys ...string) error {
	objects, err := s.objects(storedFolder, keys)
	if err == nil {
		err = s.delete(ctx, objects)
	}
	if err != nil {
		return fmt.Errorf("deleting a document: %w", err)
	}
	s.fault(FaultDeleted)
	return nil
}

// objects returns the objects of keys in a folder.
func (s *S3) objects(folder string, keys []string) (objects []string, err error) {
	for _, key := range keys {
		id, name, err := split(key)
		if err != nil {
			return nil, err
		}
		objects = append(objects, s.object(folder, id, name))
	}
	slices.Sort(objects)
	return slices.Compact(objects), nil
}

func (s *S3) delete(ctx context.Context, objects []string) error {
	const most = 1000 // of a request
	for batch := range slices.Chunk(objects, most) {
		err := retry(ctx, func() error {
			list := make(chan minio.ObjectInfo, len(batch))
			for _, object := range batch {
				list <- minio.ObjectInfo{Key: object}
			}
			close(list)
			confirmed := 0
			var failed error
			results := s.core.RemoveObjectsWithResult(
				ctx, s.at.Bucket, list, minio.RemoveObjectsOptions{},
			)
			for r := range results {
				failed = cmp.Or(failed, r.Err)
				confirmed++
			}
			if failed == nil && confirmed < len(batch) {
				failed = fmt.Errorf("the store confirms %d of %d deletions", confirmed, len(batch))
			}
			return failed
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Discard implements request.Documents. A document <prefix>documents/<request id>/<name> is then
// <prefix>trash/<request id>/<name>, from where an operator can move it back.
func (s *S3) Discard(ctx context.Context, keys ...string) error {
	var copied []string
	for _, key := range keys {
		id, name, err := split(key)
		if err != nil {
			return err
		}
		from := minio.CopySrcOptions{Bucket: s.at.Bucket, Object: s.object(storedFolder, id, name)}
		to := minio.CopyDestOptions{
			Bucket: s.at.Bucket, Object: s.object(trashFolder, id, name),
			Encryption: s.at.Encryption,
		}
		err = retry(ctx, func() error {
			_, err := s.core.Client.CopyObject(ctx, to, from)
			return err
		})
		switch {
		case err == nil:
			copied = append(copied, from.Object)
		case !isMissing(err):
			return fmt.Errorf("discarding a document: %w", err)
		}
	}
	if err := s.delete(ctx, copied); err != nil {
		return fmt.Errorf("discarding a document: %w", err)
	}
	return nil
}

// Discarded implements request.Documents. It goes by the store's clock.
func (s *S3) Discarded(ctx context.Context, before time.Time) (keys []string, err error) {
	err = s.list(ctx, trashFolder, func(key string, changed time.Time) bool {
		if _, _, err := split(key); err == nil && changed.Before(before) {
			keys = append(keys, key)
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("listing discarded documents: %w", err)
	}
	return keys, nil
}

// DeleteDiscarded implements request.Documents.
func (s *S3) DeleteDiscarded(ctx context.Context, keys ...string) error {
	objects, err := s.objects(trashFolder, keys)
	if err == nil {
		err = s.delete(ctx, objects)
	}
	if err != nil {
		return fmt.Errorf("deleting a discarded document: %w", err)
	}
	return nil
}

// Room implements request.Documents. An object store has no nearly.
func (*S3) Room(context.Context) error { return nil }

// Check implements [Store]. It writes, reads and deletes an object, and after a success not again
// for ten seconds. An error names the permission that the request needs.
func (s *S3) Check(ctx context.Context) error {
	return s.seldom(&s.probed, 10*time.Second, func() error {
		object, text := s.at.Prefix+probeFolder+rand.Text(), rand.Text()
		if err := s.put(ctx, object, []byte(text), s.putOptions()); err != nil {
			return fmt.Errorf("writing to %s (s3:PutObject): %w", s.at, err)
		}
		read, err := s.read(ctx, object, "", 0, int64(len(text)))
		if err == nil && string(read.text) != text {
			err = errors.New("what was written does not come back")
		}
		if err != nil {
			return fmt.Errorf("reading from %s (s3:GetObject): %w", s.at, err)
		}
		if err := s.delete(ctx, []string{object}); err != nil {
			return fmt.Errorf("deleting from %s (s3:DeleteObject): %w", s.at, err)
		}
		return nil
	})
}

// CheckSweep implements [Store]. After a success it does nothing for a minute.
func (s *S3) CheckSweep(ctx context.Context) error {
	return s.seldom(&s.swept, time.Minute, func() error {
		err := s.list(ctx, storedFolder, func(string, time.Time) bool { return false })
		if err != nil {
			return fmt.Errorf("listing %s (s3:ListBucket): %w", s.at, err)
		}
		listing, cancel := context.WithCancel(ctx)
		defer cancel() // ends the list
		err = retry(ctx, func() error {
			for u := range s.core.ListIncompleteUploads(listing, s.at.Bucket, s.at.Prefix, true) {
				return u.Err
			}
			return ctx.Err()
		})
		if err != nil {
			return fmt.Errorf(
				"listing the uploads to %s (s3:ListBucketMultipartUploads): %w", s.at, err,
			)
		}
		err = retry(ctx, func() error { // there is no such upload
			return s.core.AbortMultipartUpload(
				ctx, s.at.Bucket, s.at.Prefix+probeFolder+"upload", "none",
			)
		})
		if err != nil && answer(err).StatusCode == http.StatusForbidden {
			return fmt.Errorf(
				"ending an upload to %s (s3:AbortMultipartUpload): %w", s.at, err,
			)
		}
		return nil
	})
}

// seldom calls try, unless it has succeeded less than the given time ago.
func (s *S3) seldom(last *time.Time, every time.Duration, try func() error) error {
	s.mu.Lock()
	fresh := time.Since(*last) < every
	s.mu.Unlock()
	if fresh {
		return nil
	}
	if err := try(); err != nil {
		return err
	}
	s.mu.Lock()
	*last = time.Now()
	s.mu.Unlock()
	return nil
}

// ErrorCode returns the code of an object store's answer in an error, such as AccessDenied; "" if
// there is none.
func ErrorCode(err error) string { return answer(err).Code }

// Close ends idle connections.
func (s *S3) Close() error {
	s.transport.CloseIdleConnections()
	return nil
}
