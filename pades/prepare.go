package pades

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
)

// Reserved is the space for the CMS message in bytes if the size of the timestamp is not known
// beforehand; see [Room].
const Reserved = 15000

// TokenSizer is an optional interface of a [Timestamper]. TokenSize returns the largest size of a
// token in bytes, or 0 if that is not known.
type TokenSizer interface{ TokenSize() int }

// Room returns the number of bytes to reserve for the CMS message of a signer whose certificate,
// with its issuers, is chain. The space is enough for every timestamp of ts: the message cannot
// become larger, because each of its parts is bounded. 512 bytes are to spare, for a time-stamping
// unit that gets another chain before the second phase.
func Room(chain []*x509.Certificate, ts Timestamper) int {
	sizer, ok := ts.(TokenSizer)
	if !ok || sizer.TokenSize() == 0 || len(chain) == 0 {
		return Reserved
	}
	const rest = 928 // headers, attributes except the issuer's name, identifiers, signature
	n := rest + 2*len(chain[0].RawIssuer) + sizer.TokenSize()
	for _, c := range chain {
		n += len(c.Raw)
	}
	return n
}

// Options are the options of [Prepare]. Locations, FieldName, SignedAt and Rand are required.
type Options struct {
	// Locations are the visible places of the signature, at least one.
	Locations []Location
	// FieldName is the name of the first signature field; the others get "-2", "-3" and so on. A
	// name that the document has is made unique.
	FieldName string
	// SignerName is shown in the box and written to /Name. It should be the name in the
	// certificate.
	SignerName string
	// SignedAt is written to /M in UTC, and to the box in its own location.
	SignedAt time.Time
	// Sandbox adds a mark to the box.
	Sandbox bool
	// Background lightens the page below the box, so that the box and text below it can be read. It
	// has no effect in a document that claims PDF/A, which restricts transparency.
	Background bool
	// Certify makes the signature a certification that allows forms to be filled in and further
	// signatures (ISO 32000-2, 12.8.2.2, DocMDP with /P 2). The fields of the document are locked,
	// so only new ones can be signed. It has no effect in a document that has signatures or /Perms,
	// or fields that cannot be locked.
	Certify bool
	// Rand is the source of the second half of the file identifier.
	Rand io.Reader
	// Limits bound the work for hostile files; those that are zero have defaults.
	Limits pdf.Limits
	// Room is the space for the CMS message in bytes, see the function Room; 0 means [Reserved].
	Room int
	// HanForms is the region whose forms the Han characters of SignerName get if the name itself
	// does not show one; empty means HanSimplified.
	HanForms HanForms
	// Fonts are those of the box; nil means FontsFor the name and HanForms.
	Fonts *Fonts

	// rehearsal omits what is the same for every document: the drawing and the space for the
	// message, which cost more than everything else.
	rehearsal bool
}

// Prepared is a prepared document without the original and the signature. It can be stored as JSON
// until the signature is available.
type Prepared struct {
	// Size and SHA256 identify the original.
	Size   int64    `json:"size"`
	SHA256 [32]byte `json:"sha256"`
	// Before and After are the update before and after the placeholder.
	Before []byte `json:"before"`
	After  []byte `json:"after"`
	// Hole is the length of the placeholder: /Contents with its angle brackets.
	Hole int64 `json:"hole"`
	// ByteRange is what the signature covers, as in the file.
	ByteRange [4]int64 `json:"byte_range"`
	// Digest is the SHA-256 over the ByteRange, which the signer approves.
	Digest [32]byte `json:"digest"`
	// Appearances is the number of visible places.
	Appearances int `json:"appearances"`
}

// Prepare writes the update that adds the signature fields, and returns it with the digest to be
// signed. It reads the original once and keeps none of it. It applies the same rules as [Inspect],
// and refuses with *pdf.Refusal.
func Prepare(r io.ReaderAt, size int64, o Options) (*Prepared, error) {
	if o.FieldName == "" || o.Rand == nil || o.SignedAt.IsZero() {
		return nil, errors.New("pades: FieldName, SignedAt and Rand are required")
	}
	d, err := pdf.Open(r, size, o.Limits)
	if err != nil {
		return nil, err
	}
	u := pdf.NewUpdate(d)
	h, err := draft(u, d, o)
	if err != nil {
		return nil, err
	}
	if err := u.Finish(o.Rand); err != nil {
		return nil, err
	}
	p, err := h.close(u, r, size, nil)
	if err != nil {
		return nil, err
	}
	p.Appearances = len(o.Locations)
	return p, nil
}

