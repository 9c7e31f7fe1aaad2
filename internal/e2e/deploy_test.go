//go:build linux

package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"text/template"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/kms/kmstest"
)

// configKeys are the keys of the configuration.
func configKeys() map[string]bool {
	keys := map[string]bool{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		keys[f.Tag.Get("yaml")] = true
	}
	return keys
}

// TestCompose checks that the compose file sets keys that exist, mounts files that exist, and runs
// the nodes as the image expects.
func TestCompose(t *testing.T) {
	const file = "../../deploy/compose/compose.yaml"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	type service struct {
		Image       string
		Environment map[string]string
		ReadOnly    bool     `yaml:"read_only"`
		CapDrop     []string `yaml:"cap_drop"`
		Tmpfs       []string
		Volumes     []string
		Secrets     []string
		DependsOn   any `yaml:"depends_on"`
	}
	var compose struct {
		Services map[string]service
		Volumes  map[string]any
		Secrets  map[string]any
		Networks map[string]any
		Node     any `yaml:"x-node"`
	}
	if err := yaml.Unmarshal(text, &compose); err != nil {
		t.Fatal(err)
	}
	keys := configKeys()
	for _, name := range []string{"node1", "node2", "node3"} {
		node, ok := compose.Services[name]
		if !ok || !node.ReadOnly || !reflect.DeepEqual(node.CapDrop, []string{"ALL"}) ||
			len(node.Tmpfs) == 0 {
			t.Errorf("%s is %+v", name, node)
		}
		for variable := range node.Environment {
			key := strings.ToLower(strings.TrimPrefix(variable, "SIGNET_"))
			if !strings.HasPrefix(variable, "SIGNET_") || !keys[key] {
				t.Errorf("%s: there is no key for %s", name, variable)
			}
		}
	}
	for name, s := range compose.Services {
		for _, secret := range s.Secrets {
			if _, ok := compose.Secrets[secret]; !ok {
				t.Errorf("%s: the secret %s is not defined", name, secret)
			}
		}
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if strings.HasPrefix(from, "../") {
				if _, err := os.Stat(filepath.Join(filepath.Dir(file), from)); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			} else if _, ok := compose.Volumes[from]; !ok && !strings.HasPrefix(from, "./secrets/") {
				t.Errorf("%s: the volume %s is not defined", name, from)
			}
		}
	}
}

// render renders the templates of the chart, with the functions of Helm that they use.
func render(t *testing.T, change func(values map[string]any)) (objects []map[string]any) {
	t.Helper()
	const chart = "../../deploy/chart/"
	text, err := os.ReadFile(chart + "values.yaml")
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	change(values)
	functions := template.FuncMap{
		"toYaml": func(v any) (string, error) {
			text, err := yaml.Marshal(v)
			return strings.TrimSuffix(string(text), "\n"), err
		},
		"nindent": func(n int, text string) string {
			blanks := "\n" + strings.Repeat(" ", n)
			return blanks + strings.ReplaceAll(text, "\n", blanks)
		},
		"trimPrefix": func(prefix, text string) string { return strings.TrimPrefix(text, prefix) },
	}
	files, err := filepath.Glob(chart + "templates/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no templates: %v", err)
	}
	for _, file := range files {
		parsed, err := template.New(filepath.Base(file)).Funcs(functions).
			Option("missingkey=error").ParseFiles(file)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = parsed.Execute(&out, map[string]any{
			"Values": values, "Release": map[string]any{"Name": "signet"},
		})
		if err != nil {
			t.Fatal(err)
		}
		d := yaml.NewDecoder(&out)
		for {
			var o map[string]any
			if err := d.Decode(&o); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			objects = append(objects, o)
		}
	}
	return objects
}

// at returns what is at a path in YAML; a number selects of a list.
func at(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[step]
		case int:
			l, _ := v.([]any)
			if step >= len(l) {
				return nil
			}
			v = l[step]
		}
	}
	return v
}

