package signettest_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/signettest"
)

// TestPythonExample runs examples/python against the sandbox.
func TestPythonExample(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which sees Debian's packages
	needs(
		t, "install python3-jwt and python3-cryptography", python, "-c", "import jwt, cryptography",
	)
	testExample(t, python, "../examples/python/shop.py")
}

// TestNodeExample runs examples/node against the sandbox.
func TestNodeExample(t *testing.T) {
	needs(
		t, "install Node 18 or newer and run web/deps", "node", "-e",
		`require.resolve("jose", { paths: ["../examples/node"] });
		process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)`,
	)
	testExample(t, "node", "../examples/node/shop.mjs")
}

// TestJavaExample runs examples/java against the sandbox.
func TestJavaExample(t *testing.T) {
	needs(t, "install a JDK, 17 or newer", "javac", "--release", "17", "--version")
	classes := t.TempDir() // compiled once: java Shop.java compiles it for each command
	out, err := exec.Command(
		"javac", "--release", "17", "-Xlint:all", "-Werror", "-d", classes,
		"../examples/java/Shop.java",
	).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	testExample(t, "java", "-cp", classes, "Shop")
}

// needs skips the test if a command fails, or fails it in CI, where everything is installed.
func needs(t *testing.T, remedy string, command ...string) {
	t.Helper()
	if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: %v: %s", remedy, err, out)
		}
		t.Skipf("%s: %v", remedy, err)
	}
}

// zeroLedKey returns a key whose x begins with a zero octet, as 1 in 256 does. Some libraries leave
// it out of the JWK.
func zeroLedKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	for {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		public, err := key.PublicKey.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if public[1] == 0 { // after the octet 4
			return key
		}
	}
}

// testExample runs a program that is a relying party: initiate, a webhook and the download, a
// forged webhook, and a cancel that waits for the end of a sign session.
func testExample(t *testing.T, program ...string) {
	ctx, dir := t.Context(), t.TempDir()
	key := zeroLedKey(t)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	keyFile, document := filepath.Join(dir, "key.pem"), filepath.Join(dir, "lease.pdf")
	for name, content := range map[string][]byte{
		keyFile:  pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}),
		document: pdftest.Minimal(),
	} {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := append(os.Environ(), "CLIENT_ID=shop", "KEY_FILE="+keyFile, "FOLDER="+dir)
	command := func(args ...string) *exec.Cmd {
		args = append(slices.Clone(program), args...)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env, cmd.Stderr = env, os.Stderr
		return cmd
	}
	start := func(cmd *exec.Cmd) *bufio.Scanner {
		t.Helper()
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
		return bufio.NewScanner(out)
	}

	free, err := net.Listen("tcp", "127.0.0.1:0") // a port for the example's server
	if err != nil {
		t.Fatal(err)
	}
	free.Close()
	shop := "http://" + free.Addr().String()
	_, port, _ := net.SplitHostPort(free.Addr().String())
	sandbox := signettest.Start(t, signettest.Party{
		ClientID: "shop", JWKSURL: shop + "/jwks", WebhookURL: shop + "/webhook",
	})
	env = append(env, "SIGN_URL="+sandbox.BaseURL, "SIGN_KEYS="+sandbox.URL+api.PathKeys)
	server := start(command("serve", "127.0.0.1", port))
	if !server.Scan() {
		t.Fatal("the example's server does not start")
	}
	initiate := func() (in api.Initiated) {
		t.Helper()
		out, err := command("initiate", document).Output()
		if err != nil {
			t.Fatalf("initiate: %v: %s", err, out)
		}
		if err := json.Unmarshal(out, &in); err != nil {
			t.Fatal(err)
		}
		return in
	}

	signed := initiate().RequestID
	if err := sandbox.Act(ctx, signed, signettest.Signer, "open", "proceed", "approve"); err != nil {
		t.Fatal(err)
	}
	var claims api.WebhookClaims
	if !server.Scan() || json.Unmarshal(server.Bytes(), &claims) != nil ||
		claims.RequestID != signed {
		t.Errorf("webhook: %s", server.Text())
	}
	if file, err := os.ReadFile(filepath.Join(dir, signed+".signed.pdf")); err != nil ||
		!bytes.HasPrefix(file, pdftest.Minimal()) || !bytes.Contains(file, []byte("/ByteRange")) {
		t.Errorf("the signed document has %d bytes: %v", len(file), err)
	}
	answer, err := http.Get(sandbox.URL + api.PathKeys)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var keys jose.JSONWebKeySet
	if err := json.NewDecoder(answer.Body).Decode(&keys); err != nil || len(keys.Keys) == 0 {
		t.Fatalf("the sandbox's keys: %v", err)
	}
	forger, err := jose.NewSigner(jose.SigningKey{ // another key under the sandbox's key id
		Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: keys.Keys[0].KeyID},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := forger.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	forged := strings.NewReader(`{"token":"` + token + `"}`)
	answer, err = http.Post(shop+"/webhook", "application/json", forged)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusBadRequest {
		t.Errorf("a forged webhook: %s", answer.Status)
	}
	if out, err := command("cancel", signed).Output(); err == nil ||
		!strings.Contains(string(out), api.CodeAlreadySigned) {
		t.Errorf("cancel of a signed request: %v: %s", err, out)
	}

	busy := initiate().RequestID
	if err := sandbox.Act(ctx, busy, signettest.Signer, "open", "proceed"); err != nil {
		t.Fatal(err)
	}
	cancel := command("cancel", busy)
	answers := start(cancel)
	if !answers.Scan() || !strings.Contains(answers.Text(), api.CodeActiveSession) {
		t.Errorf("cancel during the session: %s", answers.Text())
	}
	if err := sandbox.Act(ctx, busy, signettest.Signer, "leave"); err != nil {
		t.Fatal(err)
	}
	for answers.Scan() { // until the program ends
	}
	if err := cancel.Wait(); err != nil {
		t.Errorf("cancel after the session: %v", err)
	}
	if state, err := sandbox.State(ctx, busy); state != "cancelled" || err != nil {
		t.Errorf("after the cancel it is %s (%v)", state, err)
	}
	if err := command("cancel", busy).Run(); err != nil {
		t.Errorf("the second cancel: %v", err)
	}
}
