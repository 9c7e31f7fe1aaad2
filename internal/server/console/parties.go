package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/server/ui"
)

// partyRoutes mounts the pages of relying parties. Every change is a POST of a plain form that
// carries the version of the party that the operator saw.
func (c *Console) partyRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /console/parties", c.handle(c.parties))
	mux.HandleFunc("GET /console/parties/new", c.handle(c.newParty))
	mux.HandleFunc("POST /console/parties", c.handle(c.register))
	mux.HandleFunc("POST /console/parties/test", c.handle(c.try))
	mux.HandleFunc("GET /console/party/{client_id}", c.handle(c.party))
	mux.HandleFunc("POST /console/party/{client_id}/test", c.handle(c.test))
	mux.HandleFunc("GET /console/party/{client_id}/edit", c.handle(c.editParty))
	mux.HandleFunc("POST /console/party/{client_id}/edit", c.handle(c.save))
	mux.HandleFunc("POST /console/party/{client_id}/keys", c.handle(c.renewKeys))
	mux.HandleFunc("POST /console/party/{client_id}/logo", c.handle(c.logo))
	mux.HandleFunc("POST /console/party/{client_id}/approve", c.handle(c.decide))
	mux.HandleFunc("POST /console/party/{client_id}/reject", c.handle(c.decide))
	mux.HandleFunc(
		"POST /console/party/{client_id}/logo-remove",
		c.change("logo-remove", func(ctx context.Context, by, id string, version int64) error {
			return c.Registrar.SetLogo(ctx, by, id, version, party.Logo{})
		}),
	)
	mux.HandleFunc(
		"POST /console/party/{client_id}/disable",
		c.change("disable", func(ctx context.Context, by, id string, version int64) error {
			return c.Registrar.SetDisabled(ctx, by, id, version, true)
		}),
	)
	mux.HandleFunc(
		"POST /console/party/{client_id}/enable",
		c.change("enable", func(ctx context.Context, by, id string, version int64) error {
			return c.Registrar.SetDisabled(ctx, by, id, version, false)
		}),
	)
	mux.HandleFunc("POST /console/party/{client_id}/remove", c.handle(c.removeParty))
}

// parties lists the relying parties.
func (c *Console) parties(w http.ResponseWriter, r *http.Request) error {
	page := Parties{Done: doneKey(r, "console.party.done.%s", "remove")}
	for _, p := range c.Parties.All() {
		page.Parties = append(page.Parties, c.partyView(p))
	}
	return c.show(w, r, page)
}

// doneKey returns the key of the success message that the query of a redirect names: format with
// one of words in it, or "" for any other text.
func doneKey(r *http.Request, format string, words ...string) string {
	if done := r.URL.Query().Get("done"); slices.Contains(words, done) {
		return fmt.Sprintf(format, done)
	}
	return ""
}

func (c *Console) partyView(p *party.Party) Party {
	jwks := party.ShownURL(p.JWKSURL)
	if p.JWKS != "" {
		jwks = "(in the configuration)"
	}
	return Party{
		Party: ui.Party{Name: p.Name, LogoURL: ui.LogoURL(p.Logo)}, ClientID: p.ClientID,
		JWKSURL: jwks, RedirectURL: party.ShownURL(p.RedirectURL),
		WebhookURL:    party.ShownURL(p.WebhookURL),
		AllowDownload: p.AllowDownload, RequireAllPages: p.RequireAllPages,
		WebhookLadder: p.WebhookLadder, AllowPrivate: p.AllowPrivate, CA: party.ShownCA(p.CA),
		Configured: c.Parties.Configured(p.ClientID), Disabled: p.Disabled,
	}
}

// party shows one relying party.
func (c *Console) party(w http.ResponseWriter, r *http.Request) error {
	page, _, err := c.aboutParty(r.Context(), r.PathValue("client_id"))
	if err != nil {
		return err
	}
	page.Done = doneKey(
		r, "console.party.done.%s", "registered", "edited", "logo", "logo-remove", "disable",
		"enable", "keys", "proposed", "approve", "reject",
	)
	return c.show(w, r, *page)
}

// newestChanges is the number of changes that a party's page shows.
const newestChanges = 50

