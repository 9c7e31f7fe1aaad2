//go:build pkcs11

package e2e_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/pkcs11/softhsm"
)

// TestTokenJourney signs documents on two nodes whose keys are in a token, rotates all keys, and
// starts the nodes again. The documents and webhooks are valid, and no private key is in a file.
func TestTokenJourney(t *testing.T) {
	database := cluster.Database(t)
	uri := softhsm.New(t, "signet")("signet")
	first := newProcess(t)
	first.args = append(
		first.args, "--keys", uri, "--keys-password", softhsm.PIN, "--database", database,
	)
	nodes := []*process{first, first.sibling(t)}
	for _, p := range nodes {
		p.start(t)
	}

	hooks := 0
	sign := func(node int) (issuing, unit string) {
		t.Helper()
		document, err := nodes[node].signedOn(nodes[1-node], alice)
		if err != nil {
			t.Fatal(err)
		}
		hook, err := first.party.WaitWebhook(t.Context(), hooks)
		if err != nil {
			t.Fatal(err)
		}
		hooks++
		jws, err := jose.ParseSigned(hook.Token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		var set jose.JSONWebKeySet
		keys := do(t, "GET", nodes[1-node].url+"/.well-known/keys.json", "", "", nil)
		if err := json.Unmarshal([]byte(keys.body), &set); err != nil || len(set.Keys) != 1 {
			t.Fatalf("keys.json: %s, %v", keys.body, err)
		}
		if _, err := jws.Verify(set.Keys[0]); err != nil {
			t.Errorf("webhook %d: %v", hooks, err)
		}
		return signedBy(t, first.data, document)
	}
	for node := range nodes {
		if issuing, unit := sign(node); !strings.HasSuffix(issuing, "CA 1") ||
			!strings.HasSuffix(unit, "Unit 1") {
			t.Errorf("signed by %s, stamped by %s", issuing, unit)
		}
	}

	c := config.Config{
		Data: first.data, PublicURL: first.url, AuthorityName: "Signet", Keys: uri,
		KeysPassword: softhsm.PIN,
	}
	for _, part := range []string{"issuing", "ocsp", "tsa"} {
		if _, err := maintenance.RotateAuthority(t.Context(), c, part); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"cookies", "links", "enrolment"} {
		if _, err := maintenance.RotateSecret(t.Context(), c, name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := maintenance.RotateDocumentKey(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	for node := range nodes {
		waitFor(t, "the new time-stamping unit", func() bool {
			_, unit := sign(node)
			return strings.HasSuffix(unit, "Unit 2")
		})
	}
	for _, p := range nodes {
		p.kill()
		p.start(t)
	}
	for node := range nodes {
		if _, unit := sign(node); !strings.HasSuffix(unit, "Unit 2") {
			t.Errorf("after a start, stamped by %s", unit)
		}
	}

	module, sealed := 0, 0
	err := filepath.WalkDir(first.data, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("PRIVATE KEY")) {
			t.Errorf("%s has a private key", path)
		}
		switch filepath.Ext(path) {
		case ".key":
			module++
			kind := "-----BEGIN MODULE KEY"
			if filepath.Base(path) == "oidc-encryption.key" { // a token does not decrypt ID tokens
				kind = "-----BEGIN SEALED KEY"
			}
			if !bytes.HasPrefix(text, []byte(kind)) {
				t.Errorf("%s: %s", path, text)
			}
		case ".secret":
			sealed++
			if !bytes.HasPrefix(text, []byte("-----BEGIN SEALED KEY")) {
				t.Errorf("%s is not sealed", path)
			}
		}
		return err
	})
	if err != nil || module < 9 || sealed < 9 {
		t.Errorf("%d keys in the token, %d sealed secrets, %v", module, sealed, err)
	}
}

// TestTokenAway pulls the token out.
func TestTokenAway(t *testing.T) {
	uri := softhsm.New(t, "signet")("signet")
	keysAway(t, []string{"--keys", uri, "--keys-password", softhsm.PIN}, softhsm.Take)
}
