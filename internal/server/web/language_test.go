package web

import (
	"io/fs"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestMessages: every message that a template names exists in English, every
// message of another language exists in English with the same arguments, and none
// is missing.
func TestMessages(t *testing.T) {
	k := newKit(t)
	english := k.byTag("en").messages
	used := regexp.MustCompile(`\b(tn?) "([^"]+)"`)
	files, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates", err)
	}
	for _, file := range files {
		raw, err := templateFiles.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range used.FindAllStringSubmatch(string(raw), -1) {
			keys := []string{m[2]}
			if m[1] == "tn" {
				keys = []string{m[2] + ".one", m[2] + ".other"}
			}
			for _, key := range keys {
				if _, ok := english[key]; !ok {
					t.Errorf("%s: no message %q", file, key)
				}
			}
		}
	}
	for _, p := range Gallery() {
		if _, ok := english[p.Page.meta().title]; !ok {
			t.Errorf("%s: no title %q", p.Name, p.Page.meta().title)
		}
	}
	argument := regexp.MustCompile(`\{\d\}`)
	for _, l := range k.languages {
		for key, message := range l.messages {
			source, ok := english[key]
			if !ok {
				t.Errorf("%s: %q is not in English", l.Tag, key)
				continue
			}
			if strings.TrimSpace(message) == "" {
				t.Errorf("%s: %q is empty", l.Tag, key)
			}
			for _, a := range argument.FindAllString(source, -1) {
				if !strings.Contains(message, a) && !strings.HasSuffix(key, ".one") {
					t.Errorf("%s: %q lacks %s", l.Tag, key, a)
				}
			}
		}
		for key := range english {
			if _, ok := l.messages[key]; !ok && !operatorOnly(key) {
				t.Errorf("%s: %q is missing", l.Tag, key)
			}
		}
	}
}

// operatorOnly are the pages for developers, which stay English.
func operatorOnly(key string) bool {
	for _, prefix := range []string{"demo.", "personas.", "state.", "code.sandbox", "console."} {
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
			r.AddCookie(&http.Cookie{Name: languageCookie, Value: test.cookie})
		}
		w := httptest.NewRecorder()
		if got := k.language(w, r); got.Tag != test.want {
			t.Errorf("%+v: %s", test, got.Tag)
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
		if err := k.Render(w, httptest.NewRequest(method, target, nil), 200, LinkInvalid{}); err != nil {
			t.Fatal(err)
		}
		return w.Body.String()
	}
	if body := page("GET", "/phone/enrol?next=%2Fphone%2Fsign%2Fa%2Fb"); !strings.Contains(body, `href="?lang=zh&amp;next=%2Fphone%2Fsign%2Fa%2Fb"`) {
		t.Error("the switch loses the query")
	}
	if strings.Contains(page("POST", "/x"), "hreflang") {
		t.Error("the answer to a form offers a switch that would lose it")
	}
}

// TestDates: a time is written as the language writes it.
func TestDates(t *testing.T) {
	k := newKit(t)
	at := time.Date(2026, 3, 9, 14, 4, 5, 0, time.FixedZone("SGT", 8*60*60))
	for tag, want := range map[string]string{
		"en": "9 Mar 2026, 2:04:05 PM SGT", "zh": "2026年3月9日 14:04:05 SGT",
		"ms": "9 Mac 2026, 14:04:05 SGT", "ta": "9 மார். 2026, 14:04:05 SGT",
	} {
		l := k.byTag(tag)
		if got := l.date(at, "date.stamp"); got != want {
			t.Errorf("%s: %s, want %s", tag, got, want)
		}
		for month := time.January; month <= time.December; month++ {
			l.date(time.Date(2026, month, 1, 0, 0, 0, 0, time.UTC), "date.day") // every month has a name
		}
	}
}
