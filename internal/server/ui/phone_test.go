package ui_test

import (
	"context"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

// TestPhonesAppearAtOnce shows that the list of phones appears when the browser knows whether it is
// one of them, with the button that this decides, and not before: no control of the list moves.
func TestPhonesAppearAtOnce(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	slow := chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(
			ctx,
			target,
			page.AddScriptToEvaluateOnNewDocument,
			page.AddScriptToEvaluateOnNewDocumentParams{
				Source: `{
				const open = IDBFactory.prototype.open, success = Object.getOwnPropertyDescriptor(IDBRequest.prototype, "onsuccess");
				window.answer = () => undefined;
				const answered = new Promise(done => window.answer = done);
				IDBFactory.prototype.open = function (...a) {
					const request = open.apply(this, a);
					Object.defineProperty(request, "onsuccess", {set(f) { success.set.call(request, () => answered.then(f)) }});
					return request;
				};
			}`,
			},
		)
		return err
	})
	const shown = `[...document.querySelectorAll("[data-phones] a, [data-phones] summary")].filter(e => e.checkVisibility({visibilityProperty: true})).map(e => e.innerText.trim())`
	do(t, ctx, window(390, 844, false), slow, s.open("phone-home-renamed"))
	if before := eval[[]string](t, ctx, shown); len(before) > 0 {
		t.Errorf("shown before the keys are known: %q", before)
	}
	do(
		t,
		ctx,
		script(`window.answer()`),
		eventually(shown+`.some(text => text.includes("Set up this phone"))`),
	)

	// The list is shown without an answer, too.
	do(t, ctx, chromedp.Reload(), eventually(shown+`.length > 2`))
}

// TestPhone enrols a device and approves with it. The key is not extractable, the
// signatures verify, a lost answer is asked for again with the same signature, and
// two quick taps send one approval.
func TestPhone(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(t, ctx, window(390, 844, false), s.open("phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))

	extractable := eval[string](t, ctx, `new Promise(done => {
		const open = indexedDB.open("signet-phone");
		open.onsuccess = () => {
			const all = open.result.transaction("keys").objectStore("keys").getAll();
			all.onsuccess = () => crypto.subtle.exportKey("jwk", all.result[0].key.privateKey).then(() => done("exported"), e => done(e.name));
		};
	})`)
	if extractable != "InvalidAccessError" {
		t.Errorf("exporting the private key: %s", extractable)
	}
	said.check(t)

	s.mu.Lock()
	s.lose = 1
	s.mu.Unlock()
	do(
		t, ctx, s.open("phone-approve"),
		eventually(`!document.querySelector("[data-do=approve]").disabled`),
		script(`document.querySelector("[data-do=approve]").click(); document.querySelector("[data-do=approve]").click(); 0`),
		eventually(`!document.querySelector("[data-approve-error]").hidden`),
		click("[data-do=approve]"),
		eventually(`!document.querySelector("[data-step=approved]").hidden`),
	)
	sent := s.posted("/approve")
	if len(sent) != 2 || sent[0] != sent[1] {
		t.Errorf("approvals sent: %q, want the same one twice", sent)
	}
}

// TestPhoneHearsOfTheSeal checks that a phone that has approved says how it went on.
func TestPhoneHearsOfTheSeal(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("phone-enrol"), click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	for _, test := range []struct {
		change map[string]any
		step   string
	}{
		{map[string]any{"state": "signed"}, "signed"},
		{map[string]any{"state": "locked", "outcome": "failed", "session_ends_at": 0}, "FAILED"},
		{map[string]any{"state": "expired", "outcome": "failed", "session_ends_at": 0}, "FAILED"},
		{map[string]any{"state": "cancelled", "outcome": "failed", "session_ends_at": 0}, "REQUEST_CANCELLED"},
	} {
		do(
			t, ctx, s.open("phone-approve"),
			eventually(`!document.querySelector("[data-do=approve]").disabled`),
			click("[data-do=approve]"),
			eventually(`!document.querySelector("[data-step=approved]").hidden`),
		)
		s.set(map[string]any{"state": "sealing", "session_ends_at": 0})
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`!document.querySelector("[data-step=`+test.step+`]").hidden && document.querySelector("[data-step=approved]").hidden`,
			),
		)
	}
}

// TestSessionEndsDuringEnrolment checks that the page that sets up a phone says when there is
// nothing left to sign.
func TestSessionEndsDuringEnrolment(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, test := range []struct {
		change map[string]any
		end    string
	}{
		{map[string]any{"state": "cancelled"}, "REQUEST_CANCELLED"},
		{map[string]any{"state": "expired"}, "REQUEST_EXPIRED"},
		{map[string]any{"state": "locked", "outcome": "timed_out"}, "TIMED_OUT"},
		{map[string]any{"state": "locked", "outcome": "left"}, "LEFT"},
		{map[string]any{"state": "session", "session_ends_at": 1773036999000}, "REPLACED"},
		{map[string]any{"state": "sealing"}, "OTHER_PHONE"},
	} {
		do(t, ctx, s.open("phone-enrol-session"))
		s.told(t, 1)
		if eval[bool](t, ctx, `document.querySelector("[data-end]:not([hidden])") !== null`) {
			t.Fatal("the session is over before it is")
		}
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`document.querySelector("[data-end]:not([hidden])")?.dataset.end === "`+test.end+`"`,
			),
		)
	}
}