// draft writes the signature fields, and the signature with an empty placeholder.
func draft(u *pdf.Update, d *pdf.Document, o Options) (hole, error) {
	places, err := place(d, o.Locations)
	if err != nil {
		return hole{}, err
	}
	if err := spare(u, d, o.Locations...); err != nil {
		return hole{}, err
	}
	if err := fillEmpty(d, places); err != nil {
		return hole{}, err
	}
	names := make([]string, len(places))
	for i, p := range places {
		if p.field != nil {
			names[i] = p.field.Name
		} else if names[i], err = u.UniqueFieldName(o.FieldName); err != nil {
			return hole{}, err
		}
	}
	if err := d.CheckPermissions(names...); err != nil {
		return hole{}, err
	}
	if earlier, err := signatures(d); err != nil {
		return hole{}, err
	} else if len(earlier) > 0 && d.Trailing() > 0 {
		return hole{}, &pdf.Refusal{Reason: pdf.TrailingData, Detail: fmt.Sprintf(
			"%d bytes follow the end of a document that has signatures", d.Trailing(),
		)}
	} else if len(earlier) == 0 { // with earlier signatures this would be a change of the pages
		if err := u.SeparateAnnotations(); err != nil {
			return hole{}, err
		}
	}
	if err := declare(u, d); err != nil {
		return hole{}, err
	}
	sig := u.Alloc()
	lock, reference, err := restrict(u, d, sig, o.Certify)
	if err != nil {
		return hole{}, err
	}
	if err := addFields(u, d, sig, lock, places, names, o); err != nil {
		return hole{}, err
	}
	room := o.Room
	if room == 0 {
		room = Reserved
	}
	if o.rehearsal {
		room = 0
	}
	pairs := []pdf.Pair{
		{Key: "Type", Value: "/Sig"},
		{Key: "Filter", Value: "/Adobe.PPKLite"},
		{Key: "SubFilter", Value: "/" + subFilterCAdES},
		{Key: "Name", Value: pdf.TextString(o.SignerName)},
		{Key: "M", Value: "(D:" + o.SignedAt.UTC().Format("20060102150405") + "Z)"},
		{Key: "Prop_Build", Value: "<< /App << /Name /Signet >> >>"},
	}
	if reference != "" {
		pairs = append(pairs, pdf.Pair{Key: "Reference", Value: reference})
	}
	return putSignature(u, sig, room, pairs)
}

// esicLevel is the level of ETSI's extensions to PDF 1.7 that has ETSI.CAdES.detached, document
// security stores and document timestamps (EN 319 142-1, 5.6; ISO 32000-2 has them itself).
const esicLevel = 2

// declare writes to the catalog that a document before PDF 2.0 uses these extensions. It keeps
// other extensions.
func declare(u *pdf.Update, d *pdf.Document) error {
	version, err := d.Version()
	if err != nil || version >= "2.0" {
		return err
	}
	extensions, err := d.Get(d.Catalog(), "Extensions")
	if err != nil || !extensions.IsNull() && !extensions.IsDict() {
		return err // a value that is not a dictionary is kept
	}
	level, err := d.Get(extensions, "ESIC", "ExtensionLevel")
	if err != nil {
		return err
	}
	if n, ok := level.Int(); ok && n >= esicLevel {
		return nil
	}
	value, err := pdf.EditDict(
		extensions,
		pdf.Pair{
			Key:   "ESIC",
			Value: fmt.Sprintf("<< /BaseVersion /1.7 /ExtensionLevel %d >>", esicLevel),
		},
	)
	if err != nil {
		return err
	}
	return u.SetCatalog("Extensions", value)
}

// spare prevents the update from using object numbers to which a page refers that signing changes:
// the pages of the new places, of earlier signatures, which a later update must treat as this one
// does, and page 1, which has document timestamps.
func spare(u *pdf.Update, d *pdf.Document, locs ...Location) error {
	pages := []int{1}
	for _, l := range locs {
		pages = append(pages, l.Page)
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return err
	}
	for _, f := range fields {
		for _, w := range f.Widgets {
			if w.Page > 0 {
				pages = append(pages, w.Page)
			}
		}
	}
	slices.Sort(pages)
	return u.Spare(slices.Compact(pages)...)
}

// addFields writes one merged field and widget per place, all with the same /V. One field with
// several widgets would be simpler, but ISO 32000-2 (12.7.5.5) forbids it and viewers fail on it.
func addFields(
	u *pdf.Update, d *pdf.Document, sig, lock pdf.Ref, places []placed, names []string, o Options,
) error {
	rotations := make([]int, len(places))
	for i, p := range places {
		if p.field == nil { // else the drawing is turned by what surrounds it
			rotations[i] = p.page.Rotate
		}
	}
	forms, err := drawings(u, d, rotations, o)
	if err != nil {
		return err
	}
	tags, err := openStructure(d)
	if err != nil {
		return err
	}
	said := pdf.TextString("Digital signature of " + o.SignerName)
	for i, p := range places {
		if p.field != nil {
			if err := p.fill(u, sig, forms[0]); err != nil {
				return err
			}
			continue
		}
		field := u.Alloc()
		pairs := []pdf.Pair{
			{Key: "Type", Value: "/Annot"},
			{Key: "Subtype", Value: "/Widget"},
			{Key: "FT", Value: "/Sig"},
			{Key: "T", Value: pdf.TextString(names[i])},
			// read aloud, as the next two: PDF/UA-1 (ISO 14289-1, 7.2) requires a language,
			// PDF/UA-2 (ISO 14289-2, 8.10.2.3) /Contents
			{Key: "TU", Value: said},
			{Key: "Contents", Value: said},
			{Key: "Lang", Value: "(en)"},
			{Key: "V", Value: sig.String()},
			{Key: "Rect", Value: p.rect.String()},
			{Key: "P", Value: p.page.Ref.String()},
			{Key: "F", Value: "132"}, // Print, Locked
			{Key: "AP", Value: "<< /N " + forms[p.page.Rotate].String() + " >>"},
		}
		if p.page.Rotate != 0 {
			pairs = append(
				pairs, pdf.Pair{Key: "MK", Value: fmt.Sprintf("<< /R %d >>", p.page.Rotate)},
			)
		}
		if lock.Num > 0 {
			pairs = append(pairs, pdf.Pair{Key: "Lock", Value: lock.String()})
		}
		if tags != nil {
			key, err := tags.add(u, field, p.page)
			if err != nil {
				return err
			}
			pairs = append(pairs, pdf.Pair{Key: "StructParent", Value: key})
		}
		if _, err := u.Put(field, []byte(pdf.DictString(pairs...))); err != nil {
			return err
		}
		if err := u.AddFields(field); err != nil {
			return err
		}
		if err := u.AddAnnotations(p.page.Number, field); err != nil {
			return err
		}
	}
	if tags != nil {
		return tags.finish(u, d)
	}
	return nil
}

