package pades

import "time"

// Summary is a [Report] as JSON, for programs and for the files of disputes.
type Summary struct {
	Valid      bool               `json:"valid"`
	Problems   []string           `json:"problems,omitempty"` // of the file as a whole
	Signatures []SignatureSummary `json:"signatures"`
}

// SignatureSummary is the verdict on one signature.
type SignatureSummary struct {
	Kind      string     `json:"kind"` // "signature" or "document timestamp"
	Signer    string     `json:"signer"`
	Issuer    string     `json:"issuer,omitempty"`
	Trusted   bool       `json:"trusted"` // the certificate chains to a given root
	Level     string     `json:"level"`   // PAdES level, "none" if it is not valid
	ClaimedAt *time.Time `json:"claimed_at,omitempty"`
	StampedAt *time.Time `json:"stamped_at,omitempty"`
	Fields    []string   `json:"fields"`
	Places    int        `json:"places"`
	WholeFile bool       `json:"covers_whole_file"`
	Changes   []string   `json:"later_changes,omitempty"`
	Problems  []string   `json:"problems,omitempty"`
}

// Summary is the report in short. A document without a signature is not valid.
func (r *Report) Summary() Summary {
	out := Summary{Valid: r.Err() == nil, Problems: texts(r.Problems), Signatures: []SignatureSummary{}}
	if len(r.Signatures) == 0 {
		out.Problems = append(out.Problems, ErrUnsigned.Error())
	}
	for _, s := range r.Signatures {
		sum := SignatureSummary{
			Kind: "signature", Trusted: s.Chain != nil, Level: s.Level.String(), ClaimedAt: moment(s.ClaimedAt), StampedAt: moment(s.StampedAt),
			Fields: s.Fields, Places: s.Appearances, WholeFile: s.WholeFile, Changes: s.Changes, Problems: texts(s.Problems),
		}
		if s.DocumentTimestamp {
			sum.Kind = "document timestamp"
		}
		if s.Signer != nil {
			sum.Signer, sum.Issuer = s.Signer.Subject.CommonName, s.Signer.Issuer.CommonName
		}
		out.Signatures = append(out.Signatures, sum)
	}
	return out
}

func texts(errs []error) (out []string) {
	for _, err := range errs {
		out = append(out, err.Error())
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
