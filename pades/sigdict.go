package pades

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
)

// Values of /SubFilter (ISO 32000-2, Table 255).
const (
	subFilterCAdES  = "ETSI.CAdES.detached"
	subFilterStamp  = "ETSI.RFC3161"
	subFilterPKCS7  = "adbe.pkcs7.detached"
	typeDocStamp    = "DocTimeStamp"
	keyByteRange    = "ByteRange"
	keyContents     = "Contents"
	maxHeaderLength = 64 // of "12 0 obj" with white space
)

// signature is one signature dictionary with the fields that have it as their value.
type signature struct {
	ref       pdf.Ref
	dict      pdf.Object
	fields    []pdf.SignatureField
	subFilter string
	byteRange [4]int64
	message   []byte // in DER, without the padding
	padded    []byte // all of /Contents, decoded
}

// end returns the offset after the last signed byte.
func (s *signature) end() int64 { return s.byteRange[2] + s.byteRange[3] }

// signatures returns the signatures of a document in the order of the revisions that they close. A
// signature with several fields is returned once. It does not check their form; see
// [signature.read].
func signatures(d *pdf.Document) ([]*signature, error) {
	fields, err := d.SignatureFields()
	if err != nil {
		return nil, err
	}
	var out []*signature
	byRef := make(map[pdf.Ref]*signature)
	for _, f := range fields {
		if !f.Signed() {
			continue
		}
		ref, indirect := f.Value.Ref()
		if s := byRef[ref]; indirect && s != nil {
			s.fields = append(s.fields, f)
			continue
		}
		dict, err := d.Resolve(f.Value)
		if err != nil {
			return nil, err
		}
		s := &signature{ref: ref, dict: dict, fields: []pdf.SignatureField{f}}
		if indirect {
			byRef[ref] = s
		}
		out = append(out, s)
	}
	return out, nil
}

// errForm is wrapped by all errors about the form of a signature dictionary.
var errForm = errors.New("the signature dictionary is malformed")

// read decodes the dictionary: a direct /ByteRange of four numbers from 0, a hexadecimal /Contents
// with one message, in DER or BER, and zeros, and no duplicate keys. The gap in the ByteRange must
// be exactly the value of /Contents. Otherwise unsigned bytes could be changed, or taken for signed
// ones (attack classes USF and SWA).
func (s *signature) read(d *pdf.Document) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{errForm}, args...)...)
	}
	if !s.dict.IsDict() {
		return bad("not a dictionary")
	}
	if key, dup := s.dict.DuplicateKey(); dup {
		return bad("/%s twice", key)
	}
	s.subFilter = s.dict.Get("SubFilter").Name()
	elems := s.dict.Get(keyByteRange).Elements()
	if len(elems) != 4 {
		return bad("/ByteRange is not an array of four numbers")
	}
	for i, e := range elems {
		v, ok := e.Int()
		if !ok || v < 0 || v > d.Size() {
			return bad("/ByteRange")
		}
		s.byteRange[i] = v
	}
	br := s.byteRange
	if br[0] != 0 || br[2] <= br[1] || br[2]+br[3] > d.Size() {
		return bad("/ByteRange %v does not start at 0, overlaps or leaves the file", br)
	}
	raw := s.dict.Get(keyContents).Raw()
	if !strings.HasPrefix(raw, "<") || strings.HasPrefix(raw, "<<") ||
		!strings.HasSuffix(raw, ">") {
		return bad("/Contents is not a direct hexadecimal string")
	}
	at, err := s.contentsOffset(d, raw)
	if err != nil {
		return err
	}
	if br[1] != at || br[2] != at+int64(len(raw)) {
		return bad(
			"the gap from %d to %d is not /Contents, which is from %d to %d", br[1], br[2], at,
			at+int64(len(raw)),
		)
	}
	padded, err := hex.DecodeString(raw[1 : len(raw)-1])
	if err != nil {
		return bad("/Contents is not plain hexadecimal")
	}
	message, n, err := cms.DER(padded)
	if err != nil {
		return bad("/Contents does not begin with a CMS message: %v", err)
	}
	if slices.ContainsFunc(padded[n:], func(b byte) bool { return b != 0 }) {
		return bad("bytes other than zero follow the message in /Contents")
	}
	s.padded, s.message = padded, message
	return nil
}

// contentsOffset returns where in the file the value of /Contents starts.
func (s *signature) contentsOffset(d *pdf.Document, raw string) (int64, error) {
	bad := fmt.Errorf("%w: /Contents cannot be located", errForm)
	entry := d.Lookup(s.ref.Num)
	if s.ref.Num == 0 || entry.Kind != pdf.InFile || entry.Ref != s.ref {
		return 0, fmt.Errorf("%w: it is not a plain indirect object", errForm)
	}
	// The object starts with "n g obj" and white space, which the parser has accepted.
	header := make([]byte, maxHeaderLength)
	n, err := d.Reader().ReadAt(header, entry.Offset)
	if n == 0 {
		return 0, err
	}
	start := strings.Index(string(header[:n]), "<<")
	if start < 0 {
		return 0, bad
	}
	dict := s.dict.Raw()
	// The value follows its key. A value of another key may be equal, so every occurrence has to be
	// checked for the key.
	for from := 0; ; {
		i := strings.Index(dict[from:], raw)
		if i < 0 {
			return 0, bad
		}
		i += from
		if strings.HasSuffix(strings.TrimRight(dict[:i], " \t\r\n\f\x00"), "/"+keyContents) {
			// A comment between "obj" and the dictionary could shift the offset.
			at := entry.Offset + int64(start+i)
			found := make([]byte, len(raw))
			if _, err := d.Reader().ReadAt(found, at); err != nil || string(found) != raw {
				return 0, bad
			}
			return at, nil
		}
		from = i + 1
	}
}
