package pades

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestArlington holds every object that signing writes against the Arlington PDF model of the PDF
// Association: no key that the model does not know, no required key absent, each value of a type
// that it allows, direct or indirect as it says. Conditions (fn:…) beyond these are not evaluated.
//
// The model is not part of this repository. ARLINGTON names its folder tsv/latest.
func TestArlington(t *testing.T) {
	folder := os.Getenv("ARLINGTON")
	if folder == "" {
		t.Skip("ARLINGTON does not name the folder tsv/latest of the Arlington PDF model")
	}
	w := newWorld(t)
	tagged := []pdftest.Option{
		pdftest.Catalog("/MarkInfo << /Marked true >> /Lang (en) /StructTreeRoot 5000 0 R"),
		pdftest.Object(5000, "<< /Type /StructTreeRoot /K 5001 0 R /ParentTree << /Nums [] >> >>"),
		pdftest.Object(5001, "<< /Type /StructElem /S /Document /P 5000 0 R >>"),
		pdftest.IndirectForm(
			pdftest.Field{Name: "amount", Page: 1, Rect: "[300 700 400 720]", Type: "Tx"},
		),
	}
	for name, doc := range map[string][]byte{"plain": pdftest.Minimal(), "tagged, with a form": pdftest.New(tagged...)} {
		t.Run(name, func(t *testing.T) {
			o := w.options(Location{1, 0.1, 0.1}, Location{1, 0.1, 0.5})
			o.SignerName, o.Background, o.Certify = "陈大文 TAN", true, true
			out, _ := w.extended(t, doc, o, true)
			d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
			must(t, err)
			m := &arlington{t, folder, d, make(map[string]map[string]arlingtonKey)}
			m.check(d.Catalog(), "Catalog")
			m.check(m.get(d.Catalog(), "AcroForm"), "InteractiveForm")
			m.check(m.get(d.Catalog(), "Extensions"), "Extensions")
			m.check(m.get(d.Catalog(), "Extensions", "ESIC"), "DevExtensions")
			m.check(m.get(d.Catalog(), "Perms"), "Permissions")
			dss := m.get(d.Catalog(), "DSS")
			m.check(dss, "DSS")
			for _, entry := range m.get(dss, "VRI").Entries() {
				m.check(m.resolve(entry), "VRI")
			}
			fields, err := d.SignatureFields()
			must(t, err)
			for _, f := range fields {
				m.field(f)
			}
			for e := range d.Entries {
				if object, err := d.Load(e.Ref); err == nil &&
					object.Get("Type").Name() == "StructElem" &&
					object.Get("S").Name() == "Form" {
					m.check(object, "StructElem")
				}
			}
		})
	}
}

// arlington is the model and a document that is held against it.
type arlington struct {
	t      *testing.T
	folder string
	d      *pdf.Document
	models map[string]map[string]arlingtonKey
}

// arlingtonKey is a line of a model: what a key of the object may be.
type arlingtonKey struct{ types, required, indirect string }

func (m *arlington) resolve(o pdf.Object) pdf.Object {
	o, err := m.d.Resolve(o)
	must(m.t, err)
	return o
}

func (m *arlington) get(o pdf.Object, path ...string) pdf.Object {
	o, err := m.d.Get(o, path...)
	must(m.t, err)
	return o
}

