// Package token judges the tokens that authorise the three calls of relying parties
// (docs/contract.md, 2, 3.2, 5.1 and 6).
//
// Start reading at [Verifier.Verify] in verify.go, which is the order in which a token is judged:
//
//	header text   one compact JWS, bare, bounded                         token.go
//	JOSE header   alg, kid, nothing that brings a key along              token.go
//	claims        what the call requires and forbids, times              call.go
//	party         registered under the client id                         package party
//	key           the one key of the party's JWKS with that kid          package party
//	signature     over exactly these bytes                               token.go
//	jti           used for the first time                                replay.go
//	arguments     document name, locations, signer                       arguments.go
//
// The checks before the party need no input or output, so a forged token is cheap to refuse. A
// breach of anything but the arguments is api.ErrUnauthorized with a cause for the log. The cause
// names the claim and the rule and never repeats what the token says. A breach of the arguments is
// the answer CLIENT_SIDE_ERROR with a description, and only a caller whose token is authentic
// receives it.
//
// The package does not know sign requests: internal/request judges whether a request exists,
// belongs to the party, or has that exchange code. It does not write HTTP answers either.
package token
