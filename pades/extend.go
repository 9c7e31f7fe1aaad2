package pades

import (
	"bytes"
	"context"
	"crypto/sha1" // the key of a VRI entry is SHA-1 by definition; security does not depend on it
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/tsa"
)

// If the size of a document timestamp is not known beforehand, it gets the space of the timestamp
// in the signature that it protects, and this more in bytes. Tokens have 2 to 7 KB, depending on
// the authority's chain. If a token does not fit, another one is requested with enough space.
const moreThanStamp = 512

// EvidenceSource returns revocation data: DER OCSP responses and CRLs about the given certificates,
// end entities and CAs, as of now. A source may omit certificates that it knows nothing about.
// Calls may be concurrent.
type EvidenceSource interface {
	Evidence(ctx context.Context, certs []*x509.Certificate) (responses, crls [][]byte, err error)
}

// ErrEvidence means that the sources did not have enough data for level B-LT.
var ErrEvidence = errors.New("pades: revocation data is incomplete")

// ExtendOptions are the options of [Extend].
type ExtendOptions struct {
	// Evidence is the source for the chains of the signer and of the timestamp. The data must be
	// newer than the timestamp, which calling Extend after Embed ensures.
	Evidence EvidenceSource
	// Known are certificates that complete chains, such as the roots of external time-stamping
	// authorities, which tokens often omit.
	Known []*x509.Certificate
	// Timestamper adds the document timestamp of level B-LTA; if it is nil, the level is B-LT.
	Timestamper Timestamper
	// FieldName is the name of the document timestamp's field; Extend makes it unique.
	FieldName string
	Rand      io.Reader
	Limits    pdf.Limits
	// Memo is as in VerifyOptions. With it, a later verification repeats less work.
	Memo *Memo

	seen hash.Hash // SHA-256 over the document, if the caller has one
}

// Extend returns the update that raises the newest signature of a document that [Embed] wrote to
// level B-LT or B-LTA: a document security store and a document timestamp in one revision. The
// caller appends it to the document.
func Extend(ctx context.Context, r io.ReaderAt, size int64, o ExtendOptions) ([]byte, error) {
	if o.Evidence == nil || o.Rand == nil || o.FieldName == "" {
		return nil, errors.New("pades: Evidence, FieldName and Rand are required")
	}
	d, err := pdf.Open(r, size, o.Limits)
	if err != nil {
		return nil, err
	}
	s, err := newest(d, subFilterCAdES)
	if err != nil {
		return nil, err
	}
	return protect(ctx, d, s, o)
}

// protect returns the update with the evidence for the signature or timestamp that closes the
// document, and with a timestamp over it.
//
// If that timestamp is from an authority, or a unit of it, that the evidence does not cover, for
// example because the first authority stopped answering between two requests, it is made again over
// complete evidence. Verifiers require that evidence, and it may not be available later.
func protect(ctx context.Context, d *pdf.Document, s *signature, o ExtendOptions) ([]byte, error) {
	if o.Memo == nil {
		o.Memo = new(Memo)
	}
	certs, at, room, err := s.chains(o.Known, o.Memo)
	if err != nil {
		return nil, err
	}
	const tries = 3
	room += moreThanStamp
	if s, ok := o.Timestamper.(TokenSizer); ok && s.TokenSize() > 0 {
		room = s.TokenSize()
	}
	for try := 1; ; try++ {
		store, err := gather(ctx, certs, at, o)
		if err != nil {
			return nil, err
		}
		p, token, err := stamped(ctx, d, s, store, room, o)
		if err != nil {
			return nil, err
		}
		if token == nil {
			return p.Before, nil
		}
		more, err := chainOfStamp(token, certs, o)
		if err != nil {
			return nil, err
		}
		if len(token) > room && try < tries {
			room, certs = len(token)+1024, more
			continue
		}
		if len(more) == len(certs) || try == tries {
			return p.fill(token)
		}
		certs = more
	}
}

