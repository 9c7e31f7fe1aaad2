package e2e_test

import (
	"encoding/json"
	"html"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
)

// TestStartPage types what the sandbox's first page says: its first call initiates a request, and
// its second one cancels it. All addresses on it answer.
func TestStartPage(t *testing.T) {
	s := start(t)
	for _, root := range []string{s.url, s.control} {
		page := openPage(t, root+"/")
		lines := regexp.MustCompile(`(?s)<div class="lines"><pre[^>]*><code>(.*?)</code>`).
			FindAllStringSubmatch(page, -1)
		if len(lines) != 4 {
			t.Fatalf("%d texts to copy on %s", len(lines), root)
		}
		shell := func(text string) []byte {
			cmd := exec.CommandContext(t.Context(), tool(t, "bash", "bash"), "-ec", text)
			cmd.Dir = t.TempDir()
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%s: %v", text, err)
			}
			return out
		}
		var made api.Initiated
		answer := shell(html.UnescapeString(lines[0][1]))
		if err := json.Unmarshal(answer, &made); err != nil || made.RequestID == "" {
			t.Fatalf("first call: %s", answer)
		}
		cancel := strings.Replace(html.UnescapeString(lines[1][1]), "signv3-...", made.RequestID, 1)
		if answer := string(shell(cancel)); !strings.HasPrefix(answer, "HTTP/1.1 200 ") {
			t.Errorf("cancel: %s", answer)
		}
		if env := html.UnescapeString(lines[2][1]); strings.Count(env, "SIGNV3_CLIENT_") != 4 {
			t.Errorf("environment: %s", env)
		}
		for _, m := range regexp.MustCompile(`href="(http[^"]*)"`).FindAllStringSubmatch(page, -1) {
			// the two bases of the API answer that they are none
			if !strings.HasSuffix(m[1], "/v3") && !strings.HasSuffix(m[1], "/sign-v3") {
				openPage(t, m[1])
			}
		}
	}
}

func openPage(t *testing.T, url string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d, %v", url, resp.StatusCode, err)
	}
	return string(text)
}
