// Package party manages the relying parties: their names and URLs, the logos that signers see, and
// the keys that they publish (docs/contract.md, 1.1 and 8.1).
//
// Start at [Party] in party.go. [Registry] finds the party of a client id for every call.
// [Registrar] makes the changes of operators. [Keys] fetches and caches the JWKS of each party.
// [Diagnoser] tests a party's URLs for an operator.
//
// The package does not verify tokens; package token does. It does not store anything; package store
// implements [Store].
package party
