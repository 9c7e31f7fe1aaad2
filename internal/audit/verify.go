package audit

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	strict "github.com/go-jose/go-jose/v4/json"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Trust is what a file is verified against.
type Trust struct {
	// Key is the log's key, from another source than the file. If it is empty, the key of the file
	// is used, which only proves that the file is consistent.
	Key string

	// Checkpoints are checkpoints of the log from earlier or from other sources.
	Checkpoints []string
}

// Report is the result of [Verify].
type Report struct {
	Key      string // key that checkpoints were verified with
	Events   int    // in the file, with those that were erased
	Erased   int    // events whose text was erased, as a later event of the log says
	Size     int64  // leaves of the log at the newest checkpoint
	Evidence bool   // the file contains events of one request, with proofs

	Problem *Problem // the first one; nil if the file is as signed
}

// Problem is the place where a file differs from what the log has signed.
type Problem struct {
	Line int // of the file, from 1; behind the last one if lines are missing at the end
	Text string
}

func (p *Problem) Error() string { return fmt.Sprintf("line %d: %s", p.Line, p.Text) }

func problem(line int, format string, args ...any) *Problem {
	return &Problem{line, fmt.Sprintf(format, args...)}
}

// Verify verifies a file of [Log.Export] or [Log.Evidence]. An error means that the file or the
// trust cannot be read. A change in the file is a Problem of the report.
//
// A line that was edited differs from its hash, and a line that was removed, added or moved breaks
// the sequence of indexes. If hashes and indexes were adapted, the next checkpoint does not match,
// and the problem names the first line after the previous checkpoint.
func Verify(file io.Reader, trust Trust) (*Report, error) {
	v := &verification{report: &Report{Key: trust.Key}, missing: map[int64]int{}}
	if trust.Key != "" {
		key, err := parseKey(trust.Key)
		if err != nil {
			return nil, err
		}
		v.key = key
	}
	lines := bufio.NewReader(file)
	for err := error(nil); err == nil && v.report.Problem == nil; {
		var text []byte
		text, err = readLine(lines, v.n+1)
		if tooLong, ok := errors.AsType[*Problem](err); ok {
			v.report.Problem = tooLong
			break
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("reading the log: %w", err)
		}
		if len(text) > 0 {
			v.n++
			v.report.Problem = v.line(text)
		}
	}
	if v.report.Problem == nil {
		v.report.Problem = v.end()
	}
	if v.report.Problem != nil {
		return v.report, nil
	}
	for _, c := range trust.Checkpoints {
		tree, err := openCheckpoint(c, v.key)
		if err != nil {
			return nil, fmt.Errorf("a checkpoint that was given: %w", err)
		}
		if v.report.Problem = v.against(tree); v.report.Problem != nil {
			break
		}
	}
	return v.report, nil
}

// verification is the state of checking a file.
type verification struct {
	report *Report
	key    note.Verifier
	n      int // lines read

	hashes []tlog.Hash // stored hashes of the leaves so far, in a file with all leaves
	leaves int64
	first  int       // line of the first leaf after the last checkpoint; 0: none
	until  []int64   // what the leaves after the last checkpoint say of the next one
	ended  bool      // after the checkpoint of evidence
	root   tlog.Hash // of that checkpoint

	// lines of the leaves without an event that no erasure has named, by index
	missing map[int64]int

	proven  []proven // leaves of evidence, to be checked at the end
	trailed event    // the last event of evidence whose text is present
}

// proven is a leaf with its proof.
type proven struct {
	line  int
	index int64
	hash  tlog.Hash
	proof []tlog.Hash
}

// reader reads the hashes of the leaves so far.
func (v *verification) reader() tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		var list []tlog.Hash
		for _, i := range indexes {
			if i >= int64(len(v.hashes)) {
				return nil, fmt.Errorf("no hash %d", i)
			}
			list = append(list, v.hashes[i])
		}
		return list, nil
	})
}

// line checks a line.
func (v *verification) line(text []byte) *Problem {
	var l line
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&l); err != nil {
		return problem(v.n, "it is not a line of an audit log: %v", err)
	}
	var written bytes.Buffer
	if err := newEncoder(&written).Encode(l); err != nil || !bytes.Equal(written.Bytes(), text) {
		return problem(v.n, "it is not written as an audit log is, and was changed")
	}
	switch {
	case v.n == 1:
		return v.header(l)
	case v.ended:
		return problem(v.n, "it follows the checkpoint at the end, and was added")
	case l.Checkpoint != "":
		return v.checkpoint(l)
	case l.Index == nil:
		return problem(v.n, "it is neither an event nor a checkpoint, and was changed or added")
	}
	return v.leaf(l)
}

