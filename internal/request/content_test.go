package request_test

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestRefusedContent uploads documents that could show different things to different people: with
// the default policy, with each kind refused alone, and with none refused.
func TestRefusedContent(t *testing.T) {
	annotation := func(entries string) []byte {
		return pdftest.New(
			pdftest.PageEntries(1, "/Annots [5000 0 R]"),
			pdftest.Object(5000, "<< /Type /Annot /Subtype /Link /Rect [0 0 9 9] "+entries+" >>"),
		)
	}
	docs := map[pades.FindingCode][]byte{
		pades.FindJavaScript: annotation("/A << /S /JavaScript /JS (app.alert(1)) >>"),
		pades.FindLaunch:     annotation("/A << /S /Launch /F (calc.exe) >>"),
		pades.FindOpenAction: pdftest.New(
			pdftest.Catalog("/OpenAction << /S /URI /URI (http://a.example) >>"),
		),
		pades.FindAction:    annotation("/AA << /PO << /S /URI /URI (http://a.example) >> >>"),
		pades.FindRichMedia: annotation("/A << /S /Rendition >>"),
		pades.FindExternalStream: pdftest.New(
			pdftest.Object(5000, pdftest.Stream("/F (elsewhere.bin)", "")),
		),
		pades.FindEmbeddedFile: pdftest.New(
			pdftest.Catalog("/Names << /EmbeddedFiles << /Names [] >> >>"),
		),
		pades.FindPortfolio: pdftest.New(pdftest.Catalog("/Collection << /Type /Collection >>")),
		pades.FindOptionalContent: pdftest.New(
			pdftest.Catalog("/OCProperties << /OCGs [5000 0 R] /D << >> >>"),
			pdftest.Object(5000, "<< /Type /OCG /Name (layer) >>"),
		),
		pades.FindPrintContent: pdftest.New(
			pdftest.Catalog("/OCProperties << /OCGs [5000 0 R] /D << >> >>"),
			pdftest.Object(
				5000, "<< /Type /OCG /Name (layer) /Usage << /Print << /PrintState /OFF >> >> >>",
			),
		),
		pades.FindChanges:       annotation("/A << /S /Hide /T (total) >>"),
		pades.FindSubmit:        annotation("/A << /S /SubmitForm /F (http://a.example) >>"),
		pades.FindReset:         annotation("/A << /S /ResetForm >>"),
		pades.FindOtherDocument: annotation("/A << /S /GoToR /F (other.pdf) /D [0 /Fit] >>"),
		pades.FindOddLink:       annotation("/A << /S /URI /URI (file:///a.exe) >>"),
		pades.FindWebLink:       annotation("/A << /S /URI /URI (http://a.example) >>"),
		pades.FindMenu:          annotation("/A << /S /Named /N /Print >>"),

		pades.FindHidden: annotation("/F 2"),
		pades.FindXFA:    pdftest.New(pdftest.Catalog("/AcroForm << /Fields [] /XFA [] >>")),
		pades.FindEmptySignature: pdftest.New(
			pdftest.IndirectForm(
				pdftest.Field{Name: "sign here", Page: 1, Rect: "[300 600 400 660]"},
			),
		),
	}
	w := newWorld(t)
	docs[pades.FindOverField] = signedForm(t, w)
	upload := func(doc []byte) (string, error) {
		a := request.Application{
			ClientID: shop, DocName: "lease.pdf",
			Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}
		in, err := w.Initiate(t.Context(), a, bytes.NewReader(doc))
		if err != nil {
			return "", err
		}
		return in.RequestID, nil
	}
	for code, doc := range docs {
		refused := slices.Contains(request.DefaultRefusedContent, code)
		warned := slices.Contains(request.DefaultWarnedContent, code)
		allowed := code == pades.FindWebLink || code == pades.FindMenu
		if refused && warned || allowed == (refused || warned) {
			t.Errorf("%s is not either refused, warned of or allowed", code)
		}
		for name, policy := range map[string][]pades.FindingCode{
			"default": request.DefaultRefusedContent, "alone": {code}, "none": nil,
		} {
			w.RefuseContent, w.WarnContent = policy, nil
			if name == "default" {
				w.WarnContent = request.DefaultWarnedContent
			}
			id, err := upload(doc)
			refused := slices.Contains(policy, code)
			var refusal *api.Error
			if errors.As(err, &refusal) != refused ||
				err != nil && !strings.Contains(refusal.Description, string(code)) {
				t.Errorf("%s, %s: %v, want refused %v", code, name, err, refused)
			}
			if err != nil {
				continue
			}
			events, err := w.store.Events(t.Context(), id)
			if err != nil || !strings.Contains(events[0].Detail.Findings, string(code)) {
				t.Errorf("%s, %s: the trail has %v, %v", code, name, events[0].Detail, err)
			}
			r, err := w.Get(t.Context(), id)
			if warned := slices.Equal(r.Warnings, []string{string(code)}); err != nil ||
				warned != slices.Contains(w.WarnContent, code) {
				t.Errorf("%s, %s: the signer is warned of %v, %v", code, name, r.Warnings, err)
			}
		}
	}
}

