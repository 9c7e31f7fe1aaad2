package console

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// apiBase is the path of the calls for programs, which answer JSON.
const apiBase = Base + "api/"

// Codes of the API's refusals, beside those of package api.
const (
	codeRole       = "ROLE_TOO_LOW"
	codeNotFound   = "NOT_FOUND"
	codeInvalid    = "PARTY_INVALID"
	codeTestFailed = "TEST_FAILED"
	codeExists     = "PARTY_EXISTS"
	codeConfigured = "PARTY_CONFIGURED"
	codeChanged    = "PARTY_CHANGED"

	codePersonInvalid = "PERSON_INVALID"
	codeInProgress    = "REQUEST_IN_PROGRESS"
	codeNotWaiting    = "PHONE_NOT_WAITING"
)

var (
	errLogin = &api.Error{
		Code:        api.CodeLoginRequired,
		Description: "Send the token of a session, or a name and the console's password.",
	}
	errRole     = &api.Error{Code: codeRole, Description: "The operator's role does not allow the call"}
	errNotFound = &api.Error{Code: codeNotFound, Description: "No relying party has this client id"}
)

// apiStatus returns the HTTP status of a code.
func apiStatus(code string) int {
	switch code {
	case api.CodeLoginRequired:
		return http.StatusUnauthorized
	case codeRole:
		return http.StatusForbidden
	case codeNotFound:
		return http.StatusNotFound
	case codeInvalid, codeTestFailed, codePersonInvalid:
		return http.StatusUnprocessableEntity
	case codeExists, codeConfigured, codeChanged, codeInProgress, codeNotWaiting:
		return http.StatusConflict
	}
	return api.Status(code)
}

// guardError returns the error for a status that [Console.Guard] answers.
func guardError(status int) *api.Error {
	switch status {
	case http.StatusUnauthorized:
		return errLogin
	case http.StatusForbidden:
		return errRole
	case http.StatusTooManyRequests:
		return api.ErrTooManyRequests
	case http.StatusServiceUnavailable:
		return api.ErrUnavailable
	}
	return api.ErrServerSide
}

// Parameters of the calls that register and edit a party, which are there or not.
const (
	paramDryRun = "dry_run" // save nothing
	paramAnyway = "anyway"  // save also what fails the test of its URLs
)

// apiRoutes mounts the calls for programs. needs has their roles.
func (c *Console) apiRoutes(mux *http.ServeMux) {
	j := httpx.JSON{Status: apiStatus, Log: c.Log}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /console/api/parties":                      c.apiParties,
		"GET /console/api/parties/{client_id}":          c.apiParty,
		"POST /console/api/parties/{client_id}/disable": c.apiDisable,
		"POST /console/api/parties/{client_id}/enable":  c.apiDisable,
		"POST /console/api/parties/{client_id}/keys":    c.apiRenewKeys,
		"GET /console/api/": func(http.ResponseWriter, *http.Request) error {
			return api.ErrNoCall
		},
	} {
		mux.Handle(pattern, j.Handle(httpx.Takes(h)))
	}
	for pattern, h := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /console/api/parties":            c.apiRegister,
		"PUT /console/api/parties/{client_id}": c.apiEdit,
	} {
		mux.Handle(pattern, j.Handle(httpx.Takes(h, paramDryRun, paramAnyway)))
	}
}

// PartyData is a relying party in the API. In answers the query of a URL, which may be secret, is
// "?…"; in a PUT such a URL keeps its query. POST and PUT take a whole [PartyAbout], so that what
// GET answers can be sent back; they read nothing of it but PartyData, and PUT the version.
type PartyData struct {
	ClientID        string `json:"client_id"                   yaml:"client_id"`
	Name            string `json:"name"                        yaml:"name"`
	JWKSURL         string `json:"jwks_url"                    yaml:"jwks_url"`
	RedirectURL     string `json:"redirect_url"                yaml:"redirect_url"`
	WebhookURL      string `json:"webhook_url,omitempty"       yaml:"webhook_url,omitempty"`
	AllowDownload   bool   `json:"allow_download,omitempty"    yaml:"allow_download,omitempty"`
	RequireAllPages bool   `json:"require_all_pages,omitempty" yaml:"require_all_pages,omitempty"`
	WebhookLadder   bool   `json:"webhook_ladder,omitempty"    yaml:"webhook_ladder,omitempty"`
	AllowPrivate    bool   `json:"allow_private,omitempty"     yaml:"allow_private,omitempty"`
	// certificates in PEM
	CA string `json:"ca,omitempty"                yaml:"ca,omitempty"`
	// Disabled is not read from POST and PUT.
	Disabled bool `json:"disabled,omitempty"          yaml:"disabled,omitempty"`
}