func (v *verification) header(l line) *Problem {
	if l.Key == "" {
		return problem(v.n, "it does not hold the log's key")
	}
	if v.key != nil {
		if l.Key != v.report.Key {
			return problem(v.n, "the file names another key than the one that is trusted")
		}
		return nil
	}
	key, err := parseKey(l.Key)
	if err != nil {
		return problem(v.n, "%v", err)
	}
	v.key, v.report.Key = key, l.Key
	return nil
}

func (v *verification) leaf(l line) *Problem {
	hash, err := tlog.ParseHash(l.Hash)
	if err != nil || hash.String() != l.Hash {
		return problem(v.n, "its hash %q was changed", l.Hash)
	}
	evidence := l.Proof != nil
	if v.report.Events > 0 && evidence != v.report.Evidence {
		return problem(v.n, "it is of another kind of file than the lines before, and was added")
	}
	v.report.Evidence = evidence
	if !evidence && *l.Index != v.leaves {
		return v.misplaced(*l.Index, v.leaves)
	}
	if len(l.Event) > 0 && tlog.RecordHash(l.Event) != hash {
		return problem(v.n, "the event differs from its hash, and was changed")
	}
	if !evidence {
		if p := v.erase(l); p != nil {
			return p
		}
	}
	v.report.Events++
	if v.first == 0 {
		v.first = v.n
	}
	if evidence {
		if p := v.trail(l); p != nil {
			return p
		}
		v.proven = append(v.proven, proven{v.n, *l.Index, hash, *l.Proof})
		return nil
	}
	if n := len(v.until); n > 0 && v.until[0] > 0 && v.leaves >= v.until[0] &&
		v.until[0] == v.until[n-1] {
		return problem(v.n, "the checkpoint for %d events was removed before it", v.until[0])
	}
	v.until = append(v.until, l.Until)
	more, err := tlog.StoredHashesForRecordHash(v.leaves, hash, v.reader())
	if err != nil {
		return problem(v.n, "%v", err)
	}
	v.hashes = append(v.hashes, more...)
	v.leaves++
	return nil
}

// erase notes a leaf without an event as missing, and those that the event erases as erased.
func (v *verification) erase(l line) *Problem {
	if len(l.Event) == 0 {
		v.missing[*l.Index] = v.n
		return nil
	}
	var e event
	if err := json.Unmarshal(l.Event, &e); err != nil {
		return problem(v.n, "%v", err)
	}
	if e.RequestID != ErasureTrail || e.Kind != KindErasure {
		return nil
	}
	spans, err := parseErasure(e.Detail)
	if err != nil {
		return problem(v.n, "%v", err)
	}
	for _, s := range spans {
		if s.last >= *l.Index {
			return problem(v.n, "it erases event %d, which is not before it", s.last)
		}
		for i := s.first; i <= s.last; i++ {
			if v.missing[i] != 0 {
				delete(v.missing, i)
				v.report.Erased++
			}
		}
	}
	return nil
}

// misplaced returns the problem of a line with another index or number than its place requires.
func (v *verification) misplaced(got, want int64) *Problem {
	if got > want {
		return problem(
			v.n, "number %d stands where %d has to be: lines before it were removed or moved", got,
			want,
		)
	}
	return problem(v.n, "number %d stands where %d has to be: it was added or moved", got, want)
}

// trail checks that the events of evidence are those of one request, without gaps.
func (v *verification) trail(l line) *Problem {
	want := v.trailed.Seq + 1
	if len(l.Event) == 0 { // a secret; the sequence shows that the event exists
		v.trailed.Seq = want
		return nil
	}
	var e event
	if err := json.Unmarshal(l.Event, &e); err != nil {
		return problem(v.n, "%v", err)
	}
	if e.Seq != want {
		return v.misplaced(e.Seq, want)
	}
	if v.trailed.RequestID != "" && e.RequestID != v.trailed.RequestID {
		return problem(v.n, "it is an event of another request, and was added")
	}
	v.trailed = e
	return nil
}

