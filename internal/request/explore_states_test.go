package request

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// state is everything: the clock, what is stored, what is under way, what phones hold, and what
// people were told. Equal states are one, and there are few enough of them to visit all.
type state struct {
	now      int8
	request  int16
	docs     int16
	disk     [2]int16 // request and docs as a crash leaves them; the same, unless a bug is planted
	jobs     [2]jobSlot
	under    [2]underway // what people have begun, and what the worker has
	held     [2]int16    // what each phone has signed
	purges   uint8       // that are due
	sessions uint8       // begun so far
	crashes  uint8
	told     told
}

type jobSlot struct {
	kind  uint8 // number of the operation that does it, 0: none
	lease int8  // tick of the latest claim, -1: none
}

const unclaimed int8 = -1

// underway is an operation that was left before a write, or a job that is done and not yet
// recorded.
type underway struct {
	op            uint8 // 0: none
	step          int8  // 1, 2: before that step; 3: a job that waits to be recorded
	began         int8
	slot          int8 // of its job
	retry         bool
	held          int16
	request, docs int16 // as it has read them; docs only if it still needs to know
	key           int16 // of what it has put
}

// told is the information that persons received and rely on.
type told struct {
	cancels  uint8 // answers 200 to a cancel
	opened   uint8 // 1: Alice, 2: Bob was let in
	accepted uint8 // approvals that were recorded
	// signatures that an operator or the relying party discarded: each allows one approval more
	given     uint8
	approved  bool // a phone was told that its approval holds
	announced bool
	url       bool
}

// label says which step was taken.
type label struct{ who, what string }

// scope is how much there is to explore.
type scope struct {
	bob      bool // another person tries to open the request
	intended bool // Alice is named as the signer
	phones   int  // of Alice
	sessions uint8
	crashes  uint8
	failures bool // the timestamp authority may be away
}

// explorer visits every state that can be reached.
type explorer struct {
	*world
	scope  scope
	ops    []*operation // from 1
	index  map[string]uint8
	seen   map[state]int32
	all    []state
	parent []int32
	how    []label
	alone  [][2]int32            // transitions that need only the clock and the worker
	broken map[string]int32      // invariant: first state in which it does not hold
	stands map[[2]int16]*Request // by tick and request
	reads  map[[2]int16]*Request
	tidied map[[4]int16]int16
	steps  int

	unsettled bool // a request has changed when it settled a second time
}

// explore visits all states, or stops when these invariants are broken.
func explore(t *testing.T, scope scope, plant plant, until ...string) *explorer {
	w, first := newExploreWorld(t)
	w.plant = plant
	if scope.intended {
		first.SignerHash = w.people[0].Hash()
	}
	x := &explorer{
		world: w, scope: scope, index: map[string]uint8{}, seen: map[state]int32{},
		broken: map[string]int32{}, stands: map[[2]int16]*Request{}, reads: map[[2]int16]*Request{},
		tidied: map[[4]int16]int16{},
	}
	x.ops = append([]*operation{nil}, w.operations(scope)...)
	for i, op := range x.ops[1:] {
		x.index[op.name] = uint8(i + 1)
	}
	start := state{request: w.requestID(first), docs: w.docsID([]string{first.Document.Key})}
	start.disk = [2]int16{start.request, start.docs}
	x.visit(start, -1, label{})
	for i := 0; i < len(x.all) && len(x.all) < maxStates; i++ {
		if len(until) > 0 &&
			!slices.ContainsFunc(
				until, func(s string) bool { _, found := x.broken[s]; return !found },
			) {
			return x
		}
		x.expand(int32(i))
	}
	if len(x.all) >= maxStates {
		t.Errorf("more than %d states: give the exploration less to do", maxStates)
	}
	x.findExits()
	return x
}

