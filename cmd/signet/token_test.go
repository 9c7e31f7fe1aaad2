//go:build pkcs11

package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/signet-sign/signet/internal/pkcs11/softhsm"
)

// TestTokenScripts runs the scripts in testdata/pkcs11, which have two tokens: the URIs are $TOKEN
// and $OTHER_TOKEN, the file pin has the PIN of both.
func TestTokenScripts(t *testing.T) {
	uri := softhsm.New(t, "signet", "other")
	p := scripts("testdata/pkcs11")
	setup := p.Setup
	p.Setup = func(env *testscript.Env) error {
		env.Setenv("SOFTHSM2_CONF", os.Getenv("SOFTHSM2_CONF"))
		env.Setenv("TOKEN", uri("signet"))
		env.Setenv("OTHER_TOKEN", uri("other"))
		if err := os.WriteFile(env.WorkDir+"/pin", []byte(softhsm.PIN+"\n"), 0o600); err != nil {
			return err
		}
		return setup(env)
	}
	testscript.Run(t, p)
}
