package request

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

// The invariants, in words that a failure shows.
const (
	cancelOnce     = "at most one 200 for cancel"
	cancelHides    = "no signed document of a cancelled request is visible"
	cancelFree     = "no cancel while a session runs or a document is sealed"
	ackSurvives    = "an acknowledged change survives"
	exitExists     = "left alone, every state comes to an end, with nothing stored that is not needed"
	timeForward    = "time and retries resurrect nothing"
	announceSigned = "nothing is announced unless it is signed"
	approveOnce    = "one approval at most is accepted"
	recordHasBytes = "every record has its bytes"
	uploadGoes     = "the uploaded document of a request that is over is gone"
	signerActs     = "only the signer acts, and only the intended one is the signer"
	partyActs      = "only the request's relying party acts"
	readsSettle    = "a read sees what time has done"
)

// maxStates stops an exploration that got too large for a machine's memory.
const maxStates = 8_000_000

// check holds a state against the invariants that one state can break.
func (x *explorer) check(s state, id int32) {
	r := x.at(s.now, s.request)
	hold := func(ok bool, invariant string) {
		if !ok {
			x.violated(invariant, id)
		}
	}
	hold(s.told.cancels <= 1, cancelOnce)
	hold(
		s.told.cancels == 0 ||
			!s.told.url && !s.told.announced && r.State != StateSigned && r.resultAt(dawn) != nil,
		cancelHides,
	)
	hold(s.told.cancels == 0 || r.State == StateCancelled, ackSurvives)
	kept := []State{StateSealing, StateStalled, StateSigned}
	hold(!s.told.approved || s.told.given > 0 || slices.Contains(kept, r.State), ackSurvives)
	hold(!s.told.url || r.State == StateSigned, ackSurvives)
	if s.told.opened != 0 {
		hold(r.Signer != nil && r.Signer.UIN == x.people[s.told.opened-1].UIN, ackSurvives)
	}
	hold(!s.told.announced || r.State == StateSigned, announceSigned)
	hold(s.told.accepted <= 1+s.told.given, approveOnce)
	hold(r.Signer == nil || r.SignerHash == "" || r.Signer.Hash() == r.SignerHash, signerActs)
	hold(!x.unsettled && x.read(s.now, s.request).State == r.State, readsSettle)
	for _, key := range x.requests.get(s.request).Keys() {
		hold(slices.Contains(x.docs.get(s.docs), key), recordHasBytes)
	}
	if x.over(s) {
		hold(!slices.Contains(x.docs.get(s.docs), r.Document.Key), uploadGoes)
	}
}

// over reports that a request has ended and nothing is left to do for it, but perhaps to look for
// strays.
func (x *explorer) over(s state) bool {
	r := x.requests.get(s.request) // not as it stands: it has to be written down
	return r.State.Final() && s.purges == 0 && s.jobs == [2]jobSlot{} && s.under == [2]underway{}
}

// clean reports that nothing is stored but what the request needs.
func (x *explorer) clean(s state) bool {
	needed := x.requests.get(s.request).Keys()
	return !slices.ContainsFunc(
		x.docs.get(s.docs), func(key string) bool { return !slices.Contains(needed, key) },
	)
}

// findExits looks for states from which the clock and the worker alone do not bring the request to
// an end, and what is stored to what it needs.
func (x *explorer) findExits() {
	back := make([][]int32, len(x.all))
	for _, e := range x.alone {
		back[e[1]] = append(back[e[1]], e[0])
	}
	ends := make([]bool, len(x.all))
	var todo []int32
	for i, s := range x.all {
		// which waits for persons
		if x.over(s) && x.clean(s) || x.at(s.now, s.request).State == StateStalled {
			ends[i] = true
			todo = append(todo, int32(i))
		}
	}
	for len(todo) > 0 {
		i := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		for _, from := range back[i] {
			if !ends[from] {
				ends[from] = true
				todo = append(todo, from)
			}
		}
	}
	if i := slices.Index(ends, false); i >= 0 {
		x.violated(exitExists, int32(i))
	}
}

// story describes how a state is reached.
func (x *explorer) story(id int32) string {
	var steps []string
	for i := id; i > 0; i = x.parent[i] {
		s := x.all[i]
		steps = append(
			steps,
			fmt.Sprintf(
				"  tick %d: %-24s %-20s -> %s", s.now, x.how[i].who, x.how[i].what,
				x.at(s.now, s.request).State,
			),
		)
	}
	slices.Reverse(steps)
	return strings.Join(steps, "\n")
}

// exploreAll adds the larger scopes: a minute or two.
var exploreAll = flag.Bool(
	"explore.all", false,
	"explore the state machine with two phones, two sessions and failures as well",
)