// visit notes a state, reached from another by a step.
func (x *explorer) visit(s state, from int32, how label) int32 {
	x.steps++
	s.docs = x.tidy(s)
	for i, j := range s.jobs { // when a lease ends matters to who has it, and to who wants it
		if u := s.under[1]; j.lease < s.now && (u.op == 0 || u.slot != int8(i)) && j.kind != 0 {
			s.jobs[i].lease = unclaimed
		}
	}
	if state := x.requests.get(s.request).State; state == StateSigned || state == StateCancelled {
		s.held = [2]int16{} // what a phone answers now is refused, as the table's tests show
	}
	if id, ok := x.seen[s]; ok {
		return id
	}
	id := int32(len(x.all))
	x.seen[s] = id
	x.all, x.parent, x.how = append(x.all, s), append(x.parent, from), append(x.how, how)
	x.check(s, id)
	return id
}

// tidy gives all documents one name that no step asks for by theirs, so that they make no
// difference.
func (x *explorer) tidy(s state) int16 {
	if s.under[0].docs != 0 || s.under[1].docs != 0 {
		return s.docs // a purge goes by the names that it has read
	}
	k := [4]int16{s.request, s.docs, s.under[0].key, s.under[1].key}
	if id, ok := x.tidied[k]; ok {
		return id
	}
	keys := slices.Clone(x.docs.get(s.docs))
	r := x.requests.get(s.request)
	known := append(r.Keys(), r.Document.Key)
	for _, id := range k[2:] {
		if id != 0 {
			known = append(known, x.docs.get(id)...)
		}
	}
	for i, key := range keys {
		if !slices.Contains(known, key) {
			keys[i] = "stray"
		}
	}
	x.tidied[k] = x.docsID(keys)
	return x.tidied[k]
}

// changed is a set of documents after a write.
func (x *explorer) changed(docs, put, deleted int16) int16 {
	if put == 0 && deleted == 0 {
		return docs
	}
	gone := x.docs.get(deleted)
	keys := slices.DeleteFunc(
		slices.Clone(x.docs.get(docs)), func(k string) bool { return slices.Contains(gone, k) },
	)
	return x.docsID(append(keys, x.docs.get(put)...))
}

// violated notes that an invariant does not hold in a state.
func (x *explorer) violated(invariant string, id int32) {
	if _, ok := x.broken[invariant]; !ok {
		x.broken[invariant] = id
	}
}

// at is the request as it stands in a state: what any read would see.
func (x *explorer) at(now int8, request int16) *Request {
	k := [2]int16{int16(now), request}
	if r := x.stands[k]; r != nil {
		return r
	}
	r, at := x.requests.get(request).Clone(), dawn.Add(time.Duration(now)*tick)
	r.settle(at)
	x.stands[k] = r
	again := r.Clone()
	again.settle(at)
	x.unsettled = x.unsettled || again.State != r.State
	return r
}

// read is the request that the service reads in a state.
func (x *explorer) read(now int8, request int16) *Request {
	k := [2]int16{int16(now), request}
	if r := x.reads[k]; r != nil {
		return r
	}
	x.run = run{began: now, now: now, read: x.requests.get(request)}
	if x.plant.oldReads {
		x.run.began = 0
	}
	r, err := x.service.Get(context.Background(), x.run.read.ID)
	if err != nil {
		x.t.Fatal(err)
	}
	x.reads[k] = r
	return r
}

// expand takes every step from a state.
func (x *explorer) expand(id int32) {
	s := x.all[id]
	for i := 1; i < len(x.ops); i++ {
		x.begin(id, s, uint8(i))
	}
	for i := range s.under {
		if s.under[i].op != 0 {
			x.goOn(id, s, i)
		}
	}
	if s.now < horizon {
		next := s
		next.now++
		x.moved(id, s, next, label{what: "time passes"}, true)
	}
	if x.plant.lazyStore || x.plant.lazyBytes {
		next := s
		next.disk = [2]int16{next.request, next.docs}
		x.moved(id, s, next, label{what: "the disk catches up"}, true)
	}
	x.crash(id, s, label{what: "crash"})
}

