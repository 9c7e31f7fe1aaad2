package pades

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

const (
	honest = "BT /F1 24 Tf 72 600 Td (You owe me nothing) Tj ET"
	// cover paints the whole page white and writes the other text.
	cover = "1 g -999 -999 3000 3000 re f 0 g " + fake
)

// shadowed is a document that the attacker has prepared, and what he does after it was signed.
type shadowed struct {
	objects []pdftest.Option
	sig     string // /Reference of the first signature
	attack  func(v *victim, stranger *world) []byte
	differs string // the program in which page 1 looks different afterwards, if any
}

func (s shadowed) document() []byte {
	content := pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", honest))
	return pdftest.New(append([]pdftest.Option{content}, s.objects...)...)
}

// Objects of the prepared documents.
const (
	prepared = 700 // has two uses
	other    = 701
	needle   = 900 // what the attack adds
)

// shadowPage returns page 1 with further entries, and with resources of the given kind.
func shadowPage(resources, entries string) pdftest.Option {
	return pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
		"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 %d 0 R >> %s >> %s >>",
		pdftest.PagesNum, pdftest.FontNum, resources, entries,
	))
}

// contents is the entry of a page for its content.
var contents = fmt.Sprintf("/Contents %d 0 R", pdftest.ContentNum(1))

func look(data string) string {
	return pdftest.Stream(fmt.Sprintf(
		"/Type /XObject /Subtype /Form /BBox [0 0 595 842] /Resources << /Font << /F1 %d 0 R >> >>",
		pdftest.FontNum,
	), data)
}

// fieldOf returns a form with one field over the whole page.
func fieldOf(entries string) []pdftest.Option {
	return []pdftest.Option{
		pdftest.Catalog(fmt.Sprintf("/AcroForm << /Fields [%d 0 R] >>", prepared)),
		shadowPage("", contents+fmt.Sprintf(" /Annots [%d 0 R]", prepared)),
		pdftest.Object(other, look("")),
		pdftest.Object(prepared, fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /Rect [0 0 595 842] /F 4 /P %d 0 R /T (field) %s >>",
			pdftest.PageNum(1), entries,
		)),
	}
}

// form returns the catalog with another form.
func (v *victim) form(pairs ...pdf.Pair) map[int]string {
	form, err := v.d.Get(v.d.Catalog(), "AcroForm")
	must(v.t, err)
	body, err := pdf.EditDict(form, pairs...)
	must(v.t, err)
	return map[int]string{v.root(): v.set(v.root(), pdf.Pair{Key: "AcroForm", Value: body})}
}

// cosign appends a signature by another world. more writes its fields.
func (v *victim) cosign(by *world, more func(u *pdf.Update, sig pdf.Ref)) []byte {
	v.t.Helper()
	return by.embed(v.t, v.doc, prepareOther(
		v.t, v.doc, func(_ *pdf.Document, u *pdf.Update, sig pdf.Ref) { more(u, sig) },
	))
}

// putLook writes an appearance that covers what is below it.
func (v *victim) putLook(u *pdf.Update, box string) pdf.Ref {
	ref := u.Alloc()
	_, err := u.PutStream(ref, []pdf.Pair{
		{Key: "Type", Value: "/XObject"},
		{Key: "Subtype", Value: "/Form"},
		{Key: "BBox", Value: box},
		{Key: "Resources", Value: fmt.Sprintf("<< /Font << /F1 %d 0 R >> >>", pdftest.FontNum)},
	}, []byte(cover))
	must(v.t, err)
	return ref
}

// boxes adds a signature by a stranger that shows in new fields. Each has the entries and an
// appearance of the page's size.
func boxes(entries ...string) func(v *victim, stranger *world) []byte {
	return func(v *victim, stranger *world) []byte {
		return v.cosign(stranger, func(u *pdf.Update, sig pdf.Ref) {
			for i, e := range entries {
				box := "[0 0 595 842]"
				if _, rect, ok := strings.Cut(e, "/Rect "); ok && len(entries) > 1 {
					box = rect
				}
				ap, field := v.putLook(u, box), u.Alloc()
				_, err := u.Put(field, fmt.Appendf(
					nil,
					"<< /Type /Annot /Subtype /Widget /FT /Sig /T (n%d) /V %s /P %d 0 R /AP << /N %s >> %s >>",
					i, sig, pdftest.PageNum(1), ap, e,
				))
				must(v.t, err)
				must(v.t, u.AddFields(field))
				must(v.t, u.AddAnnotations(1, field))
			}
		})
	}
}

