package app

import (
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"
)

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
