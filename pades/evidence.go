package pades

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/revocation"
)

// evidence is the contents of a document security store (EN 319 142-1, 5.4.2).
type evidence struct {
	present   bool
	certs     []*x509.Certificate
	responses [][]byte // OCSP
	lists     []*x509.RevocationList
	memo      *Memo
	// now is when the evidence is judged; zero accepts statements of any time.
	now time.Time
	// cut says that the store has more than is read.
	cut    bool
	said   map[subject][]revocation.Statement // what statements has returned
	parsed *parsedEvidence
}

func newEvidence(memo *Memo, parsed *parsedEvidence) *evidence {
	return &evidence{
		memo: memo, said: make(map[subject][]revocation.Statement), parsed: parsed,
	}
}

// maxSkew is how far clocks of authorities may be ahead.
const maxSkew = 5 * time.Minute

// Bounds of the stores of all revisions together, beside those of package pdf. Ordinary stores have
// a few dozen entries in each list. A certificate revocation list takes 25 times its size in
// memory, and a response is parsed once for each certificate in question. A document that is
// renewed for decades gets new lists each time; those that this package adds have up to 1 MiB
// ([tsa.Fetcher]).
const (
	maxEvidence      = 1000     // entries of each list
	maxEvidenceBytes = 8 << 20  // to parse
	maxSmallEvidence = 64 << 10 // bytes of a certificate or response
)

// parsedEvidence is what the stores of all revisions of a document have, parsed once.
type parsedEvidence struct {
	left  int // bytes that may still be parsed
	items map[[sha256.Size]byte]parsedItem
	said  map[itemSubject]said
}

// parsedItem is a certificate, a list or a response; all are nil for one that cannot be parsed.
type parsedItem struct {
	cert     *x509.Certificate
	list     *x509.RevocationList
	response []byte
}

// subject is a certificate with its issuer, as DER.
type subject struct{ cert, issuer string }

// itemSubject is a response, by its first byte, or a list, and what it may be about.
type itemSubject struct {
	response *byte
	list     *x509.RevocationList
	subject
}

// said is what a response or a list says.
type said struct {
	statement revocation.Statement
	err       error
}

// newParsedEvidence returns room for so many bytes that are to be parsed.
func newParsedEvidence(left int) *parsedEvidence {
	return &parsedEvidence{
		left:  left,
		items: make(map[[sha256.Size]byte]parsedItem),
		said:  make(map[itemSubject]said),
	}
}

// read reads the document security store, which may be absent. It ignores entries that cannot be
// parsed, because they prove nothing.
func (p *parsedEvidence) read(d *pdf.Document, memo *Memo) (*evidence, error) {
	e := newEvidence(memo, p)
	dss, err := d.Get(d.Catalog(), "DSS")
	if err != nil || !dss.IsDict() {
		return e, err
	}
	e.present = true
	for _, key := range []string{"Certs", "OCSPs", "CRLs"} {
		array, err := d.Get(dss, key)
		if err != nil {
			return nil, err
		}
		seen := make(map[pdf.Ref]bool)
		for _, o := range array.Elements() {
			if ref, ok := o.Ref(); ok && seen[ref] {
				continue
			} else if ok {
				seen[ref] = true
			}
			if len(seen) > maxEvidence {
				e.cut = true
				break
			}
			most := p.left
			if key != "CRLs" {
				most = min(most, maxSmallEvidence)
			}
			der, err := streamData(d, o, int64(most))
			if errors.Is(err, errLarge) {
				e.cut = true
				continue
			}
			if err != nil {
				if pdf.ReasonOf(err) == "" {
					return nil, err
				}
				continue
			}
			e.add(key, der)
		}
	}
	return e, nil
}

