// Package partytest is a relying party for tests and load programs. It has keys, serves them as a
// JWKS on a loopback port, signs valid and invalid tokens for the three calls, and records the
// webhooks that it receives.
//
// Start at [New] and [Party.Token]. The package does not call the service; its users do. It does
// not import "testing", so that programs can use it: [Start] takes any value with the methods of
// [TB].
package partytest
