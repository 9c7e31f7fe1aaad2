package e2e_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/rp"
	"github.com/signet-sign/signet/internal/rp/rptest"
)

// TestKnownUnknowns: every row of docs/known-unknowns.md names a place in the code that exists, and tests that exist.
func TestKnownUnknowns(t *testing.T) {
	const doc = "../../docs/known-unknowns.md"
	text, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	place := regexp.MustCompile("\\[`(\\w+)`\\]\\(([^)]+)\\)")
	test := regexp.MustCompile(`\[(Test\w+)\]\(([^)]+)\)`)
	source := func(link string) string {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(doc), link))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	rows := 0
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "| 14.") {
			continue
		}
		rows++
		cells := strings.Split(line, " | ")
		if len(cells) != 5 || !strings.HasPrefix(line, fmt.Sprintf("| 14.%d |", rows)) {
			t.Fatalf("row %d is %s", rows, line)
		}
		places, tests := place.FindAllStringSubmatch(cells[3], -1), test.FindAllStringSubmatch(cells[4], -1)
		if len(places) == 0 || len(tests) == 0 {
			t.Errorf("row %d names no place or no test", rows)
		}
		for _, m := range places {
			if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(source(m[2])) {
				t.Errorf("row %d: %s is not in %s", rows, m[1], m[2])
			}
		}
		for _, m := range tests {
			if !strings.Contains(source(m[2]), "func "+m[1]+"(t *testing.T)") {
				t.Errorf("row %d: %s is not in %s", rows, m[1], m[2])
			}
		}
	}
	if rows != 27 {
		t.Errorf("%d rows", rows)
	}
}

// TestContractVersion: whoever follows a newer contract changes this, the document's first row of versions, and what is new.
func TestContractVersion(t *testing.T) {
	if api.Version != "3.2" {
		t.Errorf("version %s", api.Version)
	}
	if !strings.Contains(string(api.OpenAPI()), "15 January 2026") {
		t.Error("openapi.yaml does not say which state of the documentation it follows")
	}
}

// TestCancelContentType: a body is never looked at, not even one that claims to be JSON and is not.
func TestCancelContentType(t *testing.T) {
	s := start(t)
	for kind, want := range map[string]int{
		"": 200, "application/json": 200, "Application/JSON; charset=utf-8": 200,
		"text/plain": 400, "application/x-www-form-urlencoded": 400, "application/octet-stream": 400, ";;": 400,
	} {
		in := s.initiate(t)
		for _, body := range []string{"", "{", `{"request_id":"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"}`} {
			// Not the client that checks: a body is not as documented.
			req, err := http.NewRequest("POST", s.url+"/api/v3/sign-requests/cancel", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", s.party.Token(rp.Cancel, rptest.Claim("request_id", in.RequestID)))
			if kind != "" {
				req.Header.Set("Content-Type", kind)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text := readAll(t, resp)
			resp.Body.Close()
			if resp.StatusCode != want || want == 400 && !strings.Contains(text, "CLIENT_SIDE_ERROR") {
				t.Errorf("Content-Type %q, body %q: %d %s", kind, body, resp.StatusCode, text)
			}
			in = s.initiate(t)
		}
	}
}
