package ui_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGlossary checks that a message whose English has a term of web/glossary.json has the term's
// word in each language.
func TestGlossary(t *testing.T) {
	raw, err := os.ReadFile("../../../web/glossary.json")
	if err != nil {
		t.Fatal(err)
	}
	// A language's first word is the term; the others are its forms, or what all forms begin with.
	var glossary []struct {
		En, Zh, Ms, Ta []string
		Source         map[string]string // by language: a public page, or "ours"
	}
	if err := json.Unmarshal(raw, &glossary); err != nil {
		t.Fatal(err)
	}
	if len(glossary) == 0 {
		t.Fatal("the glossary is empty")
	}
	k := newKit(t)
	english := k.Messages("en")
	for _, term := range glossary {
		words := map[string][]string{"en": term.En, "zh": term.Zh, "ms": term.Ms, "ta": term.Ta}
		var quoted []string
		for _, w := range term.En {
			quoted = append(quoted, regexp.QuoteMeta(w))
		}
		said := regexp.MustCompile(`(?i)\b(` + strings.Join(quoted, "|") + `)\b`)
		for _, tag := range k.Tags() {
			if s := term.Source[tag]; s != "ours" && !strings.HasPrefix(s, "https://") {
				t.Errorf("%s: %s: the source is %q", term.En[0], tag, s)
			}
			used := 0
			for key, message := range k.Messages(tag) {
				if !said.MatchString(english[key]) {
					continue
				}
				used++
				if message = strings.ToLower(message); !slices.ContainsFunc(
					words[tag],
					func(w string) bool { return strings.Contains(message, strings.ToLower(w)) },
				) {
					t.Errorf("%s: %s: %q is without %q", key, tag, message, words[tag])
				}
			}
			if used == 0 {
				t.Errorf("%s: %s: no message has it", term.En[0], tag)
			}
		}
	}
}