// PartyState is a relying party in answers.
type PartyState struct {
	PartyData
	// it is in the configuration, where it is changed
	Configured bool   `json:"configured,omitempty"`
	Version    int64  `json:"version,omitempty"` // not of a configured party
	ProposedBy string `json:"proposed_by,omitempty"`
}

// PartyList is the answer of GET /console/api/parties, ordered by client id.
type PartyList struct {
	Parties []PartyState `json:"parties"`
}

// PartyAbout is the answer for one party. Changes are the newest 50, the latest first.
type PartyAbout struct {
	PartyState
	Changes []Change `json:"changes"`
}

// PartyVersion is the body of a call that disables or enables a party.
type PartyVersion struct {
	Version int64 `json:"version"`
}

// PartyPut is the body of a PUT: the party as it is to be, and the version that the caller saw.
type PartyPut struct {
	PartyData
	Version int64 `json:"version"`
}

// PartyResult is the answer to a change.
type PartyResult struct {
	ClientID string `json:"client_id"`
	// registered, edited, proposed, disabled, enabled or unchanged
	Change string `json:"change"`
	Edits  []Edit `json:"edits,omitempty"`
}

// KeysResult is the answer to a fetch of a party's keys. Its calls are refused while Error is set.
type KeysResult struct {
	ClientID string    `json:"client_id"`
	Keys     []KeyData `json:"keys"`
	Ignored  []string  `json:"ignored,omitempty"` // why other keys cannot be used
	Error    string    `json:"error,omitempty"`
}

// KeyData is a key of a party.
type KeyData struct {
	Kid   string `json:"kid"`
	Curve string `json:"curve"`
	Alg   string `json:"alg,omitempty"`
}

func (d PartyData) party() party.Party {
	return party.Party{
		ClientID: d.ClientID, Name: d.Name, JWKSURL: d.JWKSURL, RedirectURL: d.RedirectURL,
		WebhookURL: d.WebhookURL, AllowDownload: d.AllowDownload,
		RequireAllPages: d.RequireAllPages,
		WebhookLadder:   d.WebhookLadder, AllowPrivate: d.AllowPrivate, CA: d.CA,
	}
}

func (c *Console) partyState(p *party.Party, version int64) PartyState {
	v := c.partyView(p)
	return PartyState{
		PartyData: PartyData{
			ClientID: v.ClientID, Name: v.Name, JWKSURL: v.JWKSURL, RedirectURL: v.RedirectURL,
			WebhookURL: v.WebhookURL, AllowDownload: v.AllowDownload,
			RequireAllPages: v.RequireAllPages, Disabled: v.Disabled,
			WebhookLadder: v.WebhookLadder, AllowPrivate: p.AllowPrivate, CA: p.CA,
		},
		Configured: v.Configured, Version: version,
	}
}

// apiParties reads the store, which may be newer than this node's registry.
func (c *Console) apiParties(w http.ResponseWriter, r *http.Request) error {
	managed, _, err := c.Registrar.Store.Registrations(r.Context())
	if err != nil {
		return err
	}
	list := PartyList{Parties: []PartyState{}}
	for _, p := range c.Parties.All() {
		if c.Parties.Configured(p.ClientID) {
			list.Parties = append(list.Parties, c.partyState(p, 0))
		}
	}
	for _, saved := range managed {
		if !c.Parties.Configured(saved.ClientID) {
			list.Parties = append(list.Parties, c.partyState(&saved.Party, saved.Version))
		}
	}
	slices.SortFunc(list.Parties, func(a, b PartyState) int {
		return cmp.Compare(a.ClientID, b.ClientID)
	})
	httpx.WriteJSON(w, http.StatusOK, list)
	return nil
}

