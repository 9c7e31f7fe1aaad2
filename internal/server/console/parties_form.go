package console

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
)

// partyForm is a form as an operator filled it in, and the party as it is saved.
type partyForm struct {
	version int64       // version that the operator edits; 0 for a new party
	saved   party.Party // zero for a new party
	now     int64       // version of saved
	typed   party.Party // with URLs as the operator typed them
	errors  map[party.Field]string
}

// newParty shows the empty form.
func (c *Console) newParty(w http.ResponseWriter, r *http.Request) error {
	c.renderForm(w, r, http.StatusOK, &partyForm{}, "", nil)
	return nil
}

// editParty shows the form of a saved party. The query of a URL may be secret, so the form masks
// it. A field that is submitted masked keeps its saved query.
func (c *Console) editParty(w http.ResponseWriter, r *http.Request) error {
	saved, err := c.editable(r.Context(), r.PathValue("client_id"))
	if err != nil {
		return c.partyRefused(w, r, r.PathValue("client_id"), err)
	}
	typed := saved.Party
	for _, u := range []*string{&typed.JWKSURL, &typed.RedirectURL, &typed.WebhookURL} {
		*u = party.ShownURL(*u)
	}
	c.renderForm(
		w, r, http.StatusOK,
		&partyForm{version: saved.Version, saved: saved.Party, now: saved.Version, typed: typed},
		"", nil,
	)
	return nil
}

// editable returns a party that operators manage, as it is saved.
func (c *Console) editable(ctx context.Context, id string) (party.Registration, error) {
	if c.Parties.Configured(id) {
		return party.Registration{}, party.ErrConfigured
	}
	return c.Registrar.Store.Registration(ctx, id)
}

// marked is the message of a form whose fields have errors.
const marked = "Nothing was saved. Correct the marked fields."

// register saves a new party.
func (c *Console) register(w http.ResponseWriter, r *http.Request) error {
	f, p, err := c.readForm(r, "")
	if err != nil {
		return err
	}
	if p.ClientID == "" {
		if p.ClientID, err = c.Registrar.NewClientID(); err != nil {
			return err
		}
	}
	if f.judge(p, c.Registrar.Policy) {
		if c.warned(w, r, f, &p) {
			return nil
		}
		err := c.Registrar.Register(r.Context(), c.operator(r), p)
		switch {
		case err == nil:
			c.Log.InfoContext(
				r.Context(), "relying party registered from the console", "client_id", p.ClientID,
				"by", c.operator(r),
			)
			c.partyDone(w, r, p.ClientID, "registered")
			return nil
		case !errors.Is(err, party.ErrExists) && !errors.Is(err, party.ErrConfigured) &&
			!errors.Is(err, party.ErrFormer):
			return err
		}
		f.errors[party.FieldClientID] = sentence(err.Error())
	}
	c.renderForm(w, r, http.StatusUnprocessableEntity, f, marked, nil)
	return nil
}

// save changes a party.
func (c *Console) save(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("client_id")
	f, p, err := c.readForm(r, id)
	if err != nil {
		return c.partyRefused(w, r, id, err)
	}
	switch {
	case f.version != f.now:
		return c.conflict(w, r, id)
	case !f.judge(p, c.Registrar.Policy):
		c.renderForm(w, r, http.StatusUnprocessableEntity, f, marked, nil)
		return nil
	case c.warned(w, r, f, &p):
		return nil
	}
	done := "edited"
	if me := operatorOf(r.Context()); c.Registrar.NeedsApproval(f.saved, p) {
		done = "proposed"
		err = c.Registrar.Propose(r.Context(), me.name, me.subject, f.version, p)
	} else {
		err = c.Registrar.Edit(r.Context(), me.name, f.version, p)
	}
	if errors.Is(err, party.ErrChanged) { // another operator saved it after the check above
		return c.conflict(w, r, id)
	}
	if err != nil {
		return err
	}
	c.Log.InfoContext(
		r.Context(), "relying party changed from the console", "client_id", id, "change", done,
		"by", c.operator(r),
	)
	c.partyDone(w, r, id, done)
	return nil
}

