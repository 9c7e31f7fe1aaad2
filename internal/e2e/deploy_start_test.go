//go:build linux

package e2e_test

import (
	"context"
	"crypto/rand"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/store/pgtest"
)

// deployed is the program as a file of deploy has a container run it, but for addresses and paths,
// which are the test's.
type deployed struct {
	*testing.T
	listen, control string
	args, env       []string
}

// check has the program check its configuration, and then starts it and waits until it is ready.
func (d *deployed) check() {
	d.Helper()
	path, err := binary()
	if err != nil {
		d.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(d.Context(), time.Minute)
	defer cancel()
	c := exec.CommandContext(ctx, path, append(slices.Clone(d.args), "--check")...)
	c.Env = d.env
	if out, err := c.CombinedOutput(); err != nil {
		d.Fatalf("--check: %v: %s", err, out)
	}
	var log lockedBuffer
	c = exec.Command(path, d.args...)
	c.Env, c.Stdout, c.Stderr = d.env, &log, &log
	if err := c.Start(); err != nil {
		d.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = c.Wait(); close(ended) }()
	defer func() { _ = c.Process.Kill(); <-ended }()
	for end := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		resp, err := http.Get("http://" + d.control + "/readyz")
		if err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		if time.Now().After(end) {
			d.Fatalf("it is not ready:\n%s", log.String())
		}
	}
}

// secretFiles writes a folder with the secrets that the files of deploy name.
func secretFiles(t *testing.T, database string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, text := range map[string]string{
		"database": database, "metrics": rand.Text(), "metrics_token": rand.Text(),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// imageEnvironment returns what the Dockerfile sets.
func imageEnvironment(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/container/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{}
	for _, m := range regexp.MustCompile(`(SIGNET_[A-Z_]+)=(\S+)`).FindAllStringSubmatch(string(text), -1) {
		env[m[1]] = m[2]
	}
	if len(env) == 0 {
		t.Fatal("the Dockerfile sets nothing")
	}
	return env
}

// flushed returns a database of a server that flushes, as --check asks for before the first start.
func flushed(t *testing.T) string {
	t.Helper()
	server := &pgtest.Cluster{Durable: true}
	t.Cleanup(server.Stop)
	return server.Database(t)
}

// TestComposeStarts starts each node of the compose file as a process with its environment, on one
// database and one folder.
func TestComposeStarts(t *testing.T) {
	text, err := os.ReadFile("../../deploy/compose/compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var compose struct {
		Services map[string]struct {
			Environment map[string]string
			Secrets     []string
		}
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	secrets, data := secretFiles(t, flushed(t)), filepath.Join(t.TempDir(), "data")
	outside := map[string]string{"SIGNET_PUBLIC_URL": "https://sign.example.com"}
	variable := regexp.MustCompile(`\$\{(\w+)(:[?-])?([^}]*)\}`)
	for _, name := range []string{"node1", "node2", "node3"} {
		node := compose.Services[name]
		d := &deployed{T: t, listen: freeAddr(t), control: freeAddr(t), args: []string{"serve"}}
		env := imageEnvironment(t)
		for key, value := range node.Environment {
			env[key] = variable.ReplaceAllStringFunc(value, func(v string) string {
				m := variable.FindStringSubmatch(v)
				if set, ok := outside[m[1]]; ok || m[2] != ":-" {
					if !ok {
						t.Errorf("%s: %s has to be set from outside", name, m[1])
					}
					return set
				}
				return m[3]
			})
			if file, ok := strings.CutPrefix(value, "/run/secrets/"); ok {
				if !slices.Contains(node.Secrets, file) {
					t.Errorf(
						"%s: %s names the secret %s, which the node does not have", name, key, file,
					)
				}
				env[key] = filepath.Join(secrets, file)
			}
		}
		env["SIGNET_DATA"], env["SIGNET_LISTEN"], env["SIGNET_CONTROL"] = data, d.listen, d.control
		for key, value := range env {
			d.env = append(d.env, key+"="+value)
		}
		d.check()
	}
}

// TestChartStarts starts a node with the configuration that the chart renders.
func TestChartStarts(t *testing.T) {
	secrets, dir := secretFiles(t, flushed(t)), t.TempDir()
	d := &deployed{T: t, listen: freeAddr(t), control: freeAddr(t)}
	replace := strings.NewReplacer(
		`":8080"`,
		d.listen,
		`":8081"`,
		d.control,
		"data: /data",
		"data: "+filepath.Join(dir, "data"),
		"/run/secrets/signet",
		secrets,
	)
	for _, o := range render(t, func(map[string]any) {}) {
		switch o["kind"] {
		case "ConfigMap":
			text, _ := at(o, "data", "signet.yaml").(string)
			file := filepath.Join(dir, "signet.yaml")
			if err := os.WriteFile(file, []byte(replace.Replace(text)), 0o600); err != nil {
				t.Fatal(err)
			}
		case "Deployment":
			args, _ := at(o, "spec", "template", "spec", "containers", 0, "args").([]any)
			for _, a := range args {
				text, _ := a.(string)
				d.args = append(d.args, strings.Replace(text, "/etc/signet", dir, 1))
			}
		}
	}
	if len(d.args) == 0 || d.args[0] != "serve" {
		t.Fatalf("the container runs %v", d.args)
	}
	d.check()
}