// archived reads the revocation data that a signer has signed together with the document, the value
// of adbe-revocationInfoArchival (ISO 32000-2, 12.8.3.3.2). It ignores what cannot be parsed.
func (p *parsedEvidence) archived(raw []byte, memo *Memo) *evidence {
	e := newEvidence(memo, p)
	in := cryptobyte.String(raw)
	var all cryptobyte.String
	if !in.ReadASN1(&all, cbasn1.SEQUENCE) {
		return e
	}
	for tag, key := range []string{"CRLs", "OCSPs"} {
		var tagged, items cryptobyte.String
		present := false
		explicit := cbasn1.Tag(tag).Constructed().ContextSpecific()
		if !all.ReadOptionalASN1(&tagged, &present, explicit) {
			return e
		}
		if !present || !tagged.ReadASN1(&items, cbasn1.SEQUENCE) {
			continue
		}
		for n := 0; !items.Empty(); n++ {
			var der cryptobyte.String
			if !items.ReadASN1Element(&der, cbasn1.SEQUENCE) {
				break
			}
			most := p.left
			if key == "OCSPs" {
				most = min(most, maxSmallEvidence)
			}
			if n >= maxEvidence || len(der) > most {
				e.cut = true
				break
			}
			e.add(key, der)
		}
	}
	return e
}

// with returns the evidence of a store and of the message of a signature.
func (e *evidence) with(s *Signature) *evidence {
	if s.archived == nil {
		return e
	}
	all := newEvidence(e.memo, e.parsed)
	all.present, all.certs, all.now = e.present, e.certs, e.now
	all.responses = slices.Concat(e.responses, s.archived.responses)
	all.lists = slices.Concat(e.lists, s.archived.lists)
	return all
}

// add adds an entry of a list of a store.
func (e *evidence) add(key string, der []byte) {
	p := e.parsed
	sum := sha256.Sum256(append([]byte(key), der...))
	item, known := p.items[sum]
	if !known {
		p.left -= len(der)
		switch key {
		case "Certs":
			item.cert, _ = cms.ParseCertificate(der)
		case "OCSPs":
			item.response = der
		case "CRLs":
			item.list, _ = x509.ParseRevocationList(der)
		}
		p.items[sum] = item
	}
	switch {
	case item.cert != nil:
		e.certs = append(e.certs, item.cert)
	case item.list != nil:
		e.lists = append(e.lists, item.list)
	case len(item.response) > 0:
		e.responses = append(e.responses, item.response)
	}
}

var errLarge error = &pdf.Refusal{
	Reason: pdf.InflatesTooLarge, Detail: "the data of a stream is larger than it may be here",
}

// streamData returns the decoded data of a stream, compressed or not, or errLarge if it is longer
// than most.
func streamData(d *pdf.Document, o pdf.Object, most int64) ([]byte, error) {
	o, err := d.Resolve(o)
	if err != nil {
		return nil, err
	}
	if o.Kind() != pdf.Stream {
		return nil, &pdf.Refusal{
			Reason: pdf.BadStream,
			Detail: "an entry of the document security store is not a stream",
		}
	}
	if filter, err := d.Get(o, "Filter"); err != nil {
		return nil, err
	} else if filter.IsNull() {
		r, err := d.RawStream(o)
		if err != nil {
			return nil, err
		}
		if r.Size() > most {
			return nil, errLarge
		}
		if err := d.Charge(r.Size()); err != nil {
			return nil, err
		}
		return io.ReadAll(r)
	}
	data, err := d.Decode(o)
	if err == nil && int64(len(data)) > most {
		return nil, errLarge
	}
	return data, err
}

var (
	errNoEvidence = errors.New("no revocation data")
	// errRevoked is what a revokedError wraps.
	errRevoked = errors.New("revoked")
)

// revokedError is the error for a certificate that had been revoked at the time in question.
type revokedError struct {
	cert  *x509.Certificate
	since time.Time
}

func (e *revokedError) Error() string {
	return fmt.Sprintf(
		"the certificate %q was revoked on %s", e.cert.Subject.CommonName,
		e.since.UTC().Format(time.RFC3339),
	)
}

