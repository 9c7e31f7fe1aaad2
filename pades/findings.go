package pades

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/signet-sign/signet/pades/pdf"
)

// FindingCode is a kind of content with which a signed document can look different to different
// readers.
type FindingCode string

// Codes of findings.
const (
	FindJavaScript      FindingCode = "javascript"
	FindOpenAction      FindingCode = "open-action"
	FindAction          FindingCode = "additional-action"
	FindLaunch          FindingCode = "launch"
	FindEmbeddedFile    FindingCode = "embedded-file"
	FindPortfolio       FindingCode = "portfolio"
	FindRichMedia       FindingCode = "rich-media"
	FindOptionalContent FindingCode = "optional-content"
	FindHidden          FindingCode = "hidden-annotation"
	FindXFA             FindingCode = "xfa"
	FindEmptySignature  FindingCode = "empty-signature-field"
	FindExternalStream  FindingCode = "external-stream"
	// FindCertified: the author's certification allows to sign, and a place has no empty signature
	// field. Readers disagree whether a new field is allowed.
	FindCertified FindingCode = "certified-new-field"
	// FindOverField: a place of the signature covers a form field of a document that has
	// signatures. The box changes what the earlier signers saw, and another value of the field
	// changes what is seen at the place.
	FindOverField FindingCode = "box-over-field"
	// optional content that is not the same on the screen and in print
	FindPrintContent FindingCode = "differs-in-print"

	// What a click, a bookmark or another action does; see actionCode.
	FindChanges       FindingCode = "changes-on-click"
	FindSubmit        FindingCode = "submit-form"
	FindReset         FindingCode = "reset-form"
	FindOtherDocument FindingCode = "other-document"
	FindOddLink       FindingCode = "unusual-link" // of another scheme than FindWebLink
	FindWebLink       FindingCode = "web-link"     // to the web, or to an address or number
	FindMenu          FindingCode = "menu-command"
)

// Finding is such content. The caller's policy decides whether it is shown to the signer or
// refused.
type Finding struct {
	Code  FindingCode `json:"code"`
	Where string      `json:"where"` // the first place, for messages
	Count int         `json:"count"`
}

// finder collects findings.
type finder struct {
	doc     *pdf.Document
	list    []Finding
	damaged map[int]*pdf.Refusal // by the number of the object
}

func (f *finder) add(code FindingCode, where string) {
	for i := range f.list {
		if f.list[i].Code == code {
			f.list[i].Count++
			return
		}
	}
	f.list = append(f.list, Finding{code, where, 1})
}

func findings(ctx context.Context, d *pdf.Document, locs []Location) ([]Finding, error) {
	f := &finder{doc: d, damaged: make(map[int]*pdf.Refusal)}
	if err := f.catalog(); err != nil {
		return nil, err
	}
	for number := 1; number <= d.NumPages(); number++ {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := f.page(number); err != nil {
			return nil, err
		}
	}
	fields, err := d.SignatureFields()
	if err != nil {
		return nil, err
	}
	for _, s := range fields {
		if !s.Signed() {
			f.add(FindEmptySignature, fmt.Sprintf("field %q", s.Name))
		}
	}
	places, err := place(d, locs)
	if err != nil {
		return nil, err
	}
	if err := fillEmpty(d, places); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(fields, pdf.SignatureField.Signed) {
		if err := f.coveredFields(places); err != nil {
			return nil, err
		}
	}
	permissions, err := d.Permissions()
	if err != nil {
		return nil, err
	}
	for i, p := range places {
		if permissions.DocMDP > 1 && p.field == nil {
			f.add(FindCertified, fmt.Sprintf("sign_locations[%d]", i))
		}
	}
	return f.list, f.objects(ctx, locs)
}

// coveredFields looks for form fields that are no signature fields below the new boxes.
func (f *finder) coveredFields(places []placed) error {
	fields, err := f.doc.FormFields()
	if err != nil {
		return err
	}
	var refs []pdf.Ref
	for _, field := range fields {
		if field.Type != "Sig" {
			refs = append(refs, field.Widgets...)
		}
	}
	widgets, err := f.doc.Locate(refs)
	if err != nil {
		return err
	}
	for i, p := range places {
		for _, w := range widgets {
			if p.field == nil && shownWidget(w) && w.Page == p.page.Number &&
				overlap(w.Display, p.display) {
				f.add(FindOverField, fmt.Sprintf("sign_locations[%d]", i))
			}
		}
	}
	return nil
}

