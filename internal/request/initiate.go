package request

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
)

// Application is a relying party's request: the claims of its initiate token, with their form
// checked.
type Application struct {
	ClientID   string
	DocName    string
	Locations  []api.Location
	SignerHash string // empty if no signer is named
	Ticket     Ticket // of the token; zero if the token may be used again
}

// Initiate stores the document in body, checks it, and creates a sign request. It reads body once
// and streams it to disk, never holding the whole document in memory.
func (s *Service) Initiate(
	ctx context.Context, a Application, body io.Reader,
) (*api.Initiated, error) {
	if err := s.Documents.Room(ctx); err != nil {
		return nil, err
	}
	now := s.now()
	id, err := s.newRequestID(now)
	if err != nil {
		return nil, err
	}
	exchange, err := uuid.NewRandomFromReader(s.Rand)
	if err != nil {
		return nil, err
	}

	key := id + "/original"
	doc, findings, err := s.receive(ctx, a.ClientID, key, body, locations(a.Locations))
	if err != nil {
		// The caller's context may have ended, and caused the failure. PurgeStrays deletes what is
		// left after a crash.
		s.discard(key)
		return nil, err
	}

	now = s.now() // the 30 minutes begin after the upload
	r := &Request{
		ID: id, ClientID: a.ClientID, State: StateCreated,
		DocName: a.DocName, Locations: a.Locations, SignerHash: a.SignerHash,
		ExchangeHash: exchangeHash(exchange.String()),
		CreatedAt:    now, ExpiresAt: now.Add(api.RequestLifetime * time.Second),
		Document: *doc, Warnings: s.warnings(findings),
	}
	e := Effects{Ticket: a.Ticket}
	detail := Detail{
		Pages: fmt.Sprint(doc.Pages), Size: fmt.Sprint(doc.Size),
		Places: fmt.Sprint(len(a.Locations)), ClientID: a.ClientID,
	}
	if len(findings) > 0 {
		detail.Findings = findingsText(findings)
	}
	e.record(now, EventInitiated, detail)
	if err := s.Store.Create(ctx, r, e); err != nil {
		s.abandon(key, err)
		return nil, err
	}
	if s.Initiated != nil {
		s.Initiated(r)
	}
	return &api.Initiated{
		SigningURL:   s.PublicURL + "/sign/" + id,
		RequestID:    id,
		ExchangeCode: exchange.String(),
	}, nil
}

// receive stores the body and checks it against every rule for documents. It computes the hash
// while storing, so that the stored document need not be read again.
func (s *Service) receive(
	ctx context.Context, party, key string, body io.Reader, locs []pades.Location,
) (*Document, []pades.Finding, error) {
	doc, err := s.put(ctx, key, &limitedReader{r: body, left: s.MaxDocument})
	if err != nil {
		return nil, nil, err
	}
	if doc.Size == 0 {
		return nil, nil, api.ErrClientSide("The body is empty: send the PDF's bytes")
	}
	turn, err := s.parsing.take(ctx, party)
	if err != nil {
		return nil, nil, err
	}
	defer turn.end()
	stored, err := s.Documents.Open(ctx, key)
	if err != nil {
		return nil, nil, err
	}
	defer stored.Close()
	parsed := &reading{Blob: stored}
	in, err := pades.Inspect(ctx, parsed, doc.Size, locs, s.PDFLimits)
	if failure := parsed.failure(); failure != nil {
		return nil, nil, failure
	}
	if err != nil {
		return nil, nil, refusalOf(err)
	}
	if err := s.checkContent(in.Findings); err != nil {
		return nil, nil, err
	}
	doc.Pages, doc.Signatures = in.Pages, in.Signatures
	return &doc, in.Findings, nil
}

// newKey returns a key that no document of the request has. The name in it begins with prefix.
func (s *Service) newKey(id, prefix string) (string, error) {
	name, err := s.secret()
	return id + "/" + prefix + name, err
}

// put stores the contents of r and returns their key, size and digest.
func (s *Service) put(ctx context.Context, key string, r io.Reader) (Document, error) {
	sum := sha256.New()
	size, err := s.Documents.Put(ctx, key, io.TeeReader(r, sum))
	return Document{Key: key, Size: size, SHA256: sum.Sum(nil)}, err
}

// abandon deletes bytes after the change that was to name them in the record has failed with err.
// It keeps them if the outcome of the change is unknown, because the record may name them.
// Otherwise a purge of the request or PurgeStrays deletes them.
func (s *Service) abandon(key string, err error) {
	if !errors.Is(err, ErrUncertain) {
		s.discard(key)
	}
}

// discard deletes bytes that no record names.
func (s *Service) discard(key string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Documents.Delete(ctx, key); err != nil {
		s.Log.Warn("deleting bytes without a record failed", "key", key, "err", err)
	}
}

// ErrTooLarge is the refusal of docs/contract.md, 3.5.1.
var ErrTooLarge = api.ErrClientSide(
	"The document is too large: it must be smaller than 10 MiB (10485760 bytes)",
)

// limitedReader fails when the body reaches the limit, so that an endless upload ends.
type limitedReader struct {
	r    io.Reader
	left int64 // bytes until the limit
}

func (l *limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left <= 0 {
		return n, ErrTooLarge
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = api.ErrClientSide("The upload was interrupted").Because("reading the body: %w", err)
	}
	return n, err
}

func exchangeHash(code string) []byte {
	sum := sha256.Sum256([]byte(code))
	return sum[:]
}