// crash ends the process: what is not on disk is gone, and what was claimed is free.
func (x *explorer) crash(id int32, s state, how label) {
	if s.crashes == x.scope.crashes {
		return
	}
	s.crashes++
	s.under = [2]underway{}
	if x.plant.lazyStore {
		s.request = s.disk[0]
	}
	if x.plant.lazyBytes {
		s.docs = s.disk[1]
	}
	s.disk = [2]int16{s.request, s.docs}
	for i := range s.jobs {
		if s.jobs[i].kind != 0 {
			s.jobs[i].lease = unclaimed
		}
	}
	x.moved(id, x.all[id], s, how, false)
}

// moved notes a step and holds it against the invariants that are about steps.
func (x *explorer) moved(id int32, from, to state, how label, alone bool) {
	next := x.visit(to, id, how)
	if alone && next != id {
		x.alone = append(x.alone, [2]int32{id, next})
	}
	was, is := x.at(from.now, from.request).State, x.at(to.now, to.request).State
	if was != is &&
		(was == StateSigned || was == StateCancelled || was == StateExpired && is != StateCancelled) {
		x.violated(timeForward, next)
	}
}

// begin starts an operation, and finishes it if it has no second step.
func (x *explorer) begin(id int32, s state, o uint8) {
	op := x.ops[o]
	u := underway{op: o, began: s.now, request: s.request, docs: s.docs, slot: -1}
	switch who, what, _ := strings.Cut(op.name, " "); {
	case op.job != "":
		u.slot = int8(slices.IndexFunc(s.jobs[:], func(j jobSlot) bool {
			return j.kind != 0 && x.ops[j.kind].job == op.job && j.lease < s.now
		}))
		if u.slot < 0 {
			return
		}
		s.jobs[u.slot].lease = s.now
	case what == "proceeds" && (s.sessions == x.scope.sessions || s.now > lastProceed && x.at(s.now, s.request).State != StateExpired):
		return
	case who == "phone":
		number := op.name[len("phone ")] - '1'
		u.held = s.held[number]
		// it scans once for each session, which is enough
		if u.held == 0 != strings.HasSuffix(op.name, "scans") {
			current := x.requests.get(s.request).Session
			if u.held == 0 || !strings.HasSuffix(op.name, "scans") || current == nil ||
				x.answers.get(u.held).session == current.ID {
				return
			}
		}
		if strings.HasSuffix(op.name, "scans") {
			u.held = 0
		}
	case op.name == "result" && x.requests.get(s.request).State != StateSigned:
		return // refused: the table's tests show it
	case op.name == "purge" && s.purges == 0:
		return
	case op.name == "strays" && (x.plant.noSweep || !x.over(s) || x.clean(s)):
		return // it sweeps before, too; but then something is left to do anyway
	case op.name == "operator seals again" && x.at(s.now, s.request).State != StateStalled:
		return // or there is a further job at every moment
	case op.name == "sweep" && x.at(s.now, s.request).State == x.requests.get(s.request).State:
		return
	}
	if op.one {
		u.step = 2
	}
	x.perform(id, s, u, false)
}

// goOn takes the next step of an operation that is under way.
func (x *explorer) goOn(id int32, s state, i int) {
	u := s.under[i]
	s.under[i] = underway{}
	if u.step < 3 {
		x.perform(id, s, u, true)
		return
	}
	if j := &s.jobs[u.slot]; j.kind != 0 && x.ops[j.kind].job == x.ops[u.op].job &&
		j.lease == u.began {
		if *j = (jobSlot{}); u.retry {
			*j = jobSlot{x.jobOp(x.ops[u.op].job), unclaimed}
		}
	}
	x.moved(id, x.all[id], s, label{x.ops[u.op].name, "recorded"}, true)
}

func (x *explorer) jobOp(kind JobKind) uint8 {
	return x.index[map[JobKind]string{JobSeal: "seal", JobWebhook: "webhook"}[kind]]
}