// warned tests the URLs of the form before it is saved. If the test finds that calls will fail, it
// shows that instead of saving, and reports true. The operator can then save anyway.
func (c *Console) warned(
	w http.ResponseWriter, r *http.Request, f *partyForm, p *party.Party,
) bool {
	if r.PostFormValue("anyway") != "" {
		return false
	}
	checks := c.diagnose(r.Context(), p)
	if !slices.ContainsFunc(checks, func(c Check) bool { return c.Tone == "bad" }) {
		return false
	}
	c.renderForm(
		w, r, http.StatusUnprocessableEntity, f,
		"Nothing was saved yet: the test below failed. Correct the URL, or save anyway.",
		func(page *PartyForm) { page.Checks, page.Anyway = checks, true },
	)
	return true
}

// conflict answers an operator who submits changes to a version that another operator has changed.
// The form shows both operators' values, to be saved again.
func (c *Console) conflict(w http.ResponseWriter, r *http.Request, id string) error {
	f, _, err := c.readForm(r, id)
	if err != nil {
		return err
	}
	f.version = f.now
	c.renderForm(
		w,
		r,
		http.StatusConflict,
		f,
		"Nothing was saved: another operator has changed the relying party since you began. "+
			"Fields that differ show the saved value. Save again to replace it.",
		f.besideSaved,
	)
	return nil
}

// try tests the URLs of the form and saves nothing.
func (c *Console) try(w http.ResponseWriter, r *http.Request) error {
	id := ""
	if formVersion(r) != 0 {
		id = r.PostFormValue("client_id")
	}
	f, p, err := c.readForm(r, id)
	if err != nil {
		return err
	}
	c.renderForm(
		w, r, http.StatusOK, f, "",
		func(page *PartyForm) { page.Checks = c.diagnose(r.Context(), &p) },
	)
	return nil
}

// readForm reads the form of the party id, or of a new party if id is empty. p is the party that it
// describes, with the queries that the form masked.
func (c *Console) readForm(r *http.Request, id string) (f *partyForm, p party.Party, err error) {
	f = &partyForm{errors: map[party.Field]string{}}
	if id != "" {
		saved, err := c.editable(r.Context(), id)
		if err != nil {
			return nil, p, err
		}
		f.version, f.saved, f.now = formVersion(r), saved.Party, saved.Version
	}
	field := func(name party.Field) string {
		return strings.TrimSpace(r.PostFormValue(string(name)))
	}
	f.typed = party.Party{
		ClientID: field(party.FieldClientID), Name: field(party.FieldName),
		JWKSURL: field(party.FieldJWKS), RedirectURL: field(party.FieldRedirect),
		WebhookURL:      field(party.FieldWebhook),
		AllowDownload:   field(party.FieldDownload) != "",
		RequireAllPages: field(party.FieldAllPages) != "",
		WebhookLadder:   field(party.FieldLadder) != "",
		AllowPrivate:    field(party.FieldPrivate) != "",
		CA:              typedCA(field(party.FieldCA)),
	}
	if id != "" {
		f.typed.ClientID = id
	}
	p = f.typed
	unmask(&p, f.saved, f.errors)
	return f, p, nil
}

// typedCA returns the certificates of a form's field in the form of a file. Browsers submit line
// breaks as CRLF.
func typedCA(text string) string {
	if text == "" {
		return ""
	}
	return strings.ReplaceAll(text, "\r\n", "\n") + "\n"
}

// unmask replaces each URL of p that shows a saved one without its query by the saved one. It sets
// the error of a field whose hidden query is not saved.
func unmask(p *party.Party, saved party.Party, problems map[party.Field]string) {
	for _, u := range []struct {
		field party.Field
		typed *string
		saved string
	}{
		{party.FieldJWKS, &p.JWKSURL, saved.JWKSURL},
		{party.FieldRedirect, &p.RedirectURL, saved.RedirectURL},
		{party.FieldWebhook, &p.WebhookURL, saved.WebhookURL},
	} {
		switch {
		case u.saved != "" && *u.typed == party.ShownURL(u.saved):
			*u.typed = u.saved
		case strings.HasSuffix(*u.typed, "?…"):
			problems[u.field] = "Enter the query after the ? in full, or remove it. " +
				"The saved query is hidden."
		}
	}
}

