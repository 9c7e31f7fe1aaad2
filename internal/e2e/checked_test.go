package e2e_test

import (
	"net/http"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/apitest"
)

// openAPI is api/openapi.yaml, read once.
var openAPI = sync.OnceValues(apitest.Load)

// checked is the client of all tests: it follows no redirect, and every exchange of the relying
// party's API that it makes has to be as api/openapi.yaml says.
func checked(t testing.TB) *http.Client {
	t.Helper()
	document, err := openAPI()
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Transport: document.Transport(nil, func(r *http.Request, err error) {
			if err != nil {
				t.Errorf("%s %s is not as documented: %v", r.Method, r.URL.Path, err)
			}
		}),
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
