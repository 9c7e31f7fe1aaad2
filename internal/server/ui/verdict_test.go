package ui_test

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/pades"
)

// TestVerdictOnCertificates says of a certificate what its worst problem is, also if something else
// is wrong too.
func TestVerdictOnCertificates(t *testing.T) {
	other := &pades.Problem{SubIndication: pades.HashFailure, Err: errors.New("changed")}
	for sub, want := range map[pades.SubIndication][2]string{
		"":                            {"verify.trusted", "good"},
		pades.NoCertificateChainFound: {"verify.untrusted", "warn"},
		pades.Revoked:                 {"verify.revoked", "bad"},
		pades.RevokedNoPOE:            {"verify.revoked.unproven", "warn"},
		pades.RevokedCANoPOE:          {"verify.revoked.unproven", "warn"},
		pades.Expired:                 {"verify.outside", "bad"},
		pades.NotYetValid:             {"verify.outside", "bad"},
		pades.OutOfBoundsNoPOE:        {"verify.outside.unproven", "warn"},
	} {
		s := &pades.Signature{Fields: []string{"one"}, Problems: []*pades.Problem{other}}
		if sub != "" {
			problem := &pades.Problem{SubIndication: sub, Err: errors.New("certificate")}
			s.Problems = append(s.Problems, problem)
		}
		if sub != pades.NoCertificateChainFound {
			s.Chain = []*x509.Certificate{{}}
		}
		v := ui.NewVerdict(&pades.Report{Signatures: []*pades.Signature{s}}).Signatures[0]
		if got := [2]string{v.Trusted, v.TrustedTone}; got != want {
			t.Errorf("%s: %q, want %q", sub, got, want)
		}
	}
}

// TestVerdictOnCoveredText does not say that it is uncertain who signed, if only something lies over
// what was signed.
func TestVerdictOnCoveredText(t *testing.T) {
	covered := func() *pades.Signature {
		return &pades.Signature{
			Fields: []string{"one"}, Chain: []*x509.Certificate{{}},
			Changes: []pades.Change{{Kind: pades.ChangeSignature, Allowed: true, Hides: "1,000"}},
			Problems: []*pades.Problem{
				{SubIndication: pades.SigConstraintsFailure, Err: errors.New("covered")},
			},
		}
	}
	good := &pades.Signature{Fields: []string{"two"}, Chain: []*x509.Certificate{{}}}
	stranger := &pades.Signature{Fields: []string{"two"}, Problems: []*pades.Problem{
		{SubIndication: pades.NoCertificateChainFound, Err: errors.New("no root")},
	}}
	large := covered()
	large.Unjudged = true
	for want, lists := range map[string][][]*pades.Signature{
		"verify.covered":        {{covered(), good}},
		"verify.unknown":        {{covered(), stranger}},
		"verify.unjudged.title": {{large, good}},
		"verify.passed":         {{good}},
	} {
		for _, list := range lists {
			if v := ui.NewVerdict(&pades.Report{Signatures: list}); v.Heading != want {
				t.Errorf("%q, want %q", v.Heading, want)
			}
		}
	}
	v := ui.NewVerdict(&pades.Report{Signatures: []*pades.Signature{large}}).Signatures[0]
	if v.Intact != "verify.unjudged" || v.IntactTone != "warn" || v.Later != "verify.later.unjudged" {
		t.Errorf("%q, %q", v.Intact, v.Later)
	}
}

// TestVerdictOnChanges says what was added later, and that it was not allowed if any of it was not.
func TestVerdictOnChanges(t *testing.T) {
	for want, changes := range map[string][]pades.Change{
		"verify.later.nothing":   nil,
		"verify.later.archive":   {{Kind: pades.ChangeArchive, Allowed: true}},
		"verify.later.form-fill": {{Kind: pades.ChangeFormFilling, Allowed: true}},
		"verify.later.forbidden": {
			{Kind: pades.ChangeSignature, Allowed: true, Hides: "1,000"},
			{Kind: pades.ChangeArchive, Allowed: true},
			{Kind: pades.ChangeSignature},
		},
		"verify.later.hides": {
			{Kind: pades.ChangeSignature, Allowed: true, Hides: "1,000", Page: 2},
			{Kind: pades.ChangeArchive, Allowed: true},
		},
	} {
		s := &pades.Signature{Fields: []string{"one"}, Changes: changes}
		v := ui.NewVerdict(&pades.Report{Signatures: []*pades.Signature{s}}).Signatures[0]
		if v.Later != want {
			t.Errorf("%v: %q, want %q", changes, v.Later, want)
		}
		if hidden := strings.HasSuffix(want, ".hides"); hidden != (v.LaterTone == "warn") ||
			hidden && (len(v.Changes) != 1 || v.Changes[0].Hides != "1,000" || v.Changes[0].Page != 2) {
			t.Errorf("%s: %s, %v", want, v.LaterTone, v.Changes)
		}
	}
}
