package main

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/fault"
)

// TestEveryKey sets each key of the configuration to another value than its default, in the file,
// in the environment and as a flag. Each must change the key's field to that value, and no other.
// Three keys are set at a time, in one way each, since the commands take long to set up.
func TestEveryKey(t *testing.T) {
	defaults := parseServe(t)
	var keys []reflect.StructField
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		switch field.Tag.Get("yaml") {
		case "":
			t.Errorf("%s has no key", field.Name)
		case "-": // set by the program
		default:
			keys = append(keys, field)
		}
	}
	if len(keys) < 3 {
		t.Fatal("no keys")
	}
	for i := range keys {
		want := defaults
		set := func(field reflect.StructField) (key, text string) {
			key = field.Tag.Get("yaml")
			text, value := sample(t, field)
			before := want
			reflect.ValueOf(&want).Elem().FieldByIndex(
				field.Index,
			).Set(reflect.ValueOf(value).Convert(field.Type))
			if reflect.DeepEqual(want, before) {
				t.Errorf("%s: %s is its default", key, text)
			}
			return key, text
		}
		inFile, fileText := set(keys[i])
		inEnvironment, environmentText := set(keys[(i+1)%len(keys)])
		asFlag, flagText := set(keys[(i+2)%len(keys)])
		t.Run(inFile+"/"+inEnvironment+"/"+asFlag, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "signet.yaml")
			if err := os.WriteFile(file, []byte(inFile+": "+fileText+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			t.Setenv("SIGNET_"+strings.ToUpper(inEnvironment), environmentText)
			got := parseServe(
				t, "--config", file, "--"+strings.ReplaceAll(asFlag, "_", "-")+"="+flagText,
			)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf(
					"%s in the file, %s in the environment, %s as a flag (-want +got):\n%s",
					inFile, inEnvironment, asFlag, diff,
				)
			}
		})
	}
}

// sample is a value for a key that is not its default, and how it is written.
func sample(t *testing.T, field reflect.StructField) (text string, value any) {
	t.Helper()
	if enum := field.Tag.Get("enum"); enum != "" {
		for choice := range strings.SplitSeq(enum, ",") {
			if choice != field.Tag.Get("default") {
				return choice, choice
			}
		}
	}
	switch v := reflect.Zero(field.Type).Interface().(type) {
	case string:
		text = "of-" + field.Name
		return text, text
	case bool:
		return "true", true
	case uint64:
		return "407", uint64(407)
	case int:
		return "407", 407
	case *bool:
		return "true", new(true)
	case *int:
		return "407", new(407)
	case *time.Duration:
		return "47m0s", new(47 * time.Minute)
	case time.Duration:
		return "47m0s", 47 * time.Minute
	case config.List:
		return "[http://a.test, http://b.test]", config.List{"http://a.test", "http://b.test"}
	case config.PartyList:
		return "[{client_id: a, name: b}]", config.PartyList{{ClientID: "a", Name: "b"}}
	case config.PersonaList:
		return "[{uin: S8979373D, name: b}]", config.PersonaList{{UIN: "S8979373D", Name: "b"}}
	case config.FaultList:
		return "[{kind: reset, count: 2, delay: 3s}]", config.FaultList{
			{Kind: "reset", Count: 2, Delay: fault.Duration(3 * time.Second)},
		}
	default:
		t.Fatalf("%s: no sample of type %T", field.Name, v)
		return "", nil
	}
}

// parseServe is the configuration of signet serve with arguments.
func parseServe(t *testing.T, args ...string) config.Config {
	t.Helper()
	var c cli
	parser, err := newParser(&c)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		t.Fatal(err)
	}
	return c.Serve.Config
}

// TestUnknownKeys checks that an unknown key is refused in the file and as a flag.
func TestUnknownKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "signet.yaml")
	if err := os.WriteFile(file, []byte("oidcuin_claim: sub\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--config", file}, {"serve", "--oidcuin-claim=sub"}} {
		parser, err := newParser(new(cli))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parser.Parse(args); err == nil || !strings.Contains(err.Error(), "oidcuin") {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestEverySecret checks that the key of each secret has a sibling that names its file, and no
// other key has one.
func TestEverySecret(t *testing.T) {
	secrets, files := map[string]bool{}, map[string]bool{}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[config.Config]()) {
		key := field.Tag.Get("yaml")
		if _, ok := field.Tag.Lookup("secret"); ok {
			secrets[key] = true
		} else if strings.HasSuffix(key, "_password") || strings.HasSuffix(key, "_secret") ||
			strings.HasSuffix(key, "_token") {
			t.Errorf("%s is not tagged as a secret", key)
		}
		if secret, ok := strings.CutSuffix(key, "_file"); ok {
			files[secret] = true
		}
	}
	if diff := cmp.Diff(secrets, files); diff != "" || len(secrets) == 0 {
		t.Errorf("secrets and their files (-secrets +files):\n%s", diff)
	}
}