// drawings writes the contents of the places: one form XObject per page rotation.
func drawings(u *pdf.Update, d *pdf.Document, rotations []int, o Options) (map[int]pdf.Ref, error) {
	if o.rehearsal {
		blank := u.Alloc()
		forms := make(map[int]pdf.Ref)
		for _, r := range rotations {
			forms[r] = blank
		}
		_, err := u.PutStream(blank, nil, nil)
		return forms, err
	}
	fonts := o.Fonts
	if fonts == nil {
		var err error
		if fonts, err = FontsFor(o.SignerName, o.HanForms); err != nil {
			return nil, err
		}
	}
	part, err := claimedPDFA(d)
	if err != nil {
		return nil, err
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return nil, err
	}
	return appearance{
		name: o.SignerName, at: o.SignedAt, sandbox: o.Sandbox,
		background: o.Background && part == "",
		outlined:   slices.ContainsFunc(fields, pdf.SignatureField.Signed),
	}.write(u, fonts, rotations)
}

// hole is the position of a signature's placeholder in an update that is being written.
type hole struct {
	byteRange int64 // offset of the value of /ByteRange
	contents  int64 // offset of '<'
	size      int64 // up to and with '>'
}

// rangeFormat gives /ByteRange the same length for all numbers.
const rangeFormat = "[0 %010d %010d %010d]"

// putSignature writes a signature dictionary with space for a CMS message. It computes the offsets
// from what it writes.
func putSignature(u *pdf.Update, ref pdf.Ref, reserved int, pairs []pdf.Pair) (hole, error) {
	rangeValue := fmt.Sprintf(rangeFormat, 0, 0, 0)
	const end = " >>"
	head := strings.TrimSuffix(pdf.DictString(pairs...), end) + " /ByteRange "
	middle := rangeValue + " /Contents "
	zeros := "<" + strings.Repeat("0", 2*reserved) + ">"
	off, err := u.Put(ref, []byte(head+middle+zeros+end))
	if err != nil {
		return hole{}, err
	}
	at := off + int64(len(head))
	return hole{byteRange: at, contents: at + int64(len(middle)), size: int64(len(zeros))}, nil
}

// close sets /ByteRange in the finished update and hashes what it covers. seen, if not nil, is a
// hash of the original.
func (h hole) close(
	u *pdf.Update, original io.ReaderAt, size int64, seen hash.Hash,
) (*Prepared, error) {
	total := u.Size()
	p := &Prepared{
		Size: size, Hole: h.size,
		ByteRange: [4]int64{0, h.contents, h.contents + h.size, total - h.contents - h.size},
	}
	value := fmt.Sprintf(rangeFormat, p.ByteRange[1], p.ByteRange[2], p.ByteRange[3])
	if err := u.Patch(h.byteRange, []byte(value)); err != nil {
		return nil, err
	}
	update := u.Bytes()
	at := h.contents - size
	if update[at] != '<' || update[at+h.size-1] != '>' {
		return nil, errors.New("pades: the placeholder is misplaced")
	}
	p.Before, p.After = bytes.Clone(update[:at]), bytes.Clone(update[at+h.size:])
	if seen == nil {
		seen = sha256.New()
		if _, err := io.Copy(seen, io.NewSectionReader(original, 0, size)); err != nil {
			return nil, err
		}
	}
	if err := p.digest(seen); err != nil {
		return nil, err
	}
	return p, nil
}

// digest sets SHA256 and Digest from a hash of the original.
func (p *Prepared) digest(sum hash.Hash) error {
	sum.Sum(p.SHA256[:0]) // does not change the state
	if _, err := sum.Write(p.Before); err != nil {
		return err
	}
	if _, err := sum.Write(p.After); err != nil {
		return err
	}
	sum.Sum(p.Digest[:0])
	return nil
}
