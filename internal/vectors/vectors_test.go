package vectors

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
)

const folder = "../../api/vectors"

// TestFiles checks that the committed files are what the generator makes, and there are no others.
func TestFiles(t *testing.T) {
	files, err := Files()
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf(
				"%s is not what the code makes: run go generate ./internal/vectors (%v)", name, err,
			)
		}
	}
	committed, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(committed) != len(files) {
		t.Errorf("%d files, and the generator makes %d", len(committed), len(files))
	}
	about, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range files {
		if !strings.Contains(string(about), "`"+name+"`") {
			t.Errorf("README.md does not describe %s", name)
		}
	}
}

// read reads a committed file, which has no members but those of the type.
func read(t *testing.T, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

// TestCode checks that the code judges each committed vector as the file says.
func TestCode(t *testing.T) {
	var tokens tokenFile
	read(t, "tokens.json", &tokens)
	count := map[bool]int{}
	err := tokens.judge(func(v *tokenVector, got tokenVector) error {
		count[v.Accepted]++
		if !reflect.DeepEqual(*v, got) {
			t.Errorf("%s: the file says %+v, the code %+v", v.Name, *v, got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if count[true] < 40 || count[false] < 100 {
		t.Errorf("%d good tokens and %d bad ones", count[true], count[false])
	}

	var locations locationFile
	read(t, "locations.json", &locations)
	for _, v := range locations.Locations {
		if got, err := v.judged(); err != nil || !reflect.DeepEqual(v, got) {
			t.Errorf("%s: the file says %+v, the code %+v (%v)", v.Name, v, got, err)
		}
	}

	var names nameFile
	read(t, "names.json", &names)
	for _, v := range names.Names {
		if got, err := v.judged(); err != nil || !reflect.DeepEqual(v, got) {
			t.Errorf("%s: the file says %+v, the code %+v (%v)", v.Name, v, got, err)
		}
	}

	var returns returnFile
	read(t, "return_urls.json", &returns)
	for _, v := range returns.Returns {
		if got := v.returned(); got != v.URL || v.problem() != nil {
			t.Errorf("%s: the file says %s, the code %s", v.RedirectURL, v.URL, got)
		}
	}
	for _, v := range returns.Refused {
		problem := returnVector{RedirectURL: v.RedirectURL}.problem()
		if problem == nil || problem.Error() != v.Reason {
			t.Errorf("%s: the file says %s, the code %v", v.RedirectURL, v.Reason, problem)
		}
	}

	var states stateFile
	read(t, "states.json", &states)
	for _, v := range states.Walks {
		if err := v.judge(); err != nil {
			t.Error(err)
		}
	}

	var webhooks webhookFile
	read(t, "webhooks.json", &webhooks)
	for _, v := range webhooks.Webhooks {
		if err := webhooks.judge(v); err != nil {
			t.Error(err)
		}
	}
	if len(locations.Locations) < 30 || len(names.Names) < 25 || len(returns.Returns) < 20 ||
		len(returns.Refused) < 10 || len(states.Walks) < 80 || len(webhooks.Webhooks) < 20 {
		t.Error("a file has too few vectors")
	}
}

// TestJudges checks that a vector that says otherwise than the code is noticed.
func TestJudges(t *testing.T) {
	var tokens tokenFile
	read(t, "tokens.json", &tokens)
	tokens.Now += 3600
	err := tokens.judge(func(v *tokenVector, got tokenVector) error {
		if got.Accepted {
			t.Errorf("%s is accepted an hour later", v.Name)
		}
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "ordinary") { // before which others come
		t.Errorf("an hour later: %v", err)
	}

	var states stateFile
	read(t, "states.json", &states)
	for _, v := range states.Walks {
		if v.Error != nil {
			v.Error = nil
		} else {
			v.To += "?"
		}
		if v.judge() == nil {
			t.Errorf("%s in %s: another outcome passes", v.Action, v.State)
		}
	}

	var webhooks webhookFile
	read(t, "webhooks.json", &webhooks)
	for _, v := range webhooks.Webhooks {
		v.Accepted = !v.Accepted
		if webhooks.judge(v) == nil {
			t.Errorf("%s: the opposite passes", v.Name)
		}
	}
}

// TestPython checks that an independent implementation, with PyJWT, judges webhooks and signatures
// as the files say, and notices a file that says otherwise.
func TestPython(t *testing.T) {
	const python = "/usr/bin/python3" // Debian's, which sees Debian's packages
	if err := exec.Command(python, "-c", "import jwt, cryptography").Run(); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("install python3-jwt and python3-cryptography: ", err)
		}
		t.Skip("needs python3-jwt and python3-cryptography: ", err)
	}
	judge := func(folder string) string {
		t.Helper()
		out, err := exec.Command(python, "testdata/judge.py", folder).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := judge(folder); out != "" {
		t.Errorf("Python judges otherwise:\n%s", out)
	}

	var tokens tokenFile
	read(t, "tokens.json", &tokens)
	var webhooks webhookFile
	read(t, "webhooks.json", &webhooks)
	tokens.Tokens[0].Authorization = changed(partytest.Key{}, tokens.Tokens[0].Authorization)
	webhooks.Webhooks[0].Accepted = false
	other := t.TempDir()
	for name, content := range map[string]any{"tokens.json": tokens, "webhooks.json": webhooks} {
		text, err := json.Marshal(content)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := judge(other); out != "webhook ordinary\ntoken initiate: ordinary\n" {
		t.Errorf("Python says of changed files:\n%s", out)
	}
}