// perform takes a step of an operation and puts down what comes of it.
func (x *explorer) perform(id int32, s state, u underway, goesOn bool) {
	op := x.ops[u.op]
	k := memoKey{
		op: u.op, step: u.step, began: u.began, now: s.now, read: u.request, write: s.request,
		docs: u.docs, held: u.held,
	}
	if strings.HasSuffix(op.name, "proceeds") {
		k.session = s.sessions
	}
	if !op.docs {
		k.docs = 0
	}
	e := x.take(op, k)
	before := x.at(s.now, s.request).State
	s.request, s.docs = e.request, x.changed(s.docs, e.put, e.deleted)
	for _, kind := range e.jobs {
		switch kind {
		case "":
			continue
		case JobPurge:
			s.purges++
			continue
		}
		free := slices.IndexFunc(s.jobs[:], func(j jobSlot) bool { return j.kind == 0 })
		if free < 0 {
			x.t.Fatal("more jobs than the exploration has room for")
		}
		s.jobs[free] = jobSlot{x.jobOp(kind), unclaimed}
	}
	s.purges -= one(e.purged)
	if !x.plant.lazyStore {
		s.disk[0] = s.request
	}
	if !x.plant.lazyBytes {
		s.disk[1] = s.docs
	}
	s.told.accepted += one(e.approved)
	s.told.given += one(e.failed)
	s.told.announced = s.told.announced || e.announced
	if op.name != "" && strings.HasSuffix(op.name, "proceeds") && e.paused == 0 &&
		e.refused == nil {
		s.sessions++
	}
	if e.answer != 0 {
		s.held[op.name[len("phone ")]-'1'] = e.answer
	}
	// Work that has begun continues; only people and broken authorities have a choice.
	alone := goesOn || op.job != "" && op.name != "seal without a timestamp" || op.late ||
		op.name == "sweep"
	if e.paused != 0 || op.job != "" {
		u.step, u.retry, u.key = e.paused, e.retry, max(u.key, e.put)
		if !op.docs {
			u.docs = 0
		}
		if e.paused == 0 {
			u.step, u.request, u.docs, u.held, u.key = 3, 0, 0, 0, 0
		}
		lane := one(op.job != "" || op.late)
		if s.under[lane] != (underway{}) {
			return // one at a time
		}
		s.under[lane] = u
		x.moved(
			id,
			x.all[id],
			s,
			label{
				op.name,
				[]string{"", "has read", "is about to write", "done, not recorded"}[u.step],
			},
			alone,
		)
		return
	}
	if e.refused != nil {
		x.moved(id, x.all[id], s, label{op.name, e.refused.Code}, alone)
		return
	}
	if op.name == "cancel" { // it was let through
		s.told.given += one(before == StateStalled)
	}
	// a lost answer, with the connection or with the process, differs only if something happened
	if s.request != x.all[id].request {
		if op.name == "cancel" || strings.HasSuffix(op.name, "approves") {
			x.moved(id, x.all[id], s, label{op.name, "the answer is lost"}, false)
			x.crash(id, s, label{op.name, "a crash"})
		}
	}
	switch {
	case op.name == "cancel":
		s.told.cancels++
		if before == StateSession || before == StateSealing {
			x.violated(cancelFree, x.visit(s, id, label{op.name, ""}))
		}
	case op.name == "rival cancels":
		x.violated(partyActs, x.visit(s, id, label{op.name, ""}))
	case op.name == "result":
		s.told.url = s.told.url || e.url
	case op.name == "Alice opens":
		s.told.opened = 1
	case op.name == "Bob opens":
		s.told.opened = 2
	case strings.HasSuffix(op.name, "approves"):
		s.told.approved = true
	case strings.HasSuffix(op.name, "leaves"), strings.HasSuffix(op.name, "rejects"):
		if x.requests.get(s.request).State.InSession() {
			x.violated(ackSurvives, x.visit(s, id, label{op.name, ""}))
		}
	}
	if who, _, _ := strings.Cut(op.name, " "); who == "Alice" || who == "Bob" {
		signer := x.requests.get(s.request).Signer
		if signer == nil || signer.UIN != x.people[slices.Index(names, who)].UIN {
			x.violated(signerActs, x.visit(s, id, label{op.name, ""}))
		}
	}
	x.moved(id, x.all[id], s, label{op.name, ""}, alone)
}

// names are those of the people.
var names = []string{"Alice", "Bob"}

func one(b bool) uint8 {
	if b {
		return 1
	}
	return 0
}
