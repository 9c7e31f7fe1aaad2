package obs

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

func TestSnapshot(t *testing.T) {
	m := NewMetrics()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /a/{id}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("id") {
		case "bad":
			w.WriteHeader(http.StatusBadRequest)
		case "broken":
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	h := Observe(mux, slog.New(slog.DiscardHandler), m, nil)
	for _, path := range []string{"/a/1", "/a/2", "/a/bad", "/a/broken", "/nowhere"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
	}
	m.Attempted("webhook", "done")
	m.Attempted("webhook", "done")
	m.Attempted("webhook", "failed")
	m.Fetched(nil)
	for _, took := range []time.Duration{20 * time.Millisecond, 100 * time.Millisecond, 300 * time.Millisecond, time.Minute} {
		m.Sealed(took)
	}
	s, err := m.Snapshot()
	if err != nil || len(s.Routes) != 2 {
		t.Fatalf("%+v, %v", s, err)
	}
	var sealed []uint64
	for _, b := range s.Sealing {
		sealed = append(sealed, b.Count)
	}
	if fmt.Sprint(sealed) != "[2 0 1 0 0 1]" || s.Sealing[0].UpTo != 100*time.Millisecond ||
		s.Sealing[5].UpTo != 0 {
		t.Errorf("sealing: %+v", s.Sealing)
	}
	r := s.Routes[0]
	if r.Route != "GET /a/{id}" || r.Count != 4 || r.Refused != 1 || r.Failed != 1 ||
		r.Seconds <= 0 {
		t.Errorf("busiest route: %+v", r)
	}
	if s.Routes[1].Route != "none" || s.Routes[1].Refused != 1 {
		t.Errorf("the other: %+v", s.Routes[1])
	}
	if s.Jobs["webhook"]["done"] != 2 || s.Jobs["webhook"]["failed"] != 1 || s.Fetches["ok"] != 1 {
		t.Errorf("%+v", s)
	}
}
