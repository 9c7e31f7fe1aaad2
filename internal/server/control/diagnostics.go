package control

import (
	"fmt"
	"io"
	"net/http"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// DiagnosticsView is a refused call as the control listener shows it.
type DiagnosticsView struct {
	calllog.Record
	Checks []calllog.Checked `json:"checks"` // in their order
}

// newestRefusals is among how many refused calls a diagnosis is looked for.
const newestRefusals = 1000

// diagnostics answers with the refused call whose diagnosis has the id of the path.
func (c *API) diagnostics(w http.ResponseWriter, r *http.Request) error {
	if err := c.Recorder.Flush(r.Context()); err != nil {
		return err
	}
	list, err := c.CallStore.Calls(
		r.Context(), calllog.Filter{Refused: true, Limit: newestRefusals},
	)
	if err != nil {
		return err
	}
	for _, rec := range list {
		if rec.Diagnosis != nil && rec.Diagnosis.ID == r.PathValue("id") {
			httpx.WriteJSON(w, http.StatusOK, DiagnosticsView{rec, rec.Checks()})
			return nil
		}
	}
	return &api.Error{
		Code:        codeNotFound,
		Description: fmt.Sprintf("None of the newest %d refused calls has this id", newestRefusals),
	}
}

// Colours of a terminal (ECMA-48, SGR).
const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	faint  = "\x1b[2m"
	normal = "\x1b[0m"
)

// PrintRefusal writes a refused call for a person at a terminal: what was called, why it was
// refused and how to mend it. base is the URL of the control listener.
func PrintRefusal(w io.Writer, r calllog.Record, base string, colour bool) {
	paint := func(code, text string) string {
		if !colour {
			return text
		}
		return code + text + normal
	}
	reason := r.Reason
	if reason == "" {
		reason = r.Description
	}
	text := fmt.Sprintf(
		"%s %s %s %s\n    %s\n", paint(faint, r.At.Local().Format("15:04:05")), r.Kind,
		paint(red, fmt.Sprintf("%d %s", r.Status, r.Error)), r.Party, reason,
	)
	if d := r.Diagnosis; d != nil {
		if d.Remedy != "" {
			text += "    " + paint(green, d.Remedy) + "\n"
		}
		text += "    " + paint(faint, base+"/diagnostics/"+d.ID) + "\n"
	}
	_, _ = io.WriteString(w, text)
}
