package main

import (
	"os"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signet-sign/signet/internal/kms/kmstest"
)

// TestKMSScripts runs the scripts in testdata/kms. $TPM is the URI of a TPM, and $AWS that of a key
// management service with the API of AWS.
func TestKMSScripts(t *testing.T) {
	kmstest.Program(t)
	kmstest.NewAWS(t)
	tpm := kmstest.TPM(t)
	p := scripts("testdata/kms")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		for _, v := range os.Environ() {
			if strings.HasPrefix(v, "AWS_") {
				env.Vars = append(env.Vars, v)
			}
		}
		env.Setenv("TPM", tpm)
		env.Setenv("AWS", "awskms:region=ap-southeast-1;decryption-key="+kmstest.DecryptionKey)
		return setup(env)
	}
	testscript.Run(t, p)
}
