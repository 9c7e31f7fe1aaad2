package audit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"time"
)

// Certificate is a certificate that the authority has issued. The log has an event for each, so
// that one that was made with a stolen key is noticed: it is not in the log.
type Certificate struct {
	Serial   string // lower-case hex
	Kind     string // what it is for: "signer", or a part of the authority, such as "issuing"
	SHA256   string // of the DER, lower-case hex
	IssuedAt time.Time

	// Of a certificate of [Certificates]. RevokedAt is zero if it is not revoked, and Reason is the
	// CRLReason. Both are empty for the authority's own certificates.
	RevokedAt time.Time
	Reason    int
	Leaf      int64 // index in the log, or -1
}

// KindSigner is the kind of the certificates of signers' phones.
const KindSigner = "signer"

// NewCertificate describes a certificate.
func NewCertificate(serial, kind string, der []byte, issued time.Time) Certificate {
	sum := sha256.Sum256(der)
	return Certificate{
		Serial: serial, Kind: kind, SHA256: hex.EncodeToString(sum[:]), IssuedAt: issued,
	}
}

// CertificateTrail begins the name of the trail of a certificate, before its serial number. The
// certificate of a phone has the trail of the phone instead, if the phone's enrolment is in the
// log.
const CertificateTrail = "certificate/"

// EventRecorded is the kind of the event of a certificate that another program has issued: signet
// ca, or a release without the log of enrolments.
const EventRecorded = "recorded"

// certificateDetail is the detail of EventRecorded. The form never changes, as that of [Entry].
type certificateDetail struct {
	Kind   string `json:"kind"`
	SHA256 string `json:"sha256"`
}

// Detail returns the detail of EventRecorded, JSON.
func (c Certificate) Detail() (string, error) {
	text, err := json.Marshal(certificateDetail{c.Kind, c.SHA256})
	return string(text), err
}

// Certificates is the register of issued certificates. Package store implements it.
type Certificates interface {
	// RecordCertificates adds certificates, with an event EventRecorded each at a time, except
	// those that it has.
	RecordCertificates(ctx context.Context, list []Certificate, now time.Time) error

	// UnrecordedPhones returns up to limit certificates of phones that are not in the register.
	UnrecordedPhones(ctx context.Context, limit int) ([]Certificate, error)

	// Certificates returns up to limit certificates, newest first, after another one in this order;
	// after the zero Certificate it begins. serial, if not empty, selects one.
	Certificates(
		ctx context.Context, after Certificate, serial string, limit int,
	) ([]Certificate, error)
}
