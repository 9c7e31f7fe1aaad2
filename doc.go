// Package signet holds no code: it is where the test of the architecture lives. The program is
// cmd/signet; read README.md and ARCHITECTURE.md first.
package signet
