package request

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// ErrInProgress is the error for a request that must not be forgotten or erased yet.
var ErrInProgress = errors.New("the request is in progress")

// EndedAt returns when r was signed, expired or was cancelled; zero if that has not happened.
func (r *Request) EndedAt() time.Time {
	switch {
	case !r.State.Final():
		return time.Time{}
	case r.State.Signed():
		return r.Signed.At
	case !r.CancelledAt.IsZero():
		return r.CancelledAt
	}
	return r.ExpiresAt
}

// Concerns reports whether p is the signer of r, or the person whom the relying party intends.
func (r *Request) Concerns(p signer.Person) bool {
	return r.Signer != nil && r.Signer.UIN == p.UIN || r.SignerHash == p.Hash()
}

// Forget removes from r what identifies its signer: UIN, name, the hash of the intended signer, the
// certificate, and the document's name, which a relying party may have made of the person's. by is
// the operator. The error is an [ErrInProgress] if r is not over, or if its relying party may still
// fetch the signed document.
func (r *Request) Forget(by string, now time.Time) (e Effects, err error) {
	e = r.settle(now)
	if !r.State.Final() || r.resultAt(now) == nil {
		return e, fmt.Errorf("%s: %w", r.ID, ErrInProgress)
	}
	r.forget()
	e.record(now, EventForgotten, Detail{By: by})
	return e, nil
}

// forgottenName is the name of a document whose name is not known or was forgotten.
const forgottenName = "document.pdf"

// forget removes from r what identifies its signer.
func (r *Request) forget() {
	r.Signer, r.SignerHash, r.DocName = nil, "", forgottenName
	if r.Approval != nil && len(r.Approval.Certificate) > sha256.Size {
		sum := sha256.Sum256(r.Approval.Certificate)
		r.Approval.Certificate = sum[:]
	}
	if r.Signed != nil {
		r.Signed.Name = ""
	}
}

// certified reports whether der is the certificate of the approval.
func (a *Approval) certified(der []byte) bool {
	sum := sha256.Sum256(der)
	return bytes.Equal(a.Certificate, der) || bytes.Equal(a.Certificate, sum[:])
}