// TestChart renders the chart, starts a service with the configuration of its ConfigMap, and checks
// what Kubernetes has to know of the nodes.
func TestChart(t *testing.T) {
	byKind := map[string]map[string]any{}
	for _, o := range render(t, func(map[string]any) {}) {
		kind, _ := o["kind"].(string)
		if o["apiVersion"] == nil || at(o, "metadata", "name") != "signet" {
			t.Errorf("%s: %v", kind, o["metadata"])
		}
		byKind[kind] = o
	}
	for _, kind := range []string{
		"ConfigMap", "Deployment", "PodDisruptionBudget", "PersistentVolumeClaim", "Service",
		"Ingress",
	} {
		if byKind[kind] == nil {
			t.Errorf("there is no %s", kind)
		}
	}
	pod := at(byKind["Deployment"], "spec", "template", "spec")
	container := at(pod, "containers", 0)
	for what, pair := range map[string][2]any{
		"replicas":  {at(byKind["Deployment"], "spec", "replicas"), 3},
		"selector":  {at(byKind["Deployment"], "spec", "selector", "matchLabels"), at(byKind["Service"], "spec", "selector")},
		"not root":  {at(pod, "securityContext", "runAsNonRoot"), true},
		"read-only": {at(container, "securityContext", "readOnlyRootFilesystem"), true},
		"ready":     {at(container, "readinessProbe", "httpGet", "path"), "/readyz"},
		"alive":     {at(container, "livenessProbe", "httpGet", "path"), "/livez"},
		"grace":     {at(pod, "terminationGracePeriodSeconds"), 75},
		"memory":    {at(container, "resources", "limits", "memory"), "1Gi"},
		"claim":     {at(pod, "volumes", 2, "persistentVolumeClaim", "claimName"), at(byKind["PersistentVolumeClaim"], "metadata", "name")},
		"access":    {at(byKind["PersistentVolumeClaim"], "spec", "accessModes", 0), "ReadWriteMany"},
		"host":      {at(byKind["Ingress"], "spec", "rules", 0, "host"), "sign.example.com"},
		"body":      {at(byKind["Ingress"], "metadata", "annotations", "nginx.ingress.kubernetes.io/proxy-body-size"), "10m"},
	} {
		if !reflect.DeepEqual(pair[0], pair[1]) {
			t.Errorf("%s is %v, want %v", what, pair[0], pair[1])
		}
	}
	mounted := map[any]bool{}
	volumes, _ := at(pod, "volumes").([]any)
	for _, v := range volumes {
		mounted[at(v, "name")] = true
	}
	mounts, _ := at(container, "volumeMounts").([]any)
	for _, m := range mounts {
		if !mounted[at(m, "name")] {
			t.Errorf("there is no volume %v", at(m, "name"))
		}
	}
	text, _ := at(byKind["ConfigMap"], "data", "signet.yaml").(string)
	var settings map[string]any
	if err := yaml.Unmarshal([]byte(text), &settings); err != nil {
		t.Fatal(err)
	}
	keys := configKeys()
	for key := range settings {
		if !keys[key] {
			t.Errorf("there is no key %s", key)
		}
	}
	if settings["database_file"] != "/run/secrets/signet/database" {
		t.Errorf("the configuration is %s", text)
	}
	none := render(t, func(values map[string]any) {
		values["ingress"].(map[string]any)["enabled"] = false
	})
	if n := len(none); n != len(byKind)-1 {
		t.Errorf("without an ingress there are %d objects", n)
	}
}

// TestImage builds the image, and runs the service in it as its user, who can write to /data and
// /tmp only.
func TestImage(t *testing.T) {
	if tool(t, "buildah", "buildah") == "" {
		return
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("the test needs root")
		}
		t.Skip("the test needs root")
	}
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	builder := fmt.Sprintf("buildah --storage-driver vfs --root %s/root --runroot %s/run", dir, dir)
	run := func(env []string, name string, args ...string) string {
		t.Helper()
		c := exec.Command(name, args...)
		c.Env = append(os.Environ(), env...)
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, &errs)
		}
		return strings.TrimSpace(string(out))
	}
	buildah := func(args ...string) string {
		t.Helper()
		f := strings.Fields(builder)
		return run(nil, f[0], append(f[1:], args...)...)
	}
	run(
		[]string{"BUILDER=" + builder, "BUILDAH_ISOLATION=chroot", "KMS=" + kmsProgram(t)},
		"../../deploy/container/build", "signet:test",
	)
	user := buildah(
		"inspect", "--type", "image", "--format", "{{.OCIv1.Config.User}}", "signet:test",
	)
	if user != "65532:65532" {
		t.Errorf("the image runs as %q", user)
	}
	// A copy, because the users of the storage's folders differ.
	image := filepath.Join(dir, "image")
	mounted := buildah("mount", buildah("from", "signet:test"))
	run(nil, "cp", "-a", mounted, image)
	for name, mode := range map[string]os.FileMode{"data": 0o700, "tmp": 0o1777} {
		path := filepath.Join(image, name)
		if err := os.MkdirAll(path, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Chown(path, 65532, 65532), os.Chmod(path, mode)); err != nil {
			t.Fatal(err)
		}
	}
	listen, control := freeAddr(t), freeAddr(t)
	c := exec.Command("/usr/bin/signet", "serve", "--public-url", "https://sign.test")
	kmstest.NewAWS(t) // with whose keys the image's signet-kms makes the service start
	c.Env = []string{
		// As container runtimes set it. A chroot has no /proc, by which a program finds its folder.
		"PATH=/usr/bin",
		"SIGNET_DATA=/data", "SIGNET_LISTEN=" + listen, "SIGNET_CONTROL=" + control,
		"SIGNET_KEYS=awskms:region=ap-southeast-1;decryption-key=" + kmstest.DecryptionKey,
	}
	for _, set := range os.Environ() {
		if strings.HasPrefix(set, "AWS_") {
			c.Env = append(c.Env, set)
		}
	}
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{
		Chroot: image, Credential: &syscall.Credential{Uid: 65532, Gid: 65532},
	}
	var log bytes.Buffer
	c.Stderr = &log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ready := false
	for deadline := time.Now().Add(time.Minute); !ready && time.Now().Before(deadline); {
		time.Sleep(50 * time.Millisecond)
		if resp, err := http.Get("http://" + control + "/readyz"); err == nil {
			ready = resp.StatusCode == http.StatusOK
			resp.Body.Close()
		}
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	if err := c.Wait(); err != nil || !ready {
		t.Errorf("ready %t, %v: %s", ready, err, &log)
	}
}
