package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// An erased event leaves its hash and its index in the log, so the log can still be verified. An
// erasure is an event of the trail [ErasureTrail], with the kind KindErasure and the detail of
// [Erasure]. [Verify] accepts a leaf without its event only if a later erasure names it, so erasing
// is itself evident.
const (
	ErasureTrail = "erasure"
	KindErasure  = "erasure"

	// KindErased is the kind of an entry whose event was erased, while the other events of its
	// trail are kept. The entry keeps its index and its number.
	KindErased = "erased"
)

// erasure is the detail of an erasure. Its form never changes, because existing logs contain it.
type erasure struct {
	Leaves string `json:"leaves"` // such as "3-7,12"
}

// Erasure returns the detail of the erasure of leaves, as JSON.
func Erasure(leaves []int64) (string, error) {
	sorted := slices.Compact(slices.Sorted(slices.Values(leaves)))
	var ranges []string
	for i := 0; i < len(sorted); {
		first, last := sorted[i], sorted[i]
		for i++; i < len(sorted) && sorted[i] == last+1; i++ {
			last = sorted[i]
		}
		text := strconv.FormatInt(first, 10)
		if last > first {
			text += "-" + strconv.FormatInt(last, 10)
		}
		ranges = append(ranges, text)
	}
	detail, err := json.Marshal(erasure{strings.Join(ranges, ",")})
	return string(detail), err
}

// span is a range of leaves, both ends included.
type span struct{ first, last int64 }

// parseErasure returns the leaves of an erasure's detail.
func parseErasure(detail []byte) (spans []span, err error) {
	var e erasure
	if err := json.Unmarshal(detail, &e); err != nil {
		return nil, fmt.Errorf("an erasure: %w", err)
	}
	for text := range strings.SplitSeq(e.Leaves, ",") {
		from, to, ranged := strings.Cut(text, "-")
		if !ranged {
			to = from
		}
		first, err := strconv.ParseInt(from, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("an erasure of %q: %w", text, err)
		}
		last, err := strconv.ParseInt(to, 10, 64)
		if err != nil || last < first {
			return nil, fmt.Errorf("an erasure of %q: no range", text)
		}
		spans = append(spans, span{first, last})
	}
	return spans, nil
}
