package obs_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/obs"
)

// TestNote checks that each line of a request has its trace id and what was noted of it, in JSON
// and in text, and that lines outside of a request have neither.
func TestNote(t *testing.T) {
	const trace = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, test := range []struct{ traceparent, trace string }{
		{"00-" + trace + "-00f067aa0ba902b7-01", trace},
		{"", ""},
		{"00-" + trace + "-00f067aa0ba902b7", ""},
		{"00-" + trace + "-0000000000000000-01", ""},
		{"00-" + strings.Repeat("0", 32) + "-00f067aa0ba902b7-01", ""},
		{"00-" + strings.ToUpper(trace) + "-00f067aa0ba902b7-01", ""},
		{"00-" + strings.Repeat("\n", 32) + "-00f067aa0ba902b7-01", ""},
		{"ff-" + trace + "-00f067aa0ba902b7-01", ""},
	} {
		var out bytes.Buffer
		log := obs.NewLogger(&out, slog.LevelDebug, obs.FormatJSON)
		mux := http.NewServeMux()
		mux.HandleFunc("GET /x/{request_id}", func(w http.ResponseWriter, r *http.Request) {
			log.InfoContext(r.Context(), "before")
			obs.Note(r.Context(), slog.String("party", "shop"), slog.String("check", ""))
			log.With("more", 1).WarnContext(r.Context(), "after")
		})
		h := obs.Observe(mux, log, obs.NewMetrics(), nil)
		r := httptest.NewRequest("GET", "/x/1", nil)
		r.Header.Set("Traceparent", test.traceparent)
		h.ServeHTTP(httptest.NewRecorder(), r)
		if r.Pattern != "GET /x/{request_id}" || r.PathValue("request_id") != "1" {
			t.Errorf("handlers around it see %q and %q", r.Pattern, r.PathValue("request_id"))
		}
		log.InfoContext(t.Context(), "outside")
		lines := map[string]map[string]any{}
		for line := range strings.Lines(out.String()) {
			var v map[string]any
			if err := json.Unmarshal([]byte(line), &v); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			lines[v["msg"].(string)] = v
		}
		got, _ := lines["before"]["trace"].(string)
		if len(got) != 32 || test.trace != "" && got != test.trace ||
			test.trace == "" && got == trace {
			t.Errorf("%q: the trace is %q", test.traceparent, got)
		}
		for name, party := range map[string]any{"before": nil, "after": "shop", "http": "shop"} {
			if v := lines[name]; v["trace"] != got || v["party"] != party || v["check"] != nil {
				t.Errorf("%s: %v", name, v)
			}
		}
		if lines["after"]["more"] != 1.0 || lines["outside"]["trace"] != nil {
			t.Errorf("%v", lines)
		}
	}
}
