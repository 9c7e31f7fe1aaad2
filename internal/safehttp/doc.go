// Package safehttp makes the HTTP client for addresses that others chose: the JWKS and webhook URLs
// that relying parties register. Such a request is the classic way to make a server talk to its own
// neighbours (server-side request forgery), so everything that decides where a connection may go is
// in this package and nowhere else.
//
// [Policy] says what is allowed, [NewClient] builds the client, and address.go holds the ranges.
// The address is judged when the connection is made, after the name was resolved: a check of the
// name alone could be answered by DNS with one address for the check and another for the
// connection.
//
// The package does not retry, cache or interpret answers; its callers do.
package safehttp
