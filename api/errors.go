package api

import (
	"fmt"
	"net/http"
)

// Error is the JSON body of every answer that is not a success. Both members are part of the
// contract (docs/contract.md, 2.5.1). Relying parties decide by Code and show Description to their
// operators.
type Error struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

func (e *Error) Error() string { return e.Code + ": " + e.Description }

// Is reports whether target is an Error with the same members, so that errors received over the
// wire match the values of this package.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && *t == *e
}

// Because returns an error that is e on the wire and has a cause for the log. errors.As finds e.
func (e *Error) Because(format string, args ...any) error {
	return &caused{refusal: e, cause: fmt.Errorf(format, args...)}
}

// caused is an Error with the cause that the answer does not contain.
type caused struct {
	refusal *Error
	cause   error
}

func (c *caused) Error() string   { return c.refusal.Code + " because " + c.cause.Error() }
func (c *caused) Unwrap() []error { return []error{c.refusal, c.cause} }

// Codes of the relying party's calls (docs/contract.md, 2.5, 5.3 and 6.2).
const (
	CodeUnauthorized        = "UNAUTHORIZED"
	CodeClientSide          = "CLIENT_SIDE_ERROR"
	CodeServerSide          = "SERVER_SIDE_ERROR"
	CodeUnavailable         = "SERVICE_UNAVAILABLE"
	CodeTooManyRequests     = "TOO_MANY_REQUESTS"
	CodeActiveSession       = "ACTIVE_SESSION_ONGOING"
	CodeAlreadySigned       = "DOCUMENT_ALREADY_SIGNED"
	CodeAlreadyCancelled    = "REQUEST_ALREADY_CANCELLED"
	CodeNotSigned           = "DOCUMENT_NOT_SIGNED"
	CodeExpired             = "REQUEST_EXPIRED"
	CodeCancelled           = "REQUEST_CANCELLED"
	CodeSignedAccessExpired = "SIGNED_ACCESS_EXPIRED"
)

// Codes for signers: portal, phone and the sandbox's control listener. Relying parties never get
// them.
const (
	CodeNoAccess         = "NO_ACCESS"
	CodeNoActiveSession  = "NO_ACTIVE_SESSION"
	CodeSigning          = "SIGNING_IN_PROGRESS"
	CodeNotOpened        = "NOT_OPENED"
	CodePhoneNotEnrolled = "PHONE_NOT_ENROLLED"
	CodePhoneWaiting     = "PHONE_WAITING"
	CodeTooManyPhones    = "TOO_MANY_PHONES"
	CodeUserVerification = "USER_VERIFICATION_FAILED"
	CodeSignatureInvalid = "SIGNATURE_INVALID"
	CodeLoginRequired    = "LOGIN_REQUIRED"
)

// The errors with a fixed text. Together with [ErrClientSide] they are the whole table. The
// contract fixes the texts of the cancel call to the letter.
var (
	ErrUnauthorized    = &Error{CodeUnauthorized, "Unauthorized."}
	ErrNoRecord        = &Error{CodeClientSide, "No record found"}
	ErrNoCall          = &Error{CodeClientSide, "No such call"}
	ErrMethod          = &Error{CodeClientSide, "The call does not take this method"}
	ErrServerSide      = &Error{CodeServerSide, "An unexpected error occurred."}
	ErrUnavailable     = &Error{CodeUnavailable, "The service cannot work at present."}
	ErrTooManyRequests = &Error{CodeTooManyRequests, "Too many requests."}
	ErrActiveSession   = &Error{
		CodeActiveSession, "Request cannot be cancelled due to an active sign session",
	}
	ErrAlreadySigned       = &Error{CodeAlreadySigned, "Document has already been signed"}
	ErrAlreadyCancelled    = &Error{CodeAlreadyCancelled, "Document has already been cancelled"}
	ErrNotSigned           = &Error{CodeNotSigned, "Document has not been signed"}
	ErrExpired             = &Error{CodeExpired, "Sign request has expired"}
	ErrCancelled           = &Error{CodeCancelled, "Sign request has been cancelled"}
	ErrSignedAccessExpired = &Error{
		CodeSignedAccessExpired, "Access to the signed document has expired",
	}

	ErrNoAccess        = &Error{CodeNoAccess, "This document is for another person"}
	ErrNoActiveSession = &Error{
		CodeNoActiveSession, "There is no sign session, or it is another one",
	}
	ErrSigning          = &Error{CodeSigning, "The document is being signed"}
	ErrNotOpened        = &Error{CodeNotOpened, "The document has not been opened"}
	ErrPhoneNotEnrolled = &Error{CodePhoneNotEnrolled, "This phone is not enrolled"}
	ErrPhoneWaiting     = &Error{CodePhoneWaiting, "This phone is waiting for approval"}
	ErrTooManyPhones    = &Error{CodeTooManyPhones, "This person has the most phones allowed"}
	ErrUserVerification = &Error{CodeUserVerification, "The person was not verified on the phone"}
	ErrSignatureInvalid = &Error{CodeSignatureInvalid, "The signature does not verify"}
	ErrLoginRequired    = &Error{CodeLoginRequired, "Log in first"}
)

// ErrClientSide returns a CLIENT_SIDE_ERROR that says what is wrong with the caller's arguments or
// document.
func ErrClientSide(description string) *Error { return &Error{CodeClientSide, description} }

// Status returns the HTTP status of a code in the relying party's API: 400 for every documented
// error (docs/contract.md, 2.5.2), 500 for faults of the service, 503 while the database or
// the disk is away. The status of UNAUTHORIZED is configurable (docs/contract.md, 14.2); 400 is its
// default.
func Status(code string) int {
	switch code {
	case CodeServerSide:
		return http.StatusInternalServerError
	case CodeUnavailable:
		return http.StatusServiceUnavailable
	case CodeTooManyRequests:
		return http.StatusTooManyRequests
	default:
		return http.StatusBadRequest
	}
}