// stamped writes the update and requests the timestamp over it. Without a Timestamper there is no
// token, and the whole update is in Before.
func stamped(
	ctx context.Context, d *pdf.Document, s *signature, store *gathered, room int, o ExtendOptions,
) (*Prepared, []byte, error) {
	u := pdf.NewUpdate(d)
	if err := spare(u, d); err != nil {
		return nil, nil, err
	}
	if err := store.write(u, d, s); err != nil {
		return nil, nil, err
	}
	if o.Timestamper == nil {
		err := u.Finish(o.Rand)
		return &Prepared{Before: bytes.Clone(u.Bytes())}, nil, err
	}
	h, err := addStampField(u, d, o.FieldName, room)
	if err != nil {
		return nil, nil, err
	}
	if err := u.Finish(o.Rand); err != nil {
		return nil, nil, err
	}
	seen := o.seen
	if seen != nil {
		if seen, err = clone(seen); err != nil {
			return nil, nil, err
		}
	}
	p, err := h.close(u, d.Reader(), d.Size(), seen)
	if err != nil {
		return nil, nil, err
	}
	token, err := o.Timestamper.Timestamp(ctx, p.Digest[:])
	if err != nil {
		return nil, nil, fmt.Errorf("pades: document timestamp: %w", err)
	}
	return p, token, nil
}

// chainOfStamp returns certs and the certificates of a token's chain that are not among them.
func chainOfStamp(
	token []byte, certs []*x509.Certificate, o ExtendOptions,
) ([]*x509.Certificate, error) {
	stamp, err := tsa.Parse(token)
	if err != nil {
		return nil, err
	}
	unit, err := stamp.Unit()
	if err != nil {
		return nil, err
	}
	return climb(certs, unit, slices.Concat(o.Known, stamp.Certificates()), o.Memo)
}

// newest returns the signature of the given kind that closes the last revision.
func newest(d *pdf.Document, subFilter string) (*signature, error) {
	sigs, err := signatures(d)
	if err != nil {
		return nil, err
	}
	for _, s := range sigs {
		if err := s.read(d); err == nil && s.end() == d.Size() && s.subFilter == subFilter {
			return s, nil
		} else if err != nil && !errors.Is(err, errForm) {
			return nil, err
		}
	}
	return nil, errors.New("pades: no signature covers the whole document")
}

// gathered is evidence for one signature, as DER.
type gathered struct {
	certs, responses, lists [][]byte
}

// gather collects revocation data about certificates and checks that it proves them valid at the
// given time.
func gather(
	ctx context.Context, certs []*x509.Certificate, at time.Time, o ExtendOptions,
) (*gathered, error) {
	responses, lists, err := o.Evidence.Evidence(ctx, certs)
	if err != nil {
		return nil, fmt.Errorf("pades: evidence: %w", err)
	}
	check := newEvidence(o.Memo, newParsedEvidence(0))
	check.certs, check.responses = certs, responses
	g := &gathered{responses: unique(responses), lists: unique(lists)}
	for _, der := range lists {
		l, err := x509.ParseRevocationList(der)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
		}
		check.lists = append(check.lists, l)
	}
	for _, c := range certs {
		if issuer := issuerOf(c, certs, o.Memo); !issuer.Equal(c) {
			if err := check.status(c, issuer, at); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrEvidence, err)
			}
		}
		g.certs = append(g.certs, c.Raw)
	}
	for _, der := range responses {
		// The responder's certificate is in the response. Some verifiers only look for it in the
		// store.
		if r, err := ocsp.ParseResponse(der, nil); err == nil && r.Certificate != nil {
			g.certs = append(g.certs, r.Certificate.Raw)
		}
	}
	g.certs = unique(g.certs)
	return g, nil
}

