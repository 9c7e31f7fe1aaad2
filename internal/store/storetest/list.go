package storetest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

var listTests = []test{
	{name: "order and pages", run: listPages},
	{name: "filters", run: listFilters},
	{name: "timeline", run: timeline},
	{name: "whole requests", run: listWhole},
	{name: "odd text", run: listOddText},
	{name: "count up to a limit", run: countUpTo},
}

// list returns what the store lists, as the numbers of the samples.
func (s *suite) list(f request.Filter) (numbers []int) {
	s.t.Helper()
	page, err := s.List(s.t.Context(), f)
	if err != nil {
		s.t.Fatalf("List(%+v): %v", f, err)
	}
	for _, r := range page {
		var i int
		if _, err := fmt.Sscanf(r.ID[len(r.ID)-12:], "%d", &i); err != nil {
			s.t.Fatalf("id %s: %v", r.ID, err)
		}
		numbers = append(numbers, i)
	}
	return numbers
}

func (s *suite) count(f request.Filter) map[request.State]int {
	s.t.Helper()
	counts, err := s.Count(s.t.Context(), f)
	if err != nil {
		s.t.Fatalf("Count(%+v): %v", f, err)
	}
	return counts
}

// listPages walks a list in which times tie and states mix, with every size of page and every way
// to reach the rows.
func listPages(t *testing.T, s *suite, _ Harness) {
	if got := s.list(request.Filter{Limit: 5}); len(got) != 0 {
		t.Errorf("an empty store lists %v", got)
	}
	states := request.States()
	n := 2 * len(states)
	var want []int
	for i := range n {
		r := sample(i)
		r.CreatedAt = start.Add(time.Duration(i/3) * time.Second) // three at once
		r.State = states[i*3%len(states)]
		r.Session = &request.Session{ID: "s", EndsAt: r.ExpiresAt}
		s.create(r)
		want = append([]int{i}, want...)
	}
	for _, f := range []request.Filter{
		{},
		{ClientID: client},
		{ClientID: client, Text: "tenancy"},
		{From: start, To: start.Add(time.Hour)},
		{OldestFirst: true},
		{OldestFirst: true, ClientID: client},
	} {
		want := want
		if f.OldestFirst {
			want = slices.Clone(want)
			slices.Reverse(want)
		}
		for _, limit := range []int{1, 2, 3, 5, n, n + 1} {
			var got []int
			for f.Limit, f.Before = limit, (request.Cursor{}); len(got) <= n; {
				page, err := s.List(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, s.list(f)...)
				if len(page) < limit {
					break
				}
				f.Before = f.CursorAt(page[limit-1])
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%+v, pages of %d (-want +got):\n%s", f, limit, diff)
			}
		}
	}
	for _, f := range []request.Filter{
		{Sort: request.SortState},
		{Sort: request.SortState, OldestFirst: true},
		{Sort: request.SortState, ClientID: client},
		{Sort: request.SortClient},
		{Sort: request.SortClient, State: states[0]},
		{Sort: request.SortClient, OldestFirst: true, Text: "tenancy"},
	} {
		var all []request.Cursor
		for f.Limit = 3; ; f.Before = all[len(all)-1] {
			page, err := s.List(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				all = append(all, f.CursorAt(r))
			}
			if len(page) < f.Limit {
				break
			}
		}
		wanted := n
		if f.State != "" {
			wanted = 2
		}
		if len(all) != wanted {
			t.Errorf("%+v: %d requests, want %d", f, len(all), wanted)
		}
		key := func(c request.Cursor) string {
			return fmt.Sprintf("%-50s %d %s", c.Group, c.CreatedAt.UnixMicro(), c.ID)
		}
		for i := 1; i < len(all); i++ {
			if a, b := key(all[i-1]), key(all[i]); a == b || (a < b) != f.OldestFirst {
				t.Errorf("%+v: %s before %s", f, a, b)
			}
		}
	}
	for _, state := range states {
		got := s.list(request.Filter{State: state, Limit: n})
		if len(got) != 2 || got[0] <= got[1] {
			t.Errorf("%s: %v, want two, the newer first", state, got)
		}
	}
	if got := s.list(request.Filter{}); len(got) != 0 {
		t.Errorf("a page of none: %v", got)
	}
}

