package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// line is a line of a file, of one of three kinds: the log's key, which is the first; a leaf; and a
// checkpoint of the leaves before it.
type line struct {
	Key string `json:"key,omitempty"` // C2SP signed-note

	Index *int64 `json:"index,omitempty"`
	Hash  string `json:"hash,omitempty"` // of the leaf, base64
	// Event is the leaf, byte for byte. It is omitted if it was erased, and in evidence if it
	// contains a secret.
	Event json.RawMessage `json:"event,omitempty"`
	// Proof is the inclusion proof (RFC 6962) for the checkpoint at the end of the file, in
	// evidence; null in a file with all leaves.
	Proof *[]tlog.Hash `json:"proof,omitempty"`
	Until int64        `json:"until,omitempty"` // leaves at the next checkpoint of the file

	Checkpoint string `json:"checkpoint,omitempty"` // C2SP tlog-checkpoint
}

// encoder writes lines.
type encoder struct{ *json.Encoder }

func newEncoder(w io.Writer) encoder {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // a leaf is written unchanged
	return encoder{e}
}

// leaf writes the line of an entry with its hash in the log; proof is nil if there is none.
func (e encoder) leaf(n Entry, hash tlog.Hash, shown bool, proof *[]tlog.Hash, until int64) error {
	l := line{Index: &n.Index, Hash: hash.String(), Proof: proof, Until: until}
	if shown && n.Kind != KindErased {
		var err error
		if l.Event, err = n.Leaf(); err != nil {
			return err
		}
	}
	return e.Encode(l)
}

// Export writes the whole log, as far as it is integrated when Export begins: JSON lines with the
// log's key, all leaves in order, and all checkpoints, each after its last leaf.
func (l *Log) Export(ctx context.Context, w io.Writer) error {
	end, err := l.Store.Newest(ctx)
	if err != nil {
		return err
	}
	e := newEncoder(w)
	if err := e.Encode(line{Key: l.Signer.Key()}); err != nil {
		return err
	}
	for n := int64(0); n < end.Size; {
		checkpoints, err := l.Store.Checkpoints(ctx, n, page)
		if err != nil {
			return err
		}
		for _, c := range checkpoints {
			if c.Size > end.Size {
				break
			}
			if err := l.leaves(ctx, e, n, c.Size); err != nil {
				return err
			}
			if err := e.Encode(line{Checkpoint: c.Note}); err != nil {
				return err
			}
			n = c.Size
		}
		if len(checkpoints) == 0 {
			return fmt.Errorf("the audit log lacks a checkpoint after leaf %d", n)
		}
	}
	return nil
}

// page bounds how much of the log is read at once.
const page = 1000

// leaves writes the leaves from an index to the next checkpoint's size. Of those that the store
// lacks it writes the hash; Verify reports the ones that no erasure names.
func (l *Log) leaves(ctx context.Context, e encoder, from, size int64) error {
	for from < size {
		entries, err := l.Store.Entries(ctx, from, int(min(page, size-from)))
		if err != nil {
			return err
		}
		first := tlog.StoredHashIndex(0, from)
		last := min(size, from+page) - 1
		hashes, err := l.Store.Hashes(ctx, first, tlog.StoredHashIndex(0, last)+1)
		if err != nil {
			return err
		}
		for ; from <= last; from++ {
			entry := Entry{Index: from, Kind: KindErased}
			if len(entries) > 0 && entries[0].Index == from {
				entry, entries = entries[0], entries[1:]
			}
			i := tlog.StoredHashIndex(0, from) - first
			if i >= int64(len(hashes)) {
				return fmt.Errorf("the audit log lacks the hash of leaf %d", from)
			}
			if err := e.leaf(entry, hashes[i], true, nil, size); err != nil {
				return err
			}
		}
	}
	return nil
}

// EvidenceFile is the name of the log in an evidence bundle.
const EvidenceFile = "audit.jsonl"

// Evidence writes the first n events of a request as leaves with their inclusion proofs, and the
// newest checkpoint. It waits until they are in the log. It omits the text of an event for whose
// number hidden returns true.
func (l *Log) Evidence(
	ctx context.Context, w io.Writer, requestID string, n int, hidden func(seq int64) bool,
) error {
	if err := l.settle(ctx, requestID); err != nil {
		return err
	}
	end, err := l.Store.Newest(ctx)
	if err != nil {
		return err
	}
	entries, err := l.Store.EntriesOf(ctx, requestID)
	if err != nil {
		return err
	}
	e := newEncoder(w)
	if err := e.Encode(line{Key: l.Signer.Key()}); err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.Seq > int64(n) || entry.Index >= end.Size {
			break // written in the meantime
		}
		hashes := reader(ctx, l.Store)
		hash, err := hashes.ReadHashes([]int64{tlog.StoredHashIndex(0, entry.Index)})
		if err != nil {
			return err
		}
		record, err := tlog.ProveRecord(end.Size, entry.Index, hashes)
		if err != nil {
			return fmt.Errorf("proving leaf %d: %w", entry.Index, err)
		}
		proof := append([]tlog.Hash{}, record...)
		if err := e.leaf(entry, hash[0], !hidden(entry.Seq), &proof, 0); err != nil {
			return err
		}
	}
	return e.Encode(line{Checkpoint: end.Note})
}

// parseKey reads a key in the form of [Signer.Key].
func parseKey(text string) (note.Verifier, error) {
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the log's key %q: %w", text, err)
	}
	return v, nil
}
