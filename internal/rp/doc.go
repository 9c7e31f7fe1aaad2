// Package rp owns the relying parties (RPs): who they are, the keys that they publish, and the tokens that authorise their three
// calls (docs/contract.md, 1.1, 2, 3.2, 5.1, 6 and 8.1).
//
// Start reading at [Verifier.Verify] in verify.go, which is the order in which a token is judged:
//
//	header text   one compact JWS, bare, bounded                         token.go
//	JOSE header   alg, kid, nothing that brings a key along              token.go
//	claims        what the call requires and forbids, times              call.go
//	party         registered under the client id                         party.go
//	key           the one key of the party's JWKS with that kid          jwks.go, keys.go
//	signature     over exactly these bytes                               token.go, p256.go
//	jti           used for the first time                                replay.go
//	arguments     document name, locations, signer                       arguments.go
//
// Everything up to the party costs microseconds and no input or output, so a forged token is cheap to refuse. A breach of
// anything but the arguments is api.ErrUnauthorized with a cause for the log; the cause names the claim and the rule and never
// repeats what the token says. A breach of the arguments is the answer CLIENT_SIDE_ERROR with a description, and only a caller
// whose token is authentic learns it.
//
// The package does not know sign requests: whether a request exists, belongs to the party, or has that exchange code is
// judged by internal/request. It does not write HTTP answers either.
package rp
