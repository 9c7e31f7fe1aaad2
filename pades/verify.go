package pades

import (
	"bytes"
	"crypto/x509"
	"encoding"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/tsa"
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
	if o.Limits.Work == 0 {
		o.Limits.Work = verifyWork
	}
	d, err := pdf.Open(r, size, o.Limits)
	if err != nil {
		return nil, err
	}
	sigs, err := signatures(d)
	if err != nil {
		return nil, err
	}
	if len(sigs) > maxSignatures {
		return nil, &pdf.Refusal{
			Reason: TooManySignatures,
			Detail: fmt.Sprintf("%d signatures, and each covers the whole document", len(sigs)),
		}
	}
	if o.Memo == nil {
		o.Memo = new(Memo)
	}
	v := &verifier{
		doc: d, opts: o, report: &Report{Size: size}, revisions: make(map[int64]*pdf.Document),
	}
	if len(sigs) > 0 && d.Trailing() > 0 {
		v.report.Problems = append(v.report.Problems, &Problem{
			FormatFailure, fmt.Errorf("%d bytes follow the end of the document", d.Trailing()),
		})
	}
	if v.dss, err = readDSS(d, o.Memo); err != nil {
		return nil, err
	}
	verdicts := make(map[*signature]*Signature)
	for _, s := range sigs {
		verdict := &Signature{}
		verdicts[s] = verdict
		if err := v.judge(s, verdict); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(
		sigs, func(a, b *signature) int { return int(min(max(a.end()-b.end(), -1), 1)) },
	)
	for _, s := range sigs {
		v.report.Signatures = append(v.report.Signatures, verdicts[s])
	}
	if err := v.checkRevisions(sigs, verdicts); err != nil {
		return nil, err
	}
	v.outlived(sigs, verdicts)
	if err := v.raiseLevels(sigs, verdicts); err != nil {
		return nil, err
	}
	return v.report, nil
}

// verifyWork is the work budget for a document and all its revisions. It is twice that of
// [Inspect], which does not read revisions, and so enough for documents that Inspect has accepted.
const verifyWork = 1 << 30

// maxSignatures bounds the time for hashing, which package pdf does not count.
const maxSignatures = 100

// verifier is the state of one Verify.
type verifier struct {
	doc       *pdf.Document
	opts      VerifyOptions
	report    *Report
	dss       *evidence
	revisions map[int64]*pdf.Document // by their end; opened on first use
	states    []state
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
	if _, err := io.Copy(h, io.NewSectionReader(v.doc.Reader(), s.byteRange[2], s.byteRange[3])); err != nil {
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

// detached parses the message. If it is not a detached signature, it returns nil and records the
// reason in out.
func (s *signature) detached(out *Signature) (*cms.SignedData, error) {
	sd, err := cms.Parse(s.message)
	if err != nil {
		return nil, out.fault(err)
	}
	if sd.Content != nil || !sd.ContentType.Equal(cms.OIDData) {
		out.fail(FormatFailure, "the message is not a detached signature")
		return nil, nil
	}
	return sd, nil
}

// checkOlder verifies a signature of the kind before PAdES (ISO 32000-1, 12.8.3.3): its message
// only, to know whether its field shows what a person signed.
func (v *verifier) checkOlder(s *signature, out *Signature, content func(hash.Hash) error) error {
	sd, err := s.detached(out)
	if sd == nil {
		return err
	}
	if out.Signer, err = sd.VerifyUnbound(content); err != nil {
		return out.fault(err)
	}
	out.Digest, out.verified = messageDigest(sd), true
	return nil
}

// checkCMS verifies a person's signature: message, attributes, chain, timestamp.
func (v *verifier) checkCMS(s *signature, out *Signature, content func(hash.Hash) error) error {
	sd, err := s.detached(out)
	if sd == nil {
		return err
	}
	out.Digest = messageDigest(sd)
	out.Signer, err = sd.Verify(content)
	if errors.Is(err, cms.ErrUnbound) {
		// Common programs write messages without the attribute, which PAdES demands.
		out.fail(SigConstraintsFailure, "%w", err)
		out.Signer, err = sd.VerifyUnbound(content)
	}
	if err != nil {
		return out.fault(err)
	}
	out.verified = true
	if _, ok := sd.Signer.Attribute(cms.OIDSigningTime); ok {
		out.fail(SigConstraintsFailure, "the signing-time attribute is not allowed in PAdES")
	}
	if out.ClaimedAt.IsZero() {
		out.fail(SigConstraintsFailure, "/M, the claimed time, is missing")
	}
	if why := unfit(out.Signer); why != "" {
		out.fail(
			ChainConstraintsFailure, "the signer's certificate is not for signing documents: %s",
			why,
		)
	}
	at := v.opts.Now
	if token, ok := sd.Signer.Timestamp(); ok {
		stamp, err := tsa.Parse(token)
		if err == nil {
			out.stampChain, err = stamp.Check(
				func(h hash.Hash) error { _, err := h.Write(sd.Signer.Signature); return err },
				v.opts.TSARoots, v.opts.Memo,
			)
		}
		if err != nil {
			sub := classify(err)
			if sub.Failed() {
				// the timestamp proves nothing; the signature may still be valid
				sub = SigConstraintsFailure
			}
			out.fail(sub, "time stamp: %w", err)
		} else {
			out.StampedAt, at = stamp.Time, stamp.Time
		}
	}
	if v.opts.Roots == nil {
		out.fail(NoCertificateChainFound, "no trusted root is given")
		return nil
	}
	out.Chain, err = v.opts.Memo.Chain(
		out.Signer, slices.Concat(v.dss.certs, sd.Certificates), v.opts.Roots, at,
		x509.ExtKeyUsageAny,
	)
	if err != nil {
		out.fail(classify(err), "the signer's certificate is not trusted: %w", err)
		return nil
	}
	if len(out.Problems) == 0 {
		out.Level = LevelB
		if !out.StampedAt.IsZero() {
			out.Level = LevelT
		}
	}
	return nil
}

func (v *verifier) checkDocumentTimestamp(
	s *signature, out *Signature, content func(hash.Hash) error,
) error {
	if kind := s.dict.Get("Type").Name(); kind != typeDocStamp {
		out.fail(FormatFailure, "/Type is %q instead of DocTimeStamp", kind)
	}
	token, err := tsa.Parse(s.message)
	if err != nil {
		return out.fault(err)
	}
	out.Digest = token.Imprint
	out.Signer, _ = token.Unit()
	chain, err := token.Check(content, v.opts.TSARoots, v.opts.Memo)
	out.verified = err == nil || errors.Is(err, tsa.ErrUntrusted) || errors.Is(err, tsa.ErrPurpose)
	if err != nil {
		return out.fault(err)
	}
	out.Chain, out.StampedAt = chain, token.Time
	return nil
}

// messageDigest returns the attribute's value, nil if it is malformed.
func messageDigest(sd *cms.SignedData) []byte {
	raw, _ := sd.Signer.Attribute(cms.OIDMessageDigest)
	in := cryptobyte.String(raw)
	var digest cryptobyte.String
	if !in.ReadASN1(&digest, cbasn1.OCTET_STRING) {
		return nil
	}
	return digest
}

// parseDate reads a PDF date (ISO 32000-2, 7.9.4) down to the second; the zero
// time for anything else.
func parseDate(s string) time.Time {
	s = strings.TrimPrefix(s, "D:")
	s = strings.ReplaceAll(s, "'", "")
	for _, layout := range []string{"20060102150405Z", "20060102150405Z0000", "20060102150405-0700", "20060102150405"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// checkRevisions applies the rules on what follows a signature, and finds signatures that were in
// an earlier revision and are no longer listed. It starts with the newest signature, so that older
// ones do not use up the work budget, and are judged with its problems known.
func (v *verifier) checkRevisions(sigs []*signature, verdicts map[*signature]*Signature) error {
	for _, s := range slices.Backward(sigs) {
		out := verdicts[s]
		if s.message == nil {
			continue // unreadable, which is a problem already
		}
		signed, err := v.revision(s.end())
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				return err
			}
			out.fail(FormatFailure, "the signed range is not a complete revision: %w", err)
			continue
		}
		if err := v.listed(signed, sigs, s); err != nil {
			if pdf.ReasonOf(err) == "" && !errors.Is(err, errUnlisted) {
				return err
			}
			out.fail(FormatFailure, "%w", err)
		}
		if out.Permissions, err = signed.Permissions(); err != nil {
			if pdf.ReasonOf(err) == "" {
				return err
			}
			out.fail(FormatFailure, "the permissions cannot be read: %w", err)
			continue
		}
		if out.WholeFile {
			continue
		}
		later := func(ref pdf.Ref) (*Signature, bool) {
			for _, l := range sigs {
				if l.ref == ref && l.end() > s.end() {
					return verdicts[l], true
				}
			}
			return nil, false
		}
		changes, err := compare(signed, v.doc, out.Permissions, later)
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				return err
			}
			out.fail(FormatFailure, "later revisions cannot be judged: %w", err)
			continue
		}
		out.Changes = changes
		for _, c := range changes {
			if !c.Allowed {
				out.fail(FormatFailure, "changed after signing: %s", c)
			}
		}
		if len(out.Problems) > 0 {
			out.Level = LevelNone
		}
	}
	return v.lost(sigs)
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
		known := slices.ContainsFunc(
			sigs,
			func(s *signature) bool { return s.message != nil && s.end() >= end && s.end() <= end+2 },
		)
		if end == 0 || known || end+2 >= v.doc.Size() {
			continue
		}
		then, err := v.signaturesAt(end)
		switch pdf.ReasonOf(err) {
		case pdf.TooMuchWork:
			v.history(&historyError{end: end})
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
				v.history(&historyError{end: end, field: t.fields[0].Name})
			}
		}
	}
	return nil
}

