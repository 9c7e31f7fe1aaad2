package documents_test

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/documents/s3test"
)

// TestS3Identity checks that of starts at the same time one gives the bucket its identity. Prefixes
// are apart.
func TestS3Identity(t *testing.T) {
	server := s3test.Start(t)
	o := documents.S3Options{Credentials: server.Credentials}
	location := server.Bucket(t)
	s := openS3(t, location, o)
	marked := func(s *documents.S3, want deployment.Mark) {
		t.Helper()
		if got, err := s.Mark(t.Context()); err != nil || got != want {
			t.Errorf("Mark = %+v, %v; want %+v", got, err, want)
		}
	}
	marked(s, deployment.Mark{})
	if _, err := s.Put(t.Context(), "r/a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	marked(s, deployment.Mark{Used: true})
	ids := make([]string, 8)
	var all sync.WaitGroup
	for i := range ids {
		all.Go(func() {
			var err error
			if ids[i], err = s.Adopt(t.Context(), fmt.Sprint("id-", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if unique := slices.Compact(slices.Clone(ids)); len(unique) != 1 || ids[0] == "" {
		t.Errorf("identities %q", ids)
	}
	marked(s, deployment.Mark{ID: ids[0], Used: true})
	marked(openS3(t, strings.Replace(location, "/test?", "/test2?", 1), o), deployment.Mark{})
	if name := s.String(); !strings.Contains(name, "/test/deployment") {
		t.Errorf("the part is %q", name)
	}
	lost := openS3(t, strings.Replace(location, "s3://", "s3://not-", 1), o)
	if _, err := lost.Mark(t.Context()); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Mark of a missing bucket: %v", err)
	}
}
