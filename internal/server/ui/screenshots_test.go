package ui_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestGalleryScreenshots draws every page at two widths, light and dark, into the
// folder that GALLERY names, with an index.html that shows them all. It is for
// looking at; run it as
//
//	GALLERY=/path/to/folder go test ./internal/server/ui -run TestGalleryScreenshots -timeout 30m
//
// PAGE_LANG=ta draws them in Tamil, and so on; GALLERY_ONLY=^code those whose names match.
func TestGalleryScreenshots(t *testing.T) {
	dir := os.Getenv("GALLERY")
	if dir == "" {
		t.Skip("GALLERY is not set")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	only := regexp.MustCompile(os.Getenv("GALLERY_ONLY"))
	s := newSite(t)
	ctx := openBrowser(t)
	said := watchConsole(ctx)
	var names []string
	for _, p := range shots() {
		if !only.MatchString(p.name) {
			continue
		}
		names = append(names, p.name)
		for _, w := range []struct {
			width, height int64
		}{{390, 844}, {1280, 800}} {
			for _, dark := range []bool{false, true} {
				scheme := "light"
				if dark {
					scheme = "dark"
				}
				actions := append([]step{window(w.width, w.height, dark)}, s.visit(p)...)
				actions = append(actions, chromedp.Sleep(150*time.Millisecond))
				do(t, ctx, actions...)
				png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
				if err != nil {
					t.Fatal(err)
				}
				file := fmt.Sprintf("%s-%d-%s.png", p.name, w.width, scheme)
				if err := os.WriteFile(filepath.Join(dir, file), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "index.html"), contactSheet(names), 0o644); err != nil {
		t.Fatal(err)
	}
	said.check(t)
}

// contactSheet is a page with the pictures of all pages, for a reviewer who wants to see them at
// once.
func contactSheet(names []string) []byte {
	var b bytes.Buffer
	b.WriteString(
		`<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Gallery</title>
<style>body{font:14px system-ui;margin:1rem;background:#888}h2{margin:1.5rem 0 .5rem}
div{display:flex;gap:.5rem;align-items:flex-start;overflow-x:auto}
img{width:12rem;border:1px solid #000}img.wide{width:30rem}</style>
`,
	)
	for _, name := range names {
		fmt.Fprintf(&b, "<h2 id=%q>%s</h2><div>", name, name)
		for _, look := range []string{"390-light", "390-dark", "1280-light", "1280-dark"} {
			class := ""
			if strings.HasPrefix(look, "1280") {
				class = "wide"
			}
			fmt.Fprintf(
				&b,
				`<a href="%[1]s-%[2]s.png"><img class="%[3]s" loading="lazy" src="%[1]s-%[2]s.png" `+
					`alt="%[1]s at %[2]s"></a>`,
				name, look, class,
			)
		}
		b.WriteString("</div>\n")
	}
	return b.Bytes()
}
