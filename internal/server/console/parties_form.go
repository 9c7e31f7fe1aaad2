package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
)

// partyForm is what an operator typed, beside what is saved.
type partyForm struct {
	version int64       // that is edited; 0: a new party
	saved   party.Party // zero for a new party
	now     int64       // version of saved
	typed   party.Party // URLs as they were typed
	errors  map[party.Field]string
}

// newParty is the empty form.
func (c *Console) newParty(w http.ResponseWriter, r *http.Request) error {
	c.renderForm(w, r, http.StatusOK, &partyForm{}, "", nil)
	return nil
}

// editParty is the form of a party as it is saved. The query of a URL may be secret: the form hides
// it, and to leave it hidden is to keep it.
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

// editable is a party that operators manage, as it is saved.
func (c *Console) editable(ctx context.Context, id string) (party.Registration, error) {
	if c.Parties.Configured(id) {
		return party.Registration{}, party.ErrConfigured
	}
	return c.Registrar.Store.Registration(ctx, id)
}

// marked says that fields have errors.
const marked = "Nothing was saved. Look at the fields that are marked."

// register saves a new party.
func (c *Console) register(w http.ResponseWriter, r *http.Request) error {
	f, p, err := c.readForm(w, r, "")
	if err != nil {
		return err
	}
	if p.ClientID == "" {
		if p.ClientID, err = c.Registrar.NewClientID(); err != nil {
			return err
		}
	}
	if f.judge(p, c.Registrar.Policy) {
		err := c.Registrar.Register(r.Context(), c.operator(r), p)
		switch {
		case err == nil:
			c.Log.InfoContext(
				r.Context(), "relying party registered from the console", "client_id", p.ClientID,
				"by", c.operator(r),
			)
			c.partyDone(w, r, p.ClientID, "registered")
			return nil
		case !errors.Is(err, party.ErrExists) && !errors.Is(err, party.ErrConfigured):
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
	f, p, err := c.readForm(w, r, id)
	if err != nil {
		return c.partyRefused(w, r, id, err)
	}
	switch {
	case f.version != f.now:
		return c.conflict(w, r, id)
	case !f.judge(p, c.Registrar.Policy):
		c.renderForm(w, r, http.StatusUnprocessableEntity, f, marked, nil)
		return nil
	}
	err = c.Registrar.Edit(r.Context(), c.operator(r), f.version, p)
	if errors.Is(err, party.ErrChanged) { // in this moment
		return c.conflict(w, r, id)
	}
	if err != nil {
		return err
	}
	c.Log.InfoContext(
		r.Context(), "relying party changed from the console", "client_id", id, "change", "edit",
		"by", c.operator(r),
	)
	c.partyDone(w, r, id, "edited")
	return nil
}

// conflict answers somebody who saves upon what another has changed meanwhile: with both, to be
// saved again.
func (c *Console) conflict(w http.ResponseWriter, r *http.Request, id string) error {
	f, _, err := c.readForm(w, r, id)
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
			"What is saved now stands below each field that differs. Save again to replace it.",
		f.besideSaved,
	)
	return nil
}

// try tests what was typed, and saves nothing.
func (c *Console) try(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	id := ""
	if formVersion(r) != 0 {
		id = r.PostFormValue("client_id")
	}
	f, p, err := c.readForm(w, r, id)
	if err != nil {
		return err
	}
	c.renderForm(
		w, r, http.StatusOK, f, "",
		func(page *PartyForm) { page.Checks = c.diagnose(r.Context(), &p) },
	)
	return nil
}

// readForm reads the form of a party, of a new one if id is empty. p is what it means: with the
// parts of URLs that were hidden.
func (c *Console) readForm(
	w http.ResponseWriter, r *http.Request, id string,
) (f *partyForm, p party.Party, err error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	f = &partyForm{errors: map[party.Field]string{}}
	if id != "" {
		saved, err := c.editable(r.Context(), id)
		if err != nil {
			return nil, p, err
		}
		f.version, f.saved, f.now = formVersion(r), saved.Party, saved.Version
	}
	field := func(name party.Field) string { return strings.TrimSpace(r.PostFormValue(string(name))) }
	f.typed = party.Party{
		ClientID: field(party.FieldClientID), Name: field(party.FieldName),
		JWKSURL: field(party.FieldJWKS), RedirectURL: field(party.FieldRedirect),
		WebhookURL: field(party.FieldWebhook),
	}
	if id != "" {
		f.typed.ClientID = id
	}
	p = f.typed
	for _, u := range []struct {
		field party.Field
		typed *string
		saved string
	}{{party.FieldJWKS, &p.JWKSURL, f.saved.JWKSURL}, {party.FieldRedirect, &p.RedirectURL, f.saved.RedirectURL}, {party.FieldWebhook, &p.WebhookURL, f.saved.WebhookURL}} {
		switch {
		case u.saved != "" && *u.typed == party.ShownURL(u.saved):
			*u.typed = u.saved
		case strings.HasSuffix(*u.typed, "?…"):
			f.errors[u.field] = "Write out what stands behind the ?, which is not shown, or leave it away."
		}
	}
	return f, p, nil
}

// judge notes what is wrong with the fields, and reports whether all are right.
func (f *partyForm) judge(p party.Party, policy safehttp.Policy) bool {
	for field, cause := range p.Problems(policy) {
		if f.errors[field] == "" {
			f.errors[field] = fieldError(field, cause, p)
		}
	}
	return len(f.errors) == 0
}

// fieldError is what is wrong with a field, in a sentence.
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

// sentence makes an error's text one.
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
	if edit != nil {
		edit(&page)
	}
	c.Kit.Show(w, r, c.Log, status, page)
}

// besideSaved puts what is saved below each field that differs from it.
func (f *partyForm) besideSaved(page *PartyForm) {
	saved := map[string]string{
		string(party.FieldName):     f.saved.Name,
		string(party.FieldJWKS):     party.ShownURL(f.saved.JWKSURL),
		string(party.FieldRedirect): party.ShownURL(f.saved.RedirectURL),
		string(party.FieldWebhook):  party.ShownURL(f.saved.WebhookURL),
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
}
