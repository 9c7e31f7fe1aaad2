package pades

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// checkRevisions applies the rules on what follows a signature, and finds signatures that were in
// an earlier revision and are no longer listed. It starts with the newest signature, so that older
// ones do not use up the work budget, and are judged with its problems known.
func (v *verifier) checkRevisions(sigs []*signature, verdicts map[*signature]*Signature) error {
	now := &latest{doc: v.doc, fields: make(map[pdf.Ref][]pdf.FormField)}
	for _, s := range slices.Backward(sigs) {
		if err := v.checkRevision(s, sigs, verdicts, now); err != nil {
			return err
		}
	}
	return v.lost(sigs)
}

// checkRevision applies the rules to one signature.
func (v *verifier) checkRevision(
	s *signature, sigs []*signature, verdicts map[*signature]*Signature,
	now *latest,
) error {
	out := verdicts[s]
	if s.message == nil {
		return nil // unreadable, which is a problem already
	}
	signed, err := v.revision(s.end())
	if err != nil {
		if pdf.ReasonOf(err) == "" {
			return err
		}
		out.unread("the signed range is not a complete revision: %w", err)
		return nil
	}
	if signed != v.doc {
		defer signed.Forget()
	}
	if err := v.listed(signed, sigs, s); err != nil {
		if pdf.ReasonOf(err) == "" && !errors.Is(err, errUnlisted) {
			return err
		}
		out.unread("%w", err)
	}
	if out.Permissions, err = signed.Permissions(); err != nil {
		if pdf.ReasonOf(err) == "" {
			return err
		}
		out.unread("the permissions cannot be read: %w", err)
		return nil
	}
	if out.WholeFile {
		return nil
	}
	later := func(ref pdf.Ref) (*Signature, bool) {
		for _, l := range sigs {
			if l.ref == ref && l.end() > s.end() {
				return verdicts[l], true
			}
		}
		return nil, false
	}
	changes, err := compare(signed, v.doc, out.Permissions, later, v.paintings, now)
	if err != nil {
		if pdf.ReasonOf(err) == "" {
			return err
		}
		out.unread("later revisions cannot be judged: %w", err)
	}
	out.Changes = changes
	for _, c := range changes {
		if !c.Allowed {
			out.fail(FormatFailure, "changed after signing: %s", c)
		} else if c.Hides != "" && !out.DocumentTimestamp {
			out.fail(SigConstraintsFailure, "hidden after signing: %s", c)
		}
	}
	if len(out.Problems) > 0 {
		out.Level = LevelNone
	}
	return nil
}

// unread records that a revision cannot be read. If it may only be too large for the budget,
// nothing is known about it: EN 319 102-1, 5.1.3, has INDETERMINATE for that.
func (s *Signature) unread(format string, err error) {
	sub := FormatFailure
	switch pdf.ReasonOf(err) {
	case pdf.TooMuchWork, pdf.InflatesTooLarge:
		sub, s.Unjudged = SigConstraintsFailure, true
	}
	s.fail(sub, format, err)
}

var errUnlisted = errors.New("the signature is not part of the revision that it signs")

// listed checks that the signature is in a field of its own signed revision. If only a later
// revision lists it, the signer did not intend that (EAA).
func (v *verifier) listed(signed *pdf.Document, now []*signature, s *signature) error {
	then, err := signatures(signed)
	if err != nil {
		return err
	}
	for _, t := range then {
		if t.ref != s.ref {
			if !slices.ContainsFunc(now, func(n *signature) bool { return n.ref == t.ref }) {
				return fmt.Errorf(
					"%w: an earlier signature in field %q was removed", errUnlisted,
					t.fields[0].Name,
				)
			}
			continue
		}
		if len(t.fields) != len(s.fields) {
			return fmt.Errorf("%w: later revisions show it in other fields", errUnlisted)
		}
		return nil
	}
	return errUnlisted
}

// maxLookBack bounds the number of earlier revisions that lost opens.
const maxLookBack = 64

// lost finds signatures of earlier revisions that the newest one does not list.
func (v *verifier) lost(sigs []*signature) error {
	for i, section := range v.doc.Sections() {
		if i == 0 || i > maxLookBack {
			continue
		}
		end, err := endOfRevision(v.doc, section.Offset)
		if err != nil {
			return err
		}
		// A line break may follow. Revisions that end with a signature were checked by listed.
		known := slices.ContainsFunc(sigs, func(s *signature) bool {
			return s.message != nil && s.end() >= end && s.end() <= end+2
		})
		if end == 0 || known || end+2 >= v.doc.Size() {
			continue
		}
		then, err := v.signaturesAt(end)
		switch pdf.ReasonOf(err) {
		case pdf.TooMuchWork:
			v.history(SigConstraintsFailure, &historyError{end: end})
			return nil
		case "":
			if err != nil {
				return err
			}
		default:
			continue // such as the first section of a linearized file
		}
		for _, t := range then {
			if !slices.ContainsFunc(sigs, func(s *signature) bool { return s.ref == t.ref }) {
				v.history(FormatFailure, &historyError{end: end, field: t.fields[0].Name})
			}
		}
	}
	return nil
}

func (v *verifier) history(reason SubIndication, err *historyError) {
	v.report.Problems = append(v.report.Problems, &Problem{reason, err})
}

// signaturesAt returns the signatures of an earlier revision.
func (v *verifier) signaturesAt(end int64) ([]*signature, error) {
	d, err := v.doc.Revision(end)
	if err != nil {
		return nil, err
	}
	return signatures(d)
}

// historyError is a problem of an earlier revision: a signature that it had and later ones do not
// or, if field is empty, that it cannot be read.
type historyError struct {
	field string
	end   int64 // of the revision
}

func (e *historyError) Error() string {
	if e.field == "" {
		return fmt.Sprintf(
			"the revision that ends at %d, and those before, take too much work to look at", e.end,
		)
	}
	return fmt.Sprintf("the signature in field %q was removed by a later revision", e.field)
}

// endOfRevision returns the offset behind the %%EOF that follows a
// cross-reference section, 0 if there is none.
func endOfRevision(d *pdf.Document, section int64) (int64, error) {
	const chunk = 64 << 10
	buf := make([]byte, chunk+8)
	for at := section; at < d.Size(); at += chunk {
		n, err := d.Reader().ReadAt(buf, at)
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if i := strings.Index(string(buf[:n]), "%%EOF"); i >= 0 {
			return at + int64(i) + 5, nil
		}
	}
	return 0, nil
}
