// Package signer owns people and their phones: who a person is, how a phone's key becomes a
// certificate, and which phones may still sign. Start at [Service.Enrol].
//
// It does not log anyone in (internal/server/login does) and knows nothing of sign requests
// (internal/request does). The private key of a phone is made on the phone and never comes here.
package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Person is someone who has logged in.
type Person struct {
	UIN  string // NRIC or FIN, upper case; never in a log
	Name string // as it will stand in the certificate
}

// Hash is the form in which a relying party names its intended signer: lower-case hex SHA-256 over
// the upper-case UIN (docs/contract.md, 3.4.1 and 14.11).
func (p Person) Hash() string {
	sum := sha256.Sum256([]byte(Normalize(p.UIN)))
	return hex.EncodeToString(sum[:])
}

// Hint tells two people of one name apart without showing the whole UIN.
func (p Person) Hint() string { return "•••••" + p.UIN[max(0, len(p.UIN)-4):] }

// Normalize trims a UIN and puts it in upper case.
func Normalize(uin string) string { return strings.ToUpper(strings.TrimSpace(uin)) }

// ValidUIN reports whether uin, normalised, is an NRIC or FIN with the right check letter. Series S
// and T are citizens and residents, F, G and M are foreigners.
func ValidUIN(uin string) bool {
	if len(uin) != 9 {
		return false
	}
	weights := [7]int{2, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, w := range weights {
		d := uin[i+1]
		if d < '0' || d > '9' {
			return false
		}
		sum += int(d-'0') * w
	}
	switch uin[0] {
	case 'S':
		return "JZIHGFEDCBA"[sum%11] == uin[8]
	case 'T':
		return "JZIHGFEDCBA"[(sum+4)%11] == uin[8]
	case 'F':
		return "XWUTRQPNMLK"[sum%11] == uin[8]
	case 'G':
		return "XWUTRQPNMLK"[(sum+4)%11] == uin[8]
	case 'M':
		return "KLJNPQRTUWX"[10-(sum+3)%11] == uin[8]
	}
	return false
}

// Phone is one enrolled key of a person. It outlives its revocation, because signatures do.
type Phone struct {
	ID          string // UUID
	UIN         string
	Serial      string // of the certificate, lower-case hex
	Name        string // given by the person: "Ah Kow's phone"
	Certificate []byte // DER
	EnrolledAt  time.Time
	RevokedAt   time.Time
}

// Store keeps phones. What a method reports as done is on disk when it returns; all may run
// concurrently.
type Store interface {
	// AddPhone adds an enrolled phone.
	AddPhone(ctx context.Context, p Phone) error

	// Phone returns a phone, revoked or not; [ErrNoPhone] if there is none.
	Phone(ctx context.Context, id string) (Phone, error)

	// Phones lists a person's phones, oldest first.
	Phones(ctx context.Context, uin string) ([]Phone, error)

	// RevokePhone sets RevokedAt if it is not set yet; [ErrNoPhone] if there is no such phone.
	RevokePhone(ctx context.Context, id string, at time.Time) error

	// RenamePhone sets Name; [ErrNoPhone] if there is no such phone.
	RenamePhone(ctx context.Context, id, name string) error

	// PhoneBySerial finds the phone of a certificate by its serial number in lower-case hex;
	// [ErrNoPhone] if there is none.
	PhoneBySerial(ctx context.Context, serial string) (Phone, error)

	// RevokedPhones lists every revoked phone, for the CRL.
	RevokedPhones(ctx context.Context) ([]Phone, error)
}

// ErrNoPhone is the answer for a phone that is not enrolled.
var ErrNoPhone = errors.New("no such phone")
