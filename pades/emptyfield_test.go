package pades

import (
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestEmptySignatureFieldIsAdded adds signature fields without a signature to a signed document, as
// programs do for the next signer, and attacks that look like it.
func TestEmptySignatureFieldIsAdded(t *testing.T) {
	w := newWorld(t)
	const at = "/Rect [300 500 400 540]"
	blank := func(content string) string {
		return pdftest.Stream("/Type /XObject /Subtype /Form /BBox [0 0 100 40]", content)
	}
	lock := func(action string) string {
		return "/Lock << /Type /SigFieldLock /Action /" + action + " /Fields [] >>"
	}
	for name, tc := range map[string]struct {
		sig, lock string // of the first signature
		field     string
		look      string // the object 601
		changed   bool
		hides     bool
	}{
		"invisible":           {field: "/Rect [0 0 0 0]"},
		"visible":             {field: at},
		"an empty look":       {field: at + " /AP << /N 601 0 R >>", look: blank("")},
		"a look without size": {field: at + " /AP << /N 601 0 R >>", look: blank("q Q")},
		"a seed value":        {field: at + " /SV << /Type /SV /Reasons [(ok)] >> /MK << /R 90 >>"},
		"it locks":            {field: at + " " + lock("All")},
		"over the text":       {field: "/Rect [60 720 260 760]", hides: true},
		"an empty look over the text": {
			field: "/Rect [60 720 260 760] /AP << /N 601 0 R >>", look: blank(""),
		},
		"the rest locked": {field: at, lock: lock("Include")},
		"over a field":    {field: "/Rect [60 55 140 65]", hides: true},
		"a missing value": {field: at + " /V 650 0 R"},

		"certified, P=1":    {field: at, sig: certify(1), changed: true},
		"certified, P=2":    {field: at, sig: certify(2), changed: true},
		"certified, P=3":    {field: at, sig: certify(3), changed: true},
		"all locked":        {field: at, lock: lock("All"), changed: true},
		"a look with words": {field: at + " /AP << /N 601 0 R >>", look: blank(fake), changed: true},
		"a white look": {
			field: at + " /AP << /N 601 0 R >>", look: blank("1 g 0 0 100 40 re f"), changed: true,
		},
		"a look that cannot be read": {
			field: at + " /AP << /N 601 0 R >>", look: blank("q (x"), changed: true,
		},
		"a look of the mouse": {
			field: at + " /AP << /N 601 0 R /R 602 0 R >>", look: blank(""), changed: true,
		},
		"states": {
			field: at + " /AP << /N << /A 601 0 R /B 602 0 R >> >>", look: blank(""), changed: true,
		},
		"an older object":    {field: fmt.Sprintf("%s /AP << /N %d 0 R >>", at, logo), changed: true},
		"a background":       {field: at + " /MK << /BG [1 1 1] >>", changed: true},
		"a caption":          {field: at + " /MK << /CA (Void) >>", changed: true},
		"an icon":            {field: at + " /MK << /I 602 0 R >>", changed: true},
		"a frame":            {field: at + " /MK << /BC [0 0 0] >> /BS << /W 30 >>", changed: true},
		"an action":          {field: at + " /A << /S /JavaScript /JS (1) >>", changed: true},
		"most of the page":   {field: "/Rect [0 310 595 842]", changed: true},
		"over the signature": {field: "/Rect [310 310 330 330]", changed: true},
		"the signature's name": {
			field: at + " /T (first)", changed: true,
		},
		"no rectangle":     {field: "/Rect [0 0 (x) 50] /AP << /N 602 0 R >>", changed: true},
		"it does not turn": {field: at + " /F 20", changed: true},
	} {
		t.Run(name, func(t *testing.T) {
			v := newVictim(t, w, w.signedWith(t, former(), "first", tc.sig, tc.lock))
			field := tc.field
			for key, value := range map[string]string{"/T ": "(next)", "/F ": "4"} {
				if !strings.Contains(field, key) {
					field += " " + key + value
				}
			}
			objects := merged(v.fields(600), map[int]string{
				600: fmt.Sprintf(
					"<< /Type /Annot /Subtype /Widget /FT /Sig /P %d 0 R %s >>", pdftest.PageNum(1), field,
				),
				602:                blank(fake),
				pdftest.PageNum(1): v.annots(600),
			})
			if tc.look != "" {
				objects[601] = tc.look
			}
			r := w.verify(t, v.update(objects))
			s := r.Signatures[0]
			if changed := !s.Intact(); changed != tc.changed || len(r.Signatures) != 1 {
				t.Fatalf("changed %v: %v %v", changed, s.Changes, s.Err())
			}
			if !tc.changed && ((r.Err() != nil) != tc.hides || s.Later() != ChangeArchive) {
				t.Errorf("%q: %v", s.Later(), r.Err())
			}
		})
	}
}