// field checks a signature field and all that hangs on it.
func (m *arlington) field(f pdf.SignatureField) {
	field, err := m.d.Load(f.Ref)
	must(m.t, err)
	m.check(field, "FieldSig", "AnnotWidget")
	sig := m.resolve(f.Value)
	if sig.Get("Type").Name() == typeDocStamp {
		m.check(sig, "DocTimeStamp")
		return
	}
	m.check(sig, "Signature")
	m.check(m.get(sig, "Prop_Build"), "SignatureBuildPropDict")
	m.check(m.get(sig, "Prop_Build", "App"), "SignatureBuildDataAppDict")
	for _, reference := range m.get(sig, "Reference").Elements() {
		reference = m.resolve(reference)
		m.check(reference, "SignatureReference"+reference.Get("TransformMethod").Name())
	}
	if lock := m.get(field, "Lock"); !lock.IsNull() {
		m.check(lock, "SigFieldLock")
	}
	form := m.get(field, "AP", "N")
	m.check(form, "XObjectFormType1")
	resources := m.get(form, "Resources")
	m.check(resources, "Resource")
	m.check(m.get(resources, "ExtGState", "V"), "GraphicsStateParameter")
	m.check(m.resolve(m.get(resources, "ColorSpace", "C").Elements()[1]), "ICCProfileStream")
	for _, entry := range m.get(resources, "Font").Entries() {
		font := m.resolve(entry)
		m.check(font, "FontType0")
		descendant := m.resolve(m.get(font, "DescendantFonts").Elements()[0])
		m.check(descendant, "FontCIDType2")
		m.check(m.get(descendant, "FontDescriptor"), "FontDescriptorCIDType2")
		m.check(m.get(descendant, "FontDescriptor", "FontFile2"), "FontFile2")
	}
}

// check holds an object against models: a merged field and widget has two.
func (m *arlington) check(o pdf.Object, models ...string) {
	m.t.Helper()
	if !o.IsDict() && o.Kind() != pdf.Stream {
		m.t.Errorf("%v: there is none", models)
		return
	}
	for key, value := range o.Entries() {
		known := false
		for _, name := range models {
			line, ok := m.model(name)[key]
			if !ok {
				line, ok = m.model(name)["*"]
			}
			if !ok {
				continue
			}
			known = true
			if !m.allowed(value, line) {
				m.t.Errorf(
					"%v: /%s %.60s is not %s, %s", models, key, value.Raw(), line.types,
					line.indirect,
				)
			}
		}
		if !known {
			m.t.Errorf("%v: /%s is not known", models, key)
		}
	}
	for _, name := range models {
		for key, line := range m.model(name) {
			if line.required == "TRUE" && key != "*" && o.Get(key).IsNull() {
				m.t.Errorf("%s: /%s is absent", name, key)
			}
		}
	}
}

func (m *arlington) allowed(value pdf.Object, line arlingtonKey) bool {
	_, indirect := value.Ref()
	if line.indirect == "TRUE" && !indirect || line.indirect == "fn:MustBeDirect()" && indirect {
		return false
	}
	kinds := map[pdf.Kind][]string{
		pdf.Null: {"null"}, pdf.Boolean: {"boolean"}, pdf.Integer: {"integer", "number", "bitmask"},
		pdf.Real: {"number"}, pdf.Name: {"name"}, pdf.Stream: {"stream"},
		pdf.String:     {"string", "string-ascii", "string-byte", "string-text", "date"},
		pdf.Array:      {"array", "rectangle", "matrix"},
		pdf.Dictionary: {"dictionary", "name-tree", "number-tree"},
	}[m.resolve(value).Kind()]
	return slices.ContainsFunc(strings.Split(line.types, ";"), func(kind string) bool {
		if _, inner, ok := strings.Cut(kind, ","); ok { // fn:SinceVersion(1.5,array)
			kind = strings.TrimSuffix(inner, ")")
		}
		return slices.Contains(kinds, kind)
	})
}

// model reads the lines of a model.
func (m *arlington) model(name string) map[string]arlingtonKey {
	if m.models[name] != nil {
		return m.models[name]
	}
	data, err := os.ReadFile(filepath.Join(m.folder, name+".tsv"))
	must(m.t, err)
	keys := make(map[string]arlingtonKey)
	for line := range strings.Lines(string(data)) {
		if f := strings.Split(line, "\t"); len(f) > 5 && f[0] != "Key" {
			keys[f[0]] = arlingtonKey{f[1], f[4], f[5]}
		}
	}
	m.models[name] = keys
	return keys
}
