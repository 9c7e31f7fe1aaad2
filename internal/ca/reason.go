package ca

import (
	"fmt"
	"slices"
	"strings"
)

// reasons are the names of the CRLReasons (RFC 5280, 5.3.1) that a certificate can be revoked with.
// Without certificateHold and removeFromCRL: a revocation is final.
var reasons = map[string]int{
	"unspecified": 0, "keyCompromise": 1, "cACompromise": 2, "affiliationChanged": 3,
	"superseded": 4, "cessationOfOperation": 5, "privilegeWithdrawn": 9,
}

// ParseReason returns the CRLReason with a name of RFC 5280, 5.3.1.
func ParseReason(name string) (int, error) {
	code, ok := reasons[name]
	if !ok {
		return 0, fmt.Errorf("reason %q: it must be one of %s", name, strings.Join(Reasons(), ", "))
	}
	return code, nil
}

// Reasons returns the names of the CRLReasons, in the order of their codes.
func Reasons() (names []string) {
	for name := range reasons {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return reasons[a] - reasons[b] })
	return names
}

// ReasonName returns the name of a CRLReason.
func ReasonName(code int) string {
	for name, c := range reasons {
		if c == code {
			return name
		}
	}
	return fmt.Sprintf("reason %d", code)
}
