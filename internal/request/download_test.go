package request_test

import (
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// TestDownloadedOnManyNodes checks that of many uses of a link on two nodes at once one writes a
// line, and each node counts its others.
func TestDownloadedOnManyNodes(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSigned).RequestID
	other := request.New(w.Config)
	link, _ := w.Link(id)
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	firsts := make(chan bool, 40)
	for i := range cap(firsts) {
		node := []*request.Service{w.Service, other}[i%2]
		wg.Go(func() {
			first, err := node.Downloaded(t.Context(), id, u.Query().Get("expires"), "curl/8")
			if err != nil {
				t.Error(err)
			}
			firsts <- first
		})
	}
	wg.Wait()
	close(firsts)
	n := 0
	for first := range firsts {
		if first {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d uses were first", n)
	}
	w.clock.advance(3 * time.Minute)
	for _, node := range []*request.Service{w.Service, other, w.Service} {
		if err := request.NewWorker(node, nil).Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	events, err := w.store.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var counts []string
	for _, e := range events {
		if e.Kind == request.EventDownloaded || e.Kind == request.EventDownloadedAgain {
			counts = append(counts, string(e.Kind)+" "+e.Detail.Client+" "+e.Detail.Count)
		}
	}
	if len(counts) != 3 || counts[0] != "downloaded program " {
		t.Errorf("the trail has %q", counts)
	}
}
