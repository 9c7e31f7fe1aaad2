package pades

import (
	"bytes"
	"crypto/x509"
	"encoding"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
)

// VerifyOptions are the options of [Verify].
type VerifyOptions struct {
	// Roots are the trusted roots of signers, TSARoots those of timestamps; nil trusts none.
	Roots, TSARoots *x509.CertPool
	// Now is the time at which signatures without a timestamp are judged, and at which the
	// certificate of the newest timestamp must be valid. It is required.
	Now time.Time
	// Limits bound the work for hostile files; those that are zero have defaults.
	Limits pdf.Limits
	// Memo avoids verifying the same certificates again; nil uses a new one.
	Memo *Memo
}

// Memo caches which certificates and lists were verified, across documents.
type Memo = cms.Memo

// Verify verifies every signature of a document. Faults of the document are in the report, and a
// document without signatures is no error; see [Report.Err]. The error is for files that cannot be
// opened (*pdf.Refusal), such as encrypted ones, or read.
//
// The rules are stricter than those of common viewers. A signature must cover a complete revision
// except for its own /Contents, which holds one message and zeros. The message must name the
// signer's certificate. Later revisions may add only what the signature allows; see [Change].
// Verify fetches nothing: revocation counts if the document contains data about it.
// docs/signatures.md has all rules.
func Verify(r io.ReaderAt, size int64, o VerifyOptions) (*Report, error) {
	v, err := newVerifier(r, size, o)
	if err != nil {
		return nil, err
	}
	if err := v.verify(); err != nil {
		return nil, err
	}
	return v.report, nil
}

// newVerifier opens a document.
func newVerifier(r io.ReaderAt, size int64, o VerifyOptions) (*verifier, error) {
	if o.Limits.Work == 0 {
		o.Limits.Work = verifyWork
	}
	if o.Memo == nil {
		o.Memo = new(Memo)
	}
	d, err := pdf.Open(r, size, o.Limits)
	if err != nil {
		return nil, err
	}
	return &verifier{
		doc: d, opts: o, report: &Report{Size: size}, revisions: make(map[int64]*pdf.Document),
		paintings: newPaintings(), parsed: newParsedEvidence(maxEvidenceBytes),
		stores: make(map[int64]*evidence),
	}, nil
}

// verify writes the report.
func (v *verifier) verify() error {
	d := v.doc
	sigs, err := signatures(d)
	if err != nil {
		return err
	}
	if len(sigs) > maxSignatures {
		return &pdf.Refusal{
			Reason: TooManySignatures,
			Detail: fmt.Sprintf("%d signatures, and each covers the whole document", len(sigs)),
		}
	}
	if len(sigs) > 0 && d.Trailing() > 0 {
		v.report.Problems = append(v.report.Problems, &Problem{
			FormatFailure, fmt.Errorf("%d bytes follow the end of the document", d.Trailing()),
		})
	}
	catalog, err := d.Load(d.Root())
	if err != nil {
		return err
	}
	if key, twice := catalog.AmbiguousKey(); twice && len(sigs) > 0 {
		v.report.Problems = append(v.report.Problems, &Problem{
			SigConstraintsFailure,
			fmt.Errorf("/%s is twice in the document catalog, and readers differ in which one counts", key),
		})
	}
	if v.dss, err = v.evidence(d); err != nil {
		return err
	}
	if v.dss.cut && len(sigs) > 0 {
		v.report.Problems = append(v.report.Problems, &Problem{
			SigConstraintsFailure, errors.New("the document security store has more than is read"),
		})
	}
	verdicts := make(map[*signature]*Signature)
	for _, s := range sigs {
		verdict := &Signature{}
		verdicts[s] = verdict
		if err := v.judge(s, verdict); err != nil {
			return err
		}
	}
	namesakes(sigs, verdicts)
	slices.SortStableFunc(
		sigs, func(a, b *signature) int { return int(min(max(a.end()-b.end(), -1), 1)) },
	)
	for _, s := range sigs {
		v.report.Signatures = append(v.report.Signatures, verdicts[s])
	}
	if err := v.checkRevisions(sigs, verdicts); err != nil {
		return err
	}
	v.disordered()
	v.outlived(sigs, verdicts)
	return v.raiseLevels(sigs, verdicts)
}

// namesakes records signatures in fields with one full name. Such fields are one field and have one
// value (ISO 32000-2, 12.7.4.2), so readers that find a field by its name show one signature, with
// its verdict, for both.
func namesakes(sigs []*signature, verdicts map[*signature]*Signature) {
	named := make(map[string][]*signature)
	for _, s := range sigs {
		for _, f := range s.fields {
			if all := named[f.Name]; !slices.Contains(all, s) {
				named[f.Name] = append(all, s)
			}
		}
	}
	for _, s := range sigs {
		for _, f := range s.fields {
			if len(named[f.Name]) > 1 {
				verdicts[s].fail(
					SigConstraintsFailure,
					"another signature is in a field with the same name, %q, and readers take both for one",
					f.Name,
				)
				break
			}
		}
	}
}

// verifyWork is the work budget for a document and all its revisions. It is twice that of
// [Inspect], which does not read revisions; see reserve.
const verifyWork = 1 << 30

// maxSignatures bounds the time for hashing, which package pdf does not count.
const maxSignatures = 100

