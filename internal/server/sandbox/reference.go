package sandbox

import (
	"bytes"
	"encoding/json"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// ReferencePath is the path of the reference page.
const ReferencePath = "/reference"

// Reference is the page that shows api/openapi.yaml. In the sandbox it makes the calls, too, as the
// demo relying party.
type Reference struct {
	Version     string
	Text        template.HTML
	DocumentURL string // of the YAML
	Groups      []Group
}

// Group is the operations of one tag.
type Group struct {
	Name, Text string
	Operations []Operation
}

// Operation is one call.
type Operation struct {
	ID, Call, Summary string
	Deprecated        bool
	Text              template.HTML
	Parameters        []Member
	Body              string // media type of the request's body; "" if it has none
	Answers           []Answer
	Form              *ReferenceForm // nil if the page cannot make the call
	Made              *Exchange      // the call that the form has just made; may be nil
}

// Member is a parameter, a header or a member of a JSON object.
type Member struct {
	Name, Type, Text string
	Required         bool
}

// Answer is an answer by its status.
type Answer struct {
	Status, Text string
	Members      []Member
	Examples     []Sample
}

// Good reports whether the answer is a success.
func (a Answer) Good() bool { return strings.HasPrefix(a.Status, "2") }

// Sample is an example of an answer.
type Sample struct{ Name, Text string }

// ReferenceForm posts claims, and request_id for a call that has it in its path, to Action.
type ReferenceForm struct {
	Action    string
	Claims    string // JSON; client_id, iat, exp and jti are added
	RequestID string // "" if the path has none
	Document  bool   // the sample document is the body
}

func (p Reference) Meta() ui.Meta {
	return ui.Meta{
		Template: "reference", Title: "reference.title", Shell: ui.ShellSandbox, Script: "demo",
		English: true,
	}
}

// NewReference returns the page without calls that were made.
func NewReference(publicURL string) (Reference, error) {
	ref, err := readReference(api.OpenAPI())
	ref.DocumentURL = publicURL + api.PathOpenAPI
	return ref, err
}

// tried are the operations that the page can call, by their id.
var tried = map[string]struct{ method, path, contentType string }{
	"initiate": {http.MethodPost, api.PathRequest, "application/octet-stream"},
	"cancel":   {http.MethodPost, api.PathCancel, "application/json"},
	"result":   {http.MethodGet, api.PathResult, ""},
}

// reference shows the page.
func (d *Demo) reference(w http.ResponseWriter, r *http.Request) {
	d.renderReference(w, r, "", nil)
}

// try makes the call that a form of the page describes, and shows it with its answer.
func (d *Demo) try(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("operation")
	op, ok := tried[id]
	if !ok {
		d.config.Kit.Error(w, r, http.StatusNotFound, "")
		return
	}
	var claims map[string]any
	if err := json.Unmarshal([]byte(r.PostFormValue("claims")), &claims); err != nil {
		d.renderReference(w, r, id, &Exchange{
			Call: op.method + " " + op.path, At: d.config.Now(),
			Body: "not sent: the claims are no JSON object: " + err.Error(),
		})
		return
	}
	token, err := d.client.Token(claims)
	if err != nil {
		d.config.Log.WarnContext(r.Context(), "reference: no token was made", "err", err)
		d.config.Kit.Error(w, r, http.StatusInternalServerError, "")
		return
	}
	var body []byte
	if id == "initiate" {
		body = sampleDocument()
	}
	path := strings.Replace(
		op.path, "{request_id}", url.PathEscape(r.PostFormValue("request_id")), 1,
	)
	ctx, record := withRecord(r.Context())
	call, err := http.NewRequestWithContext(
		ctx, op.method, d.config.BaseURL+path, bytes.NewReader(body),
	)
	if err != nil {
		d.config.Kit.Error(w, r, http.StatusBadRequest, "")
		return
	}
	call.Header.Set("Authorization", token)
	if op.contentType != "" {
		call.Header.Set("Content-Type", op.contentType)
	}
	begun := d.config.Now()
	answer, err := d.calls.Do(call) // the record has an error, too
	if err == nil {
		d.keep(answer, claims, begun, record)
		_ = answer.Body.Close()
	}
	made := Exchange{Call: call.Method + " " + call.URL.EscapedPath(), At: begun}
	if calls := record.take(); len(calls) > 0 {
		made = calls[0]
	}
	d.renderReference(w, r, id, &made)
}

// keep adds a request that a form has made to those of the demo.
func (d *Demo) keep(
	answer *http.Response, claims map[string]any, begun time.Time, record *demoRecord,
) {
	var in api.Initiated
	if json.NewDecoder(answer.Body).Decode(&in) != nil || in.RequestID == "" {
		return
	}
	name, _ := claims["doc_name"].(string)
	d.requests.add(&demoRequest{
		id: in.RequestID, exchangeCode: in.ExchangeCode, signingURL: in.SigningURL, document: name,
		created: begun, expires: begun.Add(api.RequestLifetime * time.Second),
		exchanges: record.all(),
	})
}

// renderReference shows the page; made is the call of the operation id.
func (d *Demo) renderReference(w http.ResponseWriter, r *http.Request, id string, made *Exchange) {
	page, err := NewReference(d.config.PublicURL)
	if err != nil {
		d.config.Log.ErrorContext(r.Context(), "reference: the document", "err", err)
		d.config.Kit.Error(w, r, http.StatusInternalServerError, "")
		return
	}
	page.offer(
		d.requests.newest(), id, r.PostFormValue("claims"), r.PostFormValue("request_id"), made,
	)
	d.config.Kit.Show(w, r, d.config.Log, http.StatusOK, page)
}

// offer adds the forms, filled in for the newest request of the demo, or with what was just sent.
func (p *Reference) offer(requests []*demoRequest, id, claims, requestID string, made *Exchange) {
	newest := &demoRequest{id: "signv3-…", exchangeCode: "…"}
	if len(requests) > 0 {
		newest = requests[0]
	}
	forms := map[string]ReferenceForm{
		"initiate": {
			Document: true,
			Claims:   `{"doc_name": "Lease.pdf", "sign_locations": [{"page": 1, "x": 0.1, "y": 0.1}]}`,
		},
		"cancel": {Claims: indent(map[string]string{"request_id": newest.id})},
		"result": {
			Claims:    indent(map[string]string{"exchange_code": newest.exchangeCode}),
			RequestID: newest.id,
		},
	}
	for g := range p.Groups {
		p.Groups[g].Operations = slices.Clone(p.Groups[g].Operations)
		for i := range p.Groups[g].Operations {
			op := &p.Groups[g].Operations[i]
			form, ok := forms[op.ID]
			if !ok {
				continue
			}
			form.Action = ReferencePath + "/" + op.ID + "#" + op.ID
			if op.ID == id {
				op.Made = made
				form.Claims = claims
				if form.RequestID != "" {
					form.RequestID = requestID
				}
			}
			op.Form = &form
		}
	}
}

// indent returns the JSON of members, laid out.
func indent(members map[string]string) string {
	text, _ := json.MarshalIndent(members, "", "  ") // of strings
	return string(text)
}
