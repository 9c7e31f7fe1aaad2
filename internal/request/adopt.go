package request

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
)

// ErrAdopted is the refusal of [Service.Adopt] for a request that is signed in the database.
var ErrAdopted = errors.New("the database has its signed document")

// Adoption is a signed document whose record is lost, or is older than its signature, because an
// older database was restored.
type Adoption struct {
	RequestID string
	Events    []Event // the whole trail, as the audit log proves it
}

// SHA256 returns the digest of the newest signed document that the trail names, or nil if it does
// not tell of a signature.
func (a *Adoption) SHA256() []byte {
	for _, e := range slices.Backward(a.Events) {
		if e.Kind == EventSigned || e.Kind == EventRenewed {
			sum, err := hex.DecodeString(e.Detail.SHA256)
			if err == nil && len(sum) == sha256.Size {
				return sum
			}
		}
	}
	return nil
}

// Adopt makes a request signed again, with a document that has the digest of the trail. A record of
// the database that is older than the signature is continued. If there is none, a record is made of
// what the trail and the document prove: the relying party, the times, the phone and its
// certificate. It has no signer, as that of a person who was forgotten, no document name and no
// exchange code, so that the relying party cannot ask for the result. Its webhook is sent if the
// trail does not say that it was accepted, and can be sent again. by is who adopts it, for the
// trail. The error says what is not proven.
func (s *Service) Adopt(ctx context.Context, a Adoption, document Blob, by string) (err error) {
	want := a.SHA256()
	if len(a.Events) == 0 || a.Events[0].Kind != EventInitiated || want == nil {
		return errors.New("its trail does not tell of its initiation and its signature")
	}
	known := 0 // events in the database
	r, err := s.Store.Get(ctx, a.RequestID)
	if errors.Is(err, api.ErrNoRecord) {
		r, err = a.request()
	} else if err == nil {
		known, err = s.known(ctx, r, a.Events)
	}
	if err != nil {
		return err
	}
	key, err := s.newKey(r.ID, signedPrefix)
	if err != nil {
		return err
	}
	stored, err := s.put(ctx, key, io.NewSectionReader(document, 0, document.Size()))
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			s.abandon(key, err)
		}
	}()
	if !bytes.Equal(stored.SHA256, want) {
		return errors.New("the document is not the one that its trail names")
	}
	doc := &SignedDocument{Document: stored}
	approval, err := s.adoptable(ctx, r, doc, a.Events)
	if err != nil {
		return err
	}
	return s.adopt(ctx, r, a.Events[known:], doc, approval, by)
}

// request returns the record of a request that the database does not know, but for what concerns
// its signed document.
func (a *Adoption) request() (*Request, error) {
	first := a.Events[0]
	if first.Detail.ClientID == "" {
		return nil, errors.New("its trail, of an earlier release, does not name the relying party")
	}
	size, sizeErr := strconv.ParseInt(first.Detail.Size, 10, 64)
	pages, pagesErr := strconv.Atoi(first.Detail.Pages)
	return &Request{
		ID: a.RequestID, ClientID: first.Detail.ClientID, DocName: forgottenName,
		CreatedAt: first.At, ExpiresAt: first.At.Add(api.RequestLifetime * time.Second),
		Document: Document{Size: size, Pages: pages},
	}, errors.Join(sizeErr, pagesErr)
}

// known returns how many events of a trail the database has, if the trail continues that of the
// record.
func (s *Service) known(ctx context.Context, r *Request, trail []Event) (int, error) {
	if _, err := r.State.adopted(); err != nil {
		return 0, err
	}
	known, err := s.Store.Events(ctx, r.ID)
	if err != nil {
		return 0, err
	}
	for i, e := range known {
		if e.Kind == EventExpired && i == len(known)-1 { // since the restore
			return i, nil
		}
		if i >= len(trail) || trail[i].Kind != e.Kind || !trail[i].At.Equal(e.At) ||
			trail[i].Detail != e.Detail {
			return 0, fmt.Errorf("event %d of its trail is another one in the database", i+1)
		}
	}
	return len(known), nil
}

// adoptable verifies a stored document, completes what the record says of it, and returns the
// approval that it proves.
func (s *Service) adoptable(
	ctx context.Context, r *Request, doc *SignedDocument, trail []Event,
) (*Approval, error) {
	b, err := s.Documents.Open(ctx, doc.Key)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	report, err := s.verify(ctx, r.ClientID, b)
	if err != nil {
		return nil, err
	}
	// The newest signature of a person is this request's, because the document has its digest.
	ours := -1
	for i, signature := range report.Signatures {
		if !signature.DocumentTimestamp {
			ours = i
		}
	}
	if ours < 0 {
		return nil, pades.ErrUnsigned
	}
	signature := report.Signatures[ours]
	if err := signature.Err(); err != nil {
		return nil, fmt.Errorf("its signature does not verify: %w", err)
	}
	doc.Pages, doc.Name = r.Document.Pages, signature.Signer.Subject.CommonName
	doc.Level, doc.Until = signature.Level.String(), report.Until()
	r.Document.Signatures = ours
	approval := &Approval{Certificate: signature.Signer.Raw}
	for _, e := range trail {
		switch e.Kind {
		case EventApproved:
			approval.At, approval.PhoneID = e.At, e.Detail.Phone
		case EventSigned:
			doc.At = e.At
		}
	}
	return approval, nil
}

// accepted reports whether an event is a webhook that the receiver accepted.
func accepted(e Event) bool { return e.Kind == EventWebhook && e.Detail.Error == "" }

// adopt writes the record and the new events of its trail.
func (s *Service) adopt(
	ctx context.Context, r *Request, trail []Event, doc *SignedDocument, approval *Approval,
	by string,
) error {
	state, err := r.State.adopted()
	if err != nil {
		return err
	}
	r.State, r.Signed, r.Approval, r.Session = state, doc, approval, nil
	forgotten := func(e Event) bool { return e.Kind == EventForgotten }
	if slices.ContainsFunc(trail, forgotten) {
		r.forget()
	}
	e := Effects{Events: slices.Clone(trail)}
	e.record(s.now(), EventAdopted, Detail{By: by})
	if doc.Level == pades.LevelLTA.String() {
		e.Enqueue(JobRenew, s.renewalDue(doc.Until))
	}
	e.purge(s.now())
	e.Enqueue(JobWebhook, s.now())
	if slices.ContainsFunc(trail, accepted) { // an operator can send it again
		e.Jobs[len(e.Jobs)-1].Status = JobDone
	}
	if r.Version == 0 {
		return s.Store.Create(ctx, r, e)
	}
	return s.Store.Update(ctx, r.ID, func(now *Request) (Effects, error) {
		if now.Version != r.Version {
			return Effects{}, errors.New("the request has changed; adopt it again")
		}
		*now = *r.Clone()
		return e, nil
	})
}
