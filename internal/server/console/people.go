package console

import (
	"errors"
	"net/http"
	"net/url"
	"path"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/signer"
)

// peopleRoutes mounts the page of people, whose forms post an NRIC or FIN, and the calls of the API
// behind it. No URL, page or answer contains one.
func (c *Console) peopleRoutes(mux *http.ServeMux) {
	mux.HandleFunc("GET /console/people", c.handle(c.people))
	mux.HandleFunc("POST /console/people", c.handle(c.findPerson))
	mux.HandleFunc("POST /console/people/lift", c.handle(c.act(person.Lift)))
	mux.HandleFunc("POST /console/people/forget", c.handle(c.act(person.Forget)))
	mux.HandleFunc("POST /console/people/approve", c.handle(c.decidePerson))
	mux.HandleFunc("POST /console/people/reject", c.handle(c.decidePerson))
	j := httpx.JSON{Status: apiStatus, Log: c.Log}
	mux.Handle("POST /console/api/people/show", j.Handle(httpx.Takes(c.apiPerson)))
	mux.Handle("POST /console/api/people/forget", j.Handle(httpx.Takes(c.apiForget)))
	mux.Handle("POST /console/api/phones/{phone_id}/lift", j.Handle(httpx.Takes(c.apiLift)))
}

// personErrors are the refusals of acts: what the API answers, and the key of the page's text below
// console.people.problem.
var personErrors = []struct {
	err  error
	code string
	key  string
}{
	{person.ErrNoUIN, codePersonInvalid, "uin"},
	{person.ErrReason, codePersonInvalid, "reason"},
	{retention.ErrRevealing, codePersonInvalid, "revealing"},
	{request.ErrInProgress, codeInProgress, "active"},
	{signer.ErrNotWaiting, codeNotWaiting, "phone"},
	{signer.ErrNoPhone, codeNotFound, "phone"},
	{person.ErrNoProposal, codeNotFound, "proposal"},
	{person.ErrOwnProposal, codeRole, "own"},
	{person.ErrClaimed, codeInProgress, "claimed"},
}

// peoplePage returns the page without a person.
func (c *Console) peoplePage(r *http.Request) (page PeoplePage, err error) {
	me := operatorOf(r.Context())
	page.Admin, page.FourEyes = me.role >= Admin, c.People.FourEyes
	if !page.Admin {
		return page, nil
	}
	list, err := c.People.Proposals(r.Context())
	now := c.Now()
	for _, p := range list {
		page.Proposals = append(page.Proposals, PersonProposal{
			ID: p.ID, Kind: string(p.Kind), Hint: signer.Person{UIN: p.UIN}.Hint(),
			PhoneID: p.PhoneID, Reason: p.Reason, By: p.By.Name, At: p.At,
			Own: p.By.Subject == me.subject, Claimed: p.Claimed(now),
			Interrupted: !p.ClaimedUntil.IsZero() && !p.Claimed(now),
		})
	}
	return page, err
}

func (c *Console) people(w http.ResponseWriter, r *http.Request) error {
	page, err := c.peoplePage(r)
	if err != nil {
		return err
	}
	page.Done = doneKey(
		r, "console.people.done.%s", "lift", "forget", "proposed", "reject",
	)
	return c.show(w, r, page)
}

// findPerson shows what is stored about a person. It is a POST, because URLs are logged.
func (c *Console) findPerson(w http.ResponseWriter, r *http.Request) error {
	page, err := c.peoplePage(r)
	if err != nil {
		return err
	}
	about, err := c.look(r, r.PostFormValue("uin"))
	if err != nil {
		return c.personRefused(w, r, err)
	}
	page.Person = about
	return c.show(w, r, page)
}

// look returns what is stored about a person.
func (c *Console) look(r *http.Request, uin string) (*Person, error) {
	security.Note(r.Context(), security.Event{Person: signer.Normalize(uin)})
	about, err := c.People.Look(r.Context(), uin)
	if err != nil {
		return nil, err
	}
	p := &Person{
		Hint:     signer.Person{UIN: signer.Normalize(uin)}.Hint(),
		Requests: about.Requests, Signed: about.Signed, Calls: about.Calls,
	}
	now := c.Now()
	for _, ph := range about.Phones {
		row := PersonPhone{
			ID: ph.ID, Name: ph.Name, Serial: ph.Serial, EnrolledAt: ph.EnrolledAt,
			State: PhoneSigns,
		}
		switch {
		case ph.Revoked(now):
			row.State, row.At = PhoneRevoked, ph.RevokedAt
		case ph.Leaving(now):
			row.State, row.At = PhoneLeaving, ph.RevokedAt
		case ph.Waiting(now):
			row.State, row.At = PhoneWaits, ph.ActiveAt
		}
		p.Phones = append(p.Phones, row)
	}
	for _, err := range about.Active {
		p.Active = append(p.Active, err.Error())
	}
	return p, nil
}