// TestPhoneTooLate checks that a waiting phone shows what happened in the meantime.
func TestPhoneTooLate(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	for _, test := range []struct {
		change map[string]any
		step   string
	}{
		{map[string]any{"state": "cancelled"}, "REQUEST_CANCELLED"},
		{map[string]any{"state": "expired"}, "REQUEST_EXPIRED"},
		{map[string]any{"state": "locked", "outcome": "timed_out"}, "TIMED_OUT"},
		{map[string]any{"state": "locked", "outcome": "left"}, "LEFT"},
		{map[string]any{"state": "locked", "outcome": "rejected"}, "rejected"},
		{map[string]any{"state": "session", "session_ends_at": 1773036999000}, "REPLACED"},
		{map[string]any{"state": "sealing"}, "OTHER_PHONE"},
		{map[string]any{"state": "signed"}, "OTHER_PHONE"},
	} {
		do(t, ctx, s.open("phone-approve"),
			eventually(`!document.querySelector("[data-step=ask]").hidden`))
		s.set(test.change)
		do(
			t,
			ctx,
			eventually(
				`!document.querySelector("[data-step=`+test.step+`]").hidden && document.querySelector("[data-step=ask]").hidden`,
			),
		)
	}
	do(
		t, ctx, s.open("phone-approve"),
		eventually(`!document.querySelector("[data-step=ask]").hidden`),
	)
	s.set(map[string]any{"state": "cancelled"})
	do(t, ctx, eventually(`!document.querySelector("[data-step=REQUEST_CANCELLED]").hidden`))
	text := eval[string](
		t, ctx, `document.querySelector("[data-step=REQUEST_CANCELLED]").innerText`,
	)
	if !strings.Contains(text, "Cancelled by Harbour Lane Housing Co-operative") {
		t.Errorf("a cancelled request says %q", text)
	}
}

// TestPhoneChecks checks that the phone signs what it hashed itself, and refuses everything else.
func TestPhoneChecks(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	do(t, ctx, s.open("phone-enrol"),
		click("[data-enrol-form] button"),
		eventually(`!document.querySelector("[data-step=done]").hidden`))
	zeros := make([]byte, 32)
	for name, tamper := range map[string]func(*asked, []byte) []byte{
		"as it should be":           nil,
		"another document":          func(_ *asked, f []byte) []byte { f[20] ^= 1; return f },
		"another end":               func(_ *asked, f []byte) []byte { f[len(f)-1] ^= 1; return f },
		"bytes after the end":       func(_ *asked, f []byte) []byte { return append(f, ' ') },
		"too short":                 func(_ *asked, f []byte) []byte { return f[:len(f)-1] },
		"something in the room":     func(a *asked, f []byte) []byte { f[a.ByteRange[1]+9] = 'a'; return f },
		"the room is not the room":  func(a *asked, f []byte) []byte { a.ByteRange[2]--; a.ByteRange[3]++; return f },
		"the room hides a page":     func(a *asked, f []byte) []byte { a.ByteRange[1] = 100; return f },
		"another digest is shown":   func(a *asked, f []byte) []byte { a.Digest = strings.Repeat("4f3a90c1", 8); return f },
		"shown in part":             func(a *asked, f []byte) []byte { a.Size--; return f },
		"another digest is signed":  func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros); return f },
		"two digests are signed":    func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(zeros, zeros); return f },
		"no digest is signed":       func(a *asked, f []byte) []byte { a.ToBeSigned = attributes(); return f },
		"what is signed is garbage": func(a *asked, f []byte) []byte { a.ToBeSigned = "MIIB"; return f },
	} {
		s.mu.Lock()
		s.tamper = tamper
		s.mu.Unlock()
		do(
			t, ctx, s.open("phone-approve"),
			eventually(`!document.querySelector("[data-do=approve]").disabled || !document.querySelector("[data-step=MISMATCH]").hidden`),
		)
		refused := eval[bool](
			t, ctx,
			`document.querySelector("[data-do=approve]").disabled && document.querySelector("[data-step=ask]").hidden`,
		)
		if refused != (tamper != nil) {
			t.Errorf("%s: refused is %t", name, refused)
		}
	}
	if sent := s.posted("/approve"); len(sent) != 0 {
		t.Errorf("approvals sent: %q", sent)
	}
}
