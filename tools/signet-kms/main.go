// Signet-kms gives signet private keys that are in the key management service of a cloud, or in the
// TPM of the machine. Signet starts it for keys: awskms:, cloudkms:, azurekms: and tpmkms:.
//
// It answers calls of JSON-RPC 1.0 on its standard input and output until the input ends. [Keys]
// has the calls; byte strings are in base64. The first call must be Keys.Open.
//
// It is a module of its own, so that the SDKs of the clouds are neither in the module graph of the
// service nor in that of relying parties which import its client. The tags noawskms, nocloudkms,
// noazurekms and notpmkms leave a service out.
package main

import (
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// A terminal and systemd send these to all processes. Signet ends after its last signature,
	// and then the input ends.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	server := rpc.NewServer()
	if err := server.Register(&Keys{}); err != nil {
		panic(err)
	}
	server.ServeCodec(jsonrpc.NewServerCodec(stdio{os.Stdin, os.Stdout}))
}

// stdio is standard input and output as one connection.
type stdio struct {
	io.Reader
	io.WriteCloser
}