// aboutParty collects the page of a party. For a party that operators manage it reads the store,
// which may be newer than this node's registry.
func (c *Console) aboutParty(ctx context.Context, id string) (*PartyPage, *party.Party, error) {
	p, err := c.Parties.Party(ctx, id)
	page := &PartyPage{API: c.PublicURL + api.BasePath, KeysURL: c.PublicURL + api.PathKeys}
	if err == nil && c.Parties.Configured(id) {
		page.Party = c.partyView(p)
	} else {
		saved, err := c.Registrar.Store.Registration(ctx, id)
		if err != nil {
			return nil, nil, err
		}
		if p != nil {
			saved.KeysEpoch = p.KeysEpoch
		}
		p = &saved.Party
		page.Party = c.partyView(p)
		page.Version = saved.Version
		page.CreatedAt, page.ChangedAt = saved.CreatedAt, saved.ChangedAt
	}
	changes, err := c.Registrar.Store.PartyChanges(ctx, id, newestChanges)
	if err != nil {
		return nil, nil, err
	}
	page.Changes = []Change{} // a list in the API
	for _, change := range changes {
		page.Changes = append(page.Changes, Change{
			At: change.At, By: change.By, Kind: string(change.Kind),
			Edits: shownEdits(change.Edits),
		})
	}
	switch proposed, edits, err := c.Registrar.Proposal(ctx, id); {
	case err == nil:
		page.Proposal = &Proposal{
			ID: proposed.At.UnixMicro(), By: proposed.By, At: proposed.At, Edits: shownEdits(edits),
			Own:     proposed.Subject == operatorOf(ctx).subject,
			Stale:   proposed.Version != page.Version,
			Removal: proposed.Removal(),
		}
	case !errors.Is(err, party.ErrNoProposal):
		return nil, nil, err
	}
	page.Keys = c.cachedKeys(p)
	return page, p, nil
}

func shownEdits(edits []party.Edit) (list []Edit) {
	for _, e := range edits {
		list = append(list, Edit{Field: string(e.Field), From: e.From, To: e.To})
	}
	return list
}

// decide approves or rejects the proposed change that the operator saw.
func (c *Console) decide(w http.ResponseWriter, r *http.Request) (err error) {
	id, decision, me := r.PathValue("client_id"), path.Base(r.URL.Path), operatorOf(r.Context())
	seen, _ := strconv.ParseInt(r.PostFormValue("proposal"), 10, 64) // 0 is no proposal
	var made party.ChangeKind
	if decision == "approve" {
		made, err = c.Registrar.Approve(r.Context(), me.name, me.subject, id, time.UnixMicro(seen))
	} else {
		err = c.Registrar.Reject(r.Context(), me.name, id, time.UnixMicro(seen))
	}
	if err != nil {
		return c.partyRefused(w, r, id, err)
	}
	c.Log.InfoContext(
		r.Context(), "proposed change of a relying party decided in the console", "client_id", id,
		"decision", decision, "by", me.name,
	)
	if made == party.ChangeRemoved {
		decision = "remove"
	}
	c.partyDone(w, r, id, decision)
	return nil
}

func (c *Console) cachedKeys(p *party.Party) *Keys {
	cached, ok := c.Keys.Cached(p)
	if !ok {
		return nil
	}
	keys := &Keys{Ignored: cached.Ignored, FetchedAt: cached.FetchedAt, Until: cached.Until}
	if cached.Err != nil {
		keys.Failed = PlainError(cached.Err)
	}
	for _, k := range cached.Keys {
		keys.Keys = append(
			keys.Keys,
			Key{Kid: k.Kid, Curve: k.Curve, Alg: k.Alg, Twice: k.Twice, LastUsed: k.LastUsed},
		)
	}
	return keys
}

// test tests the saved URLs.
func (c *Console) test(w http.ResponseWriter, r *http.Request) error {
	page, p, err := c.aboutParty(r.Context(), r.PathValue("client_id"))
	if err != nil {
		return err
	}
	page.Checks = c.diagnose(r.Context(), p)
	return c.show(w, r, *page)
}

