package ui

import (
	"fmt"
	"html/template"
	"strings"
	"time"
)

// pageName returns the name of the page in a template file. Files that begin with "_" hold shared
// parts.
func pageName(file string) (string, bool) {
	name, ok := strings.CutSuffix(file, ".html")
	return name, ok && !strings.HasPrefix(name, "_")
}

// functions returns the functions that templates can call.
//
//	t KEY ARG...     message, {0} {1} replaced
//	tn KEY N         message KEY.one or KEY.other, {0} = N
//	time, date       a time in the format of the page's language
//	stamp            a time to the second, as a signature shows it
//	exact            a time to the second, for the console
//	zone             the zone of these times
//	iso              a time for datetime attributes
//	ms               a time in Unix milliseconds, for scripts
//	minutes END NOW  whole minutes left, rounded up, never negative
//	add A B          sum
//	short NAME       a long name, cut, for texts that the page's full name stands beside
//	asset NAME       URL of a file of the bundle
//	dict K V ...     map, to pass several values to a part
func (k *Kit) functions(l *language) template.FuncMap {
	return template.FuncMap{
		"t": l.text,
		"tn": func(key string, n int) string {
			return l.count(key, n)
		},
		"time":  func(t time.Time) string { return l.date(t.In(k.options.Location), "date.time") },
		"stamp": func(t time.Time) string { return l.date(t.In(k.options.Location), "date.stamp") },
		"clock": func(t time.Time) string { return l.date(t.In(k.options.Location), "date.clock") },
		"date":  func(t time.Time) string { return l.date(t.In(k.options.Location), "date.day") },
		"exact": func(t time.Time) string {
			return t.In(k.options.Location).Format("2 Jan 2006, 15:04:05")
		},
		"zone": k.options.Location.String,
		"iso": func(t time.Time) string {
			return t.UTC().Format(time.RFC3339)
		},
		"ms": func(t time.Time) int64 {
			return t.UnixMilli()
		},
		"minutes": func(end, now time.Time) int {
			left := end.Sub(now)
			if left <= 0 {
				return 0
			}
			return int((left + time.Minute - 1) / time.Minute)
		},
		"add":   func(a, b int) int { return a + b },
		"short": func(name string) string { return short(name, mostShort(l.Tag)) },
		"asset": k.assets.url,
		"dict":  dict,
	}
}

func dict(pairs ...any) (map[string]any, error) {
	if len(pairs)%2 != 0 {
		return nil, fmt.Errorf("dict: odd number of arguments")
	}
	m := map[string]any{}
	for i := 0; i < len(pairs); i += 2 {
		key, ok := pairs[i].(string)
		if !ok {
			return nil, fmt.Errorf("dict: key %v is not a string", pairs[i])
		}
		m[key] = pairs[i+1]
	}
	return m, nil
}

// mostShort returns the number of characters of a name that fit two lines of a button on a narrow
// phone, beside what the language says there.
func mostShort(tag string) int {
	if tag == "ta" {
		return 28
	}
	return 40
}

// short cuts a name after a word. What a language puts after the name stays to be read.
func short(name string, most int) string {
	all := []rune(name)
	if len(all) <= most {
		return name
	}
	cut := string(all[:most])
	if i := strings.LastIndexByte(cut, ' '); i > most/2 {
		cut = cut[:i]
	}
	return strings.TrimRight(cut, " ,.-") + "…"
}
