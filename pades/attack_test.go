package pades

import (
	"bytes"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// victim is a signed document and what an attacker can see of it.
type victim struct {
	t   *testing.T
	w   *world
	doc []byte
	d   *pdf.Document
}

func newVictim(t *testing.T, w *world, doc []byte) *victim {
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	return &victim{t, w, doc, d}
}

// raw returns an object as it is written.
func (v *victim) raw(num int) string {
	o, err := v.d.Load(v.d.Lookup(num).Ref)
	must(v.t, err)
	return o.Raw()
}

// set returns an object with some keys changed.
func (v *victim) set(num int, pairs ...pdf.Pair) string {
	o, err := v.d.Load(v.d.Lookup(num).Ref)
	must(v.t, err)
	body, err := pdf.EditDict(o, pairs...)
	must(v.t, err)
	return body
}

// root is the number of the catalog.
func (v *victim) root() int { return v.d.Root().Num }

// stream returns a stream as it is written.
func (v *victim) stream(num int) string {
	o, err := v.d.Load(v.d.Lookup(num).Ref)
	must(v.t, err)
	r, err := v.d.RawStream(o)
	must(v.t, err)
	data, err := io.ReadAll(r)
	must(v.t, err)
	return o.Raw() + "\nstream\n" + string(data) + "\nendstream"
}

func (v *victim) update(objects map[int]string, freed ...int) []byte {
	// The attacker keeps what a careful one would: the information dictionary.
	info := ""
	if i := v.d.Trailer().Get("Info"); !i.IsNull() {
		info = "/Info " + i.Raw()
	}
	return pdftest.Update(v.doc, pdftest.Revision{Objects: objects, Freed: freed, Trailer: info})
}

// sig returns the signature, the number of its dictionary and of its first field.
func (v *victim) sig() (s *signature, num, field int) {
	sigs, err := signatures(v.d)
	must(v.t, err)
	must(v.t, sigs[0].read(v.d))
	return sigs[0], sigs[0].ref.Num, sigs[0].fields[0].Ref.Num
}

// fields returns the object that holds the form's list, with further fields.
func (v *victim) fields(add ...int) map[int]string {
	catalog := v.d.Catalog()
	form, err := v.d.Get(catalog, "AcroForm")
	must(v.t, err)
	list, err := v.d.Get(form, "Fields")
	must(v.t, err)
	var refs []string
	for _, e := range list.Elements() {
		refs = append(refs, e.Raw())
	}
	for _, n := range add {
		refs = append(refs, fmt.Sprintf("%d 0 R", n))
	}
	body, err := pdf.EditDict(
		form, pdf.Pair{Key: "Fields", Value: "[" + strings.Join(refs, " ") + "]"},
	)
	must(v.t, err)
	if ref, ok := catalog.Get("AcroForm").Ref(); ok {
		return map[int]string{ref.Num: body}
	}
	return map[int]string{
		v.d.Root().Num: v.set(v.d.Root().Num, pdf.Pair{Key: "AcroForm", Value: body}),
	}
}

// annots returns page 1 with further annotations.
func (v *victim) annots(add ...int) string {
	page, err := v.d.Page(1)
	must(v.t, err)
	list, err := v.d.Annotations(page)
	must(v.t, err)
	var refs []string
	for _, e := range list {
		refs = append(refs, e.Raw())
	}
	for _, n := range add {
		refs = append(refs, fmt.Sprintf("%d 0 R", n))
	}
	return v.set(page.Ref.Num, pdf.Pair{Key: "Annots", Value: "[" + strings.Join(refs, " ") + "]"})
}

func merged(all ...map[int]string) map[int]string {
	out := make(map[int]string)
	for _, m := range all {
		maps.Copy(out, m)
	}
	return out
}

func replaceOnce(t *testing.T, doc []byte, old, with string) []byte {
	t.Helper()
	i := bytes.LastIndex(doc, []byte(old))
	if i < 0 || len(old) != len(with) {
		t.Fatalf("%q cannot become %q", old, with)
	}
	out := bytes.Clone(doc)
	copy(out[i:], with)
	return out
}

const fake = "BT /F1 24 Tf 72 600 Td (You owe me everything) Tj ET"

// attacks change a signed document. The names in brackets are the classes of
// Mladenov et al. (2019 and 2021), Rohlmann et al. (2021).
var attacks = map[string]func(*victim) []byte{
	"content is replaced in place": func(v *victim) []byte {
		i := bytes.Index(v.doc, []byte("stream\n")) + 12
		out := bytes.Clone(v.doc)
		out[i] ^= 1
		return out
	},
	"claimed time is changed": func(v *victim) []byte {
		i := bytes.LastIndex(v.doc, []byte("/M (D:"))
		out := bytes.Clone(v.doc)
		out[i+8] ^= 1
		return out
	},
	"bytes are appended":       func(v *victim) []byte { return append(bytes.Clone(v.doc), "% hello\n%%EOF\n"...) },
	"the last revision is cut": func(v *victim) []byte { return v.doc[:bytes.LastIndex(v.doc[:len(v.doc)-8], []byte("%%EOF"))+6] },
	"page content is updated (ISA)": func(v *victim) []byte {
		return v.update(map[int]string{pdftest.ContentNum(1): pdftest.Stream("", fake)})
	},
	"page gets other content (ISA)": func(v *victim) []byte {
		n := v.d.Trailer().Get("Size").Raw()
		return v.update(map[int]string{
			atoi(n): pdftest.Stream("", fake),
			pdftest.PageNum(1): v.set(
				pdftest.PageNum(1), pdf.Pair{Key: "Contents", Value: n + " 0 R"},
			),
		})
	},
	"update without /Prev (ISA)": func(v *victim) []byte {
		return pdftest.Update(
			v.doc,
			pdftest.Revision{
				Objects: map[int]string{pdftest.ContentNum(1): pdftest.Stream("", fake)},
				NoPrev:  true,
			},
		)
	},
	"update without cross-references (ISA)": func(v *victim) []byte {
		return append(
			bytes.Clone(v.doc),
			fmt.Sprintf(
				"%d 0 obj\n%s\nendobj\n%%%%EOF\n", pdftest.ContentNum(1), pdftest.Stream("", fake),
			)...)
	},
	"update whose /Prev skips the signed revision (ISA)": func(v *victim) []byte {
		// The fields and the signature are copied, so that nothing is missing.
		s, num, field := v.sig()
		objects := map[int]string{
			pdftest.ContentNum(1): pdftest.Stream("", fake), num: v.raw(num), field: v.raw(field),
			v.root(): v.raw(v.root()), pdftest.PageNum(1): v.raw(pdftest.PageNum(1)),
		}
		update := pdftest.Update(v.doc, pdftest.Revision{Objects: objects})
		original := v.doc[:bytes.Index(v.doc, []byte("%%EOF"))]
		_, at, _ := bytes.Cut(original[bytes.LastIndex(original, []byte("startxref")):], []byte("\n"))
		i := bytes.LastIndex(update, []byte("/Prev "))
		end := i + 6 + bytes.IndexByte(update[i+6:], ' ')
		if s.end() > int64(i) {
			v.t.Fatal("the update is part of what is signed")
		}
		return slices.Concat(update[:i], []byte("/Prev "), bytes.TrimSpace(at), update[end:])
	},
	"update hides objects in a hybrid section (ISA)": func(v *victim) []byte {
		update := v.update(map[int]string{needle: "null"})
		at := len(v.doc) + bytes.Index(update[len(v.doc):], []byte(fmt.Sprintf("%d 0 obj", needle)))
		content := fmt.Sprintf("%d 0 obj\n%s\nendobj\n", pdftest.ContentNum(1), pdftest.Stream("", fake))
		table := fmt.Sprintf(
			"%d 0 obj\n%s\nendobj\n", needle+1, pdftest.Stream(
				fmt.Sprintf("/Type /XRef /Size %d /W [1 4 2] /Index [%d 1]", needle+2, pdftest.ContentNum(1)),
				string([]byte{1, byte(at >> 24), byte(at >> 16), byte(at >> 8), byte(at), 0, 0}),
			),
		)
		rest := strings.Replace(string(update[at:]), "trailer\n<<", fmt.Sprintf(
			"trailer\n<< /XRefStm %d", at+len(content),
		), 1)
		old := fmt.Sprintf("startxref\n%d", at+strings.Index(string(update[at:]), "xref\n"))
		moved := len(content) + len(table)
		rest = strings.ReplaceAll(rest, fmt.Sprintf("%010d 00000 n", at), fmt.Sprintf("%010d 00000 n", at+moved))
		rest = strings.Replace(rest, old, fmt.Sprintf("startxref\n%d", at+moved+strings.Index(rest, "xref\n")), 1)
		return slices.Concat(update[:at], []byte(content), []byte(table), []byte(rest))
	},
	"another document is appended (ISA)": func(v *victim) []byte {
		return append(bytes.Clone(v.doc), pdftest.New(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", fake)))...)
	},
	"another document is prepended": func(v *victim) []byte {
		return append(pdftest.New(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", fake))), v.doc...)
	},
	"a further widget shows the signature (SSA)": func(v *victim) []byte {
		_, num, _ := v.sig()
		n := atoi(v.d.Trailer().Get("Size").Raw())
		group := fmt.Sprintf("<< /FT /Sig /T (group) /Kids [%d 0 R] >>", n+1)
		kid := fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /Parent %d 0 R /T (x) /V %d 0 R /Rect [0 0 500 500] /F 4 /P %d 0 R /AP << /N %d 0 R >> >>",
			n, num, pdftest.PageNum(1), n+2,
		)
		return v.update(merged(v.fields(n), map[int]string{
			n: group, n + 1: kid, n + 2: look(cover), pdftest.PageNum(1): v.annots(n + 1),
		}))
	},
	"the form no longer says that there are signatures": func(v *victim) []byte {
		return v.update(v.form(pdf.Pair{Key: "SigFlags", Value: "0"}))
	},
	"the form gets an XFA template": func(v *victim) []byte {
		return v.update(merged(
			v.form(pdf.Pair{Key: "XFA", Value: fmt.Sprintf("%d 0 R", needle)}),
			map[int]string{needle: pdftest.Stream("", "<template/>")},
		))
	},
	"the form calculates": func(v *victim) []byte {
		_, _, field := v.sig()
		return v.update(v.form(pdf.Pair{Key: "CO", Value: fmt.Sprintf("[%d 0 R]", field)}))
	},
	"the signature's page is swapped for its widget": func(v *victim) []byte {
		_, _, field := v.sig()
		return v.update(map[int]string{field: v.set(field, pdf.Pair{Key: "P", Value: "null"})})
	},
	"update with a copy of the signature (ISA)": func(v *victim) []byte {
		_, num, _ := v.sig()
		return v.update(
			map[int]string{pdftest.ContentNum(1): pdftest.Stream("", fake), num: v.raw(num)},
		)
	},
	"font is replaced (shadow replace)": func(v *victim) []byte {
		return v.update(
			map[int]string{pdftest.FontNum: "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"},
		)
	},
	"another catalog (shadow hide and replace)": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		out := v.update(map[int]string{n: v.raw(v.d.Root().Num)})
		i := bytes.LastIndex(out, []byte("/Root "))
		return slices.Concat(
			out[:i], fmt.Appendf(nil, "/Root %d 0 R", n),
			out[i+len("/Root ")+bytes.Index(out[i+6:], []byte("R"))+1:],
		)
	},
	"an object is freed (shadow hide)": func(v *victim) []byte { return v.update(nil, pdftest.ContentNum(1)) },
	"an annotation is added (EAA)": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		return v.update(map[int]string{
			n:                  "<< /Type /Annot /Subtype /FreeText /Rect [0 0 500 500] /DA (/Helv 40 Tf) /Contents (Paid) >>",
			pdftest.PageNum(1): v.annots(n),
		})
	},
	"an unsigned field is laid over the text (EAA)": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		field := fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Sig /T (x) /Rect [0 0 500 500] /F 4 /P %d 0 R /AP << /N %d 0 R >> >>",
			pdftest.PageNum(1),
			n+1,
		)
		form := pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 500 500]", fake)
		return v.update(
			merged(
				v.fields(n), map[int]string{n: field, n + 1: form, pdftest.PageNum(1): v.annots(n)},
			),
		)
	},
	"a field with the signer's own signature is laid over the text (EAA)": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		_, num, _ := v.sig()
		field := fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Sig /T (x) /V %d 0 R /Rect [0 0 500 500] /F 4 /P %d 0 R /AP << /N %d 0 R >> >>",
			num,
			pdftest.PageNum(1),
			n+1,
		)
		form := pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 500 500]", fake)
		return v.update(
			merged(
				v.fields(n), map[int]string{n: field, n + 1: form, pdftest.PageNum(1): v.annots(n)},
			),
		)
	},
	"a text field is added": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		field := fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Tx /T (x) /V (paid) /Rect [0 0 500 500] /P %d 0 R >>",
			pdftest.PageNum(1),
		)
		return v.update(
			merged(v.fields(n), map[int]string{n: field, pdftest.PageNum(1): v.annots(n)}),
		)
	},
	"the appearance is changed (SSA)": func(v *victim) []byte {
		_, _, field := v.sig()
		n := atoi(v.d.Trailer().Get("Size").Raw())
		return v.update(map[int]string{
			field: v.set(field, pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", n)}),
			n: pdftest.Stream(
				"/Type /XObject /Subtype /Form /BBox [0 0 220 60]", "BT (Someone else) Tj ET",
			),
		})
	},
	"the appearance is moved (SSA)": func(v *victim) []byte {
		_, _, field := v.sig()
		return v.update(
			map[int]string{field: v.set(field, pdf.Pair{Key: "Rect", Value: "[0 0 20 6]"})},
		)
	},
	"the value is removed (USF)": func(v *victim) []byte {
		_, _, field := v.sig()
		return v.update(map[int]string{field: v.set(field, pdf.Pair{Key: "V", Value: ""})})
	},
	"the contents are removed (USF)": func(v *victim) []byte {
		_, num, _ := v.sig()
		return v.update(map[int]string{num: v.set(num, pdf.Pair{Key: "Contents", Value: ""})})
	},
	"the byte range is removed (USF)": func(v *victim) []byte {
		_, num, _ := v.sig()
		return v.update(map[int]string{num: v.set(num, pdf.Pair{Key: "ByteRange", Value: ""})})
	},
	"the contents are zeros (USF)": func(v *victim) []byte {
		s, _, _ := v.sig()
		out := bytes.Clone(v.doc)
		for i := s.byteRange[1] + 1; i < s.byteRange[2]-1; i++ {
			out[i] = '0'
		}
		return out
	},
	"the signature is taken off the list": func(v *victim) []byte {
		root := v.d.Root().Num
		return v.update(map[int]string{root: v.set(root, pdf.Pair{Key: "AcroForm", Value: ""})})
	},
	"the second range is moved (SWA)": func(v *victim) []byte {
		// Bytes are put between the hole and the rest, and the range is told to skip them.
		s, _, _ := v.sig()
		const extra = "/X 1 "
		out := slices.Concat(v.doc[:s.byteRange[2]], []byte(extra), v.doc[s.byteRange[2]:])
		br := s.byteRange
		return replaceOnce(
			v.t, out, fmt.Sprintf(rangeFormat, br[1], br[2], br[3]),
			fmt.Sprintf(rangeFormat, br[1], br[2]+int64(len(extra)), br[3]),
		)
	},
	"keys hide in the hole": func(v *victim) []byte {
		s, _, _ := v.sig()
		out := bytes.Clone(v.doc)
		copy(out[s.byteRange[2]-20:], "> /Foo (bar) /Baz <>")
		return out
	},
	"bytes hide in the padding": func(v *victim) []byte {
		s, _, _ := v.sig()
		out := bytes.Clone(v.doc)
		out[s.byteRange[2]-5] = '7'
		return out
	},
	"the kind is downgraded": func(v *victim) []byte {
		return replaceOnce(v.t, v.doc, "ETSI.CAdES.detached", "adbe.pkcs7.detached")
	},
	"the kind is downgraded by an update": func(v *victim) []byte {
		_, num, _ := v.sig()
		return v.update(
			map[int]string{num: v.set(num, pdf.Pair{Key: "SubFilter", Value: "/adbe.pkcs7.sha1"})},
		)
	},
	"the certificate is substituted": func(v *victim) []byte {
		// The same key in another certificate of the same authority.
		s, _, _ := v.sig()
		other, err := v.w.ca.IssueSigner(
			ca.Subject{UIN: "S8116474F", Name: "LIM MEI LING"}, &v.w.phone.PublicKey,
		)
		must(v.t, err)
		sd, err := cms.Parse(s.message)
		must(v.t, err)
		token := sd.Signer.Timestamps()[0]
		message, err := cms.Build(cms.Message{
			ContentType:      cms.OIDData,
			Certificates:     append([]*x509.Certificate{other}, v.w.ca.Chain()...),
			SignedAttributes: sd.Signer.SignedAttributes(), Signature: sd.Signer.Signature,
			Timestamp: token,
		})
		must(v.t, err)
		out := bytes.Clone(v.doc)
		hole := out[s.byteRange[1]+1 : s.byteRange[2]-1]
		for i := range hole {
			hole[i] = '0'
		}
		hex.Encode(hole, message)
		return out
	},
	"the timestamp is removed": func(v *victim) []byte {
		s, _, _ := v.sig()
		sd, err := cms.Parse(s.message)
		must(v.t, err)
		message, err := cms.Build(cms.Message{
			ContentType: cms.OIDData, Certificates: v.w.chain(),
			SignedAttributes: sd.Signer.SignedAttributes(), Signature: sd.Signer.Signature,
		})
		must(v.t, err)
		out := bytes.Clone(v.doc)
		hole := out[s.byteRange[1]+1 : s.byteRange[2]-1]
		for i := range hole {
			hole[i] = '0'
		}
		hex.Encode(hole, message)
		return out
	},
	"javascript is added": func(v *victim) []byte {
		root := v.d.Root().Num
		return v.update(
			map[int]string{
				root: v.set(
					root,
					pdf.Pair{Key: "OpenAction", Value: "<< /S /JavaScript /JS (app.alert(1)) >>"},
				),
			},
		)
	},
	"a page is added": func(v *victim) []byte {
		n := atoi(v.d.Trailer().Get("Size").Raw())
		return v.update(map[int]string{
			n: fmt.Sprintf(
				"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 99 99] >>", pdftest.PagesNum,
			),
			pdftest.PagesNum: v.set(
				pdftest.PagesNum,
				pdf.Pair{Key: "Kids", Value: fmt.Sprintf("[%d 0 R %d 0 R]", pdftest.PageNum(1), n)},
				pdf.Pair{Key: "Count", Value: "2"},
			),
		})
	},
	"an optional content state is switched": func(v *victim) []byte {
		root := v.d.Root().Num
		return v.update(
			map[int]string{
				root: v.set(
					root,
					pdf.Pair{Key: "OCProperties", Value: "<< /OCGs [] /D << /BaseState /OFF >> >>"},
				),
			},
		)
	},
	"a needle is put behind a dangling reference (shadow)": func(v *victim) []byte {
		// An object of the victim refers to FirstFree, which did not exist.
		root := v.d.Root().Num
		return v.update(map[int]string{
			pdftest.FirstFree: pdftest.Stream("", fake),
			root: v.set(
				root,
				pdf.Pair{
					Key: "DSS", Value: fmt.Sprintf("<< /Certs [%d 0 R] >>", pdftest.FirstFree),
				},
			),
		})
	},
}

