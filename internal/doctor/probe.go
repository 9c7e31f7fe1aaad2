package doctor

import (
	"bufio"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

const (
	// probeHeader marks a request by which doctor looks at the way to a node. Its value is a time
	// and a MAC of it under a secret that only the nodes have.
	probeHeader = "Signet-Probe"
	probeValid  = 5 * time.Minute
	// probePause is the time between the two events of the answer: a proxy that buffers may pass on
	// what comes with the head, as nginx does.
	probePause = 200 * time.Millisecond
	// probeHold is how long the answer stays open after its second event, and how long the doctor
	// waits for the answer to the first part of a body.
	probeHold = 5 * time.Second
	probeMore = "data: more"
	// probePart is the size in bytes of each of the two parts of a body. It is more than a proxy's
	// buffer, of which an upload fills many.
	probePart = 64 << 10
	// probeClient is an address of documentation (RFC 5737), which no client has.
	probeClient = "192.0.2.1"
)

// probed is what a node sees of a probe.
type probed struct {
	Peer         string   `json:"peer"`
	ForwardedFor []string `json:"forwarded_for"`
	Forwarded    []string `json:"forwarded"`
}

func probeMark(secret []byte, at time.Time) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	_, _ = mac.Write([]byte("signet probe " + seconds))
	return seconds + "." + hex.EncodeToString(mac.Sum(nil))
}

// AnswerProbes answers probes with an event stream, as pages get them, and passes everything else
// on. To a probe with a body it answers when it has the first part of that.
func AnswerProbes(
	h http.Handler, secret []byte, now func() time.Time, after func(time.Duration) <-chan time.Time,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mark := r.Header.Get(probeHeader)
		text, _, _ := strings.Cut(mark, ".")
		seconds, err := strconv.ParseInt(text, 10, 64)
		at := time.Unix(seconds, 0)
		if err != nil || now().Sub(at).Abs() > probeValid ||
			!hmac.Equal([]byte(mark), []byte(probeMark(secret, at))) {
			h.ServeHTTP(w, r)
			return
		}
		peer, _, _ := net.SplitHostPort(r.RemoteAddr)
		seen, err := json.Marshal(probed{
			peer, r.Header.Values("X-Forwarded-For"), r.Header.Values("Forwarded"),
		})
		if err != nil {
			h.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Accel-Buffering", "no")
		rc := http.NewResponseController(w)
		if r.Method == http.MethodPost {
			_ = rc.EnableFullDuplex() // HTTP/2 needs no call
			_, _ = io.CopyN(io.Discard, r.Body, probePart)
			_, _ = fmt.Fprintf(w, "%s\n\n", probeMore)
			_ = rc.Flush()
			_, _ = io.CopyN(io.Discard, r.Body, probePart)
			return
		}
		for _, event := range []struct {
			text  string
			after time.Duration
		}{{"data: " + string(seen), probePause}, {probeMore, probeHold}} {
			if _, err := fmt.Fprintf(w, "%s\n\n", event.text); err != nil || rc.Flush() != nil {
				return
			}
			select {
			case <-r.Context().Done():
				return
			case <-after(event.after):
			}
		}
	})
}

