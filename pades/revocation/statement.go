package revocation

import "time"

// Statement is what an OCSP response or a CRL says about one certificate.
type Statement struct {
	// Revoked says that the certificate was revoked at Since, for Reason.
	Revoked bool
	Since   time.Time
	Reason  Reason
	// ThisUpdate is the time at which the statement was true. At NextUpdate there will be a newer
	// one; it is zero if the issuer does not say when.
	ThisUpdate, NextUpdate time.Time

	complete bool // says "good" if it does not say "revoked"
}

// Reason is a CRLReason (RFC 5280, 5.3.1).
type Reason int

// The reasons that matter to verifiers. ReasonAbsent means that the issuer gives none.
const (
	ReasonAbsent          Reason = -1
	reasonUnspecified     Reason = 0
	reasonAffiliation     Reason = 3
	reasonSuperseded      Reason = 4
	reasonCessation       Reason = 5
	reasonHold            Reason = 6
	reasonRemovedFromList Reason = 8
)

// RevokedAt reports whether the certificate was revoked at a time. A revocation is final, so a
// statement from before that time counts too, except for a hold, which may have ended since.
func (s Statement) RevokedAt(at time.Time) bool {
	return s.Revoked && !s.Since.After(at) && (s.Reason != reasonHold || s.about(at))
}

// GoodAt reports whether the statement shows that the certificate was not revoked at a time.
func (s Statement) GoodAt(at time.Time) bool {
	return s.complete && s.about(at) && !s.RevokedAt(at)
}

// Compromised reports whether the key may have been used by others before the revocation, so that
// what it signed counts only if there is other proof that this was done before. RFC 3161, 4, lists
// the reasons for which it does not.
func (s Statement) Compromised() bool {
	switch s.Reason {
	case reasonUnspecified, reasonAffiliation, reasonSuperseded, reasonCessation:
		return false
	}
	return s.Revoked
}

// about reports whether the statement is about the time at or a later one. A certificate that was
// good later was good before.
func (s Statement) about(at time.Time) bool {
	return !s.ThisUpdate.Before(at) || !s.NextUpdate.IsZero() && !s.NextUpdate.Before(at)
}
