// Package party owns the relying parties: who they are, which logo a signer sees, and which keys
// they publish (docs/contract.md, 1.1 and 8.1).
//
// Start reading at [Party] in party.go. [Registry] answers for every call who a client id is, and
// [Registrar] makes the changes of operators. [Keys] fetches and caches the JWKS of each party.
// [Diagnoser] tries for an operator what a party's calls depend on.
//
// The package does not read tokens; package token does. It does not store anything either: [Store]
// is the interface that package store implements.
package party