func (v *verification) checkpoint(l line) *Problem {
	tree, err := openCheckpoint(l.Checkpoint, v.key)
	if err != nil {
		return problem(v.n, "the checkpoint is not signed by the log's key: %v", err)
	}
	v.report.Size = tree.N
	if v.report.Evidence {
		v.ended, v.root = true, tree.Hash
		for _, p := range v.proven {
			if tlog.CheckRecord(p.proof, tree.N, tree.Hash, p.index, p.hash) != nil {
				return problem(
					p.line, "the event is not in the log at index %d: it was changed or added",
					p.index,
				)
			}
		}
		v.first = 0
		return nil
	}
	switch {
	case tree.N > v.leaves:
		return problem(
			v.n, "the checkpoint is for %d events, and %d stand before it: lines were removed",
			tree.N, v.leaves,
		)
	case tree.N < v.leaves, v.first == 0:
		return problem(
			v.n, "the checkpoint is for %d events, and %d stand before it: it was added or moved",
			tree.N, v.leaves,
		)
	}
	if p := v.against(tree); p != nil {
		p.Line = v.first
		return p
	}
	for i, until := range v.until {
		if until != tree.N {
			return problem(v.first+i, "it names another checkpoint than the next, and was changed")
		}
	}
	v.until = nil
	v.first = 0
	return nil
}

// against compares the leaves with a tree. Evidence has no proof of consistency, so it is compared
// with the tree of its own size only.
func (v *verification) against(tree tlog.Tree) *Problem {
	if tree.N == 0 || v.report.Evidence && tree.N != v.report.Size {
		return nil
	}
	if !v.report.Evidence && tree.N > v.leaves {
		return problem(
			v.n+1,
			"the log ends after %d events, and a checkpoint has %d: lines were removed at the end",
			v.leaves, tree.N,
		)
	}
	root := v.root
	if !v.report.Evidence {
		var err error
		if root, err = tlog.TreeHash(tree.N, v.reader()); err != nil {
			return problem(v.n, "%v", err)
		}
	}
	if root != tree.Hash {
		return problem(
			2,
			"the first %d events of the log are not those of a checkpoint that the log has signed: from here on lines were changed, removed or added, and their hashes made to fit",
			tree.N,
		)
	}
	return nil
}

// end checks that a checkpoint covers all leaves.
func (v *verification) end() *Problem {
	switch {
	case v.n == 0:
		return problem(1, "the file is empty")
	case v.first != 0:
		return problem(v.first, "no checkpoint covers the events from here on")
	case len(v.missing) > 0:
		return problem(
			slices.Min(slices.Collect(maps.Values(v.missing))),
			"its event was removed, and no later event says that it was erased",
		)
	}
	return nil
}

// maxLine bounds a line of a file in bytes. Texts of events have some KiB, so that a line which has
// more is not the log's.
const maxLine = 16 << 20

// readLine reads a line, whose number is n. The error is a *Problem if the line is longer than
// maxLine, and io.EOF with the last line if that does not end.
func readLine(lines *bufio.Reader, n int) ([]byte, error) {
	var text []byte
	for {
		part, err := lines.ReadSlice('\n')
		if len(text)+len(part) > maxLine {
			return nil, problem(n, "it has more than %d bytes", maxLine)
		}
		if text = append(text, part...); !errors.Is(err, bufio.ErrBufferFull) {
			return text, err
		}
	}
}

// SameEvents compares the trail of an evidence bundle (events.json) with its audit log. It returns
// the first event that differs, with its number as Line, or nil.
func SameEvents(log io.Reader, trail []byte) (*Problem, error) {
	var list []json.RawMessage
	if err := json.Unmarshal(trail, &list); err != nil {
		return nil, fmt.Errorf("the trail: %w", err)
	}
	scan := bufio.NewScanner(log)
	scan.Buffer(nil, maxLine+1)
	i := 0
	for scan.Scan() {
		var l line
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			return nil, fmt.Errorf("the log: %w", err)
		}
		if l.Index == nil {
			continue
		}
		i++
		if i > len(list) {
			return problem(
				i, "event %d is in the log, and not in the trail: it was removed", i,
			), nil
		}
		if len(l.Event) == 0 {
			continue
		}
		// A member that comes twice could be another one for another program.
		if strict.Unmarshal(list[i-1], new(any)) != nil {
			return problem(i, "event %d of the trail was changed: it has a member twice", i), nil
		}
		var want, got map[string]any
		if err := errors.Join(
			json.Unmarshal(l.Event, &want), json.Unmarshal(list[i-1], &got),
		); err != nil {
			return nil, err
		}
		delete(want, "request_id")
		if d, ok := want["detail"].(map[string]any); ok {
			delete(d, "v") // the version of the stored form
			if len(d) == 0 {
				delete(want, "detail")
			}
		}
		a, _ := json.Marshal(want)
		b, _ := json.Marshal(got)
		if !bytes.Equal(a, b) {
			return problem(
				i, "event %d of the trail is not the one in the log: it was changed", i,
			), nil
		}
	}
	if i < len(list) {
		return problem(i+1, "event %d of the trail is not in the log: it was added", i+1), nil
	}
	return nil, scan.Err()
}
