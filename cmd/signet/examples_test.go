package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// The files of examples/ci and the README start programs on fixed ports. Tests of them run the
// commands with ports of their own.

// freePorts returns a replacer of fixed ports.
func freePorts(t *testing.T, ports ...string) *strings.Replacer {
	t.Helper()
	var pairs []string
	for _, port := range ports {
		l, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, free, _ := net.SplitHostPort(l.Addr().String())
		pairs = append(pairs, port, free)
	}
	return strings.NewReplacer(pairs...)
}

// readExample reads a file of the repository into v, with other ports.
func readExample(t *testing.T, path string, ports *strings.Replacer, v any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(strings.NewReader(ports.Replace(string(text))))
	d.KnownFields(true)
	if err := d.Decode(v); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// shell runs a script as CI does, in dir, and ends what it has started in the background. The
// command signet is this test binary; see TestMain.
func shell(t *testing.T, dir, script string, env ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()
	// A person waits 30 s for a sandbox, of which many start at once here.
	script = strings.ReplaceAll(script, "--retry 30 ", "--retry 180 ")
	cmd := exec.CommandContext(ctx, "bash", "-e", "-o", "pipefail", "-c", script)
	var b bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &b, &b
	cmd.Env = append(append(os.Environ(), "TMPDIR="+t.TempDir()), env...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	cmd.WaitDelay = 100 * time.Millisecond
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM)
		for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if syscall.Kill(-cmd.Process.Pid, 0) != nil {
				return
			}
		}
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	})
	err = cmd.Wait()
	if err == exec.ErrWaitDelay { // the background holds the pipe
		err = nil
	}
	return b.String(), err
}

func writeFile(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

type workflow struct {
	Name        string
	On          []string
	Permissions map[string]string
	Env         map[string]string
	Jobs        map[string]struct {
		RunsOn string `yaml:"runs-on"`
		Steps  []struct {
			Name, Uses, If, Run string
			With, Env           map[string]string
		}
	}
}

func variables(m map[string]string) (env []string) {
	for name, value := range m {
		env = append(env, name+"="+value)
	}
	return env
}

// TestGitHubExample runs the steps of examples/ci/github.yaml, except those of other authors and
// the installation.
func TestGitHubExample(t *testing.T) {
	const folder = "../../examples/ci/"
	ports := freePorts(t, "5156", "5157", "4000")
	var file workflow
	readExample(t, folder+"github.yaml", ports, &file)
	dir := t.TempDir()
	config, err := os.ReadFile(folder + "signet.yaml")
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "signet.yaml"), ports.Replace(string(config)), 0o600)
	writeFile(t, filepath.Join(dir, "test"), `#!/bin/sh
set -e
curl --silent --fail "$SIGN_KEYS"
curl --silent --fail "http://$SIGNET_CONTROL/parties"
curl --silent -X POST "$SIGN_URL/sign-requests/cancel"
`, 0o700)
	tested := false
	for _, step := range file.Jobs["test"].Steps {
		if step.Run == "" || step.If != "" || strings.HasPrefix(step.Run, "go install ") {
			continue
		}
		out, err := shell(t, dir, step.Run, append(variables(file.Env), variables(step.Env)...)...)
		if err != nil {
			log, _ := os.ReadFile(filepath.Join(dir, "signet.log"))
			t.Fatalf("%s: %v\n%s\n%s", step.Name, err, out, log)
		}
		if step.Name == "Test" {
			tested = strings.Contains(out, `"keys"`) && strings.Contains(out, "shop") &&
				strings.Contains(out, "UNAUTHORIZED")
		}
	}
	if !tested {
		t.Error("the tests of the workflow have not reached the sandbox")
	}
}

type compose struct {
	Services map[string]struct {
		Image, Command string
		Environment    map[string]string
		Volumes, Ports []string
		HealthCheck    struct {
			Test, Interval string
			StartPeriod    string `yaml:"start_period"`
		} `yaml:"healthcheck"`
	}
	Volumes map[string]any
}