// signEmpty signs the empty field of the document, as a stranger.
func signEmpty(v *victim, stranger *world) []byte {
	return v.cosign(stranger, func(u *pdf.Update, sig pdf.Ref) {
		field := pdf.Ref{Num: prepared}
		ap := v.putLook(u, "[0 0 595 842]")
		must(v.t, u.Set(field, "V", sig.String()))
		must(v.t, u.Set(field, "AP", "<< /N "+ap.String()+" >>"))
	})
}

// objects makes an update of some objects.
func objects(list map[int]string) func(v *victim, _ *world) []byte {
	return func(v *victim, _ *world) []byte { return v.update(list) }
}

// replacePicture gives the form another picture under the name of the old one.
func replacePicture(v *victim, _ *world) []byte {
	return v.update(merged(
		v.form(pdf.Pair{Key: "DR", Value: fmt.Sprintf("<< /XObject << /FRM %d 0 R >> >>", needle)}),
		map[int]string{needle: look(cover)},
	))
}

const hash40 = "0123456789ABCDEF0123456789ABCDEF01234567"

// shadows are attacks on documents that were prepared for them (Mladenov et al., 2021), in most of
// which one object has a use that may change after signing and another that shows.
var shadows = map[string]shadowed{
	"the list of certificates is the list of contents": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS << /Certs %d 0 R >>", prepared)),
			pdftest.Object(prepared, fmt.Sprintf("[%d 0 R]", pdftest.ContentNum(1))),
			shadowPage("", fmt.Sprintf("/Contents %d 0 R", prepared)),
		},
		attack: objects(map[int]string{
			prepared: fmt.Sprintf("[%d 0 R %d 0 R]", pdftest.ContentNum(1), needle),
			needle:   pdftest.Stream("", cover),
		}),
		differs: "pdftoppm",
	},
	"the list of certificates is a list of names": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf(
				"/DSS << /Certs %d 0 R >> /Names << /JavaScript << /Names %d 0 R >> >>",
				prepared, prepared,
			)),
			pdftest.Object(prepared, "[]"),
		},
		attack: objects(map[int]string{
			prepared: fmt.Sprintf("[(a) %d 0 R]", needle),
			needle:   "<< /S /JavaScript /JS (app.alert\\(1\\)) >>",
		}),
	},
	"the store is a dictionary of images": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS %d 0 R", prepared)),
			pdftest.Object(prepared, "<< /Certs [] >>"),
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", honest+" /CRLs Do")),
			shadowPage(fmt.Sprintf("/XObject %d 0 R", prepared), contents),
		},
		attack: objects(map[int]string{
			prepared: fmt.Sprintf("<< /Certs [] /CRLs %d 0 R >>", needle), needle: look(cover),
		}),
		differs: "pdftoppm",
	},
	"the validation information is a dictionary of images": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS << /VRI %d 0 R >>", prepared)),
			pdftest.Object(prepared, "<< >>"),
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", honest+" /"+hash40+" Do")),
			shadowPage(fmt.Sprintf("/XObject %d 0 R", prepared), contents),
		},
		attack: objects(map[int]string{
			prepared: fmt.Sprintf("<< /%s %d 0 R >>", hash40, needle), needle: look(cover),
		}),
		differs: "pdftoppm",
	},
	"the form is a dictionary of fonts": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/AcroForm %d 0 R", prepared)),
			pdftest.Object(prepared, fmt.Sprintf("<< /Fields [] /F1 %d 0 R >>", pdftest.FontNum)),
			pdftest.Object(
				pdftest.ContentNum(1), pdftest.Stream("", strings.Replace(honest, "/F1", "/DR", 1)),
			),
			pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
				"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << /Font %d 0 R >> %s >>",
				pdftest.PagesNum, prepared, contents,
			)),
		},
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{prepared: v.set(prepared, pdf.Pair{
				Key: "DR", Value: "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>",
			})})
		},
		differs: "mutool",
	},
	"the catalog is a dictionary of fonts": {
		objects: []pdftest.Option{
			pdftest.Object(
				pdftest.ContentNum(1),
				pdftest.Stream("", strings.Replace(honest, "/F1", "/Extensions", 1)),
			),
			pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
				"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << /Font %d 0 R >> %s >>",
				pdftest.PagesNum, pdftest.CatalogNum, contents,
			)),
		},
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{v.root(): v.set(v.root(), pdf.Pair{
				Key: "Extensions", Value: "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>",
			})})
		},
		differs: "mutool",
	},
	"the metadata is a script": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf(
				"/Metadata %d 0 R /OpenAction << /S /JavaScript /JS %d 0 R >>", prepared, prepared,
			)),
			pdftest.Object(prepared, pdftest.Stream("/Type /Metadata /Subtype /XML", "//")),
		},
		attack: objects(map[int]string{
			prepared: pdftest.Stream("/Type /Metadata /Subtype /XML", "app.alert(1)"),
		}),
	},
	"the metadata is an XFA form": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf(
				"/Metadata %d 0 R /AcroForm << /Fields [] /XFA %d 0 R >>", prepared, prepared,
			)),
			pdftest.Object(prepared, pdftest.Stream("/Type /Metadata /Subtype /XML", "<x/>")),
		},
		attack: objects(map[int]string{
			prepared: pdftest.Stream("/Type /Metadata /Subtype /XML", "<y/>"),
		}),
	},
	"an object stream is replaced in place": {
		objects: []pdftest.Option{pdftest.ObjectStreams()},
		attack: func(v *victim, _ *world) []byte {
			e := v.d.Lookup(pdftest.FontNum)
			o, err := v.d.Load(pdf.Ref{Num: e.Container})
			must(v.t, err)
			data, err := v.d.Decode(o)
			must(v.t, err)
			return v.update(map[int]string{e.Container: pdftest.Stream(
				fmt.Sprintf(
					"/Type /ObjStm /N %s /First %s", o.Get("N").Raw(), o.Get("First").Raw(),
				),
				strings.Replace(string(data), "/BaseFont /Helvetica", "/BaseFont /Symbol   ", 1),
			)})
		},
		differs: "mutool",
	},
	// What viewers draw for a field of the document.
	"the form's text turns white": {
		objects: fieldOf("/FT /Tx /V (100)"),
		attack: func(v *victim, _ *world) []byte {
			return v.update(v.form(pdf.Pair{Key: "DA", Value: "(/Helv 24 Tf 1 g)"}))
		},
		differs: "mutool",
	},
	"the form's font is another": {
		objects: fieldOf("/FT /Tx /V (abc) /DA (/New 24 Tf 0 g)"),
		attack: func(v *victim, _ *world) []byte {
			return v.update(merged(
				v.form(
					pdf.Pair{
						Key: "DR", Value: fmt.Sprintf("<< /Font << /New %d 0 R >> >>", needle),
					},
				),
				map[int]string{needle: "<< /Type /Font /Subtype /Type1 /BaseFont /Symbol >>"},
			))
		},
	},
	"a picture of the form is replaced that an appearance without resources draws": {
		objects: append(
			fieldOf(fmt.Sprintf("/FT /Btn /Ff 65536 /AP << /N %d 0 R >>", prepared+2))[1:],
			pdftest.Object(prepared+2, pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 595 842]", "/FRM Do")),
			pdftest.Catalog(fmt.Sprintf(
				"/AcroForm << /Fields [%d 0 R] /DR << /XObject << /FRM %d 0 R >> >> >>", prepared, other,
			)),
		),
		attack: replacePicture,
	},
	"a picture of the form is replaced that the page draws": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/AcroForm << /Fields [] /DR << /XObject %d 0 R >> >>", prepared)),
			pdftest.Object(prepared, fmt.Sprintf("<< /FRM %d 0 R >>", other)),
			pdftest.Object(other, look("")),
			pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", honest+" /FRM Do")),
			shadowPage(fmt.Sprintf("/XObject %d 0 R", prepared), contents),
		},
		attack: objects(map[int]string{
			prepared: fmt.Sprintf("<< /FRM %d 0 R >>", needle), needle: look(cover),
		}),
		differs: "pdftoppm",
	},
	// Permissions that are objects of their own, and change later.
	"the certification's parameters are changed": {
		objects: []pdftest.Option{
			pdftest.Object(prepared, "<< /Type /TransformParams /P 1 /V /1.2 >>"),
		},
		sig: fmt.Sprintf("[<< /Type /SigRef /TransformMethod /DocMDP /TransformParams %d 0 R >>]", prepared),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				prepared:           "<< /Type /TransformParams /P 3 /V /1.2 >>",
				needle:             "<< /Type /Annot /Subtype /Text /Rect [10 10 20 20] /Contents (paid) >>",
				pdftest.PageNum(1): v.annots(needle),
			})
		},
	},
	"a second certification allows more": {
		sig: certify(1),
		attack: func(v *victim, stranger *world) []byte {
			doc := stranger.embed(v.t, v.doc, prepareOther(
				v.t, v.doc, putField(v.t, "second", "/Rect [0 0 0 0]"), pdf.Pair{Key: "Reference", Value: certify(3)},
			))
			v = newVictim(v.t, v.w, doc)
			return v.update(map[int]string{
				needle:             "<< /Type /Annot /Subtype /Text /Rect [10 10 20 20] /Contents (paid) >>",
				pdftest.PageNum(1): v.annots(needle),
			})
		},
	},
	"a parent of the fields gets a value": {
		objects: append(fieldOf(fmt.Sprintf("/Parent %d 0 R", other)),
			pdftest.Object(other, fmt.Sprintf("<< /FT /Tx /T (group) /Kids [%d 0 R] >>", prepared))),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{other: v.set(other, pdf.Pair{Key: "V", Value: "(paid)"})})
		},
	},
	"a push button gets another face": {
		objects: fieldOf(fmt.Sprintf("/FT /Btn /Ff 65536 /AP << /N %d 0 R >>", other)),
		sig:     certify(2),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				other:    look(cover),
				prepared: v.set(prepared, pdf.Pair{Key: "MK", Value: "<< /CA (x) >>"}),
			})
		},
		differs: "pdftoppm",
	},
	"a text field shows what is not its value": {
		objects: fieldOf(fmt.Sprintf("/FT /Tx /V () /AP << /N %d 0 R >>", other)),
		sig:     certify(2),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				needle: look(cover),
				prepared: v.set(
					prepared, pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", needle)},
				),
			})
		},
		differs: "pdftoppm",
	},
	"a check box shows what is not its state": {
		objects: fieldOf(fmt.Sprintf(
			"/FT /Btn /V /Off /AS /Off /AP << /N << /Off %d 0 R /On %d 0 R >> >>", other, other,
		)),
		sig: certify(2),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				needle: look(cover),
				prepared: v.set(prepared, pdf.Pair{
					Key:   "AP",
					Value: fmt.Sprintf("<< /N << /Off %d 0 R /On %d 0 R >> >>", needle, other),
				}),
			})
		},
		differs: "pdftoppm",
	},
	"an annotation is a script": {
		sig: certify(3),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				needle:             "<< /Type /Annot /Subtype /Link /Rect [0 0 595 842] /A << /S /JavaScript /JS (1) >> >>",
				pdftest.PageNum(1): v.annots(needle),
			})
		},
	},
	"an annotation has a script for when it is seen": {
		sig: certify(3),
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				needle:             "<< /Type /Annot /Subtype /Square /Rect [0 0 5 8] /AA << /PV << /S /JavaScript /JS (1) >> >> >>",
				pdftest.PageNum(1): v.annots(needle),
			})
		},
	},

	// Boxes of a later signature, which a stranger can make.
	"an empty signature field of the whole page is signed": {
		objects: fieldOf("/FT /Sig"), attack: signEmpty, differs: "pdftoppm",
	},
	"an empty signature field moves when it is signed": {
		objects: append(fieldOf("/FT /Sig"), pdftest.Object(prepared, fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Sig /T (field) /Rect [20 20 60 40] /F 4 /P %d 0 R >>",
			pdftest.PageNum(1),
		))),
		attack: func(v *victim, stranger *world) []byte {
			return v.cosign(stranger, func(u *pdf.Update, sig pdf.Ref) {
				field := pdf.Ref{Num: prepared}
				must(v.t, u.Set(field, "V", sig.String()))
				must(v.t, u.Set(field, "AP", "<< /N "+v.putLook(u, "[0 0 200 60]").String()+" >>"))
				must(v.t, u.Set(field, "Rect", "[60 580 260 640]"))
			})
		},
		differs: "pdftoppm",
	},
	"an annotation becomes another object with another value": {
		objects: []pdftest.Option{shadowPage("", contents+
			" /Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://one.example/) >> >>]")},
		attack: objects(map[int]string{
			pdftest.PageNum(1): fmt.Sprintf(
				"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Resources << /Font << /F1 %d 0 R >> >> %s /Annots [%d 0 R] >>",
				pdftest.PagesNum, pdftest.FontNum, contents, needle,
			),
			needle: "<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] /A << /S /URI /URI (https://other.example/) >> >>",
		}),
	},
	"an empty signature field over the first signature is signed": {
		objects: append(fieldOf("/FT /Sig"), pdftest.Object(prepared, fmt.Sprintf(
			"<< /Type /Annot /Subtype /Widget /FT /Sig /T (field) /Rect [290 290 410 350] /F 4 /P %d 0 R >>",
			pdftest.PageNum(1),
		))),
		attack: signEmpty, differs: "pdftoppm",
	},
	"many boxes cover the page": {
		attack: boxes(
			"/F 4 /Rect [0 345 595 500]", "/F 4 /Rect [0 500 595 650]",
			"/F 4 /Rect [0 650 595 800]",
		),
		differs: "pdftoppm",
	},
	"a box has five numbers": {attack: boxes("/F 4 /Rect [0 0 595 842 1]"), differs: "mutool"},
	"a box has no place":     {attack: boxes("/F 4"), differs: "mutool"},
	"a box has two places": {
		attack:  boxes("/F 4 /Rect [0 0 0 0] /Rect [0 0 595 842]"),
		differs: "mutool",
	},
	"a box does not turn": {
		objects: []pdftest.Option{pdftest.Rotate(90)},
		attack:  boxes("/F 20 /Rect [100 500 300 600]"),
		differs: "pdftoppm",
	},
	"a box does not shrink": {
		attack:  boxes("/F 12 /Rect [100 500 300 600]"),
		differs: "pdftoppm",
	},
	"a box is part of a layer": {
		attack: boxes(fmt.Sprintf("/F 4 /Rect [1 1 9 9] /OC %d 0 R", pdftest.FontNum)),
	},
	"a box reacts to the mouse": {
		attack: boxes("/F 4 /Rect [1 1 9 9] /AA << /E << /S /JavaScript /JS (1) >> >>"),
	},
	"a box covers half the page": {
		attack:  boxes("/F 4 /Rect [0 400 595 842]"),
		differs: "pdftoppm",
	},

	"the revocation data is removed": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS << /Certs [%d 0 R] >>", other)),
			pdftest.Object(other, pdftest.Stream("", "x")),
		},
		attack: func(v *victim, _ *world) []byte {
			return v.update(
				map[int]string{v.root(): v.set(v.root(), pdf.Pair{Key: "DSS", Value: ""})},
			)
		},
	},
	"the revocation data is emptied": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS << /Certs [%d 0 R] >>", other)),
			pdftest.Object(other, pdftest.Stream("", "x")),
		},
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				v.root(): v.set(v.root(), pdf.Pair{Key: "DSS", Value: "<< /Certs [] >>"}),
			})
		},
	},
	"the revocation data is replaced": {
		objects: []pdftest.Option{
			pdftest.Catalog(fmt.Sprintf("/DSS << /Certs [%d 0 R] >>", other)),
			pdftest.Object(other, pdftest.Stream("", "x")),
		},
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				v.root(): v.set(
					v.root(), pdf.Pair{Key: "DSS", Value: fmt.Sprintf("<< /Certs [%d 0 R] >>", needle)},
				),
				needle: pdftest.Stream("", "y"),
			})
		},
	},
	"a length is another object": {
		objects: []pdftest.Option{
			pdftest.Object(pdftest.ContentNum(1), fmt.Sprintf(
				"<< /Length %d 0 R >>\nstream\n%s\nendstream", other, honest+cover,
			)),
			pdftest.Object(other, fmt.Sprint(len(honest+cover))),
		},
		attack: objects(map[int]string{other: fmt.Sprint(len(honest))}),
	},
	"an encoding is another object": {
		objects: []pdftest.Option{
			pdftest.Object(pdftest.FontNum, fmt.Sprintf(
				"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding %d 0 R >>", other,
			)),
			pdftest.Object(other, "<< /Type /Encoding /Differences [65 /A] >>"),
		},
		attack: objects(map[int]string{
			other: "<< /Type /Encoding /Differences [110 /e 111 /v 116 /e] >>",
		}),
		differs: "pdftoppm",
	},
	"a character map is another object": {
		objects: []pdftest.Option{
			pdftest.Object(pdftest.FontNum, fmt.Sprintf(
				"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /ToUnicode %d 0 R >>", other,
			)),
			pdftest.Object(other, pdftest.Stream("", "begincmap endcmap")),
		},
		attack: objects(map[int]string{
			other: pdftest.Stream("", "begincmap 1 beginbfchar <41> <0042> endbfchar endcmap"),
		}),
	},
	"a node of the page tree turns its pages": {
		attack: func(v *victim, _ *world) []byte {
			return v.update(map[int]string{
				pdftest.PagesNum: v.set(pdftest.PagesNum, pdf.Pair{Key: "Rotate", Value: "180"}),
			})
		},
		differs: "pdftoppm",
	},
	"the information is the action of a link": {
		objects: []pdftest.Option{
			shadowPage("", contents+fmt.Sprintf(
				" /Annots [<< /Type /Annot /Subtype /Link /Rect [0 0 99 99] /A %d 0 R >>]", pdftest.InfoNum,
			)),
			pdftest.Object(pdftest.InfoNum, "<< /S /URI /URI (https://one.example/) >>"),
		},
		attack: objects(map[int]string{
			pdftest.InfoNum: "<< /S /URI /URI (https://other.example/) >>",
		}),
	},
	"the information is the page": {
		attack: func(v *victim, _ *world) []byte {
			return pdftest.Update(v.doc, pdftest.Revision{
				Objects: map[int]string{pdftest.PageNum(1): v.set(
					pdftest.PageNum(1), pdf.Pair{Key: "Producer", Value: "(x)"},
					pdf.Pair{Key: "Rotate", Value: "90"},
				)},
				Trailer: fmt.Sprintf("/Info %d 0 R", pdftest.PageNum(1)),
			})
		},
		differs: "pdftoppm",
	},
}

