package console

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// controlRoutes mounts the pages of the sandbox's controls. Each page shows the answer to a call of
// the control listener, and each form makes one, so a page can do what the call can and no more.
func (c *Console) controlRoutes(mux *http.ServeMux) {
	if c.Control == nil {
		return
	}
	mux.HandleFunc("GET /console/clock", c.handle(c.clock))
	mux.HandleFunc("POST /console/clock", c.handle(c.moveClock))
	mux.HandleFunc("GET /console/personas", c.handle(c.personas))
	mux.HandleFunc("POST /console/personas", c.handle(c.planSigner))
	mux.HandleFunc("POST /console/personas/clear", c.handle(c.clearSigners))
	mux.HandleFunc("GET /console/faults", c.handle(c.faults))
	mux.HandleFunc("POST /console/faults", c.handle(c.addFault))
	mux.HandleFunc("POST /console/faults/remove", c.handle(c.removeFault))
}

// control makes a call of the control listener and reads its answer into out. A refusal is an
// [api.Error].
func (c *Console) control(r *http.Request, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	call, err := http.NewRequestWithContext(
		r.Context(), method, "http://localhost"+path, bytes.NewReader(body),
	)
	if err != nil {
		return err
	}
	call.Header.Set("Content-Type", "application/json")
	answer, err := c.Control(call)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		refusal := new(api.Error)
		if err := json.NewDecoder(answer.Body).Decode(refusal); err != nil || refusal.Code == "" {
			return fmt.Errorf("%s %s: status %d", method, path, answer.StatusCode)
		}
		return refusal
	}
	return json.NewDecoder(answer.Body).Decode(out)
}

// controlled shows the page again with what was wrong, or redirects to it after a success.
func (c *Console) controlled(
	w http.ResponseWriter, r *http.Request, err error, page string, q url.Values,
	show func(w http.ResponseWriter, r *http.Request, problem string) error,
) error {
	refusal, refused := err.(*api.Error) // not a wrapped one, which is about something else
	switch {
	case refused:
		return show(w, r, refusal.Description)
	case err != nil:
		return err
	}
	c.Log.InfoContext(
		r.Context(), "sandbox changed from the console", "page", page, "by", c.operator(r),
	)
	q.Set("done", "1")
	http.Redirect(w, r, consoleURL(q, page), http.StatusSeeOther)
	return nil
}

// showForm shows a page with its form. problem is what was wrong with the form that was sent, if
// any.
func (c *Console) showForm(w http.ResponseWriter, r *http.Request, problem string, page ui.Page) {
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	c.Kit.Show(w, r, c.Log, status, page)
}

// clockScope is whose clock a page shows.
func clockScope(values url.Values) (requestID, clientID string, q url.Values) {
	requestID, clientID = strings.TrimSpace(values.Get("request_id")), values.Get("client_id")
	q = url.Values{}
	if requestID != "" {
		q.Set("request_id", requestID)
	} else if clientID != "" {
		q.Set("client_id", clientID)
	}
	return requestID, clientID, q
}

func (c *Console) clock(w http.ResponseWriter, r *http.Request) error {
	return c.showClock(w, r, "")
}

func (c *Console) showClock(w http.ResponseWriter, r *http.Request, problem string) error {
	values := r.URL.Query()
	if r.Method == http.MethodPost {
		values = r.PostForm
	}
	requestID, clientID, q := clockScope(values)
	page := ClockPage{
		RequestID: requestID, Parties: c.partyChoices(clientID), ClientID: clientID,
		Problem: problem, Done: r.URL.Query().Has("done"),
	}
	if requestID != "" {
		page.ClientID = ""
	}
	err := c.control(r, http.MethodGet, "/clock?"+q.Encode(), nil, &page.Clock)
	if refusal, refused := err.(*api.Error); refused && len(q) > 0 { // an unknown request or party
		page.Problem, page.RequestID, page.ClientID = refusal.Description, "", ""
		err = c.control(r, http.MethodGet, "/clock", nil, &page.Clock)
	}
	if err != nil {
		return err
	}
	c.showForm(w, r, page.Problem, page)
	return nil
}

