package ca

import (
	"testing"

	"golang.org/x/crypto/ocsp"
)

// FuzzOCSP checks that each request gets an answer that clients can read, and only a request for a
// certificate of this authority gets a successful one.
func FuzzOCSP(f *testing.F) {
	a := open(f, f.TempDir(), options())
	for _, issuer := range []entity{a.parts.Load().issuers[0].entity, a.parts.Load().root} {
		request, err := ocsp.CreateRequest(a.parts.Load().issuers[0].ocsp.cert, issuer.cert, nil)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(request)
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, request []byte) {
		der, _ := a.OCSP(t.Context(), request, record{})
		if _, refused := ocsp.ParseResponse(der, nil); refused == nil {
			if _, err := ocsp.ParseRequest(request); err != nil {
				t.Errorf("a request that cannot be read is answered: %v", err)
			}
		} else if _, ok := refused.(ocsp.ResponseError); !ok {
			t.Errorf("the answer cannot be read: %v", refused)
		}
	})
}
