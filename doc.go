// Package signet contains only tests of the whole repository, such as that of its import graph. The
// program is cmd/signet; read README.md and ARCHITECTURE.md first.
package signet