func (c *Console) diagnose(ctx context.Context, p *party.Party) []Check {
	ctx, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	return c.checks(p, c.Diagnose.Diagnose(ctx, p))
}

// renewKeys discards the party's cached keys on all nodes and fetches them again on this node, so
// that the page shows the result.
func (c *Console) renewKeys(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("client_id")
	if _, err := c.fetchKeys(r.Context(), c.operator(r), id); err != nil {
		return err
	}
	c.partyDone(w, r, id, "keys")
	return nil
}

// logo saves an uploaded logo.
func (c *Console) logo(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("client_id")
	l, version, problem := uploadedLogo(r)
	if problem != "" {
		return c.partyProblem(w, r, id, http.StatusUnprocessableEntity, problem)
	}
	if err := c.Registrar.SetLogo(r.Context(), c.operator(r), id, version, l); err != nil {
		return c.partyRefused(w, r, id, err)
	}
	c.partyDone(w, r, id, "logo")
	return nil
}

// uploadedLogo reads the form of a logo. problem says what is wrong with it, as a sentence, or is
// "".
func uploadedLogo(r *http.Request) (l party.Logo, version int64, problem string) {
	if err := r.ParseMultipartForm(maxBody); err != nil {
		if errors.As(err, new(*http.MaxBytesError)) {
			return l, 0, fmt.Sprintf("The file is larger than %d KiB.", party.MaxLogo>>10)
		}
		return l, 0, "The upload was interrupted. Try again."
	}
	file, _, err := r.FormFile("logo")
	if err != nil {
		return l, 0, "Choose a file first."
	}
	defer file.Close()
	bytes, err := io.ReadAll(file)
	if err != nil {
		return l, 0, "The upload was interrupted. Try again."
	}
	if l, err = party.ReadLogo(bytes); err != nil {
		return l, 0, sentence(err.Error())
	}
	return l, formVersion(r), ""
}

// change returns the handler of a form that makes one change to one version of a party.
func (c *Console) change(
	done string, do func(ctx context.Context, by, id string, version int64) error,
) http.HandlerFunc {
	return c.handle(func(w http.ResponseWriter, r *http.Request) error {
		id := r.PathValue("client_id")
		err := do(r.Context(), c.operator(r), id, formVersion(r))
		return c.changed(w, r, id, done, err)
	})
}

// changed answers a form that made a change, or failed with err.
func (c *Console) changed(
	w http.ResponseWriter, r *http.Request, id, done string, err error,
) error {
	if err != nil {
		return c.partyRefused(w, r, id, err)
	}
	c.Log.InfoContext(
		r.Context(), "relying party changed from the console", "client_id", id, "change", done,
		"by", c.operator(r),
	)
	c.partyDone(w, r, id, done)
	return nil
}

// removeParty removes a party, or proposes it to a second operator.
func (c *Console) removeParty(w http.ResponseWriter, r *http.Request) error {
	id, version, me := r.PathValue("client_id"), formVersion(r), operatorOf(r.Context())
	if c.Registrar.FourEyes {
		err := c.Registrar.ProposeRemoval(r.Context(), me.name, me.subject, id, version)
		return c.changed(w, r, id, "proposed", err)
	}
	return c.changed(w, r, id, "remove", c.Registrar.Remove(r.Context(), me.name, id, version))
}

// formVersion returns the version that the operator saw. For a value that is not a number it
// returns a version that no party has.
func formVersion(r *http.Request) int64 {
	version, err := strconv.ParseInt(r.PostFormValue("version"), 10, 64)
	if err != nil {
		return 0
	}
	return version
}

func (c *Console) partyDone(w http.ResponseWriter, r *http.Request, id, done string) {
	to := PartyURL(id, "")
	if done == "remove" {
		to = PartiesURL("")
	}
	http.Redirect(w, r, to+"?done="+url.QueryEscape(done), http.StatusSeeOther)
}

// partyRefused shows the party as it is now, and why it was not changed.
func (c *Console) partyRefused(
	w http.ResponseWriter, r *http.Request, id string, cause error,
) error {
	if problem := partyRefusal(cause); problem != "" {
		return c.partyProblem(w, r, id, http.StatusConflict, problem)
	}
	return cause
}

