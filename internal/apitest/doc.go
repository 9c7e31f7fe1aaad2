// Package apitest holds recorded HTTP exchanges against api/openapi.yaml, so that every test that
// talks to the service also tests that the document is true.
//
// Start at [Load]. [Document.Transport] checks all that a client does, [Document.Handler] all that
// reaches a server; [Document.Check] is one exchange that was recorded otherwise, and
// [Document.CheckWebhook] one webhook. The package is for tests; it does not import "testing", so
// that programs can use it as well.
package apitest