// timeline counts requests at the edges of the steps.
func timeline(t *testing.T, s *suite, _ Harness) {
	for i, after := range []time.Duration{
		-time.Microsecond, 0, time.Hour - time.Microsecond, time.Hour,
		3*time.Hour - time.Microsecond,
		3 * time.Hour,
	} {
		r := sample(i)
		r.CreatedAt = start.Add(after)
		if i == 2 {
			r.State = request.StateSigned
		}
		s.create(r)
	}
	got, err := s.Timeline(t.Context(), start, time.Hour, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []map[request.State]int{
		{request.StateCreated: 1, request.StateSigned: 1},
		{request.StateCreated: 1},
		{request.StateCreated: 1},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}
}

func listFilters(t *testing.T, s *suite, _ Harness) {
	for i := range 8 {
		r := sample(i)
		if i%2 == 1 {
			r.ClientID = "STG-OTHER"
		}
		if i >= 4 {
			r.State = request.StateSigned
		}
		if i == 6 {
			r.Signer = &signer.Person{UIN: "S8979373D", Name: "TAN MEI LIN"}
		}
		if i == 3 {
			r.DocName = `100%_"Écart"\<lease>.PDF`
		}
		s.create(r)
	}
	at := func(i int) time.Time { return start.Add(time.Duration(i) * time.Second) }
	for _, test := range []struct {
		name   string
		filter request.Filter
		want   []int
	}{
		{"all", request.Filter{}, []int{7, 6, 5, 4, 3, 2, 1, 0}},
		{"party", request.Filter{ClientID: client}, []int{6, 4, 2, 0}},
		{"unknown party", request.Filter{ClientID: "stg-suite"}, nil},
		{"state", request.Filter{State: request.StateSigned}, []int{7, 6, 5, 4}},
		{"party and state", request.Filter{ClientID: client, State: request.StateSigned}, []int{6, 4}},
		{"unknown state", request.Filter{State: "x' OR 1=1 --"}, nil},
		{"from, itself too", request.Filter{From: at(6)}, []int{7, 6}},
		{"to, without itself", request.Filter{To: at(2)}, []int{1, 0}},
		{"between", request.Filter{From: at(2), To: at(6), State: request.StateCreated}, []int{3, 2}},
		{"id", request.Filter{Text: sample(5).ID}, []int{5}},
		{"id of another party", request.Filter{Text: sample(5).ID, ClientID: client}, nil},
		{"part of an id", request.Filter{Text: sample(5).ID[20:]}, []int{5}},
		{"signer", request.Filter{Text: "mei l"}, []int{6}},
		{"no other member", request.Filter{Text: "S8979373D"}, nil},
		{"name", request.Filter{Text: "AGREEMENT"}, []int{7, 6, 5, 4, 2, 1, 0}},
		{"name with a dash", request.Filter{Text: "– “unit"}, []int{7, 6, 5, 4, 2, 1, 0}},
		{"whole name", request.Filter{Text: `100%_"Écart"\<LEASE>.pdf`}, []int{3}},
		{"wildcards are letters", request.Filter{Text: `100_`}, nil},
		{"so is the percent sign", request.Filter{Text: `1%_`}, nil},
		{"and the backslash", request.Filter{Text: `"\<`}, []int{3}},
		{"beyond ASCII the case counts", request.Filter{Text: `écart`}, nil},
		{"and matches", request.Filter{Text: `Écart`}, []int{3}},
		{"not the rest of the record", request.Filter{Text: `doc_name`}, nil},
	} {
		f := test.filter
		f.Limit = 100
		if diff := cmp.Diff(test.want, s.list(f)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
		total := 0
		for _, n := range s.count(test.filter) {
			total += n
		}
		if total != len(test.want) {
			t.Errorf("%s: counts %d, lists %d", test.name, total, len(test.want))
		}
	}
	want := map[request.State]int{request.StateCreated: 4, request.StateSigned: 4}
	got := s.count(request.Filter{Before: request.Filter{}.CursorAt(sample(1))})
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

// listWhole: the list's requests are those of Get, as last changed.
func listWhole(t *testing.T, s *suite, _ Harness) {
	r := s.create(signed(1))
	s.create(sample(2))
	s.update(r.ID, only(func(r *request.Request) error { r.DocName = "Renamed.pdf"; return nil }))
	page, err := s.List(t.Context(), request.Filter{State: request.StateSigned, Limit: 10})
	if err != nil || len(page) != 1 {
		t.Fatalf("%d requests, %v", len(page), err)
	}
	if diff := cmp.Diff(s.get(r.ID), page[0], cmp.AllowUnexported(request.Request{})); diff != "" {
		t.Errorf("listed (-got by id +listed):\n%s", diff)
	}
	s.update(
		r.ID, only(func(r *request.Request) error { r.State = request.StateCancelled; return nil }),
	)
	if got := s.list(request.Filter{State: request.StateSigned, Limit: 10}); len(got) != 0 {
		t.Errorf("a request is listed under a state that it has left: %v", got)
	}
}

// listOddText: what no database takes as text finds nothing, and is no error.
func listOddText(t *testing.T, s *suite, _ Harness) {
	s.create(sample(1))
	for _, odd := range []string{"\x00", "a\xffb"} {
		for _, f := range []request.Filter{
			{Text: odd},
			{ClientID: odd},
			{State: request.State(odd)},
			{Before: request.Cursor{CreatedAt: start.Add(time.Hour), ID: odd}},
		} {
			f.Limit = 10
			if f.Before.IsZero() {
				if got := s.list(f); len(got) != 0 {
					t.Errorf("%+q lists %v", odd, got)
				}
				continue
			}
			if _, err := s.List(t.Context(), f); err != nil {
				t.Errorf("%+q as a cursor: %v", odd, err)
			}
		}
	}
}

// countUpTo checks that a count stops at a number of each state.
func countUpTo(t *testing.T, s *suite, _ Harness) {
	for i := range 7 {
		r := sample(i)
		if i > 4 {
			r.State = request.StateSigned
		}
		s.create(r)
	}
	many := sample(0).State
	for limit, want := range map[int]map[request.State]int{
		0: {many: 5, request.StateSigned: 2}, 1: {many: 1, request.StateSigned: 1},
		3: {many: 3, request.StateSigned: 2}, 100: {many: 5, request.StateSigned: 2},
	} {
		if d := cmp.Diff(want, s.count(request.Filter{Limit: limit})); d != "" {
			t.Errorf("limit %d: %s", limit, d)
		}
		f := request.Filter{Limit: limit, From: sample(0).CreatedAt.Add(time.Hour)}
		if got := s.count(f); len(got) != 0 {
			t.Errorf("limit %d, later ones: %v", limit, got)
		}
	}
}
