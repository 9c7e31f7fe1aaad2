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

// Errors of [Renew] that leave a document unchanged.
var (
	// ErrNotDue means that the newest document timestamp is valid for longer. The error is a
	// *NotDueError.
	ErrNotDue = errors.New("pades: renewal is not due")
	// ErrNotArchived means that the document does not end with a document timestamp.
	ErrNotArchived = errors.New("pades: not an archived document")
)

// NotDueError contains the time until which the document is valid.
type NotDueError struct{ Until time.Time }

func (e *NotDueError) Error() string {
	return fmt.Sprintf("%v: good until %s", ErrNotDue, e.Until.UTC().Format(time.RFC3339))
}

// Is reports whether target is ErrNotDue.
func (e *NotDueError) Is(target error) bool { return target == ErrNotDue }

// Until returns the end of the certificate of the document timestamp that covers the whole file, or
// zero if there is no valid one.
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

// RenewOptions are the options of [Renew].
type RenewOptions struct {
	// ExtendOptions has the source of evidence about the authorities of the old and the new
	// timestamp. Timestamper is required.
	ExtendOptions
	// Verify has the trusted roots and the present time.
	Verify VerifyOptions
	// Before is how long before the end of the newest timestamp's certificate the renewal is due.
	Before time.Duration
	// Others accepts faults of other signatures, such as by an authority that is not trusted here,
	// as long as the renewal adds none. The newest document timestamp must be valid in any case.
	Others bool
}

// Renew returns the update that keeps an archived document verifiable after the end of the
// certificate of its newest document timestamp: revocation data about that certificate's chain and
// another document timestamp over all of it (EN 319 142-1, 5.4.3). Renew verifies the document
// before and after (see Others). It fails with ErrNotDue if the renewal is not due.
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

// chainEnd returns when the first certificate of a chain ends, not counting the root, whose trust
// the verifier decides.
func chainEnd(chain []*x509.Certificate) time.Time {
	var ends time.Time
	for i, c := range chain {
		if (i == 0 || i < len(chain)-1) && (ends.IsZero() || c.NotAfter.Before(ends)) {
			ends = c.NotAfter
		}
	}
	return ends
}

// disordered finds document timestamps that are from before a timestamp that they cover (EN 319
// 102-1, 5.5.4). Authorities' clocks may differ a little.
func (v *verifier) disordered() {
	var newest time.Time
	for _, s := range v.report.Signatures {
		if s.DocumentTimestamp && !s.StampedAt.IsZero() &&
			s.StampedAt.Add(maxSkew).Before(newest) {
			s.fail(
				TimestampOrderFailure, "the timestamp is from before one of %s, which it covers",
				newest.UTC().Format(time.RFC3339),
			)
		} else if s.StampedAt.After(newest) {
			newest = s.StampedAt
		}
	}
}

// outlived finds timestamps whose certificate has ended or was revoked because of its key, and that
// no later timestamp from before covers. They may be forged with a key that was lost or broken
// since. It goes back from now, from timestamp to timestamp.
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
				"the certificate of the timestamp ended on %s, and no later document timestamp was made before",
				ends.UTC().Format(time.RFC3339),
			)
			out.Level = LevelNone
			continue
		}
		if v.dss.compromised(chain, at) {
			out.fail(
				RevokedNoPOE,
				"the certificate of the timestamp had been revoked because of its key, "+
					"and no later document timestamp was made before",
			)
			out.Level = LevelNone
			continue
		}
		if out.DocumentTimestamp && out.StampedAt.Before(at) {
			at = out.StampedAt
		}
	}
}
