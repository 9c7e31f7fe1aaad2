package pades

import (
	"slices"
	"strings"

	"github.com/signet-sign/signet/pades/pdf"
)

// actionCodes has the codes of the types of actions (ISO 32000-2, Table 201) that depend on nothing
// else. An action that shows another place of the document (GoTo, GoToDp), or how it comes into
// view (Trans), has no code.
var actionCodes = map[string]FindingCode{
	"JavaScript": FindJavaScript,
	"Launch":     FindLaunch,

	"RichMediaExecute": FindRichMedia,
	"Rendition":        FindRichMedia,
	"Movie":            FindRichMedia,
	"Sound":            FindRichMedia,
	"GoTo3DView":       FindRichMedia,

	"Hide":        FindChanges, // shows and hides annotations
	"SetOCGState": FindChanges, // shows and hides layers
	"ImportData":  FindChanges, // fills fields from a file

	"SubmitForm": FindSubmit,
	"ResetForm":  FindReset,
	"GoToR":      FindOtherDocument,
	"GoToE":      FindOtherDocument,
}

// pageCommands are the named actions that only turn pages; others are commands of a viewer's menu.
var pageCommands = []string{"NextPage", "PrevPage", "FirstPage", "LastPage"}

// linkSchemes are the schemes of links that a browser, a mail program or a telephone opens. A link
// without a scheme is one too: authors leave it out, and viewers add one.
var linkSchemes = []string{"", "http", "https", "mailto", "tel"}

// actionCode returns the code of an action, "" for an action that has none and for all other
// objects.
func (f *finder) actionCode(o pdf.Object) (FindingCode, error) {
	if !o.IsDict() || o.Get("S").IsNull() {
		return "", nil
	}
	s, err := f.entry(o, "S")
	if err != nil {
		return "", err
	}
	if code := actionCodes[s.Name()]; code != "" {
		return code, nil
	}
	switch s.Name() {
	case "URI":
		uri, err := f.entry(o, "URI")
		if err != nil || uri.Kind() != pdf.String {
			return "", err
		}
		return linkCode(uri.Text()), nil
	case "Named":
		name, err := f.entry(o, "N")
		if err != nil || name.Name() == "" || slices.Contains(pageCommands, name.Name()) {
			return "", err
		}
		return FindMenu, nil
	case "Thread": // in another file, if it has one
		file, err := f.entry(o, "F")
		if err != nil || file.IsNull() {
			return "", err
		}
		return FindOtherDocument, nil
	}
	return "", nil
}

// linkCode returns the code of a link. A browser leaves out white space and control characters, and
// what it does with a link that is no URI is not known.
func linkCode(uri string) FindingCode {
	uri = strings.Map(func(r rune) rune {
		if r <= ' ' || r == 0x7f {
			return -1
		}
		return r
	}, uri)
	scheme, _, found := strings.Cut(uri, ":")
	switch {
	case strings.HasPrefix(strings.ReplaceAll(uri, `\`, "/"), "//"):
		return FindOddLink // \\server\share
	case !found || strings.ContainsAny(scheme, "/?#."):
		return FindWebLink // the colon is in a path, or before a port
	case !slices.Contains(linkSchemes, strings.ToLower(scheme)):
		return FindOddLink
	}
	return FindWebLink
}

// entry is an entry of a dictionary, null if it is broken.
func (f *finder) entry(o pdf.Object, key string) (pdf.Object, error) {
	v, err := f.doc.Get(o, key)
	if err != nil {
		_, fatal := unreadable(err)
		return pdf.Object{}, fatal
	}
	return v, nil
}

// additional returns FindAction for a dictionary with additional actions, as those of fields. /AA
// may also be the name of a resource, so that one of its entries has to be an action.
func (f *finder) additional(o pdf.Object) (FindingCode, error) {
	if !o.IsDict() || o.Get("AA").IsNull() {
		return "", nil
	}
	aa, err := f.entry(o, "AA")
	if err != nil || !aa.IsDict() {
		return "", err
	}
	for key := range aa.Entries() {
		action, err := f.entry(aa, key)
		if err != nil {
			return "", err
		}
		if code, err := f.actionCode(action); code != "" || err != nil {
			return FindAction, err
		}
	}
	return "", nil
}

// maxActions bounds the actions that run one after another. A document with more has an action.
const maxActions = 100

// action looks at an action and at those that follow it.
func (f *finder) action(a pdf.Object, where string) error {
	next := []pdf.Object{a}
	for n := 0; len(next) > 0; n++ {
		if n == maxActions {
			f.add(FindAction, where)
			return nil
		}
		a, err := f.doc.Resolve(next[0])
		if err != nil {
			return err
		}
		next = append(next[1:], a.Elements()...)
		if !a.IsDict() {
			continue
		}
		code, err := f.actionCode(a)
		if err != nil {
			return err
		}
		if code != "" {
			f.add(code, where)
		}
		following, err := f.doc.Get(a, "Next")
		if err != nil {
			return err
		}
		next = append(next, following)
	}
	return nil
}
