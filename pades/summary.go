package pades

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
)

// Summary is a [Report] for JSON. docs/signatures.md has its schema. Names and codes do not change.
type Summary struct {
	// Valid says that the indication is TOTAL-PASSED.
	Valid         bool               `json:"valid"`
	Indication    Indication         `json:"indication"`
	SubIndication SubIndication      `json:"sub_indication,omitempty"`
	Problems      []ProblemSummary   `json:"problems,omitempty"` // of the file as a whole
	Signatures    []SignatureSummary `json:"signatures"`
}

// ProblemSummary is a [Problem].
type ProblemSummary struct {
	SubIndication SubIndication `json:"sub_indication"`
	Text          string        `json:"text"`
}

// SignatureSummary is the verdict on one signature.
type SignatureSummary struct {
	Kind          string        `json:"kind"` // "signature" or "document-timestamp"
	Indication    Indication    `json:"indication"`
	SubIndication SubIndication `json:"sub_indication,omitempty"`

	// Is it intact? Is the certificate trusted? What did later revisions change?
	Intact  bool       `json:"intact"`
	Trusted bool       `json:"trusted"`
	Later   ChangeKind `json:"later,omitempty"` // archive, form-fill, annotation or other
	// Unjudged says that not all was compared; Intact is then false and Later is other.
	Unjudged bool `json:"unjudged,omitempty"`

	Signer *CertificateSummary `json:"signer,omitempty"`
	Issuer *CertificateSummary `json:"issuer,omitempty"` // if it is in the file or trusted
	// B-B, B-T, B-LT, B-LTA; "none" if not TOTAL-PASSED; absent for timestamps
	Level     string     `json:"level,omitempty"`
	ClaimedAt *time.Time `json:"claimed_at,omitempty"`
	StampedAt *time.Time `json:"stamped_at,omitempty"`
	// ContentStampedAt is a time after which the signature was made.
	ContentStampedAt *time.Time         `json:"content_stamped_at,omitempty"`
	Fields           []string           `json:"fields"`
	Places           int                `json:"places"` // fields that are visible
	Coverage         Coverage           `json:"coverage"`
	Permissions      *PermissionSummary `json:"permissions,omitempty"`
	Changes          []ChangeSummary    `json:"later_changes,omitempty"`
	Problems         []ProblemSummary   `json:"problems,omitempty"`
}

// CertificateSummary names a certificate.
type CertificateSummary struct {
	Name   string `json:"name"`   // common name, or the whole subject
	Serial string `json:"serial"` // hexadecimal
	SHA256 string `json:"sha256"` // of the DER, hexadecimal
}

// Coverage is the part of the file that a signature covers.
type Coverage struct {
	ByteRange [4]int64 `json:"byte_range"`
	WholeFile bool     `json:"whole_file"` // except white space at the end
}

// PermissionSummary is what the signature and the previous ones allow ([pdf.Permissions]).
type PermissionSummary struct {
	DocMDP int        `json:"doc_mdp,omitempty"` // 1, 2 or 3
	Locks  []pdf.Lock `json:"locks,omitempty"`
}

// ChangeSummary is a [Change].
type ChangeSummary struct {
	Kind    ChangeKind `json:"kind"`
	Allowed bool       `json:"allowed"`
	Page    int        `json:"page,omitempty"`
	Object  int        `json:"object,omitempty"`
	Field   string     `json:"field,omitempty"`
	Text    string     `json:"text"`
	Hides   string     `json:"hides,omitempty"`
}

// Summary returns the report as a Summary. A document without a signature is not valid.
func (r *Report) Summary() Summary {
	out := Summary{Problems: summarize(r.Problems), Signatures: []SignatureSummary{}}
	out.Indication, out.SubIndication = r.Indication()
	out.Valid = out.Indication == TotalPassed
	if len(r.Signatures) == 0 {
		out.Problems = append(
			out.Problems, ProblemSummary{SigConstraintsFailure, ErrUnsigned.Error()},
		)
	}
	for _, s := range r.Signatures {
		sum := SignatureSummary{
			Kind: "signature", Intact: s.Intact(), Trusted: s.Trusted(), Later: s.Later(),
			Unjudged:  s.Unjudged,
			Level:     s.Level.String(),
			ClaimedAt: moment(s.ClaimedAt), StampedAt: moment(s.StampedAt), Fields: s.Fields,
			ContentStampedAt: moment(s.ContentStampedAt), Places: s.Appearances,
			Coverage: Coverage{s.ByteRange, s.WholeFile}, Problems: summarize(s.Problems),
		}
		sum.Indication, sum.SubIndication = s.Indication()
		if s.DocumentTimestamp {
			sum.Kind, sum.Level = "document-timestamp", ""
		}
		sum.Signer = certificate(s.Signer)
		if len(s.Chain) > 1 {
			sum.Issuer = certificate(s.Chain[1])
		}
		if p := s.Permissions; p != nil && (p.DocMDP > 0 || len(p.Locks) > 0) {
			sum.Permissions = &PermissionSummary{p.DocMDP, p.Locks}
		}
		for _, c := range s.Changes {
			sum.Changes = append(sum.Changes, ChangeSummary(c))
		}
		out.Signatures = append(out.Signatures, sum)
	}
	return out
}

func summarize(problems []*Problem) (out []ProblemSummary) {
	for _, p := range problems {
		out = append(out, ProblemSummary{p.SubIndication, p.Error()})
	}
	return out
}

func certificate(c *x509.Certificate) *CertificateSummary {
	if c == nil {
		return nil
	}
	sum := sha256.Sum256(c.Raw)
	out := &CertificateSummary{
		Name: c.Subject.CommonName, Serial: c.SerialNumber.Text(16),
		SHA256: hex.EncodeToString(sum[:]),
	}
	if out.Name == "" {
		out.Name = c.Subject.String()
	}
	return out
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
