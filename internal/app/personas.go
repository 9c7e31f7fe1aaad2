package app

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/signer"
)

// personas returns the people of the sandbox, for pages and for automatic signers.
func personas(c *config.Config) (shown []sandbox.Persona, played []control.Persona, err error) {
	if len(c.Personas) == 0 {
		shown = sandbox.Personas()
		for _, p := range shown {
			played = append(played, control.Persona{Person: p.Person})
		}
		return shown, played, nil
	}
	for i, p := range c.Personas {
		who := signer.Person{UIN: signer.Normalize(p.UIN), Name: p.Name}
		do, err := control.ParseBehaviour(p.Behaviour)
		switch {
		case err != nil:
		case !signer.ValidUIN(who.UIN):
			err = errors.New("uin is not an NRIC or FIN with the right check letter")
		case who.Name == "":
			err = errors.New("name is missing")
		}
		if err != nil {
			return nil, nil, fmt.Errorf("personas: number %d: %w", i+1, err)
		}
		shown = append(shown, sandbox.Persona{Person: who, Note: p.Note})
		played = append(played, control.Persona{Person: who, Behaviour: do})
	}
	return shown, played, nil
}

// signOnGet answers a GET of a signing URL by a program as MockPass does. Browsers see the page.
func (a *App) signOnGet(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", next)
	mux.HandleFunc("GET /sign/{request_id}", func(w http.ResponseWriter, r *http.Request) {
		if isBrowser(r) || !a.signNow(w, r, r.PathValue("request_id")) {
			next.ServeHTTP(w, r)
		}
	})
	return mux
}

// mockSign serves MockPass's signing URL, for scripts that make it of a request id themselves. A
// browser gets to the page.
func (a *App) mockSign(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != mockBase+"/sign" || r.Method != http.MethodGet {
			next.ServeHTTP(w, r)
			return
		}
		id := r.URL.Query().Get("request_id")
		if isBrowser(r) || !a.signNow(w, r, id) {
			http.Redirect(w, r, "/sign/"+url.PathEscape(id), http.StatusFound)
		}
	})
}

// isBrowser reports whether a person sees the answer.
func isBrowser(r *http.Request) bool {
	return strings.Contains(r.Header.Get("Accept"), "text/html")
}

// signNow has the document of a request signed unless it is, and redirects to the relying party
// after the first attempt of the webhook. It reports whether it has answered; it has not if there
// is no such request.
func (a *App) signNow(w http.ResponseWriter, r *http.Request, id string) bool {
	req, err := a.sign.Get(r.Context(), id)
	if err != nil {
		return false
	}
	var refused error
	if !req.State.Approved() {
		refused = a.automatic.Play(r.Context(), id, control.Plan{})
	}
	if refused != nil {
		a.log.WarnContext(
			r.Context(), "an automatic signer was refused", "request_id", id, "err", refused,
		)
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if req, err = a.sign.Get(r.Context(), id); err != nil || !sealing(req) {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err == nil {
		err = a.worker.Drain(r.Context())
	}
	if err != nil {
		return false
	}
	rp, err := a.parties.Party(r.Context(), req.ClientID)
	if err != nil {
		return false
	}
	http.Redirect(w, r, returnURL(rp, req), http.StatusFound)
	return true
}

// sealing reports whether the document is being finished.
func sealing(r *request.Request) bool { return r.State.Approved() && !r.State.Signed() }

// returnURL is where a browser would come back to.
func returnURL(rp *party.Party, r *request.Request) string {
	status := api.StatusCancelled
	if r.State.Signed() {
		status = api.StatusSuccess
	}
	return portal.ReturnURL(rp, r.ID, status)
}
