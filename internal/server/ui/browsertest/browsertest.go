// Package browsertest starts Chromium for tests of pages. Start at [Start].
package browsertest

import (
	"context"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

// shell is Debian's chromium-headless-shell without the script that starts it. The script would be
// the process that chromedp ends, and the browser would outlive it.
const shell = "/usr/lib/chromium/chromium-headless-shell"

// Start starts a browser with a fresh profile and returns the context of its first page. The
// browser ends with the test.
//
// It is Chromium's headless shell, which has the engine of Chromium and none of its windows, with
// one process for all pages: 12 pages of the gallery take 2.0 s of processor time, and 7.0 s in
// Chromium. Where the shell is missing it is Chromium. Without both, the test fails if the
// environment variable CI is set, and is skipped otherwise.
func Start(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	options = append([]chromedp.ExecAllocatorOption{
		chromedp.Flag("renderer-process-limit", "1"),
	}, options...)
	return start(t, []string{shell, "chrome-headless-shell", "chromium", "google-chrome"}, options)
}

// StartDesktop starts Chromium as [Start] does, in the form that people use.
func StartDesktop(t testing.TB, options ...chromedp.ExecAllocatorOption) context.Context {
	t.Helper()
	return start(t, []string{"chromium", "google-chrome"}, options)
}

func start(
	t testing.TB, programs []string, more []chromedp.ExecAllocatorOption,
) context.Context {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(find(t, programs)), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("lang", "en-SG"))
	alloc, cancelAlloc := chromedp.NewExecAllocator(
		context.Background(), append(options, more...)...,
	)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancel(); cancelAlloc() })
	return ctx
}

func find(t testing.TB, programs []string) (path string) {
	t.Helper()
	for _, program := range programs {
		if path, err := exec.LookPath(program); err == nil {
			return path
		}
	}
	const missing = "Chromium is missing: apt-get install chromium chromium-headless-shell"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}