func (e *revokedError) Unwrap() error { return errRevoked }

// chain checks that no certificate of a chain except its root was revoked at a time, and that the
// store contains all certificates, and revocation data about them for that time.
func (e *evidence) chain(chain []*x509.Certificate, at time.Time) error {
	var missing error
	for i, c := range chain {
		if missing == nil && !slices.ContainsFunc(e.certs, c.Equal) {
			missing = fmt.Errorf(
				"%w: certificate %q is not stored", errNoEvidence, c.Subject.CommonName,
			)
		}
		if i == len(chain)-1 {
			break // the root is trusted without revocation data
		}
		err := e.status(c, chain[i+1], at)
		if errors.Is(err, errRevoked) {
			return err
		}
		if missing == nil {
			missing = err
		}
	}
	return missing
}

// status returns nil if an OCSP response or a CRL shows that cert was good, and a revokedError with
// the earliest time if one shows that it was revoked.
func (e *evidence) status(cert, issuer *x509.Certificate, at time.Time) error {
	verdict := fmt.Errorf("%w for %q", errNoEvidence, cert.Subject.CommonName)
	var revoked *revokedError
	for _, s := range e.statements(cert, issuer) {
		switch {
		case s.RevokedAt(at):
			if revoked == nil || s.Since.Before(revoked.since) {
				revoked = &revokedError{cert, s.Since}
			}
		case s.GoodAt(at):
			verdict = nil
		}
	}
	if revoked != nil {
		return revoked
	}
	return verdict
}

// statements returns what the store says about a certificate. A statement from the future proves
// nothing (RFC 6960, 4.2.2.1).
func (e *evidence) statements(cert, issuer *x509.Certificate) (out []revocation.Statement) {
	about := subject{string(cert.Raw), string(issuer.Raw)}
	if out, ok := e.said[about]; ok {
		return out
	}
	ask := func(key itemSubject, item func() (revocation.Statement, error)) {
		s, known := e.parsed.said[key]
		if !known {
			s.statement, s.err = item()
			e.parsed.said[key] = s
		}
		if s.err == nil && (e.now.IsZero() || !s.statement.ThisUpdate.After(e.now.Add(maxSkew))) {
			out = append(out, s.statement)
		}
	}
	for _, der := range e.responses {
		if len(der) == 0 { // of a caller's EvidenceSource
			continue
		}
		ask(itemSubject{response: &der[0], subject: about}, func() (revocation.Statement, error) {
			return revocation.FromResponse(der, cert, issuer, e.memo)
		})
	}
	for _, l := range e.lists {
		ask(itemSubject{list: l, subject: about}, func() (revocation.Statement, error) {
			return revocation.FromList(l, cert, issuer, e.memo)
		})
	}
	e.said[about] = out
	return out
}

// compromised reports whether the key of the certificate that chain begins with may have been used
// by others before the time at.
func (e *evidence) compromised(chain []*x509.Certificate, at time.Time) bool {
	if len(chain) < 2 {
		return false
	}
	return slices.ContainsFunc(
		e.statements(chain[0], chain[1]),
		func(s revocation.Statement) bool { return s.RevokedAt(at) && s.Compromised() },
	)
}

