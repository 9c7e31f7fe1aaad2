package pades

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
)

// Why [Renew] leaves a document alone.
var (
	// ErrNotDue: the newest document time stamp is good for longer. It comes as a *NotDueError.
	ErrNotDue = errors.New("pades: renewal is not due")
	// ErrNotArchived: the document does not end with a document time stamp.
	ErrNotArchived = errors.New("pades: not an archived document")
)

// NotDueError says for how long the document is good.
type NotDueError struct{ Until time.Time }

func (e *NotDueError) Error() string {
	return fmt.Sprintf("%v: good until %s", ErrNotDue, e.Until.UTC().Format(time.RFC3339))
}

// Is makes it an ErrNotDue.
func (e *NotDueError) Is(target error) bool { return target == ErrNotDue }

// Until is when the certificate of the document time stamp that covers the whole file ends; zero if
// there is no valid one.
func (r *Report) Until() time.Time {
	if len(r.Signatures) == 0 {
		return time.Time{}
	}
	last := r.Signatures[len(r.Signatures)-1]
	if !last.DocumentTimestamp || !last.WholeFile || len(last.Problems) > 0 {
		return time.Time{}
	}
	return chainEnd(last.Chain)
}

// RenewOptions of [Renew].
type RenewOptions struct {
	// ExtendOptions: a source of evidence about the old time stamp's authority,
	// and the new time stamp's. Timestamper is required.
	ExtendOptions
	// Verify says whom to trust, and what time it is.
	Verify VerifyOptions
	// Before the end of the newest time stamp's certificate the renewal is due.
	Before time.Duration
	// Others allows for faults of signatures that are not ours to answer for, such
	// as by an authority that is not trusted here, as long as none is added. The
	// newest document time stamp has to be valid in any case.
	Others bool
}

// Renew returns the update that lets an archived document outlive the
// certificate of its newest document time stamp: revocation data about that
// certificate's chain and a further document time stamp over all of it (EN 319
// 142-1, 5.4.3). The document has to be valid before (see Others), and is checked
// to be so after. It fails with ErrNotDue if there is time left.
func Renew(ctx context.Context, r io.ReaderAt, size int64, o RenewOptions) ([]byte, error) {
	if o.Evidence == nil || o.Rand == nil || o.FieldName == "" || o.Timestamper == nil {
		return nil, errors.New("pades: Evidence, Timestamper, FieldName and Rand are required")
	}
	report, err := Verify(r, size, o.Verify)
	if err != nil {
		return nil, err
	}
	if err := report.Err(); err != nil && !o.Others {
		return nil, err
	}
	ends := report.Until()
	if ends.IsZero() {
		return nil, errors.Join(ErrNotArchived, report.Err())
	}
	if ends.Add(-o.Before).After(o.Verify.Now) {
		return nil, &NotDueError{ends}
	}
	d, err := pdf.Open(r, size, o.Limits)
	if err != nil {
		return nil, err
	}
	s, err := newest(d, subFilterStamp)
	if err != nil {
		return nil, err
	}
	update, err := protect(ctx, d, s, o.ExtendOptions)
	if err != nil {
		return nil, err
	}
	joined, total := pdf.Joined(r, size, update)
	after, err := Verify(joined, total, o.Verify)
	if err != nil {
		return nil, err
	}
	if err := after.Err(); err != nil && !o.Others {
		return nil, fmt.Errorf("pades: after renewal: %w", err)
	}
	if len(after.Problems) > len(report.Problems) {
		return nil, fmt.Errorf("pades: after renewal: %w", joinProblems(after.Problems))
	}
	if len(after.Signatures) != len(report.Signatures)+1 {
		return nil, fmt.Errorf(
			"pades: after renewal: %d signatures instead of %d", len(after.Signatures),
			len(report.Signatures)+1,
		)
	}
	for i, s := range report.Signatures {
		if a := after.Signatures[i]; a.Level < s.Level || len(a.Problems) > len(s.Problems) {
			return nil, fmt.Errorf(
				"pades: after renewal: signature %q fell to %s: %w", s.Fields[0], a.Level, a.Err(),
			)
		}
	}
	if then := after.Until(); !then.After(ends) {
		return nil, fmt.Errorf(
			"pades: the authority's certificate ends on %s, no later than the one to be renewed",
			then.UTC().Format(time.RFC3339),
		)
	}
	return update, nil
}

// chainEnd is when the first certificate of a chain ends, not counting the
// root: trust in that is the verifier's decision.
func chainEnd(chain []*x509.Certificate) time.Time {
	var ends time.Time
	for i, c := range chain {
		if (i == 0 || i < len(chain)-1) && (ends.IsZero() || c.NotAfter.Before(ends)) {
			ends = c.NotAfter
		}
	}
	return ends
}

// outlived finds time stamps whose certificate has ended without a later time
// stamp, made before, that shows that they are not forged with a key which was
// lost or broken since. It walks back from now, from time stamp to time stamp.
func (v *verifier) outlived(sigs []*signature, verdicts map[*signature]*Signature) {
	at := v.opts.Now
	for i := len(sigs) - 1; i >= 0; i-- {
		out := verdicts[sigs[i]]
		chain := out.stampChain
		if out.DocumentTimestamp {
			chain = out.Chain
		}
		if len(out.Problems) > 0 || len(chain) == 0 {
			continue
		}
		if ends := chainEnd(chain); at.After(ends) {
			out.fail(
				OutOfBoundsNoPOE,
				"the certificate of the time stamp ended on %s, and no later document time stamp was made before",
				ends.UTC().Format(time.RFC3339),
			)
			out.Level = LevelNone
			continue
		}
		if out.DocumentTimestamp && out.StampedAt.Before(at) {
			at = out.StampedAt
		}
	}
}
