package request

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/subtle"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/cms"
)

// Challenge is the data that a phone shows and signs.
type Challenge struct {
	Request *Request
	// the DER of the CMS signed attributes; the phone signs its SHA-256 (RFC 5652, section 5.4)
	ToBeSigned []byte
	// the part of the prepared document that the signature covers: offset and length, twice (ISO
	// 32000-2, 12.8.1)
	ByteRange [4]int64
}

// Challenge returns the challenge of a phone that has scanned the QR code. The first scan in a
// session prepares the document: the signed document except for the phone's signature is then on
// disk.
func (s *Service) Challenge(
	ctx context.Context, id, sessionID string, phone signer.Phone,
) (*Challenge, error) {
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		return nil, err
	}
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkPhone(r, sessionID, phone); err != nil {
		return nil, err
	}
	if _, err := s.chain(r, cert); err != nil {
		return nil, err
	}
	if r.Session.Prepared == nil {
		if r, err = s.prepare(ctx, r, sessionID, phone, cert); err != nil {
			return nil, err
		}
	}
	p, err := s.prepared(ctx, r.Session.Prepared)
	if err != nil {
		return nil, err
	}
	return &Challenge{Request: r, ToBeSigned: p.SignedAttributes(cert), ByteRange: p.ByteRange}, nil
}

// PreparedDocument is the document that a phone is asked to sign, complete except for the
// signature, whose space is empty. It begins with the uploaded document.
type PreparedDocument struct {
	io.Reader
	io.Closer
	Size int64
}

// PreparedDocument opens the document of a phone's challenge, so that the phone can check and show
// what it signs.
func (s *Service) PreparedDocument(
	ctx context.Context, id, sessionID string, phone signer.Phone,
) (*PreparedDocument, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := s.checkPhone(r, sessionID, phone); err != nil {
		return nil, err
	}
	if r.Session.Prepared == nil {
		return nil, errNotAsked
	}
	p, err := s.prepared(ctx, r.Session.Prepared)
	if err != nil {
		return nil, err
	}
	original, err := s.Documents.Open(ctx, r.Document.Key)
	if err != nil {
		return nil, err
	}
	hole := bytes.Repeat([]byte{'0'}, int(p.Hole))
	hole[0], hole[len(hole)-1] = '<', '>'
	return &PreparedDocument{
		Reader: io.MultiReader(
			io.NewSectionReader(original, 0, p.Size),
			bytes.NewReader(p.Before),
			bytes.NewReader(hole),
			bytes.NewReader(p.After),
		),
		Closer: original,
		Size:   p.Size + int64(len(p.Before)) + p.Hole + int64(len(p.After)),
	}, nil
}

// Refusals of a phone: one that signs or reads the document before it has got its challenge, one
// with the id of an old session, and the sandbox's fault.
var (
	errNotAsked = api.ErrNoActiveSession.Because("the phone has not asked what to sign")
	errReplaced = api.ErrNoActiveSession.Because("the session was replaced by a newer one")
	errSilent   = api.ErrUnavailable.Because("injected fault: phones do not answer")
)

// checkPhone checks that a phone may take part in r's session.
func (s *Service) checkPhone(r *Request, sessionID string, phone signer.Phone) error {
	if _, err := r.actBy(signer.Person{UIN: phone.UIN}, ActApprove); err != nil {
		return err
	}
	if !equal(r.Session.ID, sessionID) {
		return errReplaced
	}
	if phone.Revoked(s.now()) {
		return api.ErrPhoneNotEnrolled.Because("the phone was revoked")
	}
	if !phone.Active(s.now()) {
		return api.ErrPhoneWaiting
	}
	if s.silent(sessionID) {
		return errSilent
	}
	return nil
}

func (s *Service) silent(sessionID string) bool { return s.Silent != nil && s.Silent(sessionID) }

// sealMargin is the time for sealing a document after the end of its session, while a timestamp
// authority answers. A phone whose certificate ends earlier may not sign in the session.
const sealMargin = 5 * time.Minute

