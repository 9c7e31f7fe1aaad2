package documents

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/deployment"
)

// The identity of the deployment is the object <prefix>deployment.

// String implements deployment.Part.
func (s *S3) String() string {
	return fmt.Sprintf("the documents bucket (s3://%s/%s%s)", s.at.Bucket, s.at.Prefix, markObject)
}

// Mark implements deployment.Part.
func (s *S3) Mark(ctx context.Context) (m deployment.Mark, err error) {
	got, err := s.read(ctx, s.at.Prefix+markObject, "", 0, 1<<10)
	switch {
	case isMissing(err):
	case err != nil:
		return m, err
	default:
		if m.ID = strings.TrimSpace(string(got.text)); m.ID == "" {
			return m, fmt.Errorf("%s is empty", s)
		}
		m.Used = true
		return m, nil
	}
	for _, folder := range []string{storedFolder, trashFolder} {
		err := s.list(ctx, folder, func(string, time.Time) bool { m.Used = true; return false })
		if err != nil {
			return m, err
		}
	}
	return m, nil
}

// Adopt implements deployment.Part. Of two starts at a time one writes the object, if the store
// knows If-None-Match.
func (s *S3) Adopt(ctx context.Context, id string) (string, error) {
	o := s.putOptions()
	o.SetMatchETagExcept("*")
	err := s.put(ctx, s.at.Prefix+markObject, []byte(id+"\n"), o)
	if err != nil && answer(err).StatusCode != http.StatusPreconditionFailed {
		return "", err
	}
	var m deployment.Mark
	var unread error
	err = retry(ctx, func() error {
		// A store that puts the object of one start in the place of another's has none in between.
		if m, unread = s.Mark(ctx); unread == nil && m.ID == "" {
			return fmt.Errorf("%s is not there after it was written", s)
		}
		return nil
	})
	return m.ID, cmp.Or(unread, err)
}
