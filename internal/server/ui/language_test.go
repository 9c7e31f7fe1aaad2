package ui_test

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/ui"
)

// TestMessages checks that every message that a template names exists in English, every
// message of another language exists in English with the same arguments, and none
// is missing.
func TestMessages(t *testing.T) {
	k := newKit(t)
	english := k.Messages("en")
	used := regexp.MustCompile(`\b(tn?) "([^"]+)"`)
	var texts []string
	for _, set := range k.TemplateSets() {
		files, err := fs.Glob(set.Files, "templates/*.html")
		if err != nil || len(files) == 0 {
			t.Fatal("no templates", err)
		}
		for _, file := range files {
			raw, err := fs.ReadFile(set.Files, file)
			if err != nil {
				t.Fatal(err)
			}
			texts = append(texts, string(raw))
		}
	}
	for file, raw := range texts {
		for _, m := range used.FindAllStringSubmatch(string(raw), -1) {
			keys := []string{m[2]}
			if m[1] == "tn" {
				keys = []string{m[2] + ".one", m[2] + ".other"}
			}
			for _, key := range keys {
				if _, ok := english[key]; !ok {
					t.Errorf("template %d: no message %q", file, key)
				}
			}
		}
	}
	for _, p := range Gallery() {
		if _, ok := english[p.Page.Meta().Title]; !ok {
			t.Errorf("%s: no title %q", p.Name, p.Page.Meta().Title)
		}
	}
	argument := regexp.MustCompile(`\{\d\}`)
	for _, tag := range k.Tags() {
		messages := k.Messages(tag)
		for key, message := range messages {
			source, ok := english[key]
			if !ok {
				t.Errorf("%s: %q is not in English", tag, key)
				continue
			}
			if strings.TrimSpace(message) == "" {
				t.Errorf("%s: %q is empty", tag, key)
			}
			for _, a := range argument.FindAllString(source, -1) {
				if !strings.Contains(message, a) && !strings.HasSuffix(key, ".one") {
					t.Errorf("%s: %q lacks %s", tag, key, a)
				}
			}
		}
		for key := range english {
			if _, ok := messages[key]; !ok && !operatorOnly(key) {
				t.Errorf("%s: %q is missing", tag, key)
			}
		}
	}
}

// operatorOnly are the pages for developers, which stay English.
func operatorOnly(key string) bool {
	for _, prefix := range []string{"demo.", "start.", "reference.", "place.", "personas.", "state.", "code.sandbox", "console."} {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

func TestLanguageChoice(t *testing.T) {
	k := newKit(t)
	for _, test := range []struct {
		query, cookie, accept, want string
	}{
		{"", "", "", "en"},
		{"", "", "fr, de;q=0.8", "en"},
		{"", "", "zh-Hans-SG, en;q=0.5", "zh"},
		{"", "", "en;q=0.3, ms;q=0.9", "ms"},
		{"", "", "ta-SG", "ta"},
		{"", "", "zh;q=0", "en"},
		{"", "", "zh;q=nonsense, ta;q=0.1", "ta"},
		{"", "ms", "zh", "ms"},
		{"", "xx", "zh", "zh"},
		{"?lang=ta", "ms", "zh", "ta"},
		{"?lang=../en", "ms", "zh", "ms"},
	} {
		r := httptest.NewRequest("GET", "/x"+test.query, nil)
		r.Header.Set("Accept-Language", test.accept)
		if test.cookie != "" {
			r.AddCookie(&http.Cookie{Name: ui.LanguageCookie, Value: test.cookie})
		}
		w := httptest.NewRecorder()
		if got := k.Chosen(w, r); got != test.want {
			t.Errorf("%+v: %s", test, got)
		}
		if set := len(w.Result().Cookies()) == 1; set != (test.query == "?lang=ta") {
			t.Errorf("%+v: cookie set: %v", test, set)
		}
	}
}

func TestLanguageSwitchKeepsTheQuery(t *testing.T) {
	k := newKit(t)
	page := func(method, target string) string {
		w := httptest.NewRecorder()
		if err := k.Render(w, httptest.NewRequest(method, target, nil), 200, portal.LinkInvalid{}); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	if body := page("GET", "/phone/enrol?next=%2Fphone%2Fsign%2Fa%2Fb"); !strings.Contains(
		body, `href="?lang=zh&amp;next=%2Fphone%2Fsign%2Fa%2Fb"`,
	) {
		t.Error("the switch loses the query")
	}
	if strings.Contains(page("POST", "/x"), "hreflang") {
		t.Error("the answer to a form offers a switch that would lose it")
	}
}

// TestDates checks that a time is written as the language writes it.
func TestDates(t *testing.T) {
	k := newKit(t)
	at := time.Date(2026, 3, 9, 14, 4, 5, 0, request.Singapore())
	for tag, want := range map[string]string{
		"en": "9 Mar 2026, 2:04:05 PM SGT", "zh": "2026年3月9日 14:04:05 SGT",
		"ms": "9 Mac 2026, 14:04:05 SGT", "ta": "9 மார். 2026, 14:04:05 SGT",
	} {
		if got := k.Date(tag, at, "date.stamp"); got != want {
			t.Errorf("%s: %s, want %s", tag, got, want)
		}
		for month := time.January; month <= time.December; month++ {
			// every month has a name
			k.Date(tag, time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), "date.day")
		}
	}
}

// TestNamesInSentences checks that a name that is written from right to left does not change the
// order of the words around it, and that no other name gets a character that was not typed.
func TestNamesInSentences(t *testing.T) {
	k := newKit(t)
	for name, want := range map[string]string{
		"Harbour Lane":    "Return to Harbour Lane",
		"海港公司":            "Return to 海港公司",
		"בית הנמל (2026)": "Return to \u2068בית הנמל (2026)\u2069",
		"a\u202egpj.exe":  "Return to \u2068a\u202egpj.exe\u2069",
		"Lease عقد.pdf":   "Return to \u2068Lease عقد.pdf\u2069",
	} {
		if got := k.Text("en", "return", name); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
