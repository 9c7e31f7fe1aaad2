package httpx

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
)

func TestFileName(t *testing.T) {
	for in, want := range map[string]string{
		"Agreement.pdf":                     "Agreement.pdf",
		"Agreement":                         "Agreement.pdf",
		"Agreement.PDF":                     "Agreement.pdf",
		"Agreement v1.2":                    "Agreement v1.2.pdf",
		"合同.pdf":                            "合同.pdf",
		"Lease 12/2026.pdf":                 "Lease 12_2026.pdf",
		"../../etc/passwd":                  "_.._etc_passwd.pdf",
		`C:\Windows\a.pdf`:                  "C__Windows_a.pdf",
		".hidden":                           "hidden.pdf",
		"...":                               "document.pdf",
		".pdf":                              "pdf.pdf",
		" .pdf .pdf":                        "pdf.pdf",
		"":                                  "document.pdf",
		"name. . .pdf":                      "name.pdf",
		"a\u3000b":                          "a b.pdf",
		"a\u202eb":                          "a_b.pdf",
		"a\r\nX: y":                         "a__X_ y.pdf",
		`a";filename*=b`:                    "a__filename_=b.pdf",
		"a\xffb":                            "a_b.pdf",
		"a\ufffdb":                          "a_b.pdf",
		"CON":                               "_CON.pdf",
		"con.pdf":                           "_con.pdf",
		"nul.txt":                           "_nul.txt.pdf",
		"Com1":                              "_Com1.pdf",
		"lpt\u00b9":                         "_lpt\u00b9.pdf",
		"COM10":                             "COM10.pdf",
		"COMb":                              "COMb.pdf",
		"console":                           "console.pdf",
		strings.Repeat("a", 300):            strings.Repeat("a", 251) + ".pdf",
		strings.Repeat("字", 85):             strings.Repeat("字", 83) + ".pdf",
		"con." + strings.Repeat("a", 300):   "_con." + strings.Repeat("a", 246) + ".pdf",
		strings.Repeat("a", 250) + ". .pdf": strings.Repeat("a", 250) + ".pdf",
	} {
		if got := fileName(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzFileName checks what makes a file name safe, on names that were never checked for display.
func FuzzFileName(f *testing.F) {
	for _, seed := range []string{
		"a.pdf", "../x", "con", "\x00", strings.Repeat("é", 200), ". .", "a. .pdf", "\ufffd",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, docName string) {
		name := fileName(docName)
		if err := party.CheckDisplayText(name, maxFileName); err != nil {
			t.Errorf("%q: %q %v", docName, name, err)
		}
		base, ok := strings.CutSuffix(name, ".pdf")
		if !ok || base == "" || strings.ContainsAny(name, `/\:*?"<>|%;`) ||
			strings.HasPrefix(name, ".") ||
			strings.HasSuffix(base, " ") {
			t.Errorf("%q: %q", docName, name)
		}
		if again := fileName(name); again != name {
			t.Errorf("%q: %q, and again %q", docName, name, again)
		}
	})
}

// TestDownloadName checks that the header of a download holds the safe name.
func TestDownloadName(t *testing.T) {
	for in, want := range map[string]string{
		"con":                `attachment; filename=_con.pdf`,
		"a\u202eb%2f;c":      `attachment; filename=a_b_2f_c.pdf`,
		"..\u200d/x":         `attachment; filename=__x.pdf`,
		"租约\u2028 v1":        `attachment; filename="___ v1.pdf"; filename*=utf-8''%E7%A7%9F%E7%BA%A6_%20v1.pdf`,
		"Agreement\x00.html": `attachment; filename=Agreement_.html.pdf`,
	} {
		w := httptest.NewRecorder()
		ServePDF(
			w, httptest.NewRequest("GET", "/", nil), strings.NewReader("%PDF-"),
			PDF{Name: in, Attachment: true},
		)
		if got := w.Header().Get("Content-Disposition"); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