// TestAttacks makes every attack on a document at each level. Each must end in a refusal, a failed
// report, or a report that does not meet the record.
func TestAttacks(t *testing.T) {
	w := newWorld(t)
	bt, p := w.signed(t, attackBase(), w.options(Location{1, 0.1, 0.1}))
	lta := w.extend(t, bt, true)
	for _, level := range []struct {
		level Level
		doc   []byte
	}{{LevelT, bt}, {LevelLT, w.extend(t, bt, false)}, {LevelLTA, lta}} {
		expect := Expectation{Prepared: p, Certificate: w.cert, Level: level.level}
		if r := w.verify(t, level.doc); r.Err() != nil || r.Meets(expect) != nil {
			t.Fatalf("%v: the victim itself fails: %v, %v", level.level, r.Err(), r.Meets(expect))
		}
		for _, name := range slices.Sorted(maps.Keys(attacks)) {
			t.Run(level.level.String()+" "+name, func(t *testing.T) {
				doc := attacks[name](newVictim(t, w, level.doc))
				r, err := Verify(
					bytes.NewReader(doc), int64(len(doc)),
					VerifyOptions{Roots: w.ca.Roots(), TSARoots: w.ca.Roots(), Now: w.now()},
				)
				if err != nil {
					if pdf.ReasonOf(err) == "" {
						t.Errorf("%v is not a refusal", err)
					}
					t.Log(err)
					return
				}
				if r.Meets(expect) == nil {
					t.Error("the gate is open")
				}
				// Without the record, a file cut back to an earlier state is just
				// that; everything else must show in the report.
				legit := cutsBack(name)
				if r.Err() == nil && !legit {
					t.Error("the report has no complaint")
				}
				t.Log(r.Err())
			})
		}
	}
}

// attackBase is the document that the attacks are made for.
func attackBase() []byte {
	return pdftest.New(
		pdftest.Object(
			pdftest.FirstFree+1, fmt.Sprintf("<< /T << /X %d 0 R >> >>", pdftest.FirstFree),
		),
		pdftest.PageEntries(1, fmt.Sprintf("/B [%d 0 R]", pdftest.FirstFree+1)),
	)
}

// cutsBack reports whether an attack leaves an earlier state of the document.
func cutsBack(name string) bool {
	return name == "the last revision is cut" || name == "the timestamp is removed"
}

func atoi(s string) (n int) {
	_, _ = fmt.Sscan(s, &n)
	return n
}