// TestComposeExample runs the command and the health check of examples/ci/compose.yaml.
func TestComposeExample(t *testing.T) {
	const token = "0123456789abcdef"
	ports := freePorts(t, "5156", "5157")
	var file compose
	readExample(t, "../../examples/ci/compose.yaml", ports, &file)
	service := file.Services["signet"]
	env := []string{"PORT=", "MOCKPASS_PORT="}
	for name, value := range service.Environment {
		switch {
		case name == "SIGNET_CONTROL_TOKEN":
			if !strings.HasPrefix(value, "${SIGNET_CONTROL_TOKEN:?") {
				t.Errorf("%s: %s", name, value)
			}
			value = token
		case name == "SIGNET_CONFIG":
			if !strings.HasPrefix(service.Volumes[0], "./signet.yaml:"+value+":") {
				t.Errorf("no volume has %s", value)
			}
			value, _ = filepath.Abs("../../examples/ci/signet.yaml")
		}
		env = append(env, name+"="+value)
	}
	command, ok := strings.CutPrefix(
		service.Command, "go run github.com/signet-sign/signet/cmd/signet@latest ",
	)
	if !ok {
		t.Fatalf("command: %s", service.Command)
	}
	dir := t.TempDir()
	if out, err := shell(t, dir, "signet "+command+" > log 2>&1 &", env...); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	check := service.HealthCheck.Test
	var out string
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if out, err = shell(t, dir, check, env...); err == nil {
			break
		}
	}
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(dir, "log"))
		t.Fatalf("%s: %v: %s\n%s", check, err, out, log)
	}
	parties := "curl --silent --fail http://127.0.0.1:" + ports.Replace("5157") + "/parties"
	if _, err := shell(t, dir, parties); err == nil {
		t.Error("the control listener answers without its token")
	}
	out, err = shell(t, dir, parties+" -H 'Authorization: Bearer "+token+"'")
	if err != nil || !strings.Contains(out, "shop") {
		t.Errorf("with its token: %v: %s", err, out)
	}
}

// firstCall returns the commands of the README's first call, those that end it, and for each language, by the folder
// in examples, those that come before.
func firstCall(t *testing.T) (calls, end string, languages map[string]string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(readme), "\n## Your first call\n")
	section, _, _ = strings.Cut(section, "\n## ")
	languages = map[string]string{}
	for block := range strings.SplitSeq(section, "```sh\n") {
		commands, _, _ := strings.Cut(block, "```")
		if after, ok := strings.CutPrefix(commands, "go build -o signet ./cmd/signet\n"); ok {
			calls = after
		} else if strings.HasPrefix(commands, "pkill ") {
			end = commands
		} else if _, path, ok := strings.Cut(commands, ": examples/"); ok {
			language, _, _ := strings.Cut(path, "/")
			languages[language] = commands
		}
	}
	if calls == "" || end == "" || len(languages) != 4 {
		t.Fatalf("the README has no first call: %q, %v", calls, languages)
	}
	return calls, end, languages
}

