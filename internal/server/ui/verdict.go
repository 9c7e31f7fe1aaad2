package ui

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/signet-sign/signet/pades"
)

// Verdict is what a person needs to know of a [pades.Report], as keys of messages.
type Verdict struct {
	// Tone is good, warn or bad, and Icon goes with it; Heading and Text say what to make of the
	// document.
	Tone, Icon, Heading, Text string
	Signatures                []SignatureVerdict
	// Places are where the signatures are on the pages.
	Places []VerdictPlace
	// Problems of the file as a whole, in English.
	Problems []*pades.Problem
}

// VerdictPlace is where a signature, by its number from 1, is on a page.
type VerdictPlace struct {
	pades.Place
	Signature int `json:"signature"`
}

// PlacesJSON returns Places as JSON for the viewer.
func (v *Verdict) PlacesJSON() (string, error) {
	b, err := json.Marshal(v.Places)
	return string(b), err
}

// SignatureVerdict answers who signed, when, whether what was signed is intact, and what came
// after.
type SignatureVerdict struct {
	Tone      string // good, warn or bad
	Timestamp bool   // of the document, which no person made
	Name      string // in the certificate
	Issuer    string // "" if the certificate is not trusted
	Intact    string // message key
	Trusted   string
	// IntactTone and TrustedTone are the tones of Intact and Trusted.
	IntactTone, TrustedTone string
	Later                   string
	LaterTone               string
	When                    time.Time // zero if it says none
	Stamped                 bool      // a timestamp proves When
	Pages                   []int
	Changes                 []ChangeVerdict
	Facts                   pades.SignatureSummary
}

// ChangeVerdict is a change that a signature does not allow, or that hides what was signed.
type ChangeVerdict struct {
	Kind  string // message key
	Page  int    // 0 if none
	Field string
	Hides string // the text that it covers
}

// NewVerdict explains a report.
func NewVerdict(r *pades.Report) *Verdict {
	v := &Verdict{Problems: r.Problems}
	facts := r.Summary().Signatures
	for i, s := range r.Signatures {
		v.Signatures = append(v.Signatures, explain(s, facts[i]))
		for _, p := range s.Places {
			v.Places = append(v.Places, VerdictPlace{p, i + 1})
		}
	}
	indication, _ := r.Indication()
	v.Tone, v.Icon, v.Heading, v.Text = "warn", "warn", "verify.unknown", "verify.unknown.text"
	switch {
	case len(r.Signatures) == 0 && len(r.Problems) == 0:
		v.Heading, v.Text = "verify.unsigned", "verify.unsigned.text"
	case indication == pades.TotalPassed:
		v.Tone, v.Icon, v.Heading, v.Text = "good", "check", "verify.passed", "verify.passed.text"
	case indication == pades.TotalFailed:
		v.Tone, v.Icon, v.Heading, v.Text = "bad", "stop", "verify.failed", "verify.failed.text"
	case slices.ContainsFunc(facts, func(s pades.SignatureSummary) bool { return s.Unjudged }):
		v.Heading, v.Text = "verify.unjudged.title", "verify.unjudged"
	case v.onlyCovered():
		v.Heading, v.Text = "verify.covered", "verify.covered.text"
	}
	return v
}

// onlyCovered reports whether all that speaks against a document is that later boxes or marks cover
// what was signed.
func (v *Verdict) onlyCovered() bool {
	covered := false
	for _, s := range v.Signatures {
		covered = covered || s.LaterTone == "warn"
		if s.Tone != "good" && s.LaterTone != "warn" || s.TrustedTone != "good" {
			return false
		}
	}
	return covered && len(v.Problems) == 0
}

func explain(s *pades.Signature, facts pades.SignatureSummary) SignatureVerdict {
	v := SignatureVerdict{
		Tone: "warn", Timestamp: s.DocumentTimestamp, When: s.StampedAt,
		Stamped: !s.StampedAt.IsZero(), Facts: facts,
	}
	if !v.Stamped {
		v.When = s.ClaimedAt
	}
	if facts.Signer != nil {
		v.Name = facts.Signer.Name
	}
	if facts.Issuer != nil {
		v.Issuer = facts.Issuer.Name
	}
	for _, place := range s.Places {
		if n := len(v.Pages); n == 0 || v.Pages[n-1] != place.Page {
			v.Pages = append(v.Pages, place.Page)
		}
	}
	indication, sub := s.Indication()
	switch indication {
	case pades.TotalPassed:
		v.Tone = "good"
	case pades.TotalFailed:
		v.Tone = "bad"
	}
	v.Intact, v.IntactTone = "verify.intact", "good"
	if !s.Intact() {
		v.IntactTone = "bad"
		v.Intact = map[pades.SubIndication]string{
			pades.HashFailure:      "verify.broken.content",
			pades.SigCryptoFailure: "verify.broken.signature",
			pades.FormatFailure:    "verify.broken.later",
		}[sub]
		switch {
		case s.Unjudged && indication == pades.Indeterminate:
			v.Intact, v.IntactTone = "verify.unjudged", "warn"
		case v.Intact == "" || !hasForbidden(s) && sub == pades.FormatFailure:
			v.Intact = "verify.broken.form"
		}
	}
	v.Trusted, v.TrustedTone = trusted(s)
	v.Later = "verify.later." + string(s.Later())
	v.LaterTone = "good"
	switch {
	case s.Unjudged:
		v.Later, v.LaterTone = "verify.later.unjudged", "warn"
	case s.Later() == "":
		v.Later = "verify.later.nothing"
	}
	for _, c := range s.Changes {
		switch {
		case !c.Allowed:
			v.Later, v.LaterTone = "verify.later.forbidden", "bad"
		case c.Hides == "" || s.DocumentTimestamp:
			continue
		case v.LaterTone == "good":
			v.Later, v.LaterTone = "verify.later.hides", "warn"
		}
		v.Changes = append(
			v.Changes, ChangeVerdict{"verify.change." + string(c.Kind), c.Page, c.Field, c.Hides},
		)
	}
	return v
}

// trusted returns the message about the certificate, and its tone.
func trusted(s *pades.Signature) (key, tone string) {
	has := func(subs ...pades.SubIndication) bool {
		return slices.ContainsFunc(s.Problems, func(p *pades.Problem) bool {
			return slices.Contains(subs, p.SubIndication)
		})
	}
	switch {
	case has(pades.Revoked):
		return "verify.revoked", "bad"
	case has(pades.Expired, pades.NotYetValid):
		return "verify.outside", "bad"
	case has(pades.RevokedNoPOE, pades.RevokedCANoPOE):
		return "verify.revoked.unproven", "warn"
	case has(pades.OutOfBoundsNoPOE):
		return "verify.outside.unproven", "warn"
	}
	key, tone = "verify.untrusted", "warn"
	if s.Trusted() {
		key, tone = "verify.trusted", "good"
	}
	if s.DocumentTimestamp {
		key += ".stamp"
	}
	return key, tone
}

func hasForbidden(s *pades.Signature) bool {
	for _, c := range s.Changes {
		if !c.Allowed {
			return true
		}
	}
	return false
}