func (c *Console) apiParty(w http.ResponseWriter, r *http.Request) error {
	page, p, err := c.aboutParty(r.Context(), r.PathValue("client_id"))
	if err != nil {
		return apiError(err)
	}
	about := PartyAbout{PartyState: c.partyState(p, page.Version), Changes: page.Changes}
	if page.Proposal != nil {
		about.ProposedBy = page.Proposal.By
	}
	httpx.WriteJSON(w, http.StatusOK, about)
	return nil
}

// apiRegister registers a party.
func (c *Console) apiRegister(w http.ResponseWriter, r *http.Request) error {
	dry, err := httpx.Flag(r.URL.Query(), paramDryRun)
	if err != nil {
		return err
	}
	var in PartyAbout
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	p := in.party()
	if p.ClientID == "" {
		id, err := c.Registrar.NewClientID()
		if err != nil {
			return err
		}
		p.ClientID = id
	}
	if err := c.apiCheck(r, &p, party.Party{}); err != nil {
		return err
	}
	done := PartyResult{
		ClientID: p.ClientID, Change: "registered",
		Edits: shownEdits(party.Edits(party.Party{}, p)),
	}
	if dry {
		httpx.WriteJSON(w, http.StatusOK, done)
		return nil
	}
	if err := c.Registrar.Register(r.Context(), c.operator(r), p); err != nil {
		return apiError(err)
	}
	c.apiDone(w, r, http.StatusCreated, done)
	return nil
}

// apiEdit changes a party to the body. A change that needs a second operator is stored as a
// proposal, and the status is 202.
func (c *Console) apiEdit(w http.ResponseWriter, r *http.Request) error {
	id, me := r.PathValue("client_id"), operatorOf(r.Context())
	dry, err := httpx.Flag(r.URL.Query(), paramDryRun)
	if err != nil {
		return err
	}
	var in PartyAbout
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	saved, err := c.editable(r.Context(), id)
	if err == nil && saved.Version != in.Version {
		err = party.ErrChanged
	}
	if err != nil {
		return apiError(err)
	}
	p := in.party()
	p.ClientID = id
	problems := map[party.Field]string{}
	unmask(&p, saved.Party, problems)
	if len(problems) > 0 {
		return invalid(problems)
	}
	edits := party.Edits(saved.Party, p)
	done := PartyResult{ClientID: id, Change: "edited", Edits: shownEdits(edits)}
	status := http.StatusOK
	proposal := c.Registrar.NeedsApproval(saved.Party, p)
	if proposal {
		done.Change, status = "proposed", http.StatusAccepted
	}
	if len(edits) == 0 {
		done.Change = "unchanged"
	} else if err := c.apiCheck(r, &p, saved.Party); err != nil {
		return err
	}
	if len(edits) == 0 || dry {
		httpx.WriteJSON(w, http.StatusOK, done)
		return nil
	}
	if proposal {
		switch waiting, _, err := c.Registrar.Proposal(r.Context(), id); {
		case err == nil && waiting.Version == in.Version &&
			len(party.Edits(waiting.Party, p)) == 0:
			httpx.WriteJSON(w, status, done)
			return nil
		case err != nil && !errors.Is(err, party.ErrNoProposal):
			return err
		}
		err = c.Registrar.Propose(r.Context(), me.name, me.subject, in.Version, p)
	} else {
		err = c.Registrar.Edit(r.Context(), me.name, in.Version, p)
	}
	if err != nil {
		return apiError(err)
	}
	c.apiDone(w, r, status, done)
	return nil
}

