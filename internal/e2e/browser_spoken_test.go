package e2e_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/chromedp"
)

// spoken is an element as a screen reader finds it: its role, its name, and its properties, such as
// "focused" or "disabled", as JSON.
type spoken struct {
	role, name string
	is         map[string]string
}

// tree returns what a screen reader finds on the page, in its order.
func (b *browser) tree() (all []spoken) {
	b.t.Helper()
	text := func(v *accessibility.Value) (s string) {
		if v != nil {
			_ = json.Unmarshal(v.Value, &s)
		}
		return s
	}
	read := func(ctx context.Context, target *chromedp.Target) error {
		result, err := cdp.Call(
			ctx, target, accessibility.GetFullAXTree, accessibility.GetFullAXTreeParams{},
		)
		for _, n := range result.Nodes {
			if n.Ignored {
				continue
			}
			s := spoken{role: text(n.Role), name: text(n.Name), is: map[string]string{}}
			for _, p := range n.Properties {
				s.is[string(p.Name)] = string(p.Value.Value)
			}
			all = append(all, s)
		}
		return err
	}
	if err := chromedp.Do(b.ctx, chromedp.Func(read)); err != nil {
		b.fail("reading the accessibility tree", err)
	}
	return all
}

// hears waits until the tree has an element of a role whose name begins with a text, and returns
// it.
func (b *browser) hears(role, name string) spoken {
	b.t.Helper()
	var all []spoken
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(50 * time.Millisecond) {
		all = b.tree()
		for _, s := range all {
			if s.role == role && strings.HasPrefix(s.name, name) {
				return s
			}
		}
	}
	b.fail("hearing "+role+" "+name, fmt.Errorf("the tree is %v", all))
	return spoken{}
}

// announced waits until a live region that is read without interrupting holds a text.
func (b *browser) announced(text string) {
	b.t.Helper()
	var last []spoken
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(50 * time.Millisecond) {
		within := false
		last = nil
		for _, s := range b.tree() {
			if s.is["live"] != "" {
				within = s.is["live"] == `"polite"`
			}
			if within {
				last = append(last, s)
			}
			if within && s.role == "StaticText" && strings.Contains(s.name, text) {
				return
			}
		}
	}
	b.fail("announcing "+text, fmt.Errorf("the live regions hold %v", last))
}

// key presses a key.
func (b *browser) key(key string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.KeyEvent(key)); err != nil {
		b.fail("pressing a key", err)
	}
}

// tabTo presses Tab until an element of a role whose name begins with a text has the focus. Every
// element that gets the focus on the way has a name.
func (b *browser) tabTo(role, name string) {
	b.t.Helper()
	b.hears(role, name)
	var way []string
	for range 40 {
		for _, s := range b.tree() {
			if s.is["focused"] != "true" || s.role == "RootWebArea" {
				continue
			}
			if s.name == "" {
				b.t.Errorf("a %s without a name gets the focus after %v", s.role, way)
			}
			if s.role == role && strings.HasPrefix(s.name, name) {
				return
			}
			way = append(way, s.role+" "+s.name)
		}
		b.key("\t")
	}
	b.fail("reaching "+role+" "+name, fmt.Errorf("Tab leads to %v", way))
}

// TestJourneyBySpeech goes from the link to the signed document with the keyboard alone, by what a
// screen reader finds: each page names itself, every step is announced, a button says that it is
// disabled, and the focus follows.
func TestJourneyBySpeech(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	b := newBrowser(t, 1280, 900)
	page := func(title string) {
		t.Helper()
		b.hears("heading", title)
		mains, heads := 0, 0
		for _, s := range b.tree() {
			switch {
			case s.role == "main":
				mains++
			case s.role == "heading" && s.is["level"] == "1":
				heads++
			}
		}
		if mains != 1 || heads != 1 {
			t.Errorf("%s: %d main regions, %d headings of level 1", title, mains, heads)
		}
		b.tabTo("link", "Skip to content")
	}

	b.open(in.SigningURL)
	page("You have a document to sign")
	b.tabTo("button", "Log in")
	b.key("\r")
	b.tabTo("button", "TAN XIAO HUI")
	b.key("\r")

	page("Agreement.pdf")
	b.hears("region", "Pages")
	if proceed := b.hears("button", "Proceed to Sign"); proceed.is["disabled"] != "true" {
		t.Errorf("signing is open before the review: %v", proceed)
	}
	b.until("opening the document", `!document.querySelector("[data-next-place]").disabled`)
	b.tabTo("button", "Review next place")
	b.key("\r")
	b.announced("Signature 1, page 1: reviewed. All places are reviewed. You can proceed to sign.")
	if bar := b.hears("progressbar", "Signature places"); bar.is["valuemax"] == "" {
		t.Errorf("the progress has no bounds: %v", bar)
	}
	b.hears("button", "Signature 1, page 1: reviewed")
	proceed := b.hears("button", "Proceed to Sign")
	if proceed.is["focused"] != "true" || proceed.is["disabled"] == "true" {
		t.Errorf("the focus does not follow to signing: %v", proceed)
	}
	b.key("\r")

	page("Sign with your phone")
	b.hears("image", "QR code for your phone")
	b.tabTo("button", "Reject")
	b.key("\r")
	page("You rejected the request")
	b.tabTo("button", "Get a new code")
	b.key("\r")
	page("Sign with your phone")
	b.tabTo("button", "Approve")
	b.key("\r")

	b.hears("heading", "Document signed")
	page("Document signed")
	b.tabTo("link", "Download")
	b.tabTo("button", "Return to")
}
