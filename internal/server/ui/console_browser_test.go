package ui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/console"
)

// TestConsoleFollows checks that a request's page brings itself up to date when its stream says so,
// without a reload, tells a screen reader, adds what is new, leaves open what is open, and stops
// when told to.
func TestConsoleFollows(t *testing.T) {
	k := newKit(t)
	var signed atomic.Bool
	change := make(chan struct{})
	mux := http.NewServeMux()
	mux.Handle("GET /static/", k.Static())
	mux.HandleFunc(
		"GET /console/requests/{id}/events",
		func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			for {
				_, _ = w.Write([]byte("event: state\ndata: {}\n\n"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-r.Context().Done():
					return
				case <-change:
				}
			}
		},
	)
	mux.HandleFunc("GET /console/requests/{id}", func(w http.ResponseWriter, r *http.Request) {
		p := console.Request{
			Row:    console.Row{ID: "a", Party: "Shop", Document: "lease.pdf", State: "session"},
			Follow: true,
		}
		p.Events = []console.Event{
			{
				Seq:  1,
				Kind: "proceeded",
				Call: &console.Call{ID: 7, Kind: "cancel", Authentic: true},
			},
		}
		if signed.Load() {
			p.State = "sealing"
			p.Events = append(p.Events, console.Event{Seq: 2, Kind: "approved", Tone: "good"})
			p.Signed = &console.Signed{Level: "B-LTA"}
		}
		if err := k.Render(w, r, 200, p); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close) // after the browser's end, which ends the stream
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	do(
		t,
		ctx,
		window(1280, 800, false),
		chromedp.Navigate(server.URL+"/console/requests/a"),
		eventually(`!document.querySelector("[data-follow-switch]").hidden`),
		script(`window.sameDocument = true`),
	)
	do(t, ctx, click("#call-7 summary"), script(`document.activeElement.blur()`))
	signed.Store(true)
	change <- struct{}{}
	do(t, ctx, eventually(`document.querySelectorAll(".timeline li").length == 2`),
		eventually(`document.getElementById("announce").textContent == "Sealing"`),
		eventually(`document.querySelector("#facts + #signed") !== null`),
		eventually(`document.querySelector("#facts .tag").textContent == "Sealing"`))
	if !eval[bool](t, ctx, `window.sameDocument === true`) {
		t.Error("the page was reloaded")
	}
	if !eval[bool](t, ctx, `document.getElementById("call-7").open`) {
		t.Error("what was open is closed")
	}
	do(
		t, ctx, click("[data-follow-switch] input"), chromedp.Reload(),
		eventually(`!document.querySelector("[data-follow-switch]").hidden`),
	)
	if eval[bool](t, ctx, `document.querySelector("[data-follow-switch] input").checked`) {
		t.Error("the choice was forgotten")
	}
	said.check(t)
}

// TestCopy checks that the button beside a text puts exactly that text on the clipboard and says
// so, also in a part of the page that came later.
func TestCopy(t *testing.T) {
	k := newKit(t)
	mux := http.NewServeMux()
	mux.Handle("GET /static/", k.Static())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p := console.Request{
			Row: console.Row{
				ID: "signv3-1", Party: "Shop", Document: "lease.pdf", State: "session",
			},
		}
		if err := k.Render(w, r, 200, p); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	const button = `#facts [data-copy="signv3-1"]`
	do(
		t,
		ctx,
		window(1280, 800, false),
		chromedp.Navigate(server.URL),
		eventually(`document.querySelector('`+button+`').checkVisibility()`),
		script(`navigator.clipboard.writeText = async text => { window.copied = text }`),
		script(
			`{ const part = document.querySelector("#facts"); part.innerHTML = part.innerHTML }`,
		),
		click(button),
		eventually(`window.copied === "signv3-1"`),
		eventually(`document.getElementById("announce").textContent === "Copied"`),
	)
	said.check(t)
}

// TestControlForms checks that the forms of the sandbox's controls find in the browser what the
// control listener would refuse in words of JSON, and say beside it what is possible.
func TestControlForms(t *testing.T) {
	s := newSite(t)
	ctx := openBrowser(t)
	for _, f := range []struct {
		page, field string
		good, bad   []string
	}{
		{"console-faults", "count", []string{"", "1", "20"}, []string{"many", "-1", "1.5"}},
		{
			"console-faults", "probability",
			[]string{"", "0", "0.25", ".5", "1", "1.0"},
			[]string{"often", "2", "1.5", "-0.1", "10 %"},
		},
		{
			"console-faults", "delay",
			[]string{"", "5s", "500ms", "1h30m", "1.5s"},
			[]string{"soon", "5", "5 s", "-5s"},
		},
		{"console-clock", "advance", []string{"31m", "1h30m"}, []string{"", "soon", "-31m", "31"}},
		{"console-clock-request", "advance", []string{"31m", "-31m"}, []string{"", "soon", "-"}},
		{
			"console-clock", "set",
			[]string{"2027-03-02T09:30:00Z", "2027-03-02T09:30:00.25Z", "2027-03-02T17:30:00+08:00"},
			[]string{"", "tomorrow", "2027-03-02", "2027-03-02 09:30:00"},
		},
		{
			"console-personas", "as",
			[]string{"", "S8979373D", "s8979373d"},
			[]string{"Tan", "S897937D", "89793730"},
		},
	} {
		do(t, ctx, s.open(f.page))
		field := `document.querySelector("form[method=post] [name=` + f.field + `]")`
		if eval[string](t, ctx, field+`.title`) == "" {
			t.Errorf("%s: the field %s does not say what is possible", f.page, f.field)
		}
		for want, values := range map[bool][]string{true: f.good, false: f.bad} {
			for _, v := range values {
				if eval[bool](
					t, ctx, fmt.Sprintf("%s.value = %q, %[1]s.checkValidity()", field, v),
				) != want {
					t.Errorf("%s: %s %q: valid is not %t", f.page, f.field, v, want)
				}
			}
		}
	}
}

// TestShownDocument checks that the page of a request fetches its document once, when the operator
// asks for it, says so if that fails, and can then be asked again.
func TestShownDocument(t *testing.T) {
	k := newKit(t)
	var fetched, refuse atomic.Int32
	refuse.Store(1)
	mux := http.NewServeMux()
	mux.Handle("GET /static/", k.Static())
	mux.HandleFunc(
		"GET /console/requests/{id}/document.pdf",
		func(w http.ResponseWriter, r *http.Request) {
			fetched.Add(1)
			if refuse.Add(-1) >= 0 {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = w.Write(testPDF(3))
		},
	)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		p := console.Request{
			Row:     console.Row{ID: "a", Party: "Shop", Document: "lease.pdf", State: "session"},
			MayRead: true, Places: []console.Mark{{Page: 2, X: 0.1, Y: 0.2, Number: 1}},
		}
		if err := k.Render(w, r, 200, p); err != nil {
			t.Error(err)
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	ctx := openBrowser(t)
	do(
		t, ctx, window(1280, 800, false), chromedp.Navigate(server.URL),
		eventually(`document.querySelector("[data-show-document]").checkVisibility()`),
	)
	if n := fetched.Load(); n != 0 {
		t.Errorf("%d fetches before the operator asks", n)
	}
	do(
		t, ctx, click("[data-show-document]"),
		eventually(`document.querySelector("#document-failed").checkVisibility()`),
		click("[data-show-document]"),
		eventually(`document.querySelectorAll(".sheet.drawn").length > 0`),
		eventually(`document.querySelectorAll("[data-sheet='2'] .place-box").length === 1`),
		eventually(`!document.querySelector("#document-failed").checkVisibility()`),
	)
	if n := fetched.Load(); n != 2 {
		t.Errorf("%d fetches, want one that failed and one", n)
	}
}