// TestShadows demands that each attack is seen, and that it shows something else in the program
// that it names.
func TestShadows(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	for _, name := range slices.Sorted(maps.Keys(shadows)) {
		s := shadows[name]
		t.Run(name, func(t *testing.T) {
			signed := w.signedWith(t, s.document(), "first", s.sig, "")
			must(t, w.verify(t, signed).Err())
			attacked := s.attack(newVictim(t, w, signed), stranger)
			r := w.verify(t, attacked)
			if i, _ := r.Signatures[0].Indication(); i != TotalFailed || r.Signatures[0].Intact() {
				t.Errorf("%s: %v", i, r.Signatures[0].Changes)
			}
			if s.differs != "" &&
				bytes.Equal(picture(t, s.differs, signed), picture(t, s.differs, attacked)) {
				t.Errorf("%s shows the same", s.differs)
			}
		})
	}
}

// picture draws page 1 with pdftoppm or mutool.
func picture(t *testing.T, by string, doc []byte) []byte {
	t.Helper()
	program(t, "pdftoppm", "poppler-utils")
	program(t, "mutool", "mupdf-tools")
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.pdf"), filepath.Join(dir, "out")
	must(t, os.WriteFile(in, doc, 0o600))
	args := []string{"mutool", "draw", "-q", "-r", "30", "-c", "gray", "-o", out + ".pgm", in, "1"}
	if by == "pdftoppm" {
		args = []string{by, "-r", "30", "-gray", "-singlefile", in, out}
	}
	if text, ok := command(args...); !ok {
		t.Fatalf("%v: %s", args, text)
	}
	image, err := os.ReadFile(out + ".pgm")
	must(t, err)
	return image
}