// probe looks at the way from the public URL to a node: whether the proxy says who its clients are,
// is believed, and passes event streams on as they come.
func (s *Service) probe(ctx context.Context, client http.Client) (list []Finding) {
	keys, err := s.openKeys()
	if err != nil {
		return nil // checkKeys reports it
	}
	secret, err := keys.ExistingSecret("cookies")
	if err != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 6*probeHold)
	defer cancel()
	client.Timeout = 0
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Config.PublicURL+api.PathKeys, nil)
	if err != nil {
		return nil
	}
	r.Header.Set(probeHeader, probeMark(secret, s.Now()))
	r.Header.Set("X-Forwarded-For", probeClient)
	began := s.Now()
	resp, err := client.Do(r)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var seen probed
	events := bufio.NewScanner(resp.Body)
	if resp.Header.Get("Content-Type") != "text/event-stream" || !events.Scan() ||
		json.Unmarshal([]byte(strings.TrimPrefix(events.Text(), "data: ")), &seen) != nil {
		return nil // a node of a release that knows no probes
	}
	for events.Scan() && events.Text() != probeMore {
	}
	if second := s.Now(); second.Sub(began) >= probeHold {
		for events.Scan() { // to the end, which the proxy has already if it has waited for it
		}
		if s.Now().Sub(second) < probeHold/2 {
			list = append(list, warning(
				"let the proxy pass text/event-stream on as it comes (nginx: proxy_buffering off)",
				"the proxy keeps an event stream until it ends: open pages do not see what happens",
			))
		}
	}
	if f := s.judge(seen); f.Level != "" {
		list = append(list, f)
	}
	if f := s.probeBody(ctx, client, secret); f.Level != "" {
		list = append(list, f)
	}
	return list
}

// probeBody looks whether the first part of an upload reaches a node before the second is sent.
func (s *Service) probeBody(ctx context.Context, client http.Client, secret []byte) (f Finding) {
	body, parts := io.Pipe()
	r, err := http.NewRequestWithContext(
		ctx, http.MethodPost, s.Config.PublicURL+api.BasePath+api.PathRequest, body,
	)
	if err != nil {
		return f
	}
	r.Header.Set(probeHeader, probeMark(secret, s.Now()))
	r.ContentLength = 2 * probePart
	answered := make(chan bool, 1)
	kept := make(chan bool, 1)
	go func() {
		_, _ = parts.Write(make([]byte, probePart))
		select {
		case <-answered:
			kept <- false
		case <-s.After(probeHold):
			kept <- true
		}
		_, err := parts.Write(make([]byte, probePart))
		parts.CloseWithError(err)
	}()
	resp, err := client.Do(r)
	answered <- true
	if err != nil {
		return f
	}
	defer resp.Body.Close()
	if <-kept && resp.Header.Get("Content-Type") == "text/event-stream" {
		return warning(
			"let the proxy pass bodies of requests on as they come (nginx: "+
				"proxy_request_buffering off)",
			"the proxy keeps an upload until it has all of it: it fills the proxy's disk, and no "+
				"limit of the service bounds it",
		)
	}
	return f
}

// judge judges the addresses in a probe.
func (s *Service) judge(seen probed) (f Finding) {
	const write = "let the proxy set X-Forwarded-For to the client's address, and remove Forwarded, " +
		"as in deploy/proxy"
	peer, err := netip.ParseAddr(seen.Peer)
	if err != nil {
		return f
	}
	trusted := slices.ContainsFunc(s.Config.Proxies(), func(p netip.Prefix) bool {
		return p.Contains(peer.Unmap().WithZone(""))
	})
	clients := strings.Join(seen.ForwardedFor, ",")
	endsTLS := strings.HasPrefix(s.Config.PublicURL, "https://") && !s.Config.EndsTLS()
	switch {
	case !trusted && (endsTLS || clients != probeClient || len(seen.Forwarded) > 0):
		return warning(
			"add it to trusted_proxies, if it is your proxy's", "requests come from %s, which is not "+
				"among trusted_proxies: limits and security events take it for every client", peer,
		)
	case !trusted: // there is no proxy
		return f
	case clients != "" && len(seen.Forwarded) > 0:
		return warning(
			write, "requests from %s have X-Forwarded-For and Forwarded, so both are ignored", peer,
		)
	case clients == probeClient:
		return warning(
			write, "the proxy at %s passes X-Forwarded-For on as clients write it: each can choose "+
				"the address by which limits and security events go", peer,
		)
	case clients == "" && len(seen.Forwarded) == 0:
		return warning(write, "the proxy at %s does not say who its clients are", peer)
	}
	return f
}