func (v *verifier) history(err *historyError) {
	v.report.Problems = append(v.report.Problems, &Problem{FormatFailure, err})
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

// documentUsages are the extended key usages with which a certificate may sign documents.
var documentUsages = []x509.ExtKeyUsage{
	x509.ExtKeyUsageAny, x509.ExtKeyUsageEmailProtection, x509.ExtKeyUsageClientAuth,
}

// documentPurposes are those that package x509 does not know: document signing (RFC 9336), and the
// older ones of Microsoft and Adobe.
var documentPurposes = []asn1.ObjectIdentifier{
	{1, 3, 6, 1, 5, 5, 7, 3, 36}, {1, 3, 6, 1, 4, 1, 311, 10, 3, 12}, {1, 2, 840, 113583, 1, 1, 5},
}

// unfit returns why a certificate must not sign documents, or "". A certificate without key usages
// is not restricted (RFC 5280, 4.2.1.3 and 4.2.1.12).
func unfit(c *x509.Certificate) string {
	if usage := c.KeyUsage; usage != 0 &&
		usage&(x509.KeyUsageDigitalSignature|x509.KeyUsageContentCommitment) == 0 {
		return "key usage"
	}
	if len(c.ExtKeyUsage)+len(c.UnknownExtKeyUsage) == 0 {
		return ""
	}
	for _, u := range c.ExtKeyUsage {
		if slices.Contains(documentUsages, u) {
			return ""
		}
	}
	for _, u := range c.UnknownExtKeyUsage {
		if slices.ContainsFunc(documentPurposes, u.Equal) {
			return ""
		}
	}
	return "extended key usage"
}
