// Package api defines the wire format of Signet's relying-party API: paths, JSON bodies, token
// claims, webhook claims and the table of error codes. It is compatible with Sign V3 ("Sign with
// Singpass" V3) as publicly documented up to 15 January 2026. openapi.yaml describes the same for
// other languages.
//
// Start at [Initiated], [Result] and [Error]. The package has data and no behaviour. Relying
// parties written in Go use package client. internal/request/doc.go has the rules behind each code.
package api

// Version of the contract that the wire forms follow (docs/contract.md, 14.27).
const Version = "3.2"

// Paths below the base path of the API.
const (
	BasePath    = "/api/v3"
	PathRequest = "/sign-requests"                         // POST: initiate
	PathCancel  = "/sign-requests/cancel"                  // POST: cancel
	PathResult  = "/sign-requests/{request_id}/signed-doc" // GET: result (V3.2)
	PathResult0 = "/sign-requests/{request_id}/signed_doc" // GET: result (V3.0)
	PathKeys    = "/.well-known/keys.json"                 // GET, at the root: Signet's own JWKS
	PathOpenAPI = "/openapi.yaml"                          // GET, at the root: [OpenAPI]
)

// Limits of the contract that clients need to know.
const (
	MaxDocumentBytes = 10 << 20 // a document must be smaller (docs/contract.md, 14.13)
	MaxLocations     = 20       // signatures in one request
	TokenLifetime    = 120      // maximum seconds between a token's iat and exp
	URLLifetime      = 120      // lifetime of a signed_doc_url in seconds
	RequestLifetime  = 30 * 60  // lifetime of a sign request in seconds
	ResultLifetime   = 60 * 60  // seconds after signed_at in which the result is available
	BoxWidth         = 220.5    // width of a signature box, in points
	BoxHeight        = 60.0     // height of a signature box, in points
)

// RequestIDPrefix begins the id of every sign request.
const RequestIDPrefix = "signv3-"

// Location is the place of one signature box: its lower-left corner as fractions (0 <= n < 1, at
// most 4 decimals) of the displayed page's width and height. Page counts from 1.
type Location struct {
	Page int     `json:"page"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

// Initiated is the answer to a successful initiate call.
type Initiated struct {
	SigningURL   string `json:"signing_url"`   // send the signer's browser here; opaque
	RequestID    string `json:"request_id"`    // RequestIDPrefix and a UUIDv7; opaque
	ExchangeCode string `json:"exchange_code"` // secret; required by the result call
}

// SignerInfo describes the signer.
type SignerInfo struct {
	SignerName string `json:"signer_name"` // CN of the signer's certificate
	// last 4 characters of the NRIC or FIN
	SignerPartialUINFIN string `json:"signer_partial_uinfin"`
	SignedAt            int64  `json:"signed_at"` // Unix time in milliseconds
}

// Result is the answer to a result call for a signed request.
type Result struct {
	SignedDocURL string     `json:"signed_doc_url"`
	SignerInfo   SignerInfo `json:"signer_info"`
	Exp          int64      `json:"exp"` // expiry of SignedDocURL, Unix time in seconds
}

// Webhook is the body of the notification that a document was signed. Token is an ES256 JWT with
// [WebhookClaims].
type Webhook struct {
	Token string `json:"token"`
}

// RequestTypeSignedDocURL is the only request_type of a webhook.
const RequestTypeSignedDocURL = "signed_doc_url"

// WebhookClaims are the claims of a webhook's token (docs/contract.md, 7.2). Exp - Iat is 120
// seconds, which is also the lifetime of the URL.
type WebhookClaims struct {
	RequestType  string     `json:"request_type"`
	SignedDocURL string     `json:"signed_doc_url"`
	RequestID    string     `json:"request_id"`
	SignerInfo   SignerInfo `json:"signer_info"`
	Iat          int64      `json:"iat"`
	Exp          int64      `json:"exp"`
}

// Query parameters of the redirect that returns the signer's browser to the relying party
// (docs/contract.md, 4.4). They prove nothing.
const (
	ParamRequestID  = "request_id"
	ParamStatus     = "status"
	StatusSuccess   = "success"
	StatusCancelled = "cancelled"
)