// verifier is the state of one Verify.
type verifier struct {
	doc       *pdf.Document
	opts      VerifyOptions
	report    *Report
	dss       *evidence
	stores    map[int64]*evidence // of revisions, by their end
	parsed    *parsedEvidence
	revisions map[int64]*pdf.Document // by their end; opened on first use
	states    []state
	paintings *paintings
}

// revision opens the document as it was when it ended at end. All revisions share one work budget.
func (v *verifier) revision(end int64) (*pdf.Document, error) {
	if end == v.doc.Size() {
		return v.doc, nil
	}
	if d := v.revisions[end]; d != nil {
		return d, nil
	}
	d, err := v.doc.Revision(end)
	if err != nil {
		return nil, err
	}
	v.revisions[end] = d
	return d, nil
}

// judge verifies one signature by itself. It returns only errors of the reader.
func (v *verifier) judge(s *signature, out *Signature) error {
	for _, f := range s.fields {
		out.Fields = append(out.Fields, f.Name)
		for _, w := range f.Widgets {
			if shownWidget(w) {
				out.Appearances++
				page, err := v.doc.Page(w.Page)
				if err != nil {
					return err
				}
				width, height := page.DisplaySize()
				out.Places = append(out.Places, Place{
					w.Page, w.Display.X1 / width, w.Display.Y1 / height,
					(w.Display.X2 - w.Display.X1) / width, (w.Display.Y2 - w.Display.Y1) / height,
				})
			}
		}
	}
	if err := s.read(v.doc); err != nil {
		if !errors.Is(err, errForm) {
			return err
		}
		out.fail(FormatFailure, "%w", err)
		return nil
	}
	out.ByteRange = s.byteRange
	blank, err := blankFrom(v.doc, s.end())
	if err != nil {
		return err
	}
	out.WholeFile = blank
	out.ClaimedAt = parseDate(s.dict.Get("M").Text())
	out.DocumentTimestamp = s.subFilter == subFilterStamp
	if kind := s.dict.Get("Type").Name(); !out.DocumentTimestamp && kind != "" && kind != "Sig" {
		out.fail(FormatFailure, "/Type is %q instead of Sig", kind)
	}
	if filter := s.dict.Get("Filter").Name(); filter != "Adobe.PPKLite" {
		out.fail(SigConstraintsFailure, "/Filter is %q", filter)
	}
	content := func(h hash.Hash) error { return v.hash(s, h) }
	switch s.subFilter {
	case subFilterStamp:
		return v.checkDocumentTimestamp(s, out, content)
	case subFilterCAdES:
		return v.checkCMS(s, out, content)
	case subFilterPKCS7:
		out.fail(
			SigConstraintsFailure, "the signature is of the older kind %s, not PAdES", s.subFilter,
		)
		return v.checkOlder(s, out, content)
	default:
		out.fail(SigConstraintsFailure, "unknown /SubFilter %q", s.subFilter)
	}
	return nil
}

// hash writes the signed ranges into h, which is new. All signatures of a file begin at its
// beginning, so each continues from the hash state of another one at its gap. The file is read
// about once for any number of signatures.
func (v *verifier) hash(s *signature, h hash.Hash) error {
	hole, from := s.byteRange[1], int64(0)
	var best state
	for _, st := range v.states {
		if st.size == h.Size() && st.at <= hole && st.at > from {
			best, from = st, st.at
		}
	}
	if u, ok := h.(encoding.BinaryUnmarshaler); !ok || from == 0 ||
		u.UnmarshalBinary(best.data) != nil {
		h.Reset()
		from = 0
	}
	if _, err := io.Copy(h, io.NewSectionReader(v.doc.Reader(), from, hole-from)); err != nil {
		return readError{err}
	}
	if m, ok := h.(encoding.BinaryMarshaler); ok && len(v.states) < maxStates {
		if data, err := m.MarshalBinary(); err == nil {
			v.states = append(v.states, state{h.Size(), hole, data})
		}
	}
	_, err := io.Copy(h, io.NewSectionReader(v.doc.Reader(), s.byteRange[2], s.byteRange[3]))
	if err != nil {
		return readError{err}
	}
	return nil
}

// state is the state of a hash after the file up to an offset. Its size identifies the algorithm,
// because cms accepts SHA-2 only.
type state struct {
	size int
	at   int64
	data []byte
}

// maxStates bounds the kept states. A file with more signatures is read again.
const maxStates = 100

// readError marks an error of the reader, as opposed to a fault of the signature.
type readError struct{ error }

func (e readError) Unwrap() error { return e.error }

// fault returns errors of the reader and records all others as problems.
func (s *Signature) fault(err error) error {
	var r readError
	if errors.As(err, &r) {
		return r.error
	}
	s.Problems = append(s.Problems, &Problem{classify(err), err})
	return nil
}

// parseDate reads a PDF date (ISO 32000-2, 7.9.4) down to the second; the zero
// time for anything else.
func parseDate(s string) time.Time {
	s = strings.TrimPrefix(s, "D:")
	s = strings.ReplaceAll(s, "'", "")
	for _, layout := range []string{
		"20060102150405Z", "20060102150405Z0000", "20060102150405-0700", "20060102150405",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// blankFrom reports whether only white space follows an offset. Mail gateways append a line break.
// Package pdf refuses more white space than this reads.
func blankFrom(d *pdf.Document, at int64) (bool, error) {
	const most = 1024
	rest := make([]byte, min(d.Size()-at, most+1))
	if _, err := d.Reader().ReadAt(rest, at); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	return len(rest) <= most && len(bytes.Trim(rest, " \t\r\n\f\x00")) == 0, nil
}
