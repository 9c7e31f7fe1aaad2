package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"

	"github.com/signet-sign/signet/api"
)

// Request says what is to be signed, where, and by whom.
type Request struct {
	// DocName is shown to the signer, and is the name of the file.
	DocName string

	// Locations are 1 to api.MaxLocations places for signatures, each a box of api.BoxWidth x
	// api.BoxHeight points that must be on its page. The client drops digits after the fourth
	// decimal, which the contract does not accept.
	Locations []api.Location

	// SignerUINHash names the only person who may open and sign the document, as returned by
	// [HashUIN]. If it is empty, the first person who logs in is the signer.
	SignerUINHash string
}

// HashUIN returns the Request.SignerUINHash for a person's NRIC or FIN: lower-case hexadecimal
// SHA-256 of the number in upper case, without surrounding blanks (docs/contract.md, 3.4.1).
// Protect the hash as you protect the number: there are so few numbers that all can be tried.
func HashUIN(uin string) string {
	sum := sha256.Sum256([]byte(strings.ToUpper(strings.TrimSpace(uin))))
	return hex.EncodeToString(sum[:])
}

// ErrDocumentSize is the error for a document that is empty or not smaller than
// api.MaxDocumentBytes. Nothing was sent.
var ErrDocumentSize = errors.New("the document is empty or too large")

// Initiate requests a signature on a PDF (docs/contract.md, 3). Call it when the signer is present,
// because the request expires after 30 minutes. The document is read to its end, and not closed.
//
// Every refusal is final unless [Error.Temporary] says otherwise. The Description of
// CLIENT_SIDE_ERROR says what is wrong with the document or the arguments.
func (c *Client) Initiate(
	ctx context.Context, r Request, document io.Reader,
) (*api.Initiated, error) {
	body, err := io.ReadAll(io.LimitReader(document, api.MaxDocumentBytes))
	if err != nil {
		return nil, fmt.Errorf("client: initiate: read the document: %w", err)
	}
	if len(body) == 0 || len(body) >= api.MaxDocumentBytes {
		return nil, fmt.Errorf(
			"client: initiate: %w: it must have 1 to %d bytes", ErrDocumentSize,
			api.MaxDocumentBytes-1,
		)
	}
	locations := make([]api.Location, len(r.Locations))
	for i, l := range r.Locations {
		locations[i] = api.Location{Page: l.Page, X: fourDecimals(l.X), Y: fourDecimals(l.Y)}
	}
	claims := map[string]any{
		"client_id": c.clientID, "doc_name": r.DocName, "sign_locations": locations,
	}
	if r.SignerUINHash != "" {
		claims["signer_uin_hash"] = r.SignerUINHash
	}
	var answer api.Initiated
	err = c.json(ctx, call{
		name: "initiate", method: http.MethodPost, path: api.PathRequest,
		contentType: "application/octet-stream", body: body, claims: claims,
	}, &answer, func() error {
		if answer.RequestID == "" || answer.ExchangeCode == "" {
			return errors.New("request_id or exchange_code is missing")
		}
		return requireHTTP("signing_url", answer.SigningURL)
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// fourDecimals drops the digits after the fourth decimal of the number's decimal text. Multiplying
// and flooring would turn 0.57 into 0.5699. It does not change numbers that the service refuses in
// any case.
func fourDecimals(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return v
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	if point := strings.IndexByte(text, '.'); point >= 0 && len(text) > point+5 {
		text = text[:point+5]
	}
	cut, err := strconv.ParseFloat(text, 64)
	if err != nil || v < 0 {
		return v
	}
	return cut
}
