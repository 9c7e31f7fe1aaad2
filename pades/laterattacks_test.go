package pades

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// attack makes one attack, which must be seen.
func (s *sequence) attack() {
	s.t.Helper()
	if len(s.signed) == 0 {
		return
	}
	names := slices.Sorted(maps.Keys(attacks))
	names = append(names, slices.Sorted(maps.Keys(laterAttacks))...)
	for {
		name := pick(s.r, names)
		make, ok := laterAttacks[name]
		if !ok {
			first := s.signed[0]
			switch {
			case cutsBack(name), name == "the certificate is substituted", // it needs a timestamp
				strings.HasPrefix(name, "a needle") && s.log[0] != "dangling",
				name == "the second range is moved (SWA)" && first.field == "",
				name == "the kind is downgraded" && bytes.Contains(s.doc, []byte("adbe.pkcs7.detached")):
				continue
			case strings.HasPrefix(name, "an annotation is added") && s.docMDP == 3:
				continue
			}
			make = func(s *sequence, v *victim) []byte { return attacks[name](v) }
		}
		doc := make(s, newVictim(s.t, s.w, s.doc))
		if doc == nil {
			continue
		}
		r, err := Verify(bytes.NewReader(doc), int64(len(doc)), VerifyOptions{
			Roots: s.w.roots, TSARoots: s.w.roots, Now: s.w.now(), Memo: &s.w.memo,
		})
		if err != nil {
			if pdf.ReasonOf(err) == "" {
				s.t.Errorf("%v, then %s: %v", s.log, name, err)
			}
			return
		}
		broken := func(s *Signature) bool { return !s.Intact() }
		if len(r.Problems) == 0 && len(r.Signatures) > 0 && !slices.ContainsFunc(r.Signatures, broken) {
			s.t.Errorf("%v, then %s: all is intact: %v", s.log, name, r.Err())
		}
		s.t.Log(name)
		return
	}
}

