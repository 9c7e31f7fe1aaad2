package ui_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/server/ui/browsertest"
)

// openBrowser starts a browser.
func openBrowser(t *testing.T, more ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	ctx := browsertest.Start(t, more...)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	return ctx
}

// plainFonts has the fonts of fonts-dejavu-core only, whatever else the machine has.
const plainFonts = `<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>
<dir>/usr/share/fonts/truetype/dejavu</dir><cachedir>%s</cachedir>
<selectfont><rejectfont><glob>*</glob></rejectfont><acceptfont>
<glob>*/DejaVuSans.ttf</glob><glob>*/DejaVuSans-Bold.ttf</glob>
<glob>*/DejaVuSansMono.ttf</glob><glob>*/DejaVuSansMono-Bold.ttf</glob>
</acceptfont></selectfont>
<alias><family>monospace</family><prefer><family>DejaVu Sans Mono</family></prefer></alias>
</fontconfig>`

// openPlainBrowser starts a browser with the same fonts and time zone on every machine.
func openPlainBrowser(t *testing.T) context.Context {
	t.Helper()
	if _, err := os.Stat("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the fonts are not installed: apt-get install fonts-dejavu-core")
		}
		t.Skip("the fonts are not installed: apt-get install fonts-dejavu-core")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "fonts.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, plainFonts, dir), 0o644); err != nil {
		t.Fatal(err)
	}
	return openBrowser(t, chromedp.Env("FONTCONFIG_FILE="+file, "TZ=Asia/Singapore"))
}

// complaints collects what the browser reports: policy violations, failed loads,
// uncaught errors.
type complaints struct {
	mu    sync.Mutex
	lines []string
}

func watchConsole(ctx context.Context) *complaints {
	c := &complaints{}
	messages := chromedp.Console(ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == "error" || m.Type == "warning" {
				c.mu.Lock()
				c.lines = append(c.lines, m.String())
				c.mu.Unlock()
			}
		}
	}()
	return c
}

// check reports what the browser complained of since the last check, but lines with one of the
// texts.
func (c *complaints) check(t *testing.T, but ...string) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		if !slices.ContainsFunc(but, func(s string) bool { return strings.Contains(l, s) }) {
			t.Errorf("the browser complains: %s", l)
		}
	}
	c.lines = nil
}

// hung is when a page that does nothing is given up. It measures no speed: with 50 processes on two
// cores a page needed more than 10 s to draw.
const hung = 30 * time.Second

// step is something done in the browser.
type step = chromedp.Action[chromedp.Void]

func do(t *testing.T, ctx context.Context, steps ...step) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 2*hung)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		t.Fatal(err)
	}
}

// eval returns the value of a script, or what its promise resolves to.
func eval[T any](t *testing.T, ctx context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func script(text string) step { return chromedp.Evaluate[chromedp.Void](text) }

func click(selector string) step { return chromedp.Click(chromedp.CSS(selector)) }

// window sets the size and the colour scheme, and switches motion off.
func window(width, height int64, dark bool) step {
	scheme := "light"
	if dark {
		scheme = "dark"
	}
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		if _, err := cdp.Call(ctx, target, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
			Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 600,
		}); err != nil {
			return err
		}
		_, err := cdp.Call(
			ctx,
			target,
			emulation.SetEmulatedMedia,
			emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme},
					{Name: "prefers-reduced-motion", Value: "reduce"},
				},
			},
		)
		return err
	})
}

// eventually waits for a script to be true.
func eventually(text string) step {
	ready := chromedp.Evaluate[bool](text)
	return chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		ctx, cancel := context.WithTimeout(ctx, hung)
		defer cancel()
		for {
			if ok, err := ready(ctx, target); err == nil && ok {
				return nil
			}
			select {
			case <-ctx.Done():
				return fmt.Errorf("never true: %s", text)
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
}
