package rpapi

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/token"
)

// HeaderDiagnostics has the id of a refusal's diagnosis in the sandbox, for GET /diagnostics/{id}
// of the control listener.
const HeaderDiagnostics = "Signet-Diagnostics"

// calls are the tokens' names of the calls.
var calls = map[calllog.Kind]token.Call{
	calllog.Initiate: token.Initiate, calllog.Cancel: token.Cancel, calllog.Result: token.Result,
}

// diagnose returns the diagnosis of a refused call: which check failed, and how to mend the call.
// Nil: the call has no checks, or the fault is not the caller's.
func diagnose(r *http.Request, kind calllog.Kind, c call, err error) *calllog.Diagnosis {
	refusal, reason := httpx.Refusal(err)
	name, ok := calls[kind]
	if err == nil || refusal == api.ErrServerSide || !ok {
		return nil
	}
	if reason == "" {
		reason = refusal.Description
	}
	check := token.FailedCheck(err)
	if check == "" && kind == calllog.Initiate && refusal.Code == api.CodeUnauthorized {
		check = token.CheckJTI // another call with the token was faster
	}
	if check != "" {
		return calllog.Diagnose(check, token.Advise(authorization(r), name, check, reason))
	}
	return calllog.Diagnose(c.check, advise(kind, c.check, refusal))
}

// advise is [token.Advise] for the checks that follow those of the token.
func advise(kind calllog.Kind, check token.Check, refusal *api.Error) string {
	switch {
	case refusal.Code == api.CodeTooManyRequests, refusal.Code == api.CodeActiveSession,
		refusal.Code == api.CodeUnavailable: // at any check, also while the request is looked up
		return "Try again after the seconds of Retry-After."
	case check == calllog.CheckRequest, refusal.Code == api.ErrNoRecord.Code &&
		refusal.Description == api.ErrNoRecord.Description:
		return "Take request_id from the answer of initiate, and call the service that gave it."
	case refusal.Code == api.CodeUnauthorized:
		return "Take exchange_code from the answer of initiate that made this request."
	case refusal.Code == api.CodeAlreadyCancelled:
		return "Take it for a success: the request is cancelled."
	case refusal.Code == api.CodeNotSigned:
		return "Wait for the webhook, or ask again later with a new token."
	case refusal.Code == api.CodeSignedAccessExpired:
		return "Download within an hour of the webhook, and keep the file."
	case refusal.Code == api.CodeAlreadySigned:
		return "Get the signed document: it is too late to cancel."
	case refusal.Code == api.CodeExpired, refusal.Code == api.CodeCancelled:
		return "Initiate a new request."
	case check == calllog.CheckContent && kind == calllog.Initiate:
		return "Send the bytes of the PDF as the body, neither encoded nor in a form, with " +
			"Content-Type: application/octet-stream."
	case check == calllog.CheckContent:
		return "Send no body and no Content-Type."
	case check == calllog.CheckDocument && strings.Contains(refusal.Description, "startxref"):
		return "If a viewer opens the file, send its bytes as they are: curl does so with " +
			"--data-binary, and leaves out line ends with --data."
	case check == calllog.CheckDocument && (strings.Contains(refusal.Description, "is empty") ||
		strings.Contains(refusal.Description, "does not start")):
		return "Send the bytes of the PDF as the body: not its path, not base64, JSON or a form " +
			"(curl: --data-binary @FILE)."
	case check == calllog.CheckDocument:
		return "Mend the document or the places as the reason says; signet locate FILE.pdf " +
			"shows its pages and finds places."
	}
	return "Make the call as /reference describes it."
}

// explained adds the remedy to an error, for the explanation in the sandbox.
func explained(err error, kind calllog.Kind, d *calllog.Diagnosis) error {
	remedy := ""
	switch {
	case d != nil:
		remedy = d.Remedy
	case kind == calllog.Download && httpx.Refused(err):
		remedy = "Follow signed_doc_url as it was given, within two minutes; each result call gives " +
			"a new one."
	}
	if remedy == "" {
		return err
	}
	return fmt.Errorf("%w. %s", err, remedy)
}

// decimalLimit is 10 MB in decimal. The real service may mean that (docs/contract.md, 14.13).
const decimalLimit = 10_000_000

// warn says in the explanation of an accepted call what the real service may refuse.
func warn(w http.ResponseWriter, advice string) {
	w.Header().Set(
		httpx.HeaderExplanation, "accepted; the real service may refuse this call: "+advice,
	)
}