// chain returns the certificates from the phone's to the root. It checks that the phone's will
// still be valid when the signature gets its timestamp, and that none above it was revoked.
// Otherwise the release gate would refuse the signature after the signer has seen it accepted.
func (s *Service) chain(r *Request, cert *x509.Certificate) ([]*x509.Certificate, error) {
	if cert.NotAfter.Before(r.Session.EndsAt.Add(sealMargin)) {
		return nil, api.ErrPhoneNotEnrolled.Because(
			"the phone's certificate ends on %s", cert.NotAfter.UTC().Format(time.RFC3339),
		)
	}
	above, err := s.Chain(cert)
	return append([]*x509.Certificate{cert}, above...), err
}

// prepare writes the increment first and its record second. If two phones scan at the same time,
// the first record counts.
func (s *Service) prepare(
	ctx context.Context, r *Request, sessionID string, phone signer.Phone, cert *x509.Certificate,
) (*Request, error) {
	original, err := s.Documents.Open(ctx, r.Document.Key)
	if err != nil {
		return nil, err
	}
	defer original.Close()
	turn, err := s.parsing.take(ctx, r.ClientID)
	if err != nil {
		return nil, err
	}
	defer turn.end()
	chain, err := s.chain(r, cert)
	if err != nil {
		return nil, err
	}
	parsed := &reading{Blob: original}
	p, err := pades.Prepare(parsed, original.Size(), pades.Options{
		Locations:  locations(r.Locations),
		FieldName:  r.ID,
		SignerName: r.Signer.Name,
		SignedAt:   s.now().In(Singapore()),
		Sandbox:    s.Sandbox,
		Background: s.Background,
		Certify:    s.Certify,
		HanForms:   s.HanForms,
		Room:       pades.Room(chain, s.Timestamper),
		Rand:       s.Rand,
		Limits:     s.PDFLimits,
	})
	if err := cmp.Or(parsed.failure(), err); err != nil {
		return nil, fmt.Errorf("preparing the signature: %w", err)
	}
	// The phone would sign other bytes than those on record.
	if !bytes.Equal(p.SHA256[:], r.Document.SHA256) {
		return nil, fmt.Errorf(
			"preparing the signature: the document of request %s is not what was received", r.ID,
		)
	}
	body, err := encodePrepared(p)
	if err != nil {
		return nil, err
	}
	key, err := s.newKey(r.ID, "prepared-")
	if err != nil {
		return nil, err
	}
	if _, err := s.Documents.Put(ctx, key, bytes.NewReader(body)); err != nil {
		return nil, err
	}
	var prepared *Request
	err = s.update(ctx, r.ID, func(r *Request, now time.Time) (e Effects, err error) {
		if err := s.checkPhone(r, sessionID, phone); err != nil {
			return e, err
		}
		if r.Session.Prepared == nil {
			r.Session.Prepared = &Prepared{Key: key, Digest: p.Digest[:], At: now}
			e.record(now, EventScanned, Detail{Phone: phone.ID})
		}
		prepared = r.Clone()
		return e, nil
	})
	if err != nil {
		s.abandon(key, err)
		return nil, err
	}
	if prepared.Session.Prepared.Key != key {
		s.discard(key)
	}
	return prepared, nil
}

// VerifyUser checks that the person who holds the phone was verified for exactly this signature:
// message is the DER of the CMS signed attributes.
type VerifyUser func(message []byte) (signer.Assertion, error)