// raiseLevels determines whether signatures have level B-T, B-LT or B-LTA.
func (v *verifier) raiseLevels(sigs []*signature, verdicts map[*signature]*Signature) error {
	for i, s := range sigs {
		out := verdicts[s]
		after := stampedBefore(sigs[:i], s, verdicts)
		if out.ContentStampedAt.After(after) {
			after = out.ContentStampedAt
		}
		if out.verified && !out.DocumentTimestamp && after.After(out.Signer.NotAfter) {
			out.fail(Expired, "the signature covers a timestamp from after the end of the"+
				" certificate %q", out.Signer.Subject.CommonName)
		}
		err := v.dss.with(out).backs(out, v.opts.Now)
		var revoked *revokedError
		if errors.As(err, &revoked) {
			out.revoked(revoked, after)
		}
		if len(out.Problems) > 0 {
			continue
		}
		if out.DocumentTimestamp {
			out.Level = LevelT
		}
		if err != nil || out.DocumentTimestamp || out.StampedAt.IsZero() {
			continue
		}
		out.Level = LevelLT
		for _, later := range sigs[i+1:] {
			if stamp := verdicts[later]; !stamp.DocumentTimestamp || len(stamp.Problems) > 0 {
				continue
			}
			if verdicts[later].WholeFile {
				out.Level = LevelLTA // the present evidence covers it
				break
			}
			// The timestamp protects only evidence that was in its revision.
			then, err := v.evidenceAt(later.end())
			if err != nil && pdf.ReasonOf(err) == "" {
				return err
			}
			if err == nil && then.with(out).backs(out, v.opts.Now) == nil {
				out.Level = LevelLTA
			}
		}
	}
	return nil
}

// stampedBefore returns the time of the newest valid document timestamp that a signature covers,
// and than which it must be newer, or the zero time.
func stampedBefore(
	earlier []*signature, s *signature, verdicts map[*signature]*Signature,
) (at time.Time) {
	for _, e := range earlier {
		v := verdicts[e]
		if v.DocumentTimestamp && len(v.Problems) == 0 && s.message != nil &&
			e.end() <= s.byteRange[1] && v.StampedAt.After(at) {
			at = v.StampedAt
		}
	}
	return at
}

// revoked records that a certificate of a signature had been revoked. A timestamp over the
// signature proves only that it is from before the timestamp, so it may still be from before the
// revocation (EN 319 102-1, 5.5.4). It is not if a timestamp that it covers is from after it (5.3.4
// says so of content timestamps), or if it says itself that it is not.
func (s *Signature) revoked(e *revokedError, after time.Time) {
	claimed := s.ClaimedAt
	if s.DocumentTimestamp {
		claimed = s.StampedAt
	}
	if after.After(claimed) {
		claimed = after
	}
	s.Level = LevelNone
	switch leaf := e.cert.Equal(s.Signer); {
	case leaf && !claimed.Before(e.since):
		s.fail(Revoked, "%w", e)
	case leaf:
		s.fail(RevokedNoPOE, "%w, and nothing proves that the signature is from before", e)
	case len(s.stampChain) > 0 && e.cert.Equal(s.stampChain[0]):
		s.fail(RevokedNoPOE, "timestamp: %w", e)
	default:
		s.fail(RevokedCANoPOE, "%w, and nothing proves that the signature is from before", e)
	}
}

// evidenceAt reads the evidence of an earlier revision, once.
func (v *verifier) evidenceAt(end int64) (*evidence, error) {
	if e := v.stores[end]; e != nil {
		return e, nil
	}
	d, err := v.revision(end)
	if err != nil {
		return nil, err
	}
	e, err := v.evidence(d)
	if err == nil {
		v.stores[end] = e
	}
	return e, err
}

// evidence reads the evidence of a revision.
func (v *verifier) evidence(d *pdf.Document) (*evidence, error) {
	e, err := v.parsed.read(d, v.opts.Memo)
	if e != nil {
		e.now = v.opts.Now
	}
	return e, err
}

// backs checks the chains of a signature and of its timestamp, or its chain at the time now if it
// has no timestamp.
func (e *evidence) backs(s *Signature, now time.Time) error {
	at := s.StampedAt
	if at.IsZero() {
		at = now
	}
	err := e.chain(s.Chain, at)
	if errors.Is(err, errRevoked) {
		return err
	}
	if stamp := e.chain(s.stampChain, at); err == nil || errors.Is(stamp, errRevoked) {
		return stamp
	}
	return err
}
