package ui

import (
	"embed"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	textlanguage "golang.org/x/text/language"
	"golang.org/x/text/unicode/bidi"

	"github.com/signet-sign/signet/internal/server/httpx"
)

//go:embed messages
var messageFiles embed.FS

// languageCookie stores the chosen language.
const languageCookie = "signet_lang"

// language is one message file.
type language struct {
	Tag      string // BCP 47, such as "zh"
	Name     string // in the language itself
	messages map[string]string
	fallback map[string]string // English
	strings  string            // JSON of the messages for scripts
}

// languageLink is one link of the language switch.
type languageLink struct {
	Tag, Name, URL string
	Current        bool
}

// openLanguages reads the message files, English first.
func openLanguages() ([]*language, error) {
	entries, err := messageFiles.ReadDir("messages")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	var all []*language
	var english *language
	for _, e := range entries {
		raw, err := messageFiles.ReadFile("messages/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		l := &language{Tag: strings.TrimSuffix(e.Name(), ".json")}
		if err := json.Unmarshal(raw, &l.messages); err != nil {
			return nil, fmt.Errorf("web: messages/%s: %w", e.Name(), err)
		}
		if l.Name = l.messages["language.name"]; l.Name == "" {
			return nil, fmt.Errorf("web: messages/%s: no language.name", e.Name())
		}
		if l.Tag == "en" {
			english = l
		}
		all = append(all, l)
	}
	if english == nil {
		return nil, fmt.Errorf("web: no messages/en.json")
	}
	for _, l := range all {
		l.fallback = english.messages
		script := map[string]string{}
		for key := range english.messages {
			if short, ok := strings.CutPrefix(key, "js."); ok {
				script[short] = l.text(key)
			}
		}
		b, err := json.Marshal(script)
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		l.strings = string(b)
	}
	sort.SliceStable(all, func(i, j int) bool { return rank(all[i].Tag) < rank(all[j].Tag) })
	return all, nil
}

// rank is the position in the language switch: English, Chinese, Malay, Tamil.
func rank(tag string) int {
	for i, t := range []string{"en", "zh", "ms", "ta"} {
		if t == tag {
			return i
		}
	}
	return 99
}

// text returns the message with {0}, {1}, ... replaced. A message that the language lacks is in
// English. A key that English lacks is returned itself, which a test detects.
func (l *language) text(key string, args ...any) string {
	s, ok := l.messages[key]
	if !ok {
		if s, ok = l.fallback[key]; !ok {
			return key
		}
	}
	if len(args) == 0 {
		return s
	}
	pairs := make([]string, 0, 2*len(args))
	for i, a := range args {
		pairs = append(pairs, "{"+strconv.Itoa(i)+"}", isolated(fmt.Sprint(a)))
	}
	return strings.NewReplacer(pairs...).Replace(s)
}

// isolated keeps a name that is written from right to left from changing the order of the sentence
// around it, also in titles and attributes, which cannot have the element bdi.
func isolated(name string) string {
	const first, pop = "\u2068", "\u2069" // FSI and PDI (UAX #9)
	for _, c := range name {
		switch p, _ := bidi.LookupRune(c); p.Class() {
		case bidi.R, bidi.AL, bidi.RLE, bidi.RLO, bidi.RLI:
			return first + name + pop
		}
	}
	return name
}

// count returns the message KEY.one or KEY.other. The languages without plural forms have the same
// text twice.
func (l *language) count(key string, n int) string {
	if n == 1 {
		return l.text(key+".one", n)
	}
	return l.text(key+".other", n)
}

// date formats t with the message key: a layout of package time in which {0} stands for the month's
// name, because package time has only English names.
func (l *language) date(t time.Time, key string) string {
	months := strings.Fields(l.text("date.months"))
	return strings.ReplaceAll(t.Format(l.text(key)), "{0}", months[t.Month()-1])
}

// language returns the language of ?lang=, which it stores in a cookie, of the cookie, or of
// Accept-Language. The default is English.
func (k *Kit) language(w http.ResponseWriter, r *http.Request) *language {
	if l := k.byTag(r.URL.Query().Get("lang")); l != nil {
		http.SetCookie(
			w, httpx.NewCookie(languageCookie, l.Tag, "/", k.options.PublicURL, 365*24*time.Hour),
		)
		return l
	}
	if c, err := r.Cookie(httpx.CookieName(languageCookie, "/", k.options.PublicURL)); err == nil {
		if l := k.byTag(c.Value); l != nil {
			return l
		}
	}
	return k.accept(r.Header.Get("Accept-Language"))
}

func (k *Kit) byTag(tag string) *language {
	for _, l := range k.languages {
		if l.Tag == tag {
			return l
		}
	}
	return nil
}

// accept returns the best language for an Accept-Language header (RFC 9110, section 12.5.4); the
// default is English. It ignores malformed entries.
func (k *Kit) accept(header string) *language {
	entries := slices.DeleteFunc(strings.Split(header, ","), func(entry string) bool {
		_, _, err := textlanguage.ParseAcceptLanguage(entry)
		return err != nil
	})
	wanted, _, _ := textlanguage.ParseAcceptLanguage(strings.Join(entries, ","))
	_, i, _ := k.matcher.Match(wanted...)
	return k.languages[i]
}

// newMatcher returns a matcher of the languages. The first language is its default.
func newMatcher(languages []*language) textlanguage.Matcher {
	tags := make([]textlanguage.Tag, len(languages))
	for i, l := range languages {
		tags[i] = textlanguage.Make(l.Tag)
	}
	return textlanguage.NewMatcher(tags)
}

// switchLinks returns links to the same page in each language, or none for the answer to a form,
// which has no URL for GET.
func (k *Kit) switchLinks(r *http.Request, current *language) []languageLink {
	if len(k.languages) < 2 || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
		return nil
	}
	links := make([]languageLink, 0, len(k.languages))
	for _, l := range k.languages {
		q := url.Values{}
		for name, values := range r.URL.Query() {
			q[name] = values
		}
		q.Set("lang", l.Tag)
		links = append(
			links,
			languageLink{Tag: l.Tag, Name: l.Name, URL: "?" + q.Encode(), Current: l == current},
		)
	}
	return links
}