// judge sets the errors of the fields, and reports whether there are none.
func (f *partyForm) judge(p party.Party, policy safehttp.Policy) bool {
	for field, cause := range p.Problems(policy) {
		if f.errors[field] == "" {
			f.errors[field] = fieldError(field, cause, p)
		}
	}
	return len(f.errors) == 0
}

// fieldError returns what is wrong with a field, as a sentence.
func fieldError(field party.Field, cause error, p party.Party) string {
	empty := map[party.Field]bool{
		party.FieldName: p.Name == "", party.FieldJWKS: p.JWKSURL == "",
		party.FieldRedirect: p.RedirectURL == "",
	}
	switch {
	case empty[field] && field == party.FieldName:
		return "Enter a name."
	case empty[field]:
		return "Enter a URL."
	case field == party.FieldName:
		return sentence("it " + cause.Error())
	}
	text := party.ShownText(cause.Error())
	for _, head := range []string{"URL not allowed: ", "address not allowed: "} {
		text = strings.TrimPrefix(text, head)
	}
	return sentence(text)
}

// sentence returns an error's text as a sentence.
func sentence(text string) string {
	first, size := utf8.DecodeRuneInString(text)
	return string(unicode.ToUpper(first)) + text[size:] + "."
}

func (c *Console) renderForm(
	w http.ResponseWriter, r *http.Request, status int, f *partyForm, problem string,
	edit func(*PartyForm),
) {
	page := PartyForm{
		Version: f.version, ClientID: f.saved.ClientID, Name: f.saved.Name, Problem: problem,
	}
	add := func(field party.Field, value, saved string, required bool) {
		page.Fields = append(page.Fields, Field{
			Name: string(field), Value: value, Error: f.errors[field], Required: required,
			Masked: saved != "" && value == party.ShownURL(saved) && value != saved,
		})
	}
	if f.version == 0 {
		add(party.FieldClientID, f.typed.ClientID, "", false)
	}
	add(party.FieldName, f.typed.Name, "", true)
	add(party.FieldJWKS, f.typed.JWKSURL, f.saved.JWKSURL, true)
	add(party.FieldRedirect, f.typed.RedirectURL, f.saved.RedirectURL, true)
	add(party.FieldWebhook, f.typed.WebhookURL, f.saved.WebhookURL, false)
	add(party.FieldCA, f.typed.CA, "", false)
	page.Options = []Option{
		{Name: string(party.FieldDownload), On: f.typed.AllowDownload},
		{Name: string(party.FieldAllPages), On: f.typed.RequireAllPages},
		{Name: string(party.FieldPrivate), On: f.typed.AllowPrivate},
		{Name: string(party.FieldLadder), On: f.typed.WebhookLadder},
	}
	if edit != nil {
		edit(&page)
	}
	c.Kit.Show(w, r, c.Log, status, page)
}

// besideSaved adds the saved value to each field and setting that differs from it.
func (f *partyForm) besideSaved(page *PartyForm) {
	saved := map[string]string{
		string(party.FieldName):     f.saved.Name,
		string(party.FieldJWKS):     party.ShownURL(f.saved.JWKSURL),
		string(party.FieldRedirect): party.ShownURL(f.saved.RedirectURL),
		string(party.FieldWebhook):  party.ShownURL(f.saved.WebhookURL),
		string(party.FieldCA):       f.saved.CA,
	}
	for i := range page.Fields {
		field := &page.Fields[i]
		if now := saved[field.Name]; field.Value != now {
			field.Saved = now
			if now == "" {
				field.Saved = "(none)"
			}
		}
	}
	on := map[string]bool{
		string(party.FieldDownload): f.saved.AllowDownload,
		string(party.FieldAllPages): f.saved.RequireAllPages,
		string(party.FieldLadder):   f.saved.WebhookLadder,
		string(party.FieldPrivate):  f.saved.AllowPrivate,
	}
	for i := range page.Options {
		option := &page.Options[i]
		switch now := on[option.Name]; {
		case option.On == now:
		case now:
			option.Saved = "yes"
		default:
			option.Saved = "no"
		}
	}
}
