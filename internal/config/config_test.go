package config

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
)

// TestAuthoritiesOfParty checks that ca_file of a party is read, and that a file without text is
// refused, because it would mean the system's authorities.
func TestAuthoritiesOfParty(t *testing.T) {
	read := func(file string) ([]party.Party, error) {
		c := Config{Parties: PartyList{{ClientID: "a", CAFile: file, AllowPrivate: true}}}
		parties, _, err := c.Registered()
		return parties, err
	}
	got, err := read(write(t, "a certificate\n", 0o600))
	if err != nil || got[0].CA != "a certificate\n" || !got[0].AllowPrivate {
		t.Errorf("%+v, %v", got, err)
	}
	for file, why := range map[string]string{
		"/nonexistent":      "client a: ca_file: open /nonexistent",
		write(t, "", 0o600): "is empty",
	} {
		if _, err := read(file); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%s: %v, want %q", file, err, why)
		}
	}
}

// TestDefaults checks that what the documentation decides holds unless an operator configures
// something else, on the command line as in SandboxDefaults.
func TestDefaults(t *testing.T) {
	c := SandboxDefaults()
	if c.SessionLifetime != 180*time.Second || c.UnauthorizedStatus != http.StatusBadRequest ||
		c.LenientTokens ||
		c.RefetchUnknownKid ||
		c.WebhookLadder {
		t.Errorf("%+v", c)
	}
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		f := v.Type().Field(i)
		text, tagged := f.Tag.Lookup("default")
		if f.Name == "Listen" || f.Name == "Control" || !tagged || v.Field(i).IsZero() {
			continue
		}
		got := fmt.Sprint(v.Field(i).Interface())
		if d, ok := v.Field(i).Interface().(time.Duration); ok {
			want, err := time.ParseDuration(text)
			if err != nil || want != d {
				t.Errorf("%s: %s, and the tag says %s", f.Name, d, text)
			}
		} else if got != text {
			t.Errorf("%s: %s, and the tag says %s", f.Name, got, text)
		}
	}
	for name, want := range map[string]string{"SessionLifetime": "180s", "UnauthorizedStatus": "400", "LenientTokens": "", "RefetchUnknownKid": "", "WebhookLadder": ""} {
		f, ok := v.Type().FieldByName(name)
		if got := f.Tag.Get("default"); !ok || got != want {
			t.Errorf("the default of %s is %q, want %q", name, got, want)
		}
	}
}

// TestSetDefaults checks the defaults that differ between a sandbox and a service, and that they
// replace nothing.
func TestSetDefaults(t *testing.T) {
	var service, sandbox Config
	service.SetDefaults(false)
	sandbox.SetDefaults(true)
	set := Config{
		PhoneDelay: new(time.Hour), PhoneLimit: new(0), RatePerPerson: new(7),
		FailedLoginsPerAddress: new(0), RecordCalls: "none",
	}
	set.SetDefaults(false)
	for _, test := range []struct {
		name   string
		config Config
		want   string
	}{
		{"service", service, "24h0m0s 3 20 30 refused"},
		{"sandbox", sandbox, "0s 0 0 0 all"},
		{"as configured", set, "1h0m0s 0 7 0 none"},
	} {
		c := test.config
		got := fmt.Sprint(
			*c.PhoneDelay, *c.PhoneLimit, *c.RatePerPerson, *c.FailedLoginsPerAddress, " ", c.RecordCalls,
		)
		if got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

// TestNegative checks that a negative value of each number and duration is refused by its key.
func TestNegative(t *testing.T) {
	tried := 0
	for _, f := range reflect.VisibleFields(reflect.TypeFor[Config]()) {
		kind := f.Type
		if kind.Kind() == reflect.Pointer {
			kind = kind.Elem()
		}
		if !kind.ConvertibleTo(reflect.TypeFor[int64]()) || kind.Kind() == reflect.Uint64 {
			continue
		}
		tried++
		c := safe()
		field := reflect.ValueOf(&c).Elem().FieldByIndex(f.Index)
		if f.Type.Kind() == reflect.Pointer {
			field.Set(reflect.New(kind))
			field = field.Elem()
		}
		field.SetInt(-1)
		key := f.Tag.Get("yaml")
		if err := c.Check(); err == nil || !strings.HasPrefix(err.Error(), key+" -1") {
			t.Errorf("%s: %v", key, err)
		}
	}
	if tried < 20 {
		t.Errorf("%d keys", tried)
	}
}