// laterAttacks are further attacks on documents with several revisions. They return nil for a
// document that they are not for.
var laterAttacks = map[string]func(s *sequence, v *victim) []byte{
	"a byte is changed": func(s *sequence, v *victim) []byte {
		first, _, _ := v.sig()
		at := s.r.Int64N(first.byteRange[1])
		doc := bytes.Clone(s.doc)
		doc[at] ^= 1 << s.r.IntN(8)
		return doc
	},
	"an annotation lies over the text": func(s *sequence, v *victim) []byte {
		if s.docMDP == 3 {
			return nil
		}
		kind := pick(s.r, []string{
			"Stamp", "Highlight", "Square", "FreeText", "Ink", "Redact", "Watermark", "Link", "Popup", "Line",
		})
		return v.update(map[int]string{
			needle: fmt.Sprintf(
				"<< /Type /Annot /Subtype /%s /Rect [60 700 300 760] /F 4 /IC [1 1 1] /QuadPoints [60 760 300 760 60 700 300 700] /AP << /N %d 0 R >> >>",
				kind, needle+1,
			),
			needle + 1:         look(cover),
			pdftest.PageNum(1): v.annots(needle),
		})
	},
	"an entry of the page is changed": func(s *sequence, v *victim) []byte {
		e := pick(s.r, []pdf.Pair{
			{Key: "Rotate", Value: "180"},
			{Key: "CropBox", Value: "[0 0 300 300]"},
			{Key: "MediaBox", Value: "[0 0 595 700]"},
			{Key: "UserUnit", Value: "2"},
			{Key: "Contents", Value: "[]"},
			{Key: "AA", Value: "<< /O << /S /Named /N /LastPage >> >>"},
			{Key: "Group", Value: "<< /S /Transparency /K true >>"},
			{Key: "Annots", Value: "[]"},
			{Key: "VP", Value: "[<< /BBox [0 0 9 9] >>]"},
			{Key: "Resources", Value: "<< >>"},
		})
		if e.Key == "Annots" && s.docMDP == 3 {
			return nil
		}
		page := pdftest.PageNum(1)
		doc := v.update(map[int]string{page: v.set(page, e)})
		if e.Key == "Annots" && !strings.Contains(v.raw(page), "/Annots") {
			return nil
		}
		return doc
	},
	"an entry of the catalog is changed": func(s *sequence, v *victim) []byte {
		e := pick(s.r, []pdf.Pair{
			{Key: "OpenAction", Value: "<< /S /URI /URI (https://other.example/) >>"},
			{Key: "Names", Value: "<< /EmbeddedFiles << /Names [] >> >>"},
			{Key: "Collection", Value: "<< /View /H >>"},
			{Key: "AA", Value: "<< /WC << /S /JavaScript /JS (1) >> >>"},
			{Key: "PageLabels", Value: "<< /Nums [0 << /S /r >>] >>"},
			{Key: "Lang", Value: "(xx)"},
			{Key: "Outlines", Value: "<< /Count 0 >>"},
			{Key: "PageMode", Value: "/UseAttachments"},
			{Key: "ViewerPreferences", Value: "<< /HideToolbar true >>"},
			{Key: "URI", Value: "<< /Base (https://other.example/) >>"},
			{Key: "Perms", Value: "<< /UR3 << >> >>"},
			{Key: "Legal", Value: "<< /JavaScriptActions 0 >>"},
			{Key: "NeedsRendering", Value: "true"},
			{Key: "StructTreeRoot", Value: "<< /Type /StructTreeRoot >>"},
			{Key: "OCProperties", Value: "<< /OCGs [] /D << >> >>"},
			{Key: "DSS", Value: "[]"},
			{Key: "Pages", Value: fmt.Sprintf("%d 0 R", needle)},
		})
		objects := map[int]string{v.root(): v.set(v.root(), e)}
		if e.Key == "Pages" {
			objects[needle] = fmt.Sprintf("<< /Type /Pages /Count 1 /Kids [%d 0 R] >>", pdftest.PageNum(1))
		}
		return v.update(objects)
	},
	"a page is replaced": func(s *sequence, v *victim) []byte {
		raw := v.raw(pdftest.PagesNum)
		old := fmt.Sprintf("%d 0 R", pdftest.PageNum(1))
		if !strings.Contains(raw, old) {
			return nil
		}
		return v.update(map[int]string{
			pdftest.PagesNum: strings.Replace(raw, old, fmt.Sprintf("%d 0 R", needle), 1),
			needle:           v.set(pdftest.PageNum(1), pdf.Pair{Key: "Contents", Value: fmt.Sprintf("%d 0 R", needle+1)}),
			needle + 1:       pdftest.Stream("", fake),
		})
	},
	"pages change places": func(s *sequence, v *victim) []byte {
		raw := v.raw(pdftest.PagesNum)
		a, b := fmt.Sprintf("%d 0 R", pdftest.PageNum(1)), fmt.Sprintf("%d 0 R", pdftest.PageNum(2))
		if !strings.Contains(raw, a) || !strings.Contains(raw, b) {
			return nil
		}
		return v.update(map[int]string{pdftest.PagesNum: strings.NewReplacer(a, b, b, a).Replace(raw)})
	},
	"a page is removed": func(s *sequence, v *victim) []byte {
		raw, b := v.raw(pdftest.PagesNum), fmt.Sprintf("%d 0 R", pdftest.PageNum(2))
		if !strings.Contains(raw, b) {
			return nil
		}
		raw = strings.Replace(raw, b, "", 1)
		return v.update(map[int]string{pdftest.PagesNum: strings.Replace(
			raw, fmt.Sprintf("/Count %d", s.pages), fmt.Sprintf("/Count %d", s.pages-1), 1,
		)})
	},
	"the font has another encoding": func(s *sequence, v *victim) []byte {
		return v.update(map[int]string{pdftest.FontNum: v.set(pdftest.FontNum, pdf.Pair{
			Key: "Encoding", Value: "<< /Type /Encoding /Differences [65 /B /A] >>",
		})})
	},
	"a locked field is filled in": func(s *sequence, v *victim) []byte {
		if !s.form || !s.locked && s.docMDP >= 2 {
			return nil
		}
		return s.box.edit(s.doc, "fill", 5000+len(s.log), pdf.Rect{})
	},
	"a locked field is changed without an appearance": func(s *sequence, v *victim) []byte {
		if !s.form {
			return nil
		}
		return v.update(map[int]string{sum: v.set(sum, pdf.Pair{Key: "V", Value: "(7)"})})
	},
	"a later signature is removed": func(s *sequence, v *victim) []byte {
		sigs, err := signatures(v.d)
		must(s.t, err)
		field := sigs[len(sigs)-1].fields[0].Ref.Num
		return v.update(map[int]string{field: v.set(field, pdf.Pair{Key: "V", Value: ""})})
	},
	"a later signature gets another reason": func(s *sequence, v *victim) []byte {
		sigs, err := signatures(v.d)
		must(s.t, err)
		num := sigs[len(sigs)-1].ref.Num
		return v.update(map[int]string{num: v.set(num, pdf.Pair{Key: "Reason", Value: "(I refuse)"})})
	},
	"a widget of a signature is changed": func(s *sequence, v *victim) []byte {
		sigs, err := signatures(v.d)
		must(s.t, err)
		field := pick(s.r, pick(s.r, sigs).fields).Ref.Num
		return v.update(map[int]string{field: v.set(field, pick(s.r, []pdf.Pair{
			{Key: "F", Value: "2"},
			{Key: "T", Value: "(another)"},
			{Key: "Lock", Value: "<< /Type /SigFieldLock /Action /All /X 1 >>"},
			{Key: "MK", Value: "<< /R 180 >>"},
			{Key: "TU", Value: "(another)"},
			{Key: "Rect", Value: "[1 1 2 2]"},
			{Key: "AP", Value: "<< >>"},
			{Key: "A", Value: "<< /S /URI /URI (https://other.example/) >>"},
		}))})
	},
	"a stranger's box covers a signature": func(s *sequence, v *victim) []byte {
		sigs, err := signatures(v.d)
		must(s.t, err)
		for _, sig := range sigs {
			for _, w := range sig.fields[0].Widgets {
				if shownWidget(w) {
					name := fmt.Sprintf("/Rect [%g %g %g %g]", w.Rect.X1+1, w.Rect.Y1+1, w.Rect.X2-1, w.Rect.Y2-1)
					return v.cosign(s.stranger, func(u *pdf.Update, sig pdf.Ref) {
						field := u.Alloc()
						page, err := v.d.Page(w.Page)
						must(s.t, err)
						_, err = u.Put(field, fmt.Appendf(
							nil, "<< /Type /Annot /Subtype /Widget /FT /Sig /T (over) /V %s /P %s %s >>", sig, page.Ref, name,
						))
						must(s.t, err)
						must(s.t, u.AddFields(field))
						must(s.t, u.AddAnnotations(w.Page, field))
					})
				}
			}
		}
		return nil
	},
	"the file is said to be encrypted": func(s *sequence, v *victim) []byte {
		return pdftest.Update(v.doc, pdftest.Revision{Trailer: "/Encrypt << /Filter /Standard /V 1 /R 2 /O () /U () /P 0 >>"})
	},
	"the content is in a new generation": func(s *sequence, v *victim) []byte {
		n := pdftest.ContentNum(1)
		doc := v.update(map[int]string{n: pdftest.Stream("", fake)})
		const head = "\n%d %d obj\n<< /Length %d"
		doc = bytes.Replace(
			doc, fmt.Appendf(nil, head, n, 0, len(fake)), fmt.Appendf(nil, head, n, 1, len(fake)), 1,
		)
		i := bytes.LastIndex(doc, []byte(" 00000 n"))
		copy(doc[i:], " 00001 n")
		return doc
	},
}
