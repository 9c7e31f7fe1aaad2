package pades

import (
	"bytes"
	"crypto/rand"
	"flag"
	"fmt"
	"maps"
	mrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// sequences is more for a longer search; the default is a sample. A failure names its seed, which
// TestRandomRevisions/seed=N repeats.
var sequences = flag.Int("sequences", 36, "sequences of revisions that TestRandomRevisions makes")

// cosignBases are the documents that are signed. Those with a form are fillable.
var cosignBases = map[string]struct {
	doc  []byte
	form bool
}{
	"plain":           {pdftest.New(pdftest.Pages(3)), false},
	"object streams":  {pdftest.New(pdftest.ObjectStreams(), pdftest.Pages(2)), false},
	"xref stream":     {pdftest.New(pdftest.XrefStream(), pdftest.Predictor(12)), false},
	"linearized":      {pdftest.New(pdftest.Linearized(), pdftest.Pages(2)), false},
	"rotated":         {pdftest.New(pdftest.Rotate(90), pdftest.Pages(2)), false},
	"inline annots":   {pdftest.New(pdftest.InlineAnnots(), pdftest.Pages(2)), false},
	"shared annots":   {pdftest.New(pdftest.SharedAnnots(), pdftest.Pages(2)), false},
	"tagged":          {pdftest.New(structures["one document, numbers"]...), false},
	"dangling":        {attackBase(), false},
	"form":            {fillable(), true},
	"form, objects":   {fillable(pdftest.ObjectStreams()), true},
	"form, tagged":    {fillable(structures["one document, numbers"]...), true},
	"form, inherited": {fillable(pdftest.Inherited()), true},
}

// signedBy is a signature of a sequence.
type signedBy struct {
	field string     // the first one
	ours  bool       // of a trusted signer
	stamp bool       // a document timestamp
	later ChangeKind // what came after it
}

// sequence is a document to which several programs append revisions.
type sequence struct {
	t           *testing.T
	w, stranger *world
	box         *pdfBoxEditor
	r           *mrand.Rand
	doc         []byte
	form        bool
	rotated     bool
	pages       int
	places      []pdf.Rect  // that are free, as displayed; the same on all pages
	used        map[int]int // places, by page
	signed      []signedBy
	docMDP      int
	locked      bool // the fields of the document
	empty       int  // signature fields that wait
	log         []string
}

func newSequence(
	t *testing.T, w, stranger *world, box *pdfBoxEditor, seed uint64,
) *sequence {
	s := &sequence{
		t: t, w: w, stranger: stranger, box: box, r: mrand.New(mrand.NewPCG(seed, 0)),
		used: make(map[int]int),
	}
	name := pick(s.r, slices.Sorted(maps.Keys(cosignBases)))
	s.doc, s.form = cosignBases[name].doc, cosignBases[name].form
	s.log = append(s.log, name)
	d, err := pdf.Open(bytes.NewReader(s.doc), int64(len(s.doc)), pdf.Limits{})
	must(t, err)
	s.pages = d.NumPages()
	page, err := d.Page(1)
	must(t, err)
	_, height := page.DisplaySize()
	s.rotated = height < 700
	// Below the text and the fields of the page, and on the rotated page beside it.
	for y := 40.0; y+BoxHeight < min(height, 640); y += BoxHeight + 12 {
		for _, x := range []float64{40, 310} {
			s.places = append(s.places, pdf.Rect{X1: x, Y1: y, X2: x + BoxWidth, Y2: y + BoxHeight})
		}
	}
	return s
}

func pick[T any](r *mrand.Rand, list []T) T { return list[r.IntN(len(list))] }

// free returns the number of places that are left.
func (s *sequence) free() int {
	n := s.pages * len(s.places)
	for _, used := range s.used {
		n -= used
	}
	return n
}

// place takes a free place.
func (s *sequence) place() (page int, at pdf.Rect) {
	for page = 1 + s.r.IntN(s.pages); s.used[page] == len(s.places); page = 1 + page%s.pages {
	}
	s.used[page]++
	return page, s.places[s.used[page]-1]
}

// user returns a place in the user space of its page.
func (s *sequence) user(r pdf.Rect) pdf.Rect {
	if !s.rotated {
		return r
	}
	const width = 595
	return pdf.Rect{X1: width - r.Y2, Y1: r.X1, X2: width - r.Y1, Y2: r.X2}
}

// add records a revision: a new signature, if it has a field, and what it is to those before it.
func (s *sequence) add(what string, kind ChangeKind, more ...signedBy) {
	s.log = append(s.log, what)
	for i := range s.signed {
		if kind.rank() > s.signed[i].later.rank() {
			s.signed[i].later = kind
		}
	}
	s.signed = append(s.signed, more...)
}

// steps are the revisions that a sequence may get. They report whether they could be made.
var steps = map[string]func(s *sequence) bool{
	"ours":  (*sequence).sign,
	"ours2": (*sequence).sign,
	"another of ours": func(s *sequence) bool {
		name := fmt.Sprintf("other-%d", len(s.signed))
		page, at := s.place()
		u := s.user(at)
		write := func(d *pdf.Document, up *pdf.Update, sig pdf.Ref) {
			p, err := d.Page(page)
			must(s.t, err)
			widget := up.Alloc()
			_, err = up.Put(widget, fmt.Appendf(
				nil, "<< /Type /Annot /Subtype /Widget /FT /Sig /T (%s) /V %s /P %s /F 132 /Rect [%g %g %g %g] >>",
				name, sig, p.Ref, u.X1, u.Y1, u.X2, u.Y2,
			))
			must(s.t, err)
			must(s.t, up.AddFields(widget))
			must(s.t, up.AddAnnotations(page, widget))
		}
		var entries []pdf.Pair
		if len(s.signed) == 0 && s.r.IntN(2) == 0 {
			s.docMDP = 2 + s.r.IntN(2)
			entries = append(entries, pdf.Pair{Key: "Reference", Value: certify(s.docMDP)})
		}
		by, ours := s.w, true
		if s.r.IntN(2) == 0 {
			by, ours = s.stranger, false
		}
		s.doc = by.embed(s.t, s.doc, prepareOther(s.t, s.doc, write, entries...))
		s.add(
			fmt.Sprintf("another program, trusted %v, P=%d", ours, s.docMDP), ChangeArchive,
			signedBy{field: name, ours: ours},
		)
		return true
	},
	"PDFBox": func(s *sequence) bool {
		kinds := []string{"sign", "show", "draw", "older"}
		if s.empty > 0 {
			kinds = append(kinds, "empty", "empty-draw")
		}
		if len(s.signed) == 0 {
			kinds = append(kinds, "certify")
		}
		kind := pick(s.r, kinds)
		page, at := s.place()
		s.doc = s.box.edit(s.doc, kind, page, s.user(at))
		ours := kind != "older" && s.r.IntN(2) == 0
		if ours {
			s.doc = resigned(s.t, s.doc, s.w)
		}
		switch kind {
		case "certify":
			s.docMDP = 2
		case "empty", "empty-draw":
			s.empty--
		}
		s.add(fmt.Sprintf("PDFBox %s, trusted %v", kind, ours), ChangeArchive, signedBy{ours: ours})
		return true
	},
	"PDFBox writes information": func(s *sequence) bool {
		kind := pick(s.r, []string{"info", "metadata"})
		s.doc = s.box.edit(s.doc, kind, len(s.log), pdf.Rect{})
		s.add("PDFBox "+kind, ChangeArchive)
		return true
	},
	"PDFBox writes all again": func(s *sequence) bool {
		if s.log[0] == "dangling" {
			return false // it makes an object for null
		}
		s.doc = s.box.edit(s.doc, "rewrite", 1, pdf.Rect{})
		s.add("PDFBox rewrite", "")
		return true
	},
	"PDFBox fills in": func(s *sequence) bool {
		if !s.form || s.locked || len(s.signed) > 0 && s.docMDP < 2 {
			return false
		}
		kind := pick(s.r, []string{"fill", "check"})
		if kind == "check" && slices.Contains(s.log, "PDFBox check") {
			return false // it would change nothing
		}
		s.doc = s.box.edit(s.doc, kind, len(s.log), pdf.Rect{})
		s.add("PDFBox "+kind, ChangeFormFilling)
		return true
	},
	"PDFBox annotates": func(s *sequence) bool {
		if len(s.signed) > 0 && s.docMDP < 3 || !s.form { // it wants a form
			return false
		}
		s.doc = s.box.edit(s.doc, "annotate", 1, pdf.Rect{})
		s.add("PDFBox annotate", ChangeAnnotation)
		return true
	},
	"archive": func(s *sequence) bool {
		n := len(s.signed)
		if n == 0 {
			return false
		}
		if last := s.signed[n-1]; last.ours && !last.stamp && last.later == "" &&
			strings.HasSuffix(s.log[len(s.log)-1], "B-T") {
			stamp := s.r.IntN(2) == 0
			s.doc = s.w.extend(s.t, s.doc, stamp)
			if stamp {
				s.add("archive, B-LTA", ChangeArchive, signedBy{ours: true, stamp: true})
			} else {
				s.add("archive, B-LT", ChangeArchive)
			}
			return true
		}
		d, err := pdf.Open(bytes.NewReader(s.doc), int64(len(s.doc)), pdf.Limits{})
		must(s.t, err)
		u := pdf.NewUpdate(d)
		h, err := addStampField(u, d, "Archive", s.w.tsa.TokenSize())
		must(s.t, err)
		must(s.t, u.Finish(rand.Reader))
		p, err := h.close(u, d.Reader(), d.Size(), nil)
		must(s.t, err)
		token, err := s.w.tsa.Timestamp(s.t.Context(), p.Digest[:])
		must(s.t, err)
		update, err := p.fill(token)
		must(s.t, err)
		s.doc = slices.Concat(s.doc, update)
		s.add("a document timestamp", ChangeArchive, signedBy{ours: true, stamp: true})
		return true
	},
	"empty field": func(s *sequence) bool {
		if s.docMDP > 0 {
			return false
		}
		v := newVictim(s.t, s.w, s.doc)
		page, at := s.place()
		p, err := v.d.Page(page)
		must(s.t, err)
		list, err := v.d.Annotations(p)
		must(s.t, err)
		n := 0 // PDFBox's /Size may be too small
		for e := range v.d.Entries {
			n = max(n, e.Ref.Num+1)
		}
		refs := fmt.Sprintf("%d 0 R", n)
		for _, e := range list {
			refs += " " + e.Raw()
		}
		fields := map[int]string{v.root(): v.set(v.root(), pdf.Pair{
			Key: "AcroForm", Value: fmt.Sprintf("<< /Fields [%d 0 R] >>", n),
		})}
		if form, err := v.d.Get(v.d.Catalog(), "AcroForm"); err == nil && form.IsDict() {
			fields = v.fields(n)
		}
		u := s.user(at)
		s.doc = v.update(merged(fields, map[int]string{
			n: fmt.Sprintf(
				"<< /Type /Annot /Subtype /Widget /FT /Sig /T (empty%d) /F 4 /P %s /Rect [%g %g %g %g] >>",
				len(s.log), p.Ref, u.X1, u.Y1, u.X2, u.Y2,
			),
			p.Ref.Num: v.set(p.Ref.Num, pdf.Pair{Key: "Annots", Value: "[" + refs + "]"}),
		}))
		s.empty++
		s.add("an empty field", ChangeArchive)
		return true
	},
}

// sign signs as the service does.
func (s *sequence) sign() bool {
	used := maps.Clone(s.used)
	var locs []Location
	for range 1 + s.r.IntN(4) {
		page, at := s.place()
		w, h := 595.28, 841.89
		if s.rotated {
			w, h = h, w
		}
		locs = append(locs, Location{page, at.X1 / w, at.Y1 / h})
	}
	o := s.w.options(locs...)
	o.FieldName = fmt.Sprintf("signv3-%d", len(s.signed))
	o.Background = s.r.IntN(4) == 0
	o.Certify = s.r.IntN(4) == 0
	first := len(s.signed) == 0
	level := pick(s.r, []string{"B-T", "B-LTA", "B-LTA"})
	if _, err := inspect(s.t, s.doc, locs...); err != nil {
		switch pdf.ReasonOf(err) {
		case BoxCoversPage, SignatureLevel:
			s.used = used
			return false
		}
		s.t.Fatalf("%v: ours: %v", s.log, err)
	}
	s.doc, _ = s.w.signed(s.t, s.doc, o)
	mine := []signedBy{{field: o.FieldName, ours: true}}
	if level == "B-LTA" {
		s.doc = s.w.extend(s.t, s.doc, true)
		mine[0].later = ChangeArchive
		mine = append(mine, signedBy{ours: true, stamp: true})
	}
	if o.Certify && first {
		s.docMDP = 2
	}
	s.locked = true
	s.add(fmt.Sprintf("ours, %d places, certify %v, %s", len(locs), o.Certify && first, level), ChangeArchive, mine...)
	return true
}

// judge compares the verdicts with what was done.
func (s *sequence) judge() {
	s.t.Helper()
	if len(s.signed) == 0 {
		return
	}
	r := s.w.verify(s.t, s.doc)
	if len(r.Problems) > 0 || len(r.Signatures) != len(s.signed) {
		s.t.Fatalf("%v: %d of %d signatures, %v", s.log, len(r.Signatures), len(s.signed), r.Err())
	}
	fields := 0
	for i, want := range s.signed {
		got := r.Signatures[i]
		if !got.Intact() || got.Later() != want.later || got.DocumentTimestamp != want.stamp ||
			want.ours != (got.Err() == nil) || want.field != "" && got.Fields[0] != want.field {
			s.t.Errorf(
				"%v: signature %d, %q: intact %v, later %q, want %q: %v, %v",
				s.log, i+1, got.Fields, got.Intact(), got.Later(), want.later, got.Changes, got.Err(),
			)
		}
		if !got.DocumentTimestamp {
			fields += len(got.Fields)
		}
	}
	path := filepath.Join(s.box.dir, "judged.pdf")
	must(s.t, os.WriteFile(path, s.doc, 0o600))
	out, _ := command("pdfsig", "-nocert", path)
	if valid := strings.Count(out, "Signature is Valid."); valid != fields {
		s.t.Errorf("%v: pdfsig finds %d of %d valid:\n%s", s.log, valid, fields, out)
	}
	if s.t.Failed() {
		s.t.FailNow()
	}
}

// TestRandomRevisions appends revisions by several programs to documents, in random order. After
// each, every signature must be what it was, for pdfsig too, and what came after it is told. Then
// some attacks are made, each of which must be seen.
func TestRandomRevisions(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	w, stranger, box := newWorld(t), newWorld(t), newPDFBoxEditor(t)
	names := slices.Sorted(maps.Keys(steps))
	made := make(map[string]int)
	for seed := range *sequences {
		t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			s := newSequence(t, w, stranger, box, uint64(seed))
			for most := 2 + s.r.IntN(5); len(s.log) <= most && s.free() >= 4; {
				name := pick(s.r, names)
				if steps[name](s) {
					made[name]++
					s.judge()
				}
			}
			if len(s.signed) == 0 && s.sign() {
				s.judge()
			}
			t.Log(s.log)
			for range 4 {
				s.attack()
			}
		})
	}
	t.Log(made)
}