// chains returns the certificates from the signer and its timestamp, or from a document timestamp,
// up to their roots, the time at which they have to be proven valid, and the size of the timestamp
// that says so. It ignores other certificates of a message.
func (s *signature) chains(
	known []*x509.Certificate, memo *Memo,
) (certs []*x509.Certificate, at time.Time, size int, err error) {
	token, found := s.message, known
	var leaves []*x509.Certificate
	if s.subFilter != subFilterStamp {
		sd, err := cms.Parse(s.message)
		if err != nil {
			return nil, at, 0, err
		}
		leaf, err := sd.SignerCertificate()
		if err != nil {
			return nil, at, 0, err
		}
		leaves, found = append(leaves, leaf), slices.Concat(found, sd.Certificates)
		stamps := sd.Signer.Timestamps()
		if len(stamps) == 0 {
			return nil, at, 0, errors.New("pades: the signature has no timestamp")
		}
		token = stamps[0]
	}
	stamp, err := tsa.Parse(token)
	if err != nil {
		return nil, at, 0, err
	}
	unit, err := stamp.Unit()
	if err != nil {
		return nil, at, 0, err
	}
	leaves, found = append(leaves, unit), slices.Concat(found, stamp.Certificates())
	for _, c := range leaves {
		if certs, err = climb(certs, c, found, memo); err != nil {
			return nil, at, 0, err
		}
	}
	return certs, stamp.Time, len(token), nil
}

// climb adds a certificate and its issuers up to the root to certs.
func climb(
	certs []*x509.Certificate, c *x509.Certificate, found []*x509.Certificate, memo *Memo,
) ([]*x509.Certificate, error) {
	certs = slices.Clip(certs)
	for !slices.ContainsFunc(certs, c.Equal) {
		certs = append(certs, c)
		issuer := issuerOf(c, found, memo)
		if issuer == nil {
			return nil, fmt.Errorf(
				"%w: the issuer of %q is unknown", ErrEvidence, c.Subject.CommonName,
			)
		}
		c = issuer
	}
	return certs, nil
}

// issuerOf returns the certificate that signed c: c itself for a root.
func issuerOf(c *x509.Certificate, certs []*x509.Certificate, memo *Memo) *x509.Certificate {
	for _, i := range certs {
		if bytes.Equal(c.RawIssuer, i.RawSubject) && memo.CheckCertificate(c, i) == nil {
			return i
		}
	}
	return nil
}

func unique(list [][]byte) (out [][]byte) {
	for _, b := range list {
		if !slices.ContainsFunc(out, func(o []byte) bool { return bytes.Equal(o, b) }) {
			out = append(out, b)
		}
	}
	return out
}

// write writes the store to the update. It keeps the contents of an older store.
func (g *gathered) write(u *pdf.Update, d *pdf.Document, s *signature) error {
	old, err := d.Get(d.Catalog(), "DSS")
	if err != nil {
		return err
	}
	lists := []struct {
		all, vri string
		data     [][]byte
	}{{"Certs", "Cert", g.certs}, {"OCSPs", "OCSP", g.responses}, {"CRLs", "CRL", g.lists}}
	entry := []pdf.Pair{{Key: "Type", Value: "/VRI"}}
	store := []pdf.Pair{{Key: "Type", Value: "/DSS"}}
	for _, l := range lists {
		if len(l.data) == 0 {
			continue
		}
		var refs []string
		for _, der := range l.data {
			ref := u.Alloc()
			// keys and signatures do not compress
			if _, err := u.PutStream(ref, nil, der); err != nil {
				return err
			}
			refs = append(refs, ref.String())
		}
		entry = append(entry, pdf.Pair{Key: l.vri, Value: "[" + strings.Join(refs, " ") + "]"})
		before, err := d.Get(old, l.all)
		if err != nil {
			return err
		}
		all := make([]string, 0, len(refs))
		for _, o := range before.Elements() {
			all = append(all, o.Raw())
		}
		store = append(
			store, pdf.Pair{Key: l.all, Value: "[" + strings.Join(append(all, refs...), " ") + "]"},
		)
	}
	vri, err := put(u, entry...)
	if err != nil {
		return err
	}
	// The key is the hash of the whole decoded /Contents, padding included.
	sum := sha1.Sum(s.padded)
	oldVRI, err := d.Get(old, "VRI")
	if err != nil {
		return err
	}
	entries, err := pdf.EditDict(
		oldVRI, pdf.Pair{Key: strings.ToUpper(hex.EncodeToString(sum[:])), Value: vri.String()},
	)
	if err != nil {
		return err
	}
	body, err := pdf.EditDict(old, append(store, pdf.Pair{Key: "VRI", Value: entries})...)
	if err != nil {
		return err
	}
	if ref, ok := d.Catalog().Get("DSS").Ref(); ok && old.IsDict() {
		_, err := u.Put(ref, []byte(body)) // in place; a second store would make the first unused
		return err
	}
	ref := u.Alloc()
	if _, err := u.Put(ref, []byte(body)); err != nil {
		return err
	}
	return u.SetCatalog("DSS", ref.String())
}