// TestFirstCall types the first call of the README, in each language. Of the installation of
// Python's packages it takes the result.
func TestFirstCall(t *testing.T) {
	calls, end, languages := firstCall(t)
	signet, err := exec.LookPath("signet")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	for language, commands := range languages {
		t.Run(language, func(t *testing.T) {
			dir := t.TempDir()
			switch language {
			case "node":
				needsNode(t)
			case "python":
				needsPython(t)
				oldest := regexp.MustCompile(`Python 3\.(\d+) or newer`).FindStringSubmatch(commands)
				if oldest == nil {
					t.Fatalf("no version of Python: %s", commands)
				}
				out, err := shell(t, root, "/usr/bin/python3 -c 'import ast; "+
					"ast.parse(open(\"examples/python/shop.py\").read(), feature_version=(3, "+oldest[1]+"))'")
				if err != nil {
					t.Errorf("Python 3.%s does not read the example: %v: %s", oldest[1], err, out)
				}
				_, commands, _ = strings.Cut(commands, "'PyJWT[crypto]'\n")
				commands = strings.ReplaceAll(commands, ".venv/bin/python", "/usr/bin/python3")
			case "go":
				commands = strings.ReplaceAll(
					commands, "go build -o shop", "go build -C "+root+" -o "+dir+"/shop",
				)
			case "java":
				needsJava(t)
			}
			if err := os.Symlink(signet, filepath.Join(dir, "signet")); err != nil {
				t.Fatal(err)
			}
			// A copy, because npm resolves links, and installs where they lead.
			err := os.CopyFS(
				filepath.Join(dir, "examples"), os.DirFS(filepath.Join(root, "examples")),
			)
			if err != nil {
				t.Fatal(err)
			}
			ports := freePorts(t, "5156", "5157", "4000")
			port := ports.Replace("5156")
			keys := ports.Replace("http://localhost:4000")
			out, err := shell(
				t, dir, commands+ports.Replace(calls+end+`wait || true
if curl -s http://127.0.0.1:4000/jwks || curl -s http://127.0.0.1:5156/; then
	echo the servers have not ended
	exit 1
fi
`),
				"SIGNET_CONTROL="+ports.Replace("127.0.0.1:5157"), "PORT="+port,
				"SIGNV3_CLIENT_JWKS_URL="+keys+"/jwks",
				"SIGNV3_CLIENT_WEBHOOK_URL="+keys+"/webhook",
			)
			if err != nil || !strings.Contains(out, "\n{}\n") ||
				!strings.Contains(out, `"http://127.0.0.1:`+port+`/sign/`) {
				log, _ := os.ReadFile(filepath.Join(dir, "sandbox.log"))
				t.Errorf("%v\n%s\n%s", err, out, log)
			}
		})
	}
}

// scores returns the numbers of a relying party in the table of docs/conformance.md.
func scores(t *testing.T, name string) (pass, fail, unknown int) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	row := regexp.MustCompile(
		`(?m)^\| \[examples/` + name + `\]\S+ \| (\d+) \| (\d+) \| (\d+) \|$`,
	).FindStringSubmatch(string(doc))
	if row == nil {
		t.Fatalf("docs/conformance.md has no score of examples/%s", name)
	}
	if _, err := fmt.Sscan(strings.Join(row[1:], " "), &pass, &fail, &unknown); err != nil {
		t.Fatal(err)
	}
	return pass, fail, unknown
}

// examplePrograms are the commands that run the examples.
var examplePrograms = map[string]string{
	"java":   "java -cp . Shop",
	"node":   "node examples/node/shop.mjs",
	"python": "/usr/bin/python3 examples/python/shop.py",
	"go":     "./shop",
}