// TestStatedLength appends bytes until the file has the size that its linearization dictionary
// states. From then on poppler and pdf.js begin with the first revision.
func TestStatedLength(t *testing.T) {
	const size = 100_000
	w := newWorld(t)
	content := pdftest.ContentNum(1)
	doc := pdftest.New(pdftest.Linearized(), pdftest.Object(content, pdftest.Stream("", fake)))
	doc = bytes.Replace(doc, []byte("/L 0000000000"), fmt.Appendf(nil, "/L %010d", size), 1)
	doc = pdftest.Update(
		doc, pdftest.Revision{Objects: map[int]string{content: pdftest.Stream("", honest)}},
	)
	signed := w.signedWith(t, doc, "first", "", "")
	must(t, w.verify(t, signed).Err())
	v := newVictim(t, w, signed)
	padded := func(n int) []byte {
		return v.update(map[int]string{needle: "<< /X (" + strings.Repeat("x", n) + ") >>"})
	}
	attacked := padded(size - len(padded(10_000)) + 10_000)
	if len(attacked) != size {
		t.Fatalf("%d bytes", len(attacked))
	}
	_, err := Verify(bytes.NewReader(attacked), size, VerifyOptions{Now: w.now()})
	if pdf.ReasonOf(err) != pdf.BadStartXref {
		t.Errorf("%v", err)
	}
	if bytes.Equal(picture(t, "pdftoppm", signed), picture(t, "pdftoppm", attacked)) {
		t.Error("pdftoppm shows the same")
	}
}
