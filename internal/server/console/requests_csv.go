package console

import (
	"encoding/csv"
	"net/http"
	"regexp"
	"time"
)

// csvPage is the number of requests that one query of the CSV file reads.
const csvPage = 1000

// requestsCSV writes the requests that the list's filters match, as a file for spreadsheets (RFC
// 4180): all of them, in the list's order, times in RFC 3339 and UTC.
func (c *Console) requestsCSV(w http.ResponseWriter, r *http.Request) error {
	_, filter := c.asked(r.URL.Query())
	filter.Limit = csvPage
	out := csv.NewWriter(w)
	for first := true; ; first = false {
		list, err := c.Requests.List(r.Context(), c.Lister, filter)
		if err != nil && first {
			return err
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the file must not look whole
		}
		if first {
			w.Header().Set("Content-Type", "text/csv; charset=utf-8")
			w.Header().Set("Content-Disposition", `attachment; filename="requests.csv"`)
			w.Header().Set("Cache-Control", "no-store")
			_ = out.Write([]string{
				"request_id", "state", "client_id", "document", "signer", "created_at",
				"expires_at",
			})
		}
		for _, req := range list.Requests {
			signer := ""
			if req.Signer != nil {
				signer = req.Signer.Name
			}
			_ = out.Write([]string{
				req.ID, string(req.State), cell(req.ClientID), cell(req.DocName), cell(signer),
				req.CreatedAt.UTC().Format(time.RFC3339), req.ExpiresAt.UTC().Format(time.RFC3339),
			})
		}
		out.Flush()
		if out.Error() != nil || !list.More {
			return nil // the client has gone, or all is written
		}
		filter.Before = list.Last
	}
}

// formula finds where a spreadsheet would take a text for a formula: a sign that begins one, or its
// full-width form, at the start of a cell, after white space too. Where lists have semicolons
// instead of commas, or for who pastes the file, a semicolon, a tab and a line end begin a cell.
var formula = regexp.MustCompile(`(^|[;\t\r\n]+)(\s*[=+\-@\x{FF1D}\x{FF0B}\x{FF0D}\x{FF20}]|[\t\r\n])`)

// cell keeps a spreadsheet from taking a text that others chose for a formula.
func cell(text string) string { return formula.ReplaceAllString(text, "$1'$2") }