// Approve accepts the phone's signature (raw r||s as WebCrypto makes it, or DER) over the
// challenge. If it returns nil, the signature is on disk and a worker will seal the document, also
// after a crash of this process. The same approval again has the same answer; any other is refused.
//
// If verify is not nil, the signature is accepted only if verify returns no error, and the trail
// keeps the assertion. It is not called for an approval that was accepted before.
func (s *Service) Approve(
	ctx context.Context, id, sessionID string, phone signer.Phone, signature []byte,
	verify VerifyUser,
) error {
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		return err
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return errors.New("the phone's certificate is not for an EC key")
	}
	der, err := cms.ECDSAToDER(pub, signature)
	if err != nil {
		return api.ErrSignatureInvalid.Because("%w", err)
	}
	r, err := s.Get(ctx, id)
	if err != nil {
		return err
	}
	// The expensive check comes before the transaction. It stays valid: the transaction requires
	// this session, and a session's prepared document never changes.
	checked := r.State.InSession() && r.Session.Prepared != nil && equal(r.Session.ID, sessionID)
	detail := Detail{Phone: phone.ID}
	if checked {
		if err := s.checkSignature(ctx, r, cert, der, verify, &detail); err != nil {
			return err
		}
	}

	var refused error // a refusal with an event is committed, not rolled back
	err = s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		refused = nil
		if a := r.Approval; a != nil && equal(a.SessionID, sessionID) &&
			bytes.Equal(a.Signature, der) {
			return e, nil
		}
		if err := s.checkPhone(r, sessionID, phone); err != nil {
			if table[ActApprove][r.State].logged {
				refused = err
				e.record(now, EventApproveRefused, Detail{Phone: phone.ID, State: string(r.State)})
				return e, nil
			}
			return e, err
		}
		if r.Session.Prepared == nil || !checked { // or it was prepared after the check
			return e, errNotAsked
		}
		if _, err := s.chain(r, cert); err != nil {
			return e, err
		}
		r.State = table[ActApprove][r.State].to
		r.Approval = &Approval{
			SessionID: sessionID, PhoneID: phone.ID, Certificate: phone.Certificate, Signature: der,
			At: now, SealBy: now.Add(s.SealTimeout),
		}
		if cert.NotAfter.Before(r.Approval.SealBy) { // no later timestamp would help
			r.Approval.SealBy = cert.NotAfter.UTC()
		}
		e.record(now, EventApproved, detail)
		e.Enqueue(JobSeal, now)
		return e, nil
	})
	return errors.Join(err, refused)
}

// checkSignature checks a signature over the document that was prepared in r's session, and the
// person who made it. It adds the assertion to the detail.
func (s *Service) checkSignature(
	ctx context.Context, r *Request, cert *x509.Certificate, der []byte, verify VerifyUser,
	d *Detail,
) error {
	p, err := s.prepared(ctx, r.Session.Prepared)
	if err != nil {
		return err
	}
	if err := p.VerifySignature(cert, der); err != nil {
		return api.ErrSignatureInvalid.Because("%w", err)
	}
	if verify == nil {
		return nil
	}
	a, err := verify(p.SignedAttributes(cert))
	if err != nil {
		return err
	}
	d.UserVerified, d.Authenticator = signer.VerifiedByWebAuthn, a.AAGUID
	d.Assertion, err = a.JSON()
	return err
}

// Reject ends the session for the phone.
func (s *Service) Reject(ctx context.Context, id, sessionID string, phone signer.Phone) error {
	return s.update(ctx, id, func(r *Request, now time.Time) (Effects, error) {
		if _, err := r.actBy(signer.Person{UIN: phone.UIN}, ActReject); err != nil {
			return Effects{}, err
		}
		if !equal(r.Session.ID, sessionID) {
			return Effects{}, errReplaced
		}
		if s.silent(sessionID) {
			return Effects{}, errSilent
		}
		return r.endSession(ActReject, OutcomeRejected, now), nil
	})
}

// Singapore is the zone of the times that people see: in signature boxes (docs/contract.md, 4.5)
// and on pages. It has no daylight saving.
func Singapore() *time.Location { return time.FixedZone("SGT", 8*60*60) }

// equal compares secrets in constant time.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }

func locations(from []api.Location) []pades.Location {
	to := make([]pades.Location, len(from))
	for i, l := range from {
		to[i] = pades.Location(l)
	}
	return to
}
