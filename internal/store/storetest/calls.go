package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/calllog"
)

var callTests = []test{
	{name: "whole records", run: callsWhole},
	{name: "filters and pages", run: callsFilters},
	{name: "limits", run: callsLimits},
	{name: "forget", run: callsForget},
	{name: "watch", run: callsWatch},
	{name: "after a restart", run: callsDurable},
}

// roomy are limits that no test meets by accident.
var roomy = calllog.Limits{
	Request: 1000, RequestUnauthenticated: 1000, Party: 1000, PartyUnauthenticated: 1000,
}

// call is a record of a call, number i, made i seconds after start.
func call(i int) calllog.Record {
	return calllog.Record{
		At: start.Add(time.Duration(i) * time.Second), Took: 1234567 * time.Nanosecond,
		Kind: calllog.Cancel, Party: client, Authentic: true,
		RequestID: sample(1).ID, Status: 400, Error: "ACTIVE_SESSION_ONGOING",
		Description: fmt.Sprintf("call %d", i),
	}
}

func (s *suite) addCalls(limits calllog.Limits, records ...calllog.Record) {
	s.t.Helper()
	if err := s.AddCalls(s.t.Context(), records, limits); err != nil {
		s.t.Fatalf("AddCalls: %v", err)
	}
}

// calls returns the descriptions of the records that the store lists.
func (s *suite) calls(f calllog.Filter) string {
	s.t.Helper()
	list, err := s.Calls(s.t.Context(), f)
	if err != nil {
		s.t.Fatalf("Calls(%+v): %v", f, err)
	}
	var numbers []string
	for _, r := range list {
		numbers = append(numbers, strings.TrimPrefix(r.Description, "call "))
	}
	return strings.Join(numbers, " ")
}