// apiCheck judges a party that is to be saved, and tests its URLs if calls to them differ from
// old's.
func (c *Console) apiCheck(r *http.Request, p *party.Party, old party.Party) error {
	problems := map[party.Field]string{}
	if old.ClientID == "" {
		unmask(p, old, problems)
	}
	f := partyForm{errors: problems}
	if !f.judge(*p, c.Registrar.Policy) {
		return invalid(problems)
	}
	anyway, err := httpx.Flag(r.URL.Query(), paramAnyway)
	if err != nil {
		return err
	}
	if anyway ||
		p.JWKSURL == old.JWKSURL && p.WebhookURL == old.WebhookURL &&
			p.AllowPrivate == old.AllowPrivate && p.CA == old.CA {
		return nil
	}
	var failed []string
	for _, check := range c.diagnose(r.Context(), p) {
		if check.Tone == "bad" {
			failed = append(failed, check.Name+": "+check.Text)
		}
	}
	if failed != nil {
		return &api.Error{Code: codeTestFailed, Description: strings.Join(failed, " ")}
	}
	return nil
}

func (c *Console) apiDisable(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("client_id")
	var in PartyVersion
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	disable := strings.HasSuffix(r.URL.Path, "/disable")
	done := PartyResult{ClientID: id, Change: "enabled"}
	if disable {
		done.Change = "disabled"
	}
	err := c.Registrar.SetDisabled(r.Context(), c.operator(r), id, in.Version, disable)
	if err != nil {
		return apiError(err)
	}
	c.apiDone(w, r, http.StatusOK, done)
	return nil
}

// apiRenewKeys discards the keys of a party on all nodes, and fetches them on this one.
func (c *Console) apiRenewKeys(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("client_id")
	if p, err := c.Parties.Party(r.Context(), id); err == nil && p.JWKS != "" {
		return apiError(party.ErrConfigured)
	}
	p, err := c.fetchKeys(r.Context(), c.operator(r), id)
	if err != nil {
		return apiError(err)
	}
	result := KeysResult{ClientID: id, Keys: []KeyData{}}
	if keys := c.cachedKeys(p); keys != nil {
		result.Ignored, result.Error = keys.Ignored, keys.Failed
		for _, k := range keys.Keys {
			result.Keys = append(result.Keys, KeyData{k.Kid, k.Curve, k.Alg})
		}
	} else {
		result.Error = "the fetch has not ended"
	}
	httpx.WriteJSON(w, http.StatusOK, result)
	return nil
}

// fetchKeys discards the cached keys of a party on all nodes and fetches them again on this node.
// [Console.cachedKeys] has the outcome.
func (c *Console) fetchKeys(ctx context.Context, by, id string) (*party.Party, error) {
	if err := c.Registrar.RenewKeys(ctx, by, id); err != nil {
		return nil, err
	}
	p, err := c.Parties.Party(ctx, id)
	if err != nil {
		return nil, err
	}
	bounded, cancel := context.WithTimeout(ctx, pageTimeout)
	defer cancel()
	_ = c.Keys.Fetch(bounded, p)
	c.Log.InfoContext(ctx, "keys renewed by an operator", "client_id", id, "by", by)
	return p, nil
}

// apiDone logs a change and answers it.
func (c *Console) apiDone(w http.ResponseWriter, r *http.Request, status int, done PartyResult) {
	c.Log.InfoContext(
		r.Context(), "relying party changed by the API", "client_id", done.ClientID,
		"change", done.Change, "by", c.operator(r),
	)
	httpx.WriteJSON(w, status, done)
}

// apiError returns the refusal for an error of package party, or the error.
func apiError(err error) error {
	for cause, code := range map[error]string{
		party.ErrExists: codeExists, party.ErrConfigured: codeConfigured,
		party.ErrChanged: codeChanged, party.ErrFormer: codeExists,
	} {
		if errors.Is(err, cause) {
			return &api.Error{Code: code, Description: sentence(cause.Error())}
		}
	}
	if errors.Is(err, party.ErrUnknown) {
		return errNotFound
	}
	return err
}

// invalid returns the refusal of a registration with these problems.
func invalid(problems map[party.Field]string) error {
	var list []string
	for field, problem := range problems {
		list = append(list, string(field)+": "+problem)
	}
	slices.Sort(list)
	return &api.Error{Code: codeInvalid, Description: strings.Join(list, " ")}
}
