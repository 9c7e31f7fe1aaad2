package control

import (
	"net/http"
	"strconv"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// FaultsView is the faults as the control listener shows them.
type FaultsView struct {
	Rules []fault.Status `json:"rules"` // that apply, the first one first
	Kinds []fault.Kind   `json:"kinds"` // that there are
	Calls []string       `json:"calls"` // that a rule can be for

	Recent []fault.Recent `json:"recent"` // newest injections, the newest first
}

func (c *API) faults(w http.ResponseWriter, _ *http.Request) error {
	httpx.WriteJSON(w, http.StatusOK, FaultsView{
		c.Faults.Rules(), fault.Kinds(), fault.Calls(),
		append([]fault.Recent{}, c.Faults.Recent()...),
	})
	return nil
}

func (c *API) addFault(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		fault.Rule
		RequestID ID `json:"request_id"` // instead of those of Rule
		ClientID  ID `json:"client_id"`
	}
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	rule := in.Rule
	rule.RequestID, rule.ClientID = string(in.RequestID), string(in.ClientID)
	if err := c.known(r.Context(), rule.ClientID, rule.RequestID); err != nil {
		return err
	}
	if err := c.Faults.Add(rule); err != nil {
		return api.ErrClientSide(err.Error())
	}
	return c.faults(w, r)
}

func (c *API) clearFaults(w http.ResponseWriter, r *http.Request) error {
	c.Faults.Clear()
	return c.faults(w, r)
}

func (c *API) removeFault(w http.ResponseWriter, r *http.Request) error {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !c.Faults.Remove(id) {
		return &api.Error{Code: codeNotFound, Description: "No such fault"}
	}
	return c.faults(w, r)
}
