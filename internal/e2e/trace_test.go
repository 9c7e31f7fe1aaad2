package e2e_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// received is what a collector gets, in the JSON of OTLP.
type received struct {
	ResourceSpans []struct {
		ScopeSpans []struct {
			Spans []struct {
				TraceID    string `json:"traceId"`
				SpanID     string `json:"spanId"`
				Parent     string `json:"parentSpanId"`
				Name       string
				Kind       int
				Start      string `json:"startTimeUnixNano"`
				End        string `json:"endTimeUnixNano"`
				Attributes []struct {
					Key   string
					Value struct {
						Text string `json:"stringValue"`
					}
				}
			}
		}
	}
}

// TestTraces lets a sandbox send traces to a collector. The trace of a caller goes on in the span
// of the call and in the fetch of the relying party's keys; a webhook begins one.
func TestTraces(t *testing.T) {
	const trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	var mu sync.Mutex
	var all []received
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var got received
		if err := json.NewDecoder(r.Body).Decode(&got); err != nil || r.URL.Path != "/v1/traces" ||
			r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("the collector gets %s %v, %v", r.URL, r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, got)
	}))
	defer collector.Close()
	s := start(t, func(c *config.Config) { c.OTLPEndpoint = collector.URL })
	fetched := make(chan string, 16)
	jwks := partytest.JWKS(s.party.Key("ES256").JWK())
	s.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fetched <- r.Header.Get("Traceparent")
		_, _ = w.Write(jwks)
	}))
	r, err := http.NewRequestWithContext(
		t.Context(), "POST", s.url+"/api/v3/sign-requests/cancel", nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", s.party.Token(token.Cancel))
	r.Header.Set("Traceparent", "00-"+trace+"-"+parent+"-01")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if got := <-fetched; !strings.HasPrefix(got, "00-"+trace+"-") {
		t.Errorf("the keys are fetched with traceparent %q", got)
	}
	in := s.sign(t)
	s.webhooks(t, in.RequestID)
	s.stop()

	var server, keys, others int
	for _, message := range all {
		for _, resource := range message.ResourceSpans {
			for _, scope := range resource.ScopeSpans {
				for _, span := range scope.Spans {
					if len(span.SpanID) != 16 || len(span.Start) != 19 || span.End < span.Start {
						t.Errorf("a span is %+v", span)
					}
					attributes := map[string]string{}
					for _, a := range span.Attributes {
						attributes[a.Key] = a.Value.Text
					}
					switch {
					case span.TraceID == trace && span.Kind == 2:
						server++
						if span.Parent != parent || span.Name != "POST /api/v3/sign-requests/cancel" ||
							attributes["call"] != "cancel" ||
							attributes["http.response.status_code"] != "400" {
							t.Errorf("the span of the call is %+v", span)
						}
					case span.TraceID == trace && span.Kind == 3:
						keys++
					case span.Kind == 3 && span.Name == "POST" && span.Parent == "":
						others++
					}
				}
			}
		}
	}
	if server != 1 || keys != 1 || others == 0 {
		t.Errorf(
			"%d spans of the call, %d of the fetch of keys, %d of webhooks", server, keys, others,
		)
	}
}
