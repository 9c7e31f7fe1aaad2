package sandbox

import (
	"io"
	"log/slog"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Start is the sandbox's first page: what there is, where, and a first call to paste into a
// terminal.
type Start struct {
	DemoURL, ReferenceURL, PhoneURL, ConsoleURL string
	Addresses                                   []Address
	FirstCall, CancelCall                       string // lines of a shell
	// NAME=value, of the party that variables describe
	Environment []string
	Personas    []PersonaChoice
	Root        *Root // nil if the sandbox has none
	// in what the sandbox differs from a new one, a sentence each
	Changes []string
}

// Root is the root certificate that browsers are to trust, of a sandbox with TLS.
type Root struct {
	File, URL   string
	Fingerprint string // SHA-256, as phones show it: upper-case hexadecimal, bytes apart
	PEM         []byte
}

// StartConfig is the content of the page of [NewStart].
type StartConfig struct {
	PublicURL, ControlURL string // of the listeners
	MockBase              string // path of the API as MockPass has it
	Root                  *Root  // nil if the sandbox has no TLS
	Environment           []string
	Personas              []Persona
	Changes               func() []string // those of [Start]
}

// Address is a URL with the message that names it.
type Address struct{ Label, URL string }

// EnvironmentText is the environment as lines.
func (p Start) EnvironmentText() string { return strings.Join(p.Environment, "\n") }

func (p Start) Meta() ui.Meta {
	return ui.Meta{
		Template: "start", Title: "start.title", Shell: ui.ShellSandbox, Script: "demo",
		English: true,
	}
}

// NewStart returns the page, without changes.
func NewStart(c StartConfig) Start {
	publicURL, controlURL := c.PublicURL, c.ControlURL
	initiate := `TOKEN=$(curl -s ` + publicURL + `/demo/token)
curl -s -o sample.pdf ` + publicURL + demoSamplePath + `
curl -s -X POST ` + publicURL + `/api/v3` + api.PathRequest + ` \
  -H "Authorization: $TOKEN" -H "Content-Type: application/octet-stream" \
  --data-binary @sample.pdf`
	if c.Root != nil {
		initiate = "export CURL_CA_BUNDLE='" + c.Root.File + "'\n" + initiate
	}
	cancel := `ID=signv3-...
TOKEN=$(curl -s "` + publicURL + `/demo/token?cancel=$ID")
curl -i -X POST ` + publicURL + `/api/v3` + api.PathCancel + ` -H "Authorization: $TOKEN"`
	return Start{
		DemoURL: publicURL + demoHome, ReferenceURL: publicURL + ReferencePath,
		PhoneURL:   publicURL + "/phone/",
		ConsoleURL: controlURL + "/console/",
		Addresses: []Address{
			{"start.api", publicURL + "/api/v3"},
			{"start.api.mock", publicURL + c.MockBase},
			{"start.keys", publicURL + api.PathKeys},
			{"start.openapi", publicURL + "/openapi.yaml"},
			{"start.control", controlURL + "/"},
			{"start.clock", controlURL + "/console/clock"},
			{"start.signers", controlURL + "/console/personas"},
			{"start.faults", controlURL + "/console/faults"},
		},
		FirstCall: initiate, CancelCall: cancel, Environment: c.Environment,
		Personas: choices(c.Personas), Root: c.Root,
	}
}

// Handler shows the page.
func (c StartConfig) Handler(kit *ui.Kit, log *slog.Logger) http.Handler {
	page := NewStart(c)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		shown := page
		shown.Changes = c.Changes()
		kit.Show(w, r, log, http.StatusOK, shown)
	})
}

func choices(personas []Persona) (all []PersonaChoice) {
	for _, p := range personas {
		all = append(all, PersonaChoice{ID: p.UIN, Name: p.Name, Identifier: p.UIN, Note: p.Note})
	}
	return all
}

// token answers GET /demo/token with a token of the demo's for one Initiate call of the sample, or,
// with the parameter cancel, for a Cancel call of that request. It is for the first calls of a
// developer who has no key yet.
func (d *Demo) token(w http.ResponseWriter, r *http.Request) {
	claims := map[string]any{"request_id": r.URL.Query().Get("cancel")}
	if claims["request_id"] == "" {
		places, err := placeSignatures("three", sampleDocument())
		if err != nil {
			d.config.Kit.Error(w, r, http.StatusInternalServerError, "")
			return
		}
		claims = map[string]any{"doc_name": sampleName, "sign_locations": places}
	}
	made, err := d.client.Token(claims)
	if err != nil {
		d.config.Log.WarnContext(r.Context(), "demo: no token was made", "err", err)
		d.config.Kit.Error(w, r, http.StatusInternalServerError, "")
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, made)
}