// signedForm returns a signed document with a form field at the place of TestRefusedContent.
func signedForm(t *testing.T, w *world) []byte {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	form := pdftest.New(pdftest.IndirectForm(
		pdftest.Field{Name: "amount", Page: 1, Rect: "[100 100 200 120]", Type: "Tx"},
	))
	in, err := w.Initiate(t.Context(), request.Application{
		ClientID: shop, DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.6}},
	}, bytes.NewReader(form))
	must(err)
	_, err = w.Open(t.Context(), in.RequestID, alice)
	must(err)
	_, err = w.Proceed(t.Context(), in.RequestID, alice, request.SeenUnasked)
	must(err)
	must(w.approve(t.Context(), in.RequestID, alice))
	must(w.worker.Drain(t.Context()))
	r, err := w.Get(t.Context(), in.RequestID)
	must(err)
	signed, err := w.docs.Open(t.Context(), r.Signed.Key)
	must(err)
	defer signed.Close()
	doc, err := io.ReadAll(io.NewSectionReader(signed, 0, signed.Size()))
	must(err)
	return doc
}

func TestParseContent(t *testing.T) {
	unset := []pades.FindingCode{pades.FindHidden}
	for text, want := range map[string][]pades.FindingCode{
		"": unset, "none": nil, "javascript": {pades.FindJavaScript},
		" launch , xfa": {pades.FindLaunch, pades.FindXFA},
	} {
		if got, err := request.ParseContent(text, unset); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"java", "javascript,", "javascript,none"} {
		if got, err := request.ParseContent(text, unset); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

// TestWarned checks that the trail says of what the signer was warned before a sign session.
func TestWarned(t *testing.T) {
	w := newWorld(t)
	w.WarnContent = request.DefaultWarnedContent
	for want, doc := range map[string][]byte{
		"": pdftest.Minimal(),
		"portfolio, xfa": pdftest.New(
			pdftest.Catalog("/Collection << >> /AcroForm << /Fields [] /XFA [] >>"),
		),
	} {
		a := request.Application{
			ClientID: shop, DocName: "lease.pdf",
			Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}
		in, err := w.Initiate(t.Context(), a, bytes.NewReader(doc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Open(t.Context(), in.RequestID, alice); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Proceed(t.Context(), in.RequestID, alice, request.SeenUnasked); err != nil {
			t.Fatal(err)
		}
		events, err := w.store.Events(t.Context(), in.RequestID)
		if err != nil {
			t.Fatal(err)
		}
		last := events[len(events)-1]
		if got := last.Detail.WarnedOf; last.Kind != request.EventProceeded || got != want {
			t.Errorf("%s: warned of %q, want %q", last.Kind, got, want)
		}
	}
}

// TestContentIsDocumented checks that relying parties read of every kind of content that a refusal
// can name, and of nothing else, in the description of the upload.
func TestContentIsDocumented(t *testing.T) {
	rows := regexp.MustCompile(
		"(?m)^ +\\| `([a-z-]+)` \\| ([^|]+) \\| (refused|the signer is warned|accepted) \\|$",
	).FindAllStringSubmatch(string(api.OpenAPI()), -1)
	documented := map[pades.FindingCode]string{}
	for _, row := range rows {
		code := pades.FindingCode(row[1])
		documented[code] = row[2]
		want := "accepted"
		switch {
		case slices.Contains(request.DefaultRefusedContent, code):
			want = "refused"
		case slices.Contains(request.DefaultWarnedContent, code):
			want = "the signer is warned"
		}
		if row[3] != want {
			t.Errorf("%s: %s, want %s", code, row[3], want)
		}
	}
	if !maps.Equal(documented, request.ContentNames) {
		t.Errorf("documented are %v, want %v", documented, request.ContentNames)
	}
}
