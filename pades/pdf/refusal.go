package pdf

import (
	"errors"
	"fmt"
)

// Refusal is the error for a document that this package does not accept. Any other error is a
// failure of the caller or of the underlying reader.
type Refusal struct {
	Reason Reason
	Detail string // what was found and where; for developers, not for signers
}

func (r *Refusal) Error() string {
	if r.Detail == "" {
		return "pdf: " + string(r.Reason)
	}
	return "pdf: " + string(r.Reason) + ": " + r.Detail
}

// ReasonOf returns the reason when err is, or wraps, a Refusal, and "" otherwise.
func ReasonOf(err error) Reason {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Reason
	}
	return ""
}

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Detail: fmt.Sprintf(format, args...)}
}

// Reason is the reason of a refusal. Its values do not change: logs and the sandbox's answers
// contain them.
type Reason string

// Reasons. Sentence explains each of them.
const (
	NotPDF            Reason = "not-a-pdf"
	LeadingBytes      Reason = "leading-bytes"
	NoEndMarker       Reason = "no-end-marker"
	TrailingData      Reason = "trailing-data"
	BadStartXref      Reason = "bad-startxref"
	BadXref           Reason = "bad-xref"
	XrefLoop          Reason = "xref-loop"
	HybridReference   Reason = "hybrid-reference"
	Encrypted         Reason = "encrypted"
	WrongOffset       Reason = "wrong-offset"
	WrongGeneration   Reason = "wrong-generation"
	BadObject         Reason = "bad-object"
	BadStream         Reason = "bad-stream"
	BadObjectStream   Reason = "bad-object-stream"
	UnsupportedFilter Reason = "unsupported-filter"
	ReferenceLoop     Reason = "reference-loop"
	NoCatalog         Reason = "no-catalog"
	BadPageTree       Reason = "bad-page-tree"
	PageTreeLoop      Reason = "page-tree-loop"
	NoPages           Reason = "no-pages"
	NoMediaBox        Reason = "no-media-box"
	BadRotation       Reason = "bad-rotation"
	BadForm           Reason = "bad-form"
	BadAnnotations    Reason = "bad-annotations"
	DuplicateKey      Reason = "duplicate-key"
	DanglingReference Reason = "dangling-reference"
	DynamicXFA        Reason = "dynamic-xfa"
	Certified         Reason = "certified-no-changes"
	FieldsLocked      Reason = "fields-locked"
	PageOutOfRange    Reason = "page-out-of-range"
	BoxOffPage        Reason = "box-off-page"
	TooManyPages      Reason = "too-many-pages"
	TooManyObjects    Reason = "too-many-objects"
	TooManyRevisions  Reason = "too-many-revisions"
	TooDeep           Reason = "too-deep"
	ObjectTooLarge    Reason = "object-too-large"
	InflatesTooLarge  Reason = "inflates-too-large"
	TooMuchWork       Reason = "too-much-work"
)

// Sentence explains the reason in one sentence for a relying party's developer.
func (r Reason) Sentence() string {
	switch r {
	case NotPDF:
		return "The upload is not a PDF: it does not start with %PDF-."
	case LeadingBytes:
		return "There are bytes before the %PDF- header; remove them, because they move every offset in the file."
	case NoEndMarker:
		return "The file does not end with startxref and %%EOF; it may have been cut off in transfer."
	case TrailingData:
		return "There is data after the last %%EOF about which programs disagree; save the document again."
	case BadStartXref:
		return "The startxref line at the end of the file does not give the position of a cross-reference section."
	case BadXref:
		return "A cross-reference section is damaged; open the document in a PDF editor and save it again."
	case XrefLoop:
		return "The cross-reference sections point at each other in a loop."
	case HybridReference:
		return "The file is a hybrid-reference file (it has /XRefStm), which programs read in two ways; save it as PDF 1.5 or later without compatibility mode."
	case Encrypted:
		return "The document is, or in an earlier revision was, encrypted; remove the protection before you send it."
	case WrongOffset:
		return "A cross-reference entry does not point at the object it names; open the document in a PDF editor and save it again."
	case WrongGeneration:
		return "An object's generation number differs from the one in the cross-reference entry or the reference."
	case BadObject:
		return "An object of the document cannot be parsed, or has another type than the standard requires."
	case BadStream:
		return "The data of a stream cannot be read: its /Length, its keywords or its compression is wrong."
	case BadObjectStream:
		return "An object stream is damaged or does not hold the object that it should."
	case UnsupportedFilter:
		return "A stream that has to be read uses a filter other than FlateDecode."
	case ReferenceLoop:
		return "Indirect references form a loop."
	case NoCatalog:
		return "The trailer has no /Root, or the document catalog is not a dictionary."
	case BadPageTree:
		return "The page tree is damaged: a node is missing, has the wrong type or the wrong /Parent or /Count."
	case PageTreeLoop:
		return "A node of the page tree is used more than once, or is its own ancestor."
	case NoPages:
		return "The document has no pages."
	case NoMediaBox:
		return "A page has no usable MediaBox, so its size is unknown."
	case BadRotation:
		return "A page's /Rotate is not a multiple of 90 degrees."
	case BadForm:
		return "The interactive form is damaged: /AcroForm, /Fields or a field has the wrong type, or fields form a loop."
	case BadAnnotations:
		return "A page's /Annots is not an array of annotations."
	case DuplicateKey:
		return "A dictionary has the same key twice, so programs disagree about its meaning."
	case DanglingReference:
		return "A page, the form or the catalog refers to an object that does not exist and whose number the signature would get."
	case DynamicXFA:
		return "The document is a dynamic XFA form, which has no fixed pages to sign; print it to a PDF first."
	case Certified:
		return "The author's certification (DocMDP) forbids every change, also further signatures."
	case FieldsLocked:
		return "An earlier signature locks form fields in a way that covers new signature fields."
	case PageOutOfRange:
		return "The page number is not a page of the document."
	case BoxOffPage:
		return "The signature box does not fit on the page at the requested position."
	case TooManyPages:
		return "The document has more pages than the service accepts."
	case TooManyObjects:
		return "The document has more objects, or larger object numbers, than the service accepts."
	case TooManyRevisions:
		return "The document has been updated more often than the service accepts; save it again."
	case TooDeep:
		return "Objects, the page tree or the field tree are nested more deeply than the service accepts."
	case ObjectTooLarge:
		return "One object of the document is larger than the service accepts."
	case InflatesTooLarge:
		return "The compressed streams of the document inflate to more than the service accepts."
	case TooMuchWork:
		return "Reading the document takes more work than the service accepts."
	}
	return "The document cannot be used."
}
