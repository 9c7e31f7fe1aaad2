package pades

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
)

// Inspection describes a document that can be signed.
type Inspection struct {
	Pages   int    `json:"pages"`
	Version string `json:"version"` // of PDF, such as "1.7"
	// Sizes are those of the pages that have locations, in points as displayed, without duplicates.
	Sizes []PageSize `json:"sizes"`
	// Signatures is the number of existing signatures, document timestamps included.
	Signatures int       `json:"signatures"`
	Findings   []Finding `json:"findings,omitempty"`
}

// PageSize is the size of a page as displayed, in points.
type PageSize struct {
	Page   int     `json:"page"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
}

// Inspect checks a document and the places against all rules, and looks for content that a signer
// should know of. It runs Prepare with placeholders, so a document that passes can be prepared. A
// refusal is a *pdf.Refusal whose Detail names the location, the page and the numbers.
func Inspect(
	ctx context.Context, r io.ReaderAt, size int64, locs []Location, lim pdf.Limits,
) (*Inspection, error) {
	lim = headroom(lim)
	d, err := pdf.Open(r, size, lim)
	if err != nil {
		return nil, err
	}
	out := &Inspection{Pages: d.NumPages()}
	if out.Version, err = d.Version(); err != nil {
		return nil, err
	}
	if out.Signatures, err = checkSignatures(d); err != nil {
		return nil, err
	}
	if err := d.Charge(reserve(lim.Work, out.Signatures)); err != nil {
		return nil, err
	}
	if err := rehearse(d, locs); err != nil {
		return nil, err
	}
	seen := make(map[int]bool)
	for _, l := range locs {
		if seen[l.Page] {
			continue
		}
		seen[l.Page] = true
		page, err := d.Page(l.Page)
		if err != nil {
			return nil, err
		}
		w, h := page.DisplaySize()
		out.Sizes = append(out.Sizes, PageSize{l.Page, w, h})
	}
	if out.Findings, err = findings(ctx, d, locs); err != nil {
		return nil, err
	}
	return out, nil
}

// spareObjects is more than the number of objects in both updates: 20 fields, a few dozen parts of
// the appearance and of the evidence, and annotations.
const spareObjects = 500 + pdf.MaxSeparated

// headroom returns limits that leave room for what signing adds, so that a document that was
// accepted does not exceed a limit when it is sealed, and sets the other limits that Inspect uses.
func headroom(lim pdf.Limits) pdf.Limits {
	if lim.Revisions == 0 {
		lim.Revisions = 1000
	}
	if lim.Objects == 0 {
		lim.Objects = 500_000
	}
	if lim.Work == 0 {
		lim.Work = verifyWork / 2
	}
	lim.Revisions -= min(4, lim.Revisions-1)
	lim.Objects -= min(spareObjects, lim.Objects-1)
	return lim
}

// reserve returns the part of the work budget that a document with signatures must leave, so that
// one that was accepted can be verified. Verify has twice the budget of Inspect, and for each
// signature, and the two to come, it takes about a quarter of the work of Inspect.
func reserve(work int64, signatures int) int64 {
	return max(0, work-8*work/int64(signatures+2))
}

// rehearse writes both updates, as one, with placeholders for everything that is not known yet. It
// detects every structure that they could not handle before the document is accepted.
func rehearse(d *pdf.Document, locs []Location) error {
	u := pdf.NewUpdate(d)
	trial := Options{
		Locations: locs, FieldName: "trial", SignedAt: time.Unix(0, 0), Certify: true,
		rehearsal: true,
	}
	if _, err := draft(u, d, trial); err != nil {
		return err
	}
	if err := (&gathered{}).write(u, d, &signature{}); err != nil {
		return err
	}
	if _, err := addStampField(u, d, "trial", 0); err != nil {
		return err
	}
	if err := u.Finish(zeros{}); err != nil {
		return err
	}
	_, err := newParsedEvidence(0).read(d, nil) // without its data
	return err
}

// zeros is the random source of a trial update, which is discarded.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// checkSignatures counts the existing signatures and refuses those below PAdES B-T. Without a
// timestamp they end with their certificate, and a document with one expired signature is shown as
// invalid.
func checkSignatures(d *pdf.Document) (int, error) {
	sigs, err := signatures(d)
	if err != nil {
		return 0, err
	}
	if len(sigs) > maxSignatures-2 { // leaves room for the new signature and its timestamp
		return 0, &pdf.Refusal{
			Reason: TooManySignatures, Detail: fmt.Sprintf("%d signatures", len(sigs)),
		}
	}
	for _, s := range sigs {
		refuse := func(why string) error {
			return &pdf.Refusal{
				Reason: SignatureLevel,
				Detail: fmt.Sprintf(
					"the existing signature %q is not PAdES level B-T: %s", s.fields[0].Name, why,
				),
			}
		}
		if err := s.read(d); err != nil {
			if errors.Is(err, errForm) {
				return 0, refuse(err.Error())
			}
			return 0, err
		}
		switch s.subFilter {
		case subFilterStamp:
		case subFilterCAdES:
			sd, err := cms.Parse(s.message)
			if err != nil {
				return 0, refuse(err.Error())
			}
			if len(sd.Signer.Timestamps()) == 0 {
				return 0, refuse("it has no timestamp")
			}
		default:
			return 0, refuse(fmt.Sprintf("its /SubFilter is %q", s.subFilter))
		}
	}
	return len(sigs), nil
}
