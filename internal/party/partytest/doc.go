// Package partytest is a relying party for tests and load programs: it has keys, publishes them as
// a JWKS on a loopback port, signs tokens for the three calls, right ones and wrong ones, and
// records the webhooks that it receives.
//
// Start reading at [New] and [Party.Token]. The package does not make HTTP calls to the service;
// its users do. It does not import "testing", so that programs can use it as well: [Start] takes
// whatever has the few methods of [TB].
package partytest