// act returns the handler of a form that lifts a wait, or has a person forgotten.
func (c *Console) act(kind person.Kind) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		done, err := c.do(r, person.Act{
			Kind: kind, UIN: r.PostFormValue("uin"), PhoneID: r.PostFormValue("phone_id"),
			Reason: r.PostFormValue("reason"),
		})
		if err != nil {
			return c.personRefused(w, r, err)
		}
		c.personDone(w, r, done.Change)
		return nil
	}
}

// do does an act or proposes it.
func (c *Console) do(r *http.Request, a person.Act) (result PersonResult, err error) {
	me := operatorOf(r.Context())
	security.Note(r.Context(), security.Event{Person: signer.Normalize(a.UIN)})
	done, err := c.People.Do(r.Context(), person.Operator{Name: me.name, Subject: me.subject}, a)
	if err != nil {
		return result, err
	}
	security.Note(r.Context(), security.Event{Purpose: a.Reason})
	return personResult(a.Kind, done), nil
}

func personResult(kind person.Kind, done person.Done) PersonResult {
	result := PersonResult{
		Change: string(kind), Requests: done.Requests, Phones: done.Phones, Calls: done.Calls,
	}
	if done.Proposed {
		result.Change = "proposed"
	}
	return result
}

// decidePerson approves or rejects a proposal.
func (c *Console) decidePerson(w http.ResponseWriter, r *http.Request) error {
	me, decision := operatorOf(r.Context()), path.Base(r.URL.Path)
	id := r.PostFormValue("proposal")
	var p person.Proposal
	var err error
	if decision == "approve" {
		by := person.Operator{Name: me.name, Subject: me.subject}
		p, _, err = c.People.Approve(r.Context(), by, id)
		decision = string(p.Kind)
	} else {
		p, err = c.People.Reject(r.Context(), id)
	}
	security.Note(r.Context(), security.Event{Person: p.UIN})
	if err != nil {
		return c.personRefused(w, r, err)
	}
	security.Note(r.Context(), security.Event{Purpose: p.Reason})
	c.personDone(w, r, decision)
	return nil
}

func (c *Console) personDone(w http.ResponseWriter, r *http.Request, done string) {
	target := consoleURL(url.Values{"done": {done}}, "people")
	http.Redirect(w, r, target, http.StatusSeeOther)
}

// personRefused shows the page with the text for a refusal. The list of requests in progress is the
// error's own text, which has their ids.
func (c *Console) personRefused(w http.ResponseWriter, r *http.Request, err error) error {
	for _, refusal := range personErrors {
		if !errors.Is(err, refusal.err) {
			continue
		}
		page, failed := c.peoplePage(r)
		if failed != nil {
			return failed
		}
		page.Problem = "console.people.problem." + refusal.key
		if refusal.err == request.ErrInProgress {
			page.Active = err.Error()
		}
		status := apiStatus(refusal.code)
		security.Note(r.Context(), security.Event{Reason: refusal.err.Error()})
		c.Kit.Show(w, r, c.Log, status, page)
		return nil
	}
	return err
}

// PersonLookup is the body of the calls for a person. Reason is not read by show.
type PersonLookup struct {
	UIN    string `json:"uin"`
	Reason string `json:"reason,omitempty"`
}

// PersonResult is the answer to a change for a person.
type PersonResult struct {
	Change   string `json:"change"` // lift, forget or proposed
	Requests int    `json:"requests"`
	Phones   int    `json:"phones"`
	Calls    int    `json:"calls"`
}

func (c *Console) apiPerson(w http.ResponseWriter, r *http.Request) error {
	var in PersonLookup
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	about, err := c.look(r, in.UIN)
	if err != nil {
		return personError(err)
	}
	httpx.WriteJSON(w, http.StatusOK, about)
	return nil
}

func (c *Console) apiForget(w http.ResponseWriter, r *http.Request) error {
	return c.apiAct(w, r, func(in PersonLookup) person.Act {
		return person.Act{Kind: person.Forget, UIN: in.UIN, Reason: in.Reason}
	})
}

func (c *Console) apiLift(w http.ResponseWriter, r *http.Request) error {
	return c.apiAct(w, r, func(in PersonLookup) person.Act {
		return person.Act{Kind: person.Lift, PhoneID: r.PathValue("phone_id"), Reason: in.Reason}
	})
}

// apiAct does an act or proposes it, and answers.
func (c *Console) apiAct(
	w http.ResponseWriter, r *http.Request, act func(PersonLookup) person.Act,
) error {
	var in PersonLookup
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	result, err := c.do(r, act(in))
	if err != nil {
		return personError(err)
	}
	status := http.StatusOK
	if result.Change == "proposed" {
		status = http.StatusAccepted
	}
	httpx.WriteJSON(w, status, result)
	return nil
}

// personError returns the refusal for an error of an act, or the error.
func personError(err error) error {
	for _, refusal := range personErrors {
		if errors.Is(err, refusal.err) {
			return &api.Error{Code: refusal.code, Description: sentence(err.Error())}
		}
	}
	return err
}