// judgeExample has conform-rp judge an example by some rules. It returns what it prints, and its
// report as JUnit.
func judgeExample(t *testing.T, name, rules string) (out, junit string) {
	t.Helper()
	dir := t.TempDir()
	var build *exec.Cmd
	switch name {
	case "node":
		needsNode(t)
	case "python":
		needsPython(t)
	case "java":
		needsJava(t)
		build = exec.Command("javac", "-d", dir, "../../examples/java/Shop.java")
	case "go":
		build = exec.Command("go", "build", "-o", filepath.Join(dir, "shop"), "../../examples/go")
	}
	if build != nil {
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	examples, err := filepath.Abs("../../examples")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(examples, filepath.Join(dir, "examples")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "lease.pdf"), string(pdftest.Minimal()), 0o600)
	ports := freePorts(t, "5156", "5157", "4000")
	out, err = shell(t, dir, strings.ReplaceAll(ports.Replace(`
export CLIENT_ID=shop KEY_FILE=key.pem
export SIGN_URL=http://127.0.0.1:5156/api/v3 SIGN_KEYS=http://127.0.0.1:5156/.well-known/keys.json
signet keys new -o key.pem
PROGRAM serve 127.0.0.1 4000 > webhooks.log &
signet conform-rp --listen 127.0.0.1:5156 --control 127.0.0.1:5157 --patience 5s \
	--jwks-url http://127.0.0.1:4000/jwks --webhook-url http://127.0.0.1:4000/webhook \
	--rule $RULES --junit report.xml \
	--initiate 'PROGRAM initiate lease.pdf' --cancel 'PROGRAM cancel $REQUEST_ID' \
	--handled 'grep -c "\"request_id\": *\"$REQUEST_ID" webhooks.log'
`), "PROGRAM", examplePrograms[name]), "RULES="+rules)
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	report, err := os.ReadFile(filepath.Join(dir, "report.xml"))
	if err != nil {
		t.Error(err)
	}
	return out, string(report)
}

// TestExamplesConform has conform-rp judge the examples by all rules but W11, which is for
// TestExamplesNewKey. With it they have the scores that docs/conformance.md says. It leaves out the
// example in Java, because a hundred starts of a virtual machine take minutes.
func TestExamplesConform(t *testing.T) {
	for _, name := range []string{"node", "python", "go"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out, junit := judgeExample(
				t, name, "K,T,C,B,D,R,W1,W2,W3,W4,W5,W6,W7,W8,W9,W10,W12,W13,W14,W15",
			)
			pass, fail, unknown := scores(t, name)
			total := fmt.Sprintf("shop: %d pass, %d fail, %d cannot tell", pass-1, fail, unknown)
			if fail != 0 || !strings.Contains(out, total) {
				t.Errorf("not %s\n%s", total, out)
			}
			counts := fmt.Sprintf(
				`tests="%d" failures="%d" skipped="%d"`, pass+fail+unknown-1, fail, unknown,
			)
			if !strings.Contains(junit, counts) {
				t.Errorf("JUnit: not %s: %.200s", counts, junit)
			}
		})
	}
}

// TestExamplesNewKey has conform-rp judge the examples by W11, for which it rests for a minute, and
// by D5, also the one in Java.
func TestExamplesNewKey(t *testing.T) {
	var running sync.WaitGroup
	for name := range examplePrograms {
		running.Go(func() { // not t.Parallel, which is bounded by the processors
			t.Run(name, func(t *testing.T) {
				out, _ := judgeExample(t, name, "W11,D5")
				if !strings.Contains(out, "shop: 2 pass, 0 fail") {
					t.Error(out)
				}
			})
		})
	}
	running.Wait()
}

// needsPython skips the test if examples/python cannot run, or fails it in CI.
func needsPython(t *testing.T) {
	t.Helper()
	err := exec.Command("/usr/bin/python3", "-c", "import jwt, cryptography").Run()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("install python3-jwt and python3-cryptography: ", err)
	default:
		t.Skip("needs python3-jwt and python3-cryptography: ", err)
	}
}

// needsJava skips the test if there is no java, or fails it in CI.
func needsJava(t *testing.T) {
	t.Helper()
	_, err := exec.LookPath("java")
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatal("install a JDK: ", err)
	default:
		t.Skip("needs a JDK: ", err)
	}
}

// needsNode skips the test if examples/node cannot run, or fails it in CI.
func needsNode(t *testing.T) {
	t.Helper()
	const check = `require.resolve("jose", { paths: ["../../examples/node"] });
		process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)`
	out, err := exec.Command("node", "-e", check).CombinedOutput()
	switch {
	case err == nil:
	case os.Getenv("CI") != "":
		t.Fatalf("install Node 18 or newer and run web/deps: %v: %s", err, out)
	default:
		t.Skipf("needs Node 18 or newer and web/deps: %v", err)
	}
}
