package pades

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
)

// evidence is the contents of a document security store (EN 319 142-1, 5.4.2).
type evidence struct {
	present   bool
	certs     []*x509.Certificate
	responses [][]byte // OCSP
	lists     []*x509.RevocationList
	memo      *Memo
}

// maxEvidence bounds each list of a store. Ordinary stores have a few dozen entries.
const maxEvidence = 1000

// readDSS reads the document security store, which may be absent. It ignores entries that cannot be
// parsed, because they prove nothing.
func readDSS(d *pdf.Document, memo *Memo) (*evidence, error) {
	e := &evidence{memo: memo}
	dss, err := d.Get(d.Catalog(), "DSS")
	if err != nil || !dss.IsDict() {
		return e, err
	}
	e.present = true
	for _, list := range []struct {
		key string
		add func([]byte)
	}{
		{"Certs", func(der []byte) {
			if c, err := cms.ParseCertificate(der); err == nil {
				e.certs = append(e.certs, c)
			}
		}},
		{"OCSPs", func(der []byte) {
			if cms.CheckResponder(der) == nil {
				e.responses = append(e.responses, der)
			}
		}},
		{"CRLs", func(der []byte) {
			if l, err := x509.ParseRevocationList(der); err == nil {
				e.lists = append(e.lists, l)
			}
		}},
	} {
		array, err := d.Get(dss, list.key)
		if err != nil {
			return nil, err
		}
		for i, o := range array.Elements() {
			if i == maxEvidence {
				break
			}
			der, err := streamData(d, o)
			if err != nil {
				if pdf.ReasonOf(err) == "" {
					return nil, err
				}
				continue
			}
			list.add(der)
		}
	}
	return e, nil
}

// streamData returns the decoded data of a stream, compressed or not.
func streamData(d *pdf.Document, o pdf.Object) ([]byte, error) {
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
		return io.ReadAll(r)
	}
	return d.Decode(o)
}

var (
	errNoEvidence = errors.New("no revocation data")
	// errRevoked is the error for a certificate that was revoked when it was used.
	errRevoked = errors.New("the certificate had been revoked")
)

var oidOCSPNoCheck = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}

// chain checks that the store contains, for every certificate of a chain except its root, the
// issuer and revocation data for the given time.
func (e *evidence) chain(chain []*x509.Certificate, at time.Time) error {
	for i, c := range chain {
		if !slices.ContainsFunc(e.certs, c.Equal) {
			return fmt.Errorf(
				"%w: certificate %q is not stored", errNoEvidence, c.Subject.CommonName,
			)
		}
		if i == len(chain)-1 {
			break // the root is trusted without revocation data
		}
		if err := e.status(c, chain[i+1], at); err != nil {
			return err
		}
	}
	return nil
}

// status returns nil if an OCSP response or a CRL shows that cert was valid.
func (e *evidence) status(cert, issuer *x509.Certificate, at time.Time) error {
	verdict := fmt.Errorf("%w for %q", errNoEvidence, cert.Subject.CommonName)
	for _, der := range e.responses {
		// The issuer is nil, because responder checks its signature on the responder's certificate,
		// with the memo.
		r, err := ocsp.ParseResponseForCert(der, cert, nil)
		if err != nil || !e.responder(r, issuer) || !current(r.ThisUpdate, r.NextUpdate, at) {
			continue
		}
		switch r.Status {
		case ocsp.Good:
			verdict = nil
		case ocsp.Revoked:
			if !r.RevokedAt.After(at) {
				return fmt.Errorf("%w: %q", errRevoked, cert.Subject.CommonName)
			}
			verdict = nil
		}
	}
	for _, l := range e.lists {
		if !bytes.Equal(l.RawIssuer, issuer.RawSubject) ||
			!current(l.ThisUpdate, l.NextUpdate, at) ||
			partial(l) ||
			e.memo.CheckList(l, issuer) != nil {
			continue
		}
		verdict = nil
		for _, entry := range l.RevokedCertificateEntries {
			if entry.SerialNumber.Cmp(cert.SerialNumber) == 0 && !entry.RevocationTime.After(at) {
				return fmt.Errorf("%w: %q", errRevoked, cert.Subject.CommonName)
			}
		}
	}
	return verdict
}

// responder checks that the signer of a response is authorised: the issuer itself, or a certificate
// of the issuer for that purpose (RFC 6960, 4.2.2.2). ParseResponseForCert has checked that a
// certificate in the response has signed it.
func (e *evidence) responder(r *ocsp.Response, issuer *x509.Certificate) bool {
	switch {
	case r.Certificate == nil:
		return r.CheckSignatureFrom(issuer) == nil
	case r.Certificate.Equal(issuer):
		return true
	}
	return slices.Contains(r.Certificate.ExtKeyUsage, x509.ExtKeyUsageOCSPSigning) &&
		e.memo.CheckCertificate(r.Certificate, issuer) == nil &&
		slices.ContainsFunc(
			r.Certificate.Extensions,
			func(x pkix.Extension) bool { return x.Id.Equal(oidOCSPNoCheck) },
		)
}

// current reports whether a statement from thisUpdate to nextUpdate is about the time at or a later
// one. A certificate that was valid later was valid before.
func current(thisUpdate, nextUpdate, at time.Time) bool {
	return !thisUpdate.Before(at) || !nextUpdate.IsZero() && !nextUpdate.Before(at)
}

// partial reports whether a CRL has a critical extension, such as one that limits it to some
// certificates. It then proves nothing about other certificates.
func partial(l *x509.RevocationList) bool {
	return slices.ContainsFunc(l.Extensions, func(x pkix.Extension) bool { return x.Critical })
}

// raiseLevels determines whether signatures have level B-T, B-LT or B-LTA.
func (v *verifier) raiseLevels(sigs []*signature, verdicts map[*signature]*Signature) error {
	for i, s := range sigs {
		out := verdicts[s]
		if len(out.Problems) > 0 || out.StampedAt.IsZero() {
			continue
		}
		if out.DocumentTimestamp {
			out.Level = LevelT
			continue
		}
		err := v.dss.backs(out)
		if errors.Is(err, errRevoked) {
			out.fail(Revoked, "%w", err)
			out.Level = LevelNone
		}
		if err != nil {
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
			if err == nil && then.backs(out) == nil {
				out.Level = LevelLTA
			}
		}
	}
	return nil
}

// evidenceAt reads the evidence of an earlier revision.
func (v *verifier) evidenceAt(end int64) (*evidence, error) {
	d, err := v.revision(end)
	if err != nil {
		return nil, err
	}
	return readDSS(d, v.opts.Memo)
}

// backs checks the chains of a signature and of its timestamp.
func (e *evidence) backs(s *Signature) error {
	if err := e.chain(s.Chain, s.StampedAt); err != nil {
		return err
	}
	return e.chain(s.stampChain, s.StampedAt)
}
