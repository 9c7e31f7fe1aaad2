// Package token verifies the tokens that authorise the three calls of relying parties
// (docs/contract.md, 2, 3.2, 5.1 and 6).
//
// Start at [Verifier.Verify] in verify.go. It checks a token in this order:
//
//	header text   one compact JWS, bare, bounded                         token.go
//	JOSE header   alg, kid, no embedded key                              token.go
//	claims        what the call requires and forbids, times              call.go
//	party         registered under the client id                         package party
//	key           the one key of the party's JWKS with that kid          package party
//	signature     over exactly these bytes                               token.go
//	jti           used for the first time                                replay.go
//	arguments     document name, locations, signer                       arguments.go
//
// The checks before the party need no input or output, so refusing a forged token is cheap. Any
// error except one in the arguments is api.ErrUnauthorized with a cause for the log. The cause
// names the claim and the rule and contains no text of the token. An error in the arguments is
// CLIENT_SIDE_ERROR with a description. Only a caller with an authentic token gets it.
//
// The package does not know sign requests: package request checks whether a request exists, belongs
// to the party, or has that exchange code. It does not write HTTP answers; package rpapi does.
package token