func (c *Console) moveClock(w http.ResponseWriter, r *http.Request) error {
	if err := r.ParseForm(); err != nil {
		return err
	}
	requestID, clientID, q := clockScope(r.PostForm)
	change := map[string]any{}
	if requestID != "" {
		change["request_id"] = requestID
	} else if clientID != "" {
		change["client_id"] = clientID
	}
	switch do := r.PostForm.Get("do"); do {
	case "advance", "set":
		change[do] = strings.TrimSpace(r.PostForm.Get(do))
	case "freeze", "run":
		change["freeze"] = do == "freeze"
	case "reset":
		change["reset"] = true
	}
	var moved Clock
	err := c.control(r, http.MethodPost, "/clock", change, &moved)
	return c.controlled(w, r, err, "clock", q, c.showClock)
}

func (c *Console) personas(w http.ResponseWriter, r *http.Request) error {
	return c.showPersonas(w, r, "")
}

func (c *Console) showPersonas(w http.ResponseWriter, r *http.Request, problem string) error {
	page := PersonasPage{
		Plan: Plan{
			As: r.PostForm.Get("as"), Do: r.PostForm.Get("do"),
			ClientID: r.PostForm.Get("client_id"),
		},
		RequestID: r.PostForm.Get("request_id"),
		Problem:   problem, Done: r.URL.Query().Has("done"),
	}
	page.Parties = c.partyChoices(page.ClientID)
	if err := c.control(r, http.MethodGet, "/signers", nil, &page.Signers); err != nil {
		return err
	}
	c.showForm(w, r, problem, page)
	return nil
}

func (c *Console) planSigner(w http.ResponseWriter, r *http.Request) error {
	plan := map[string]string{}
	for _, name := range []string{"as", "do", "client_id", "request_id"} {
		if value := strings.TrimSpace(r.PostFormValue(name)); value != "" {
			plan[name] = value
		}
	}
	err := c.control(r, http.MethodPost, "/signers", plan, new(Signers))
	return c.controlled(w, r, err, "personas", url.Values{}, c.showPersonas)
}

func (c *Console) clearSigners(w http.ResponseWriter, r *http.Request) error {
	err := c.control(r, http.MethodDelete, "/signers", nil, new(Signers))
	return c.controlled(w, r, err, "personas", url.Values{}, c.showPersonas)
}

func (c *Console) faults(w http.ResponseWriter, r *http.Request) error {
	return c.showFaults(w, r, "")
}

func (c *Console) showFaults(w http.ResponseWriter, r *http.Request, problem string) error {
	page := FaultsPage{
		Kind: r.PostForm.Get("kind"), Count: r.PostForm.Get("count"),
		Probability: r.PostForm.Get("probability"), Delay: r.PostForm.Get("delay"),
		Call: r.PostForm.Get("call"), ClientID: r.PostForm.Get("client_id"),
		RequestID: r.PostForm.Get("request_id"), Problem: problem, Done: r.URL.Query().Has("done"),
	}
	page.Parties = c.partyChoices(page.ClientID)
	if err := c.control(r, http.MethodGet, "/faults", nil, &page.Faults); err != nil {
		return err
	}
	c.showForm(w, r, problem, page)
	return nil
}

func (c *Console) addFault(w http.ResponseWriter, r *http.Request) error {
	rule := map[string]any{}
	for _, name := range []string{"kind", "call", "client_id", "request_id", "delay"} {
		if value := strings.TrimSpace(r.PostFormValue(name)); value != "" {
			rule[name] = value
		}
	}
	// A number that cannot be read is sent as it is, and refused.
	for _, name := range []string{"count", "probability"} {
		if value := strings.TrimSpace(r.PostFormValue(name)); value != "" {
			rule[name] = json.Number(value)
			if _, err := strconv.ParseFloat(value, 64); err != nil {
				rule[name] = value
			}
		}
	}
	err := c.control(r, http.MethodPost, "/faults", rule, new(Faults))
	return c.controlled(w, r, err, "faults", url.Values{}, c.showFaults)
}

// removeFault removes the fault that the form names, or all.
func (c *Console) removeFault(w http.ResponseWriter, r *http.Request) error {
	path := "/faults"
	if id := r.PostFormValue("id"); id != "" {
		path += "/" + url.PathEscape(id)
	}
	err := c.control(r, http.MethodDelete, path, nil, new(Faults))
	return c.controlled(w, r, err, "faults", url.Values{}, c.showFaults)
}
