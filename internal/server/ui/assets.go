package ui

import (
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"strings"
	"sync"
	"time"
)

// staticPrefix is the path that [Kit.Static] is mounted on.
const staticPrefix = "/static/"

//go:embed all:dist
var distFiles embed.FS

// assets are the files of dist. Names contain a hash of the content (folders of pdf.js: its
// version), so answers may be cached without limit.
type assets struct {
	names map[string]string // logical name -> file below dist
	files map[string]*asset // file below dist -> content
}

type asset struct {
	data   []byte
	kind   string // media type
	brotli []byte // made by web/build; nil if it made none

	once    sync.Once
	gzipped []byte // nil if gzip does not make it smaller
}

// openAssets reads dist and its manifest, which web/build writes.
func openAssets() (*assets, error) {
	raw, err := distFiles.ReadFile("dist/manifest.json")
	if err != nil {
		return nil, fmt.Errorf("web: %w (run web/build)", err)
	}
	a := &assets{files: map[string]*asset{}}
	if err := json.Unmarshal(raw, &a.names); err != nil {
		return nil, fmt.Errorf("web: dist/manifest.json: %w", err)
	}
	err = fs.WalkDir(distFiles, "dist", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name := strings.TrimPrefix(p, "dist/")
		if name == "manifest.json" {
			return nil
		}
		data, err := distFiles.ReadFile(p)
		if err != nil {
			return err
		}
		if original, ok := strings.CutSuffix(name, ".br"); ok { // it is walked before
			a.files[original].brotli = data
			return nil
		}
		kind := mediaType(name)
		if kind == "" {
			return fmt.Errorf("%s: no media type for this extension", p)
		}
		a.files[name] = &asset{data: data, kind: kind}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	for logical, file := range a.names {
		if strings.HasSuffix(file, "/") {
			continue
		}
		if a.files[file] == nil {
			return nil, fmt.Errorf(
				"web: dist/manifest.json: %s: %s is missing (run web/build)", logical, file,
			)
		}
	}
	return a, nil
}

// url returns the URL of an asset by its logical name. An unknown name is a mistake in this
// package; its URL answers 404, which the gallery test detects.
func (a *assets) url(name string) string {
	file, ok := a.names[name]
	if !ok {
		file = name
	}
	return staticPrefix + file
}

// Static serves the bundle below /static/: GET and HEAD, immutable, compressed if that makes it
// smaller. It must be mounted at "/static/".
func (k *Kit) Static() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, staticPrefix)
		f := k.assets.files[name]
		if !ok || f == nil {
			w.Header().Set("Cache-Control", "no-store")
			http.NotFound(w, r)
			return
		}
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
		h.Set("Vary", "Accept-Encoding")
		if strings.HasSuffix(f.kind, "javascript; charset=utf-8") {
			// A worker has its own policy, not the page's.
			h.Set(
				"Content-Security-Policy",
				"default-src 'none'; script-src 'self'; connect-src 'self'",
			)
		}
		data := f.data
		if f.brotli != nil && accepts(r, "br") {
			h.Set("Content-Encoding", "br")
			data = f.brotli
		} else if gz := f.compressed(); gz != nil && accepts(r, "gzip") {
			h.Set("Content-Encoding", "gzip")
			data = gz
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
}

// ServiceWorker serves the phone's service worker. Browsers fetch new versions from the same URL,
// so the answer must not be cached.
func (k *Kit) ServiceWorker() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		f := k.assets.files[k.assets.names["worker.js"]]
		h := w.Header()
		h.Set("Content-Type", f.kind)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", "default-src 'none'; connect-src 'self'")
		_, _ = w.Write(f.data)
	})
}

// compressed returns the gzip form, or nil if it is not smaller. It is made on first use.
func (f *asset) compressed() []byte {
	f.once.Do(func() {
		switch {
		case strings.HasPrefix(f.kind, "text/"), strings.HasPrefix(f.kind, "image/svg"),
			strings.HasPrefix(f.kind, "application/manifest"),
			strings.HasPrefix(f.kind, "font/ttf"):
		default:
			return
		}
		if gz := compress(f.data); len(gz) < len(f.data) {
			f.gzipped = gz
		}
	})
	return f.gzipped
}

// compress returns the gzip form of data.
func compress(data []byte) []byte {
	var buf bytes.Buffer
	zw, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	_, _ = zw.Write(data) // writing to a buffer does not fail
	_ = zw.Close()
	return buf.Bytes()
}

// accepts says whether the client takes a coding for the whole file.
func accepts(r *http.Request, name string) bool {
	if r.Header.Get("Range") != "" {
		return false
	}
	for part := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if strings.EqualFold(strings.TrimSpace(coding), name) {
			return strings.ReplaceAll(params, " ", "") != "q=0"
		}
	}
	return false
}

// mediaType does not use the system's table, which differs between machines.
func mediaType(name string) string {
	switch path.Ext(name) {
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".css":
		return "text/css; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".png":
		return "image/png"
	case ".webmanifest":
		return "application/manifest+json"
	case ".ttf":
		return "font/ttf"
	case ".pfb", ".bcmap":
		return "application/octet-stream"
	case ".txt":
		return "text/plain; charset=utf-8"
	}
	return ""
}
