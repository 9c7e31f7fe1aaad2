// Package safehttp makes HTTP clients for URLs that other parties chose: the JWKS and webhook URLs
// that relying parties register. Such a URL could make the server send requests to internal hosts
// (server-side request forgery). All rules on where a connection may go are in this package.
//
// Start at [Policy], which says what is allowed, and [NewClient], which builds the client.
// address.go has the address ranges. The client checks the address when it connects, after
// resolving the name. A check of the name alone would not be enough, because DNS can return one
// address for the check and another for the connection.
//
// The package does not retry, cache or interpret answers; packages party and webhook do.
package safehttp