// TestExplore visits every state that one request can come to, by any order of steps, and holds
// each against the invariants. What steps do is what the Service does, by the table of this
// package: there is no second description that could drift.
func TestExplore(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	scopes := map[string]scope{
		"two signers and a crash": {bob: true, intended: true, phones: 1, sessions: 1, crashes: 1},
	}
	if *exploreAll {
		scopes["first come, first served"] = scope{bob: true, phones: 1, sessions: 1, crashes: 1}
		scopes["two phones"] = scope{phones: 2, sessions: 1}
		scopes["two sessions and a crash"] = scope{phones: 1, sessions: 2, crashes: 1}
		scopes["sealings that fail"] = scope{phones: 1, sessions: 1, failures: true}
	}
	for name, scope := range scopes {
		begin := time.Now()
		x := explore(t, scope, plant{})
		t.Logf("%s: %d states by %d steps, which are %d different steps of the service, in %s",
			name, len(x.all), x.steps, len(x.memo), time.Since(begin).Round(time.Millisecond))
		for _, invariant := range slices.Sorted(maps.Keys(x.broken)) {
			t.Errorf("%s: not so after\n%s", invariant, x.story(x.broken[invariant]))
		}
		for _, s := range states {
			if !x.visited(s) && (s != StateStalled || scope.failures) {
				t.Errorf("%s: no request was ever %s", name, s)
			}
		}
	}
}

// visited reports whether some request was in this state, so that a scope which explores nothing
// does not pass for proof.
func (x *explorer) visited(want State) bool {
	return slices.ContainsFunc(x.requests.all, func(r *Request) bool { return r.State == want })
}

// TestExploreFindsBugs plants a bug for each invariant.
func TestExploreFindsBugs(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes some seconds")
	}
	small := scope{phones: 1, sessions: 1}
	crashing := scope{phones: 1, sessions: 1, crashes: 1}
	change := func(a Action, s State, c cell) func(*testing.T) {
		return func(t *testing.T) {
			row := table[a]
			t.Cleanup(func() { table[a] = row })
			table[a] = maps.Clone(row) // two rows are one map
			table[a][s] = c
		}
	}
	for name, bug := range map[string]struct {
		cell  func(*testing.T)
		plant plant
		scope scope
		finds []string
	}{
		"cancelling twice":              {cell: change(ActCancel, StateCancelled, to(StateCancelled)), finds: []string{cancelOnce}},
		"cancelling in a session":       {cell: change(ActCancel, StateSession, to(StateCancelled)), finds: []string{cancelFree}},
		"cancelling while it is sealed": {cell: change(ActCancel, StateSealing, to(StateCancelled)), finds: []string{cancelFree, ackSurvives}},
		"a signature that is discarded": {
			cell:  change(ActSealFailed, StateSealing, to(StateLocked)),
			scope: scope{phones: 1, sessions: 1, failures: true}, finds: []string{ackSurvives},
		},
		"cancelling what is signed":     {cell: change(ActCancel, StateSigned, to(StateCancelled)), finds: []string{cancelHides, announceSigned, timeForward}},
		"opening what is cancelled":     {cell: change(ActOpen, StateCancelled, to(StateLocked)), finds: []string{ackSurvives, timeForward}},
		"a session of what has expired": {cell: change(ActProceed, StateExpired, to(StateSession)), finds: []string{timeForward}},
		"expiry of what is cancelled":   {cell: change(ActExpire, StateCancelled, to(StateExpired)), finds: []string{timeForward}},
		"approving what is sealed": {
			cell: func(t *testing.T) { // the signature is verified in a session only
				was := traitsOf[StateSealing]
				t.Cleanup(func() { traitsOf[StateSealing] = was })
				traitsOf[StateSealing] = traits{upload: true, approved: true, session: true}
				change(ActApprove, StateSealing, to(StateSealing))(t)
			},
			scope: scope{phones: 2, sessions: 1}, finds: []string{approveOnce},
		},
		"a sealing that does not end":     {cell: change(ActSeal, StateSealing, cell{}), finds: []string{exitExists}},
		"a session that does not end":     {cell: change(ActTimeOut, StateSession, cell{}), scope: scope{sessions: 1}, finds: []string{exitExists}},
		"a store without compare-and-set": {plant: plant{blindStore: true}, finds: []string{ackSurvives, cancelOnce}},
		"a store that answers early":      {plant: plant{lazyStore: true}, scope: crashing, finds: []string{ackSurvives}},
		"documents that are not flushed":  {plant: plant{lazyBytes: true}, scope: crashing, finds: []string{recordHasBytes}},
		"a worker that announces early":   {plant: plant{eagerWorker: true}, finds: []string{announceSigned}},
		"another person proceeds": {
			plant: plant{anyPerson: true}, scope: scope{bob: true, phones: 1, sessions: 1},
			finds: []string{signerActs},
		},
		"another party cancels": {plant: plant{anyParty: true}, finds: []string{partyActs}},
		"reads by an old clock": {plant: plant{oldReads: true}, finds: []string{readsSettle}},
		"leaving without an end": {
			cell: change(ActLeave, StateSession, to(StateSession)), finds: []string{ackSurvives},
		},
		"a purge that forgets":           {plant: plant{idlePurge: true}, finds: []string{uploadGoes}},
		"strays that are not looked for": {plant: plant{noSweep: true}, scope: crashing, finds: []string{exitExists}},
	} {
		t.Run(name, func(t *testing.T) {
			if bug.cell != nil {
				bug.cell(t)
			}
			if bug.scope == (scope{}) {
				bug.scope = small
			}
			x := explore(t, bug.scope, bug.plant, bug.finds...)
			for _, invariant := range bug.finds {
				id, found := x.broken[invariant]
				if !found {
					t.Errorf(
						"%s: this holds in %d states, in spite of the bug", invariant, len(x.all),
					)
					continue
				}
				t.Logf("%s: found after %d states\n%s", invariant, len(x.all), x.story(id))
			}
		})
	}
}