func (c *Console) partyProblem(
	w http.ResponseWriter, r *http.Request, id string, status int, problem string,
) error {
	page, _, err := c.aboutParty(r.Context(), id)
	if err != nil {
		return err
	}
	page.Problem = problem
	c.Kit.Show(w, r, c.Log, status, *page)
	return nil
}

// partyRefusal returns the sentence that says why a party was not changed, or "" if err is not a
// refusal.
func partyRefusal(err error) string {
	for _, refusal := range []struct {
		err   error
		words string
	}{
		{party.ErrChanged, "Nothing was changed: another operator has changed the relying party. This page shows its present state."},
		{party.ErrInUse, "It has sign requests, so it cannot be removed. Disable it to refuse new ones."},
		{party.ErrEnabled, "Disable it before you remove it."},
		{party.ErrNoProposal, "Nothing was changed: the proposed change was replaced, decided or withdrawn. This page shows the present state."},
		{party.ErrOwnProposal, "Another admin has to approve the change that you have proposed."},
		{party.ErrConfigured, "It is registered in the configuration, so it is changed there."},
	} {
		if errors.Is(err, refusal.err) {
			return refusal.words
		}
	}
	return ""
}

// checks returns the findings of a diagnosis as the page shows them.
func (c *Console) checks(p *party.Party, d party.Diagnosis) []Check {
	checks := []Check{
		keyCheck(d),
		{
			Name: "redirect",
			Tone: "good",
			Text: "The URL is well formed. Only browsers open it, so it was not called.",
		},
	}
	if d.RedirectErr != nil {
		checks[1] = Check{Name: "redirect", Tone: "bad", Text: d.RedirectErr.Error()}
	}
	if p.WebhookURL != "" {
		checks = append(checks, c.webhookCheck(d))
	}
	return checks
}

func keyCheck(d party.Diagnosis) Check {
	check := Check{Name: "jwks", Tone: "good"}
	if d.KeysErr != nil {
		check.Tone, check.Text = "bad", PlainError(d.KeysErr)
		return check
	}
	usable := 0
	for _, k := range d.Keys {
		line := fmt.Sprintf("kid %s: %s", k.Kid, k.Curve)
		if k.Alg != "" {
			line += ", " + k.Alg
		}
		if k.Twice {
			line += ": not usable, another key has the same kid"
		} else {
			usable++
		}
		check.More = append(check.More, line)
	}
	for _, why := range d.Ignored {
		check.More = append(check.More, "not usable: "+why)
	}
	check.Text = fmt.Sprintf(
		"%d usable keys, fetched in %s", usable, Took(max(d.KeysIn, time.Millisecond)),
	)
	switch {
	case usable == 1:
		check.Text = "1 usable key, fetched in " + Took(max(d.KeysIn, time.Millisecond))
	case usable == 0:
		check.Tone = "bad"
	}
	if usable > 0 && usable < len(check.More) {
		check.Tone = "warn"
	}
	return check
}

// expiring is how long before its end a certificate is shown with a warning.
const expiring = 14 * 24 * time.Hour

func (c *Console) webhookCheck(d party.Diagnosis) Check {
	check := Check{Name: "webhook", Tone: "good"}
	if d.WebhookErr != nil {
		check.Tone, check.Text = "bad", PlainError(d.WebhookErr)
		if d.Webhook.Addr != "" {
			check.More = []string{"connected to " + d.Webhook.Addr + "; the TLS handshake failed"}
		}
		return check
	}
	check.Text = "Connected to " + d.Webhook.Addr + "; nothing was sent."
	if d.Webhook.TLS == "" {
		check.Tone = "warn"
		check.More = []string{"plain http: the webhook travels unencrypted"}
		return check
	}
	check.More = []string{
		fmt.Sprintf(
			"%s, certificate of %s until %s", d.Webhook.TLS, d.Webhook.Subject,
			d.Webhook.NotAfter.UTC().Format(time.DateOnly),
		),
	}
	if d.Webhook.NotAfter.Before(c.Now().Add(expiring)) {
		check.Tone = "warn"
		check.More = append(check.More, "the certificate ends soon")
	}
	return check
}
