package store_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// TestAwayIsNotMissing checks that without a server its socket does not exist, which must not be
// taken for a document that does not exist.
func TestAwayIsNotMissing(t *testing.T) {
	own := new(pgtest.Cluster)
	t.Cleanup(own.Stop)
	s := openPostgres(t, own.Database(t))
	own.Away(t, func() {
		_, read := s.DocumentKeys(t.Context(), "a/original")
		wrote := s.Create(t.Context(), plainRequest(1), request.Effects{})
		for _, err := range []error{read, wrote} {
			if !errors.Is(err, request.ErrAway) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%v, want an ErrAway only", err)
			}
		}
	})
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil &&
		!errors.Is(err, store.ErrUncertain) {
		t.Error(err)
	}
}
