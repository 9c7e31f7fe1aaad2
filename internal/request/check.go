package request

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
)

// strangers is the party in whose name documents of people without a login are parsed. All of
// them share what one relying party may take.
const strangers = ""

// Check judges a document that anyone brings: its signatures, and what came after them. The
// document is in memory until then, at most api.MaxDocumentBytes, and nothing of it is stored. A
// document that cannot be read as a PDF is an *api.Error.
func (s *Service) Check(ctx context.Context, body io.Reader) (*pades.Report, error) {
	doc, err := io.ReadAll(&limitedReader{r: body, left: api.MaxDocumentBytes})
	if err != nil {
		return nil, err
	}
	turn, err := s.parsing.take(ctx, strangers)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	report, err := pades.Verify(bytes.NewReader(doc), int64(len(doc)), s.trust())
	if err != nil {
		return nil, refusalOf(err)
	}
	return report, nil
}

// CheckSigned judges the signed document of a request, as the release did. A request without one
// is api.ErrNoRecord.
func (s *Service) CheckSigned(ctx context.Context, id string) (report *pades.Report, err error) {
	err = twice(func() error {
		r, err := s.Get(ctx, id)
		if err != nil {
			return err
		}
		if !r.State.Signed() {
			return api.ErrNoRecord
		}
		signed, err := s.Documents.Open(ctx, r.Signed.Key)
		if err != nil {
			return err
		}
		report, err = s.verify(ctx, r.ClientID, signed)
		return errors.Join(err, signed.Close())
	})
	return report, err
}
