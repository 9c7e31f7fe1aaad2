package console_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
)

var rowLink = regexp.MustCompile(`class="cell-document"><a href="/console/requests/([^"]+)"`)

// rows returns the ids on a page of the list.
func rows(a answer) (ids []string) {
	for _, m := range rowLink.FindAllStringSubmatch(a.body, -1) {
		ids = append(ids, m[1])
	}
	return ids
}

var stateCount = regexp.MustCompile(`class="state-n">(\d+)<`)

// counts returns the numbers beside the states, "all" first.
func counts(a answer) string {
	var all []string
	for _, m := range stateCount.FindAllStringSubmatch(a.body, -1) {
		all = append(all, m[1])
	}
	return strings.Join(all, " ")
}

// slowCounter is a Lister whose count of a search does not end.
type slowCounter struct{ request.Lister }

func (s slowCounter) Count(ctx context.Context, f request.Filter) (map[request.State]int, error) {
	if f.Text == "" && f.ClientID == "" {
		return s.Lister.Count(ctx, f)
	}
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestSlowCount checks that a list appears without numbers if counting takes too long.
func TestSlowCount(t *testing.T) {
	w := newWorld(t, func(c *console.Console) { c.Lister = slowCounter{c.Lister} })
	w.in(t, request.StateCreated)
	for query, counted := range map[string]bool{"": true, "?q=lease": false, "?party=" + w.shop.ClientID: false} {
		page := w.get(t, "/console/requests"+query)
		page.has(t, 200, "lease.pdf")
		if (counts(page) != "") != counted {
			t.Errorf("%s: counts %q", query, counts(page))
		}
	}
}

func TestListPages(t *testing.T) {
	w := newWorld(t)
	start := w.Now()
	for i := range 120 {
		state := request.StateCreated
		if i%2 == 1 {
			state = request.StateCancelled
		}
		err := w.store.Create(t.Context(), &request.Request{
			ID: fmt.Sprintf("signv3-01959a3c-0000-7000-8000-%012d", i), ClientID: w.shop.ClientID,
			State: state, DocName: "lease.pdf",
			CreatedAt: start.Add(time.Duration(i) * time.Second), ExpiresAt: start.Add(time.Hour),
		}, request.Effects{})
		if err != nil {
			t.Fatal(err)
		}
	}
	link := regexp.MustCompile(`href="([^"]+)" rel="(next|prev)"`)
	// follow reads the pages from a path on, as far as there are links of that kind.
	follow := func(path, rel string) (all []string, last string) {
		for last = ""; path != ""; {
			page := w.get(t, path)
			page.has(t, 200)
			part := rows(page)
			if rel == "prev" {
				all = append(part, all...)
			} else {
				all = append(all, part...)
			}
			last, path = path, ""
			for _, m := range link.FindAllStringSubmatch(page.body, -1) {
				if m[2] == rel {
					path = strings.ReplaceAll(m[1], "&amp;", "&")
				}
			}
		}
		return all, last
	}
	for query, want := range map[string]int{
		"": 120, "?state=cancelled": 60, "?q=LEASE&party=" + w.shop.ClientID: 120,
		"?order=oldest": 120, "?order=oldest&state=created": 60,
		"?sort=state": 120, "?sort=state&order=oldest": 120, "?sort=party": 120,
		"?sort=party&state=created&order=oldest": 60, "?sort=nonsense": 120,
	} {
		all, last := follow("/console/requests"+query, "next")
		if len(all) != want {
			t.Errorf("%q: %d requests on all pages, want %d", query, len(all), want)
		}
		for i := 1; i < len(all); i++ {
			// the other state begins
			grouped := strings.Contains(query, "sort=state") && i == len(all)/2
			if (all[i] > all[i-1]) != strings.Contains(query, "oldest") && !grouped {
				t.Errorf("%q: %s after %s", query, all[i], all[i-1])
			}
		}
		if back, _ := follow(last, "prev"); !slices.Equal(back, all) {
			t.Errorf("%q: backwards %d requests, forwards %d", query, len(back), len(all))
		}
		file := w.get(t, strings.Replace("/console/requests"+query, "requests", "requests.csv", 1))
		file.has(t, 200, "request_id,state,client_id,document,signer,created_at,expires_at")
		lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
		if err != nil || len(lines) != want+1 || lines[1][0] != all[0] ||
			lines[want][0] != all[want-1] {
			t.Errorf("%q: a file of %d lines, %v", query, len(lines), err)
		}
	}
}

// TestSort follows the heads of the list's columns: the first use sorts by the column, the second
// turns the order round, and the filters stay. Requests expire in the order of their creation.
func TestSort(t *testing.T) {
	w := newWorld(t)
	created, session := w.in(t, request.StateCreated), w.in(t, request.StateSession)
	head := regexp.MustCompile(
		`<th[^>]*?(?: aria-sort="(\w+)")?><a class="sort" href="([^"]+)">(\w+)`,
	)
	use := func(from answer, name string) answer {
		t.Helper()
		for _, m := range head.FindAllStringSubmatch(from.body, -1) {
			if m[3] == name {
				return w.get(t, strings.ReplaceAll(m[2], "&amp;", "&"))
			}
		}
		t.Fatalf("no head %s", name)
		return answer{}
	}
	sorted := func(a answer) (all []string) {
		for _, m := range head.FindAllStringSubmatch(a.body, -1) {
			if m[1] != "" {
				all = append(all, m[3]+" "+m[1])
			}
		}
		return all
	}
	page := w.get(t, "/console/requests?q=lease")
	for _, step := range []struct {
		head, sorted string
		want         []string
	}{
		{"State", "[State descending]", []string{session, created}},
		{"State", "[State ascending]", []string{created, session}},
		{"Relying", "[Relying descending]", []string{session, created}},
		{"Created", "[Created descending Expires descending]", []string{session, created}},
		{"Created", "[Created ascending Expires ascending]", []string{created, session}},
		{"Created", "[Created descending Expires descending]", []string{session, created}},
		{"Expires", "[Created ascending Expires ascending]", []string{created, session}},
	} {
		page = use(page, step.head)
		page.has(t, 200, `name="q" value="lease"`)
		if got := sorted(page); fmt.Sprint(got) != step.sorted {
			t.Errorf("%s: %v, want %s", step.head, got, step.sorted)
		}
		if got := rows(page); !slices.Equal(got, step.want) {
			t.Errorf("%s: %v, want %v", step.sorted, got, step.want)
		}
	}
}

// TestFormulaInFile checks that a spreadsheet takes a text that begins like a formula, in a cell or
// after what begins one elsewhere, for text.
func TestFormulaInFile(t *testing.T) {
	w := newWorld(t)
	want := map[string]string{}
	id := func() string { return fmt.Sprintf("signv3-01959a3c-0000-7000-8000-%012d", len(want)) }
	for _, sign := range []string{"=", "+", "-", "@", "＝", "＋", "－", "＠"} {
		for _, before := range []string{"", " ", "\t", "\r", "\n", "\r\n"} {
			want[id()] = "'" + before + sign + `HYPERLINK("http://x.example")`
		}
		for _, before := range []string{"a;", "a;;", "a\t", "a\r", "a\n", "a\r\n"} {
			want[id()] = before + "'" + sign + "1"
		}
	}
	for _, text := range []string{"'\ta", "'\ra", "'\na"} {
		want[id()] = text
	}
	for _, text := range []string{"lease", "a=1", "a - b; c", "a, =b", "'=1", "a;b"} {
		want[id()] = text
	}
	for id, text := range want {
		name := strings.Replace(text, "'", "", 1)
		if text == "'=1" {
			name = text
		}
		err := w.store.Create(t.Context(), &request.Request{
			ID: id, ClientID: w.shop.ClientID, State: request.StateCreated,
			DocName: name, CreatedAt: w.Now(), ExpiresAt: w.Now(),
		}, request.Effects{})
		if err != nil {
			t.Fatal(err)
		}
	}
	file := w.get(t, "/console/requests.csv")
	lines, err := csv.NewReader(strings.NewReader(file.body)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range lines {
		text, ok := want[line[0]]
		text = strings.ReplaceAll(text, "\r\n", "\n") // as the reader does
		if ok && line[3] != text {
			t.Errorf("%q, want %q", line[3], text)
		}
		delete(want, line[0])
	}
	if len(want) > 0 {
		t.Errorf("the file does not have %q", want)
	}
}

func TestListFilters(t *testing.T) {
	w := newWorld(t)
	created, session := w.in(t, request.StateCreated), w.in(t, request.StateSession)
	all := w.get(t, "/console/requests")
	all.has(t, 200, "lease.pdf", "•••••373D", "TAN XIAO HUI", "data-follow", `lang="en"`)
	if got := rows(all); len(got) != 2 {
		t.Errorf("rows %v", got)
	}
	for query, want := range map[string][]string{
		"state=session":                         {session},
		"state=nonsense":                        {session, created},
		"q=" + created:                          {created},
		"q=LeAsE&state=created":                 {created},
		"q=xiao":                                {session}, // the signer's name
		"q=" + created[len(created)-12:]:        {created},
		"party=rival":                           nil,
		"from=2026-03-02&to=2026-03-02":         {session, created}, // the day in Singapore
		"from=2026-03-03":                       nil,
		"from=2026-03-02&zone=Pacific/Honolulu": nil, // there it is the 1st
		"from=2026-03-01&to=2026-03-01&zone=Pacific/Honolulu": {session, created},
		"to=2026-03-02&zone=../etc/passwd":                    {session, created},
		"to=2026-03-01":                                       nil,
		"before=nonsense":                                     {session, created},
		"party=" + url.QueryEscape("' OR 1"):                  nil,
	} {
		got := rows(w.get(t, "/console/requests?"+query))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", query, got, want)
		}
	}
	for query, want := range map[string]string{
		"": "2 1 0 1 0 0 0 0 0", "state=created": "2 1 0 1 0 0 0 0 0",
		"q=lease": "2 1 0 1 0 0 0 0 0",
		"q=xiao":  "1 0 0 1 0 0 0 0 0", "party=rival": "0 0 0 0 0 0 0 0 0",
		"q=lease&from=2026-03-03": "0 0 0 0 0 0 0 0 0",
	} {
		if got := counts(w.get(t, "/console/requests?"+query)); got != want {
			t.Errorf("%s: counts %q, want %q", query, got, want)
		}
	}
	w.get(t, "/console/requests?from=yesterday").has(t, 200, "The date is not valid")
	w.get(t, "/console/requests?party=%3Cscript%3Ealert(1)%3C/script%3E").has(
		t, 200, "&lt;script&gt;alert(1)",
	)

	// The list shows an expired request as expired before a worker has stored the change.
	w.advance(31 * time.Minute)
	if got := rows(w.get(t, "/console/requests?state=created")); len(got) != 0 {
		t.Errorf("an expired request is listed as created: %v", got)
	}
}

// fullLister is a Lister in which each state has at least so many requests as a count asks for.
type fullLister struct{ request.Lister }

func (fullLister) Count(_ context.Context, f request.Filter) (map[request.State]int, error) {
	return map[request.State]int{request.StateSigned: f.Limit, request.StateCreated: 7}, nil
}

// TestManyRequests checks that the pages do not count all requests of a state, and say so.
func TestManyRequests(t *testing.T) {
	w := newWorld(t, func(c *console.Console) { c.Lister = fullLister{c.Lister} })
	for path, want := range map[string][]string{
		"/console/requests": {`class="state-n">10007+<`, `class="state-n">10000+<`, `class="state-n">7<`},
		"/console/":         {`<strong>10007+</strong>`, `class="chart-n">10000+<`, `class="chart-n">7<`},
	} {
		page := w.get(t, path)
		for _, text := range want {
			if !strings.Contains(page.body, text) {
				t.Errorf("%s does not have %s", path, text)
			}
		}
	}
}
