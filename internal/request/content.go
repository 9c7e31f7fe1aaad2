package request

import (
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/pades"
)

// DefaultRefusedContent is content that executes, or changes what is visible, when a document is
// opened, printed or clicked. With it two people could sign and read different things.
var DefaultRefusedContent = []pades.FindingCode{
	pades.FindJavaScript, pades.FindLaunch, pades.FindOpenAction, pades.FindAction,
	pades.FindRichMedia, pades.FindExternalStream, pades.FindPrintContent, pades.FindOverField,
	pades.FindChanges,
}

// DefaultWarnedContent is content that viewers may or may not show, and what a click does without
// changing what others see. Links to web pages and commands of viewers are in neither list: honest
// documents have them, and a warning of everything warns of nothing.
var DefaultWarnedContent = []pades.FindingCode{
	pades.FindEmbeddedFile, pades.FindPortfolio, pades.FindOptionalContent, pades.FindHidden,
	pades.FindXFA, pades.FindEmptySignature, pades.FindCertified,
	pades.FindSubmit, pades.FindReset, pades.FindOtherDocument, pades.FindOddLink,
}

// contentNames describe what a document contains.
var contentNames = map[pades.FindingCode]string{
	pades.FindJavaScript:      "JavaScript",
	pades.FindOpenAction:      "an action that runs when it is opened",
	pades.FindAction:          "actions that run by themselves",
	pades.FindLaunch:          "an action that starts a program",
	pades.FindEmbeddedFile:    "embedded files",
	pades.FindPortfolio:       "a portfolio of files",
	pades.FindRichMedia:       "sound, video or 3D content",
	pades.FindOptionalContent: "layers that can be shown and hidden",
	pades.FindHidden:          "hidden annotations",
	pades.FindXFA:             "an XFA form",
	pades.FindEmptySignature:  "empty signature fields",
	pades.FindCertified:       "an author's certification without an empty signature field at the place",
	pades.FindExternalStream:  "content that is in another file",
	pades.FindOverField:       "a form field below a place of the signature, beside earlier signatures",
	pades.FindPrintContent:    "layers that are not the same on the screen and in print",
	pades.FindChanges:         "an action that changes what is shown when it is clicked",
	pades.FindSubmit:          "an action that sends what is filled in",
	pades.FindReset:           "an action that empties the form",
	pades.FindOtherDocument:   "links that open other documents",
	pades.FindOddLink:         "links that are not to web pages",
	pades.FindWebLink:         "links to web pages",
	pades.FindMenu:            "actions that are commands of the viewer",
}

// ParseContent parses codes of findings, separated by commas. For "none" it returns none, and for
// the empty text unset.
func ParseContent(text string, unset []pades.FindingCode) ([]pades.FindingCode, error) {
	switch text = strings.TrimSpace(text); text {
	case "":
		return unset, nil
	case "none":
		return nil, nil
	}
	var codes []pades.FindingCode
	for name := range strings.SplitSeq(text, ",") {
		code := pades.FindingCode(strings.TrimSpace(name))
		if contentNames[code] == "" {
			return nil, fmt.Errorf("%q is no kind of content", code)
		}
		codes = append(codes, code)
	}
	return codes, nil
}

// warnings returns the findings that the signer is warned of.
func (s *Service) warnings(findings []pades.Finding) (codes []string) {
	for _, f := range findings {
		if slices.Contains(s.WarnContent, f.Code) {
			codes = append(codes, string(f.Code))
		}
	}
	return codes
}

// checkContent refuses a document with content that the policy refuses. The trail records other
// findings.
func (s *Service) checkContent(findings []pades.Finding) error {
	for _, f := range findings {
		if slices.Contains(s.RefuseContent, f.Code) {
			return api.ErrClientSide(fmt.Sprintf(
				"The document contains %s (%s, %s), so that it could show different things to different people",
				contentNames[f.Code], f.Code, f.Where,
			))
		}
	}
	return nil
}

// findingsText formats findings for the trail: "embedded-file, hidden-annotation".
func findingsText(findings []pades.Finding) string {
	var codes []string
	for _, f := range findings {
		codes = append(codes, string(f.Code))
	}
	return strings.Join(codes, ", ")
}
