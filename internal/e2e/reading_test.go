package e2e_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/config"
)

// TestAllPages checks that the signer of a party that requires it proceeds only with a form that
// says where every page was seen, also for a further session, and the trail says it. Other parties'
// signers are not asked.
func TestAllPages(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Parties[0].RequireAllPages = true })
	in := s.initiate(t)
	v := s.visitor(t)
	v.login(t, in, alice).shows(t, 200, "See every page")
	page := "/sign/" + in.RequestID
	for _, form := range []url.Values{nil, {"seen": {""}}, {"seen": {"partly"}}} {
		if to := v.post(t, page+"/proceed", form).follow(t); to != page+"?review" {
			t.Errorf("%v leads to %s", form, to)
		}
		if state := s.view(t, in.RequestID).State; state != "locked" {
			t.Errorf("%v: the request is %s", form, state)
		}
	}
	for _, where := range []string{"viewer", "elsewhere"} {
		v.post(t, page+"/proceed", url.Values{"seen": {where}})
		if state := s.view(t, in.RequestID).State; state != "session" {
			t.Errorf("%s: the request is %s", where, state)
		}
		events := s.trail(t, in.RequestID).Events
		if last := events[len(events)-1]; last.Kind != "proceeded" || last.Detail["seen"] != where {
			t.Errorf("the trail says %+v", last)
		}
		v.post(t, page+"/sandbox/reject", nil)
		v.get(t, in.SigningURL).shows(t, 200, "See every page")
	}

	free := start(t)
	in = free.initiate(t)
	v = free.visitor(t)
	v.login(t, in, alice).shows(t, 200, "Review each signature place")
	v.post(t, "/sign/"+in.RequestID+"/proceed", nil)
	events := free.trail(t, in.RequestID).Events
	if last := events[len(events)-1]; last.Kind != "proceeded" || last.Detail["seen"] != "" {
		t.Errorf("the trail says %+v", last)
	}
}

// TestDownloadUnsigned checks that the document can be saved before it is signed if the party
// allows it.
func TestDownloadUnsigned(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		s := start(t, func(c *config.Config) { c.Parties[0].AllowDownload = allowed })
		in := s.initiate(t)
		v := s.visitor(t)
		link := "/sign/" + in.RequestID + "/document.pdf?download"
		if offered := strings.Contains(v.login(t, in, alice).body, link); offered != allowed {
			t.Errorf("allowed %t: the page offers it: %t", allowed, offered)
		}
		a := v.get(t, link)
		if allowed != (a.status == 200) ||
			allowed != strings.HasPrefix(a.header.Get("Content-Disposition"), "attachment") {
			t.Errorf("allowed %t: %d %v", allowed, a.status, a.header)
		}
		if stranger := s.visitor(t).get(t, link); stranger.status != 403 {
			t.Errorf("a stranger gets %d", stranger.status)
		}
	}
}
