package pades

import (
	"fmt"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestStoreIsWrittenAgain replaces the store of a signed document by others. What it has must stay,
// in whichever object.
func TestStoreIsWrittenAgain(t *testing.T) {
	const one, two, three, four = 900, 901, 9002, 9003
	w := newWorld(t)
	signed := w.signedWith(t, pdftest.New(
		pdftest.Catalog(fmt.Sprintf("/DSS << /Certs [%d 0 R] /CRLs [%d 0 R] /VRI << /%s << /OCSP [902 0 R] >> >> >>", one, two, hash40)),
		pdftest.Object(one, pdftest.Stream("", "certificate")),
		pdftest.Object(two, pdftest.Stream("", "list")),
		pdftest.Object(902, pdftest.Stream("", "response")),
	), "first", "", "")
	must(t, w.verify(t, signed).Err())
	v := newVictim(t, w, signed)
	const vri = " /VRI << /" + hash40 + " << /OCSP [902 0 R] >> >> >>"
	for name, tc := range map[string]struct {
		store string
		ok    bool
	}{
		"the same":          {"<< /Certs [900 0 R] /CRLs [901 0 R]" + vri, true},
		"more":              {"<< /Certs [9002 0 R 900 0 R] /CRLs [901 0 R] /OCSPs [9003 0 R]" + vri, true},
		"in another object": {"<< /Certs [9002 0 R 9003 0 R] /CRLs [901 0 R]" + vri, true},
		"without the list":  {"<< /Certs [900 0 R]" + vri, false},
		"an empty list":     {"<< /Certs [900 0 R] /CRLs []" + vri, false},
		"another list":      {"<< /Certs [900 0 R] /CRLs [9003 0 R]" + vri, false},
		"no array":          {"<< /Certs [900 0 R] /CRLs 901 0 R" + vri, false},
		"nothing":           {"<< >>", false},

		"the response for all": {"<< /Certs [900 0 R] /CRLs [901 0 R] /OCSPs [902 0 R] >>", true},
		"no response":          {"<< /Certs [900 0 R] /CRLs [901 0 R] >>", false},
		"none for the signature": {
			"<< /Certs [900 0 R] /CRLs [901 0 R] /VRI << /" + hash40 + " << >> >> >>", false,
		},
		"another for the signature": {
			"<< /Certs [900 0 R] /CRLs [901 0 R] /VRI << /" + hash40 + " << /OCSP [9003 0 R] >> >> >>", false,
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := w.verify(t, v.update(map[int]string{
				v.root(): v.set(v.root(), pdf.Pair{Key: "DSS", Value: tc.store}),
				three:    pdftest.Stream("", "certificate"), four: pdftest.Stream("", "another"),
			})).Signatures[0]
			if (s.Err() == nil) != tc.ok {
				t.Errorf("%v", s.Changes)
			}
		})
	}
}