// objects looks at every object, also at those that nothing refers to yet, for
// four things. Damage, see load. A stream whose data is in another file (ISO 32000-2, Table 5, /F)
// shows what is not signed. A reference to an object that does not exist,
// under a number that signing would take, would make something of ours appear
// where there was nothing; that is refused. And actions, see reachable.
func (f *finder) objects(ctx context.Context, locs []Location) error {
	u := pdf.NewUpdate(f.doc)
	if err := spare(u, f.doc, locs...); err != nil {
		return err
	}
	first := u.Alloc().Num
	actions := make(map[int][]FindingCode) // by the number of the object
	for e := range f.doc.Entries {
		if e.Kind == pdf.Free {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		o, ok, err := f.load(e.Ref)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if o.Kind() == pdf.Stream && !o.Get("F").IsNull() {
			f.add(FindExternalStream, fmt.Sprintf("object %d", e.Ref.Num))
		}
		dangling := 0
		for o := range values(o) {
			r, ok := o.Ref()
			if ok && r.Num >= first && r.Num < first+spareObjects && !u.Spares(r.Num) {
				dangling = r.Num
			}
			code, err := f.actionCode(o)
			if err == nil && code == "" {
				code, err = f.additional(o)
			}
			if err != nil {
				return err
			}
			if code != "" && !slices.Contains(actions[e.Ref.Num], code) {
				actions[e.Ref.Num] = append(actions[e.Ref.Num], code)
			}
		}
		if dangling > 0 {
			return &pdf.Refusal{Reason: pdf.DanglingReference, Detail: fmt.Sprintf(
				"object %d refers to object %d, which does not exist and whose number signing would use",
				e.Ref.Num,
				dangling,
			)}
		}
	}
	if err := f.reachable(actions); err != nil {
		return err
	}
	return f.damage()
}

// values yields an object and all that is directly in it.
func values(o pdf.Object) iter.Seq[pdf.Object] {
	return func(yield func(pdf.Object) bool) {
		stack := []pdf.Object{o}
		for len(stack) > 0 {
			o := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if !yield(o) {
				return
			}
			stack = append(stack, o.Elements()...)
			for _, e := range o.Entries() {
				stack = append(stack, e)
			}
		}
	}
}

// reachable adds the actions of objects that the document uses, if there are none of their kind
// yet. They may hang anywhere: at bookmarks, at fields, behind other actions.
func (f *finder) reachable(actions map[int][]FindingCode) error {
	have := func(code FindingCode) bool {
		return slices.ContainsFunc(f.list, func(found Finding) bool { return found.Code == code })
	}
	for num, codes := range actions {
		if actions[num] = slices.DeleteFunc(codes, have); len(actions[num]) == 0 {
			delete(actions, num)
		}
	}
	if len(actions) == 0 {
		return nil
	}
	return walk(f.doc, f.doc.Trailer(), make(map[int]bool), func(r pdf.Ref) bool {
		for _, code := range actions[r.Num] {
			f.add(code, fmt.Sprintf("object %d", r.Num))
		}
		delete(actions, r.Num)
		return len(actions) > 0
	})
}

// load loads an object. It records it as damaged if readers have to guess its value, because they
// guess differently and show different contents.
func (f *finder) load(ref pdf.Ref) (o pdf.Object, ok bool, err error) {
	if o, err = f.doc.Load(ref); err != nil {
		skip, fatal := unreadable(err)
		return o, !skip, f.note(ref, err, fatal)
	}
	if key, twice := o.AmbiguousKey(); twice {
		f.damaged[ref.Num] = &pdf.Refusal{Reason: pdf.DuplicateKey, Detail: "/" + key}
	}
	if o.Kind() == pdf.Stream {
		if _, err := f.doc.RawStream(o); err != nil {
			_, fatal := unreadable(err)
			return o, true, f.note(ref, err, fatal)
		}
	}
	return o, true, nil
}

// note records an error that means damage, and returns a fatal one.
func (f *finder) note(ref pdf.Ref, err, fatal error) error {
	var r *pdf.Refusal
	if fatal == nil && errors.As(err, &r) {
		switch r.Reason {
		case pdf.BadObject, pdf.BadStream, pdf.BadObjectStream, pdf.ReferenceLoop:
			f.damaged[ref.Num] = r
		}
	}
	return fatal
}

// damage refuses a damaged object that the document uses. It ignores objects without references,
// which are not displayed.
func (f *finder) damage() error {
	if len(f.damaged) == 0 {
		return nil
	}
	num := 0
	err := walk(f.doc, f.doc.Trailer(), make(map[int]bool), func(r pdf.Ref) bool {
		if f.damaged[r.Num] != nil {
			num = r.Num
		}
		return num == 0
	})
	if err != nil || num == 0 {
		return err
	}
	why := f.damaged[num]
	return &pdf.Refusal{
		Reason: why.Reason,
		Detail: fmt.Sprintf("object %d, which the document uses: %s", num, why.Detail),
	}
}

// unreadable classifies errors of loading an object of a file. An error of a broken object is
// skipped, because signing does not change the object. An error of a limit or of the reader is
// fatal.
func unreadable(err error) (skip bool, fatal error) {
	switch pdf.ReasonOf(err) {
	case pdf.TooMuchWork, pdf.InflatesTooLarge:
		return false, err
	case "":
		return false, err
	}
	return true, nil
}

func (f *finder) catalog() error {
	const where = "document catalog"
	root := f.doc.Catalog()
	for _, c := range []struct {
		code FindingCode
		path []string
	}{
		{FindAction, []string{"AA"}},
		{FindJavaScript, []string{"Names", "JavaScript"}},
		{FindEmbeddedFile, []string{"Names", "EmbeddedFiles"}},
		{FindPortfolio, []string{"Collection"}},
		{FindXFA, []string{"AcroForm", "XFA"}},
	} {
		o, err := f.doc.Get(root, c.path...)
		if err != nil {
			return err
		}
		if !o.IsNull() {
			f.add(c.code, where)
		}
	}
	if err := f.optionalContent(root, where); err != nil {
		return err
	}
	open, err := f.doc.Get(root, "OpenAction")
	if err != nil {
		return err
	}
	if open.IsDict() { // an array is only a destination
		s, err := f.doc.Get(open, "S")
		if err != nil {
			return err
		}
		if s.Name() != "GoTo" || !open.Get("Next").IsNull() {
			f.add(FindOpenAction, where)
		}
		return f.action(open, where)
	}
	return nil
}

// optionalContent looks for layers (ISO 32000-2, 8.11) that differ between screen and print. A
// viewer may apply the usage of a group even if the configuration does not say so, so every group
// with different usages counts.
func (f *finder) optionalContent(root pdf.Object, where string) error {
	groups, err := f.doc.Get(root, "OCProperties", "OCGs")
	if err != nil {
		return err
	}
	base, err := f.doc.Get(root, "OCProperties", "D", "BaseState")
	if err != nil {
		return err
	}
	off, err := f.doc.Get(root, "OCProperties", "D", "OFF")
	if err != nil {
		return err
	}
	on, err := f.doc.Get(root, "OCProperties", "D", "ON")
	if err != nil {
		return err
	}
	for _, group := range groups.Elements() {
		ref, _ := group.Ref()
		in := func(list pdf.Object) bool {
			return slices.ContainsFunc(list.Elements(), func(o pdf.Object) bool {
				r, ok := o.Ref()
				return ok && r == ref
			})
		}
		initial := "ON"
		if in(off) || base.Name() == "OFF" && !in(on) {
			initial = "OFF"
		}
		group, err := f.doc.Resolve(group)
		if err != nil {
			return err
		}
		view, err := f.doc.Get(group, "Usage", "View", "ViewState")
		if err != nil {
			return err
		}
		print, err := f.doc.Get(group, "Usage", "Print", "PrintState")
		if err != nil {
			return err
		}
		code := FindOptionalContent
		if cmp.Or(view.Name(), initial) != cmp.Or(print.Name(), initial) {
			code = FindPrintContent
		}
		f.add(code, where)
	}
	return nil
}

func (f *finder) page(number int) error {
	page, err := f.doc.Page(number)
	if err != nil {
		return err
	}
	where := fmt.Sprintf("page %d", number)
	dict, err := f.doc.Load(page.Ref)
	if err != nil {
		return err
	}
	if aa, err := f.doc.Get(dict, "AA"); err != nil {
		return err
	} else if !aa.IsNull() {
		f.add(FindAction, where)
	}
	annots, err := f.doc.Annotations(page)
	if err != nil {
		return err
	}
	for _, a := range annots {
		if err := f.annotation(a, where); err != nil {
			return err
		}
	}
	return nil
}

func (f *finder) annotation(a pdf.Object, where string) error {
	a, err := f.doc.Resolve(a)
	if err != nil || !a.IsDict() {
		return err
	}
	subtype, err := f.doc.Get(a, "Subtype")
	if err != nil {
		return err
	}
	switch subtype.Name() {
	case "RichMedia", "Screen", "3D", "Movie", "Sound":
		f.add(FindRichMedia, where)
	case "FileAttachment":
		f.add(FindEmbeddedFile, where)
	}
	flags, err := f.doc.Get(a, "F")
	if err != nil {
		return err
	}
	if v, _ := flags.Int(); v&(flagHidden|flagNoView) != 0 && subtype.Name() != "Popup" {
		f.add(FindHidden, where)
	}
	if aa, err := f.doc.Get(a, "AA"); err != nil {
		return err
	} else if !aa.IsNull() {
		f.add(FindAction, where)
	}
	action, err := f.doc.Get(a, "A")
	if err != nil {
		return err
	}
	return f.action(action, where)
}