func callsWhole(t *testing.T, s *suite, _ Harness) {
	full := call(1)
	full.Claimed, full.By, full.Attempt, full.Reason = "another", "Mei", 3, `claim exp: "late" – 'by' 4 s \`
	full.Token = &calllog.Token{
		Header:    []byte(`{"alg":"ES256"}`),
		Claims:    []byte(`{"b":1,"a":"\u0000é"}`),
		Signature: "64 bytes",
		Problem:   "none",
	}
	bare := calllog.Record{At: start, Kind: calllog.Initiate}
	s.addCalls(roomy, full, bare)
	got, err := s.Calls(t.Context(), calllog.Filter{Limit: 10})
	if err != nil || len(got) != 2 {
		t.Fatalf("%d records, %v", len(got), err)
	}
	if got[0].ID <= got[1].ID || got[1].ID <= 0 {
		t.Errorf("ids %d, %d", got[0].ID, got[1].ID)
	}
	full.ID, bare.ID = got[1].ID, got[0].ID
	if diff := cmp.Diff([]calllog.Record{bare, full}, got); diff != "" {
		t.Errorf("(-added +listed):\n%s", diff)
	}
	s.addCalls(roomy)
	if all := s.calls(calllog.Filter{Limit: 10}); all != " 1" {
		t.Errorf("adding nothing gives %q", all)
	}
}

func callsFilters(t *testing.T, s *suite, _ Harness) {
	for i := range 8 {
		r := call(i)
		if i%2 == 1 {
			r.Party, r.Authentic = "other", false
		}
		if i >= 4 {
			r.Kind, r.Error = calllog.Initiate, ""
		}
		if i%3 != 0 {
			r.RequestID = ""
		}
		s.addCalls(roomy, r)
	}
	first, err := s.Calls(t.Context(), calllog.Filter{Limit: 8})
	if err != nil || len(first) != 8 {
		t.Fatalf("%d records, %v", len(first), err)
	}
	for _, test := range []struct {
		filter calllog.Filter
		want   string
	}{
		{calllog.Filter{}, "7 6 5 4 3 2 1 0"},
		{calllog.Filter{Limit: 3}, "7 6 5"},
		{calllog.Filter{Limit: 3, Before: first[2].ID}, "4 3 2"},
		{calllog.Filter{Before: first[7].ID}, ""},
		{calllog.Filter{Limit: 3, After: first[5].ID}, "3 4 5"},
		{calllog.Filter{After: first[3].ID, Refused: true}, ""},
		{calllog.Filter{After: first[0].ID}, ""},
		{calllog.Filter{ID: first[2].ID}, "5"},
		{calllog.Filter{ID: first[0].ID + 100}, ""},
		{calllog.Filter{Party: client}, "6 4 2 0"},
		{calllog.Filter{Party: "other", Limit: 2, Before: first[0].ID}, "5 3"},
		{calllog.Filter{Kind: calllog.Cancel}, "3 2 1 0"},
		{calllog.Filter{Refused: true}, "3 2 1 0"},
		{calllog.Filter{Refused: true, Party: client, Kind: calllog.Cancel}, "2 0"},
		{calllog.Filter{Code: "ACTIVE_SESSION_ONGOING"}, "3 2 1 0"},
		{calllog.Filter{Code: "NO_SUCH_CODE"}, ""},
		{calllog.Filter{Code: "\x00"}, ""},
		{calllog.Filter{RequestID: sample(1).ID}, "6 3 0"},
		{calllog.Filter{RequestID: sample(1).ID, Party: client}, "6 0"},
		{calllog.Filter{Party: "x' OR 1=1 --"}, ""},
		{calllog.Filter{Party: "a\x00\xff"}, ""},
		{calllog.Filter{RequestID: "\x00"}, ""},
	} {
		if test.filter.Limit == 0 {
			test.filter.Limit = 100
		}
		if got := s.calls(test.filter); got != test.want {
			t.Errorf("%+v: %q, want %q", test.filter, got, test.want)
		}
	}
	if got := s.calls(calllog.Filter{}); got != "" {
		t.Errorf("a page of none: %q", got)
	}
}

// callsLimits: each shelf holds its number of the newest, and none pushes out what stands on
// another one.
func callsLimits(t *testing.T, s *suite, _ Harness) {
	limits := calllog.Limits{
		Request: 3, RequestUnauthenticated: 2, Party: 5, PartyUnauthenticated: 4,
	}
	authentic := call(0)
	s.addCalls(limits, authentic)
	for i := 1; i <= 20; i++ { // a flood in small and large writes
		r := call(i)
		r.Authentic = false
		if i > 10 {
			r.RequestID = ""
		}
		if i > 15 {
			r.Party = ""
		}
		s.addCalls(limits, r)
	}
	var flood []calllog.Record
	for i := 21; i <= 40; i++ {
		r := call(i)
		r.Authentic, r.Party, r.RequestID = false, "", ""
		flood = append(flood, r)
	}
	s.addCalls(limits, flood...)
	for filter, want := range map[calllog.Filter]string{
		// the strangers' shelf for the party has pushed its two out
		{RequestID: authentic.RequestID}: "0",
		{Party: client}:                  "15 14 13 12 0",
		{}:                               "40 39 38 37 15 14 13 12 0",
	} {
		filter.Limit = 100
		if got := s.calls(filter); got != want {
			t.Errorf("%+v: %q, want %q", filter, got, want)
		}
	}
	for i := 41; i <= 50; i++ {
		r := call(i)
		if i > 44 {
			r.RequestID = sample(i).ID
		}
		s.addCalls(limits, r)
	}
	got := s.calls(calllog.Filter{Party: client, Limit: 100})
	if got != "50 49 48 47 46 15 14 13 12" {
		t.Errorf("the party has %q", got)
	}
	for i := 51; i <= 54; i++ {
		r := call(i)
		r.Party = "other"
		s.addCalls(limits, r)
	}
	if got := s.calls(calllog.Filter{RequestID: sample(1).ID, Limit: 100}); got != "54 53 52" {
		t.Errorf("the request has %q", got)
	}
}

func callsForget(t *testing.T, s *suite, _ Harness) {
	for i := range 10 {
		s.addCalls(roomy, call(i))
	}
	for _, test := range []struct {
		before  int
		keep    int
		dropped int64
		left    string
	}{
		{0, 10, 0, "9 8 7 6 5 4 3 2 1 0"},
		{3, 10, 3, "9 8 7 6 5 4 3"},
		{3, 4, 3, "9 8 7 6"},
		{9, 2, 3, "9"},
	} {
		n, err := s.ForgetCalls(t.Context(), call(test.before).At, test.keep)
		if err != nil || n != test.dropped {
			t.Errorf("%+v: dropped %d, %v", test, n, err)
		}
		if got := s.calls(calllog.Filter{Limit: 100}); got != test.left {
			t.Errorf("%+v: left %q", test, got)
		}
	}
}

// callsWatch: who looks at a request is told of calls that changed nothing.
func callsWatch(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	changed, stop := s.Watch(r.ID)
	defer stop()
	for !quiet(changed) {
	}
	other := call(1)
	other.RequestID = sample(2).ID
	s.addCalls(roomy, other)
	if !quiet(changed) {
		t.Error("a signal for the call of another request")
	}
	s.addCalls(roomy, call(2))
	if !signalled(changed) {
		t.Error("no signal for a call")
	}
}

func callsDurable(t *testing.T, s *suite, h Harness) {
	s.addCalls(roomy, call(1), call(2))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := s.another(h).calls(calllog.Filter{Limit: 100}); got != "2 1" {
		t.Errorf("left after a restart: %q", got)
	}
}