// addStampField adds the invisible field of a document timestamp on page 1, with space for a token
// of room bytes.
func addStampField(u *pdf.Update, d *pdf.Document, name string, room int) (hole, error) {
	name, err := u.UniqueFieldName(name)
	if err != nil {
		return hole{}, err
	}
	if err := d.CheckPermissions(name); err != nil {
		return hole{}, err
	}
	page, err := d.Page(1)
	if err != nil {
		return hole{}, err
	}
	sig := u.Alloc()
	pairs := []pdf.Pair{
		{Key: "Type", Value: "/Annot"},
		{Key: "Subtype", Value: "/Widget"},
		{Key: "FT", Value: "/Sig"},
		{Key: "T", Value: pdf.TextString(name)},
		{Key: "V", Value: sig.String()},
		{Key: "Rect", Value: "[0 0 0 0]"},
		{Key: "P", Value: page.Ref.String()},
		{Key: "F", Value: "132"},
	}
	// PDF/UA-2 (8.10.2.3) requires a description of every widget, also of an invisible one.
	// PDF/UA-1 (7.2) forbids one whose language is not known.
	if !d.Catalog().Get("Lang").IsNull() {
		pairs = append(
			pairs, pdf.Pair{Key: "Contents", Value: "(Document timestamp)"},
			pdf.Pair{Key: "Lang", Value: "(en)"},
		)
	}
	// PDF/A-1 (ISO 19005-1, 6.9) requires an appearance for every field, also an invisible one. In
	// other documents it is omitted, because some verifiers take a timestamp with an appearance for
	// a change of the page.
	if part, err := claimedPDFA(d); err != nil {
		return hole{}, err
	} else if part == "1" {
		ref := u.Alloc()
		if _, err := u.PutStream(ref, []pdf.Pair{
			{Key: "Type", Value: "/XObject"},
			{Key: "Subtype", Value: "/Form"},
			{Key: "BBox", Value: "[0 0 0 0]"},
		}, nil); err != nil {
			return hole{}, err
		}
		pairs = append(pairs, pdf.Pair{Key: "AP", Value: "<< /N " + ref.String() + " >>"})
	}
	field, err := put(u, pairs...)
	if err != nil {
		return hole{}, err
	}
	if err := u.AddFields(field); err != nil {
		return hole{}, err
	}
	if err := u.AddAnnotations(1, field); err != nil {
		return hole{}, err
	}
	return putSignature(u, sig, room, []pdf.Pair{
		{Key: "Type", Value: "/" + typeDocStamp},
		{Key: "Filter", Value: "/Adobe.PPKLite"},
		{Key: "SubFilter", Value: "/" + subFilterStamp},
	})
}

// claimedPDFA returns the part of PDF/A that the metadata claims, or "".
func claimedPDFA(d *pdf.Document) (string, error) {
	meta, err := d.Get(d.Catalog(), "Metadata")
	if err != nil || meta.Kind() != pdf.Stream {
		return "", err
	}
	const most = 16 << 20
	xmp, err := streamData(d, meta, most)
	if err != nil {
		if pdf.ReasonOf(err) != "" {
			return "", nil // unreadable metadata claims nothing
		}
		return "", err
	}
	return conformance(xmp), nil
}
