package e2e_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestLog checks that the log of a program as JSON tells of each call the relying party, the sign
// request and the outcome, with the trace id of the caller, and that it has no token.
func TestLog(t *testing.T) {
	var out lockedBuffer
	rp := partytest.Start(t)
	s := run(t, rp, configOf(rp), nil, obs.NewLogger(&out, slog.LevelDebug, obs.FormatJSON))
	in := s.initiate(t)
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	jws := rp.Token(token.Cancel, partytest.Claim("request_id", in.RequestID))
	for _, authorization := range []string{jws, jws, "junk"} {
		r, err := http.NewRequestWithContext(
			t.Context(), "POST", s.url+"/api/v3/sign-requests/cancel", nil,
		)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	s.stop()
	type line struct {
		Msg, Route, Trace, Call, Party, Outcome, Check string
		RequestID                                      string `json:"request_id"`
	}
	var got []line
	for text := range strings.Lines(out.String()) {
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if l.Msg == "http" && l.Call != "" {
			if l.Call == "initiate" && len(l.Trace) == 32 {
				l.Trace = "new"
			}
			got = append(got, l)
		}
	}
	const route = "POST /api/v3/sign-requests"
	want := []line{
		{"http", route, "new", "initiate", rp.ClientID, "accepted", "", in.RequestID},
		{"http", route + "/cancel", trace, "cancel", rp.ClientID, "accepted", "", in.RequestID},
		{
			"http", route + "/cancel", trace, "cancel", rp.ClientID, "REQUEST_ALREADY_CANCELLED",
			string(calllog.CheckState), in.RequestID,
		},
		{
			"http",
			route + "/cancel",
			trace,
			"cancel",
			"",
			"UNAUTHORIZED",
			string(token.CheckAuthorization),
			"",
		},
	}
	if !slices.Equal(got, want) {
		t.Errorf("the calls are\n%+v\nwant\n%+v", got, want)
	}
	if strings.Contains(out.String(), jws) {
		t.Error("the log has a token")
	}
}
