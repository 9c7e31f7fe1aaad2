// Command bundle builds the browser code: it reads web/src and the packages that
// npm fetched into web/node_modules, and writes internal/server/ui/dist with a
// manifest from logical names to file names. Run it as web/build.
//
// The output depends on nothing but the sources and the versions that
// web/package-lock.json and tools/go.sum pin, so that web/check can compare.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/andybalholm/brotli"
	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: bundle WEB-FOLDER DIST-FOLDER")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "bundle:", err)
		os.Exit(1)
	}
}

// build is one run: where things are, and the manifest so far.
type build struct {
	src, modules, dist string
	names              map[string]string
}

func run(web, dist string) error {
	web, err := filepath.Abs(web)
	if err != nil {
		return err
	}
	if dist, err = filepath.Abs(dist); err != nil {
		return err
	}
	b := &build{
		src: filepath.Join(web, "src"), modules: filepath.Join(web, "node_modules"),
		dist: dist, names: map[string]string{},
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.MkdirAll(dist, 0o755); err != nil {
		return err
	}
	for _, step := range []func() error{
		b.brotli, b.scripts, b.icons, b.viewer, b.reader, b.compress,
	} {
		if err := step(); err != nil {
			return err
		}
	}
	manifest, err := json.MarshalIndent(b.names, "", "  ") // keys come out sorted
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dist, "manifest.json"), append(manifest, '\n'), 0o644)
}

const target = api.ES2022

// engines are the oldest browsers that the scripts must run in.
var engines = []api.Engine{
	{Name: api.EngineSafari, Version: "15.4"}, {Name: api.EngineChrome, Version: "98"},
}

// scripts bundles the entry points and the style sheets. Each script is whole, so that a page needs
// one request for it: what two of them share is small, and is in both. The viewer, its search and
// the QR code reader are loaded by their URLs when they are needed.
func (b *build) scripts() error {
	result := api.Build(api.BuildOptions{
		AbsWorkingDir: b.src,
		EntryPoints: []string{
			"portal.ts", "phone.ts", "worker.ts", "demo.ts", "console.ts", "viewer.ts", "search.ts",
			"pdf.worker.ts", "decode.ts", "styles/app.css", "styles/console.css",
		},
		Outdir:            b.dist,
		EntryNames:        "[name]-[hash]",
		Bundle:            true,
		Format:            api.FormatESModule,
		Target:            target,
		Engines:           engines,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsInline,
		Charset:           api.CharsetUTF8,
		Metafile:          true,
		Plugins:           []api.Plugin{b.plugin()},
		Write:             true,
		LogLevel:          api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return errors.New("esbuild failed")
	}
	var meta struct {
		Outputs map[string]struct {
			EntryPoint string `json:"entryPoint"`
		} `json:"outputs"`
	}
	if err := json.Unmarshal([]byte(result.Metafile), &meta); err != nil {
		return err
	}
	for output, o := range meta.Outputs {
		logical := filepath.Base(o.EntryPoint)
		if name, script := strings.CutSuffix(logical, ".ts"); script {
			logical = name + ".js"
		}
		b.names[logical] = filepath.Base(output)
	}
	return nil
}

// icons copies the icons and writes the phone's web app manifest, which names
// them.
func (b *build) icons() error {
	for _, name := range []string{"icon.svg", "icon-180.png", "icon-192.png", "icon-512.png"} {
		data, err := os.ReadFile(filepath.Join(b.src, name))
		if err != nil {
			return err
		}
		if err := b.hashed(name, data); err != nil {
			return err
		}
	}
	manifest, err := os.ReadFile(filepath.Join(b.src, "phone.webmanifest"))
	if err != nil {
		return err
	}
	text := string(manifest)
	for logical, file := range b.names {
		text = strings.ReplaceAll(text, `"`+logical+`"`, `"/static/`+file+`"`)
	}
	return b.hashed("phone.webmanifest", []byte(text))
}

// viewer copies what pdf.js loads at run time: fonts, character maps and decoders sit in a folder
// named after the version, because pdf.js puts their names together itself. The WebAssembly
// decoders stay out: the pages' policy does not allow them, and the script forms do the same.
func (b *build) viewer() error {
	published := filepath.Join(b.modules, "pdfjs-dist")
	raw, err := os.ReadFile(filepath.Join(published, "package.json"))
	if err != nil {
		return fmt.Errorf("%w (run npm ci in web)", err)
	}
	var pkg struct {
		Version string `json:"version"`
	}
	if err := json.Unmarshal(raw, &pkg); err != nil {
		return err
	}
	base := "pdfjs-" + pkg.Version
	for folder, keep := range map[string]func(string) bool{
		"cmaps":          func(n string) bool { return strings.HasSuffix(n, ".bcmap") },
		"standard_fonts": func(n string) bool { return strings.HasSuffix(n, ".pfb") || strings.HasSuffix(n, ".ttf") },
		"wasm":           func(n string) bool { return strings.HasSuffix(n, "_nowasm_fallback.js") },
	} {
		err := b.copyFolder(filepath.Join(published, folder), base+"/"+folder, keep)
		if err != nil {
			return err
		}
		b.names[folder] = base + "/" + folder + "/"
	}
	data, err := os.ReadFile(filepath.Join(published, "LICENSE"))
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(b.dist, base, "LICENSE.txt"), data, 0o644)
}

// reader copies the licence of the QR code reader, which is bundled.
func (b *build) reader() error {
	data, err := os.ReadFile(filepath.Join(b.modules, "jsqr", "LICENSE"))
	if err != nil {
		return fmt.Errorf("%w (run npm ci in web)", err)
	}
	return os.WriteFile(filepath.Join(b.dist, "decode-LICENSE.txt"), data, 0o644)
}

// compress writes the Brotli form of every script and style sheet beside it: it is a fifth smaller
// than gzip's, and too slow to make at a start.
func (b *build) compress() error {
	for _, file := range b.names {
		if ext := filepath.Ext(file); ext != ".js" && ext != ".css" {
			continue
		}
		data, err := os.ReadFile(filepath.Join(b.dist, file))
		if err != nil {
			return err
		}
		var out bytes.Buffer
		w := brotli.NewWriterOptions(&out, brotli.WriterOptions{Quality: 11, LGWin: 22})
		if _, err := w.Write(data); err != nil {
			return err
		}
		if err := w.Close(); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.dist, file+".br"), out.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// copyFolder copies the files that keep chooses, and every licence as .txt.
func (b *build) copyFolder(from, to string, keep func(string) bool) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(b.dist, to), 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		name := e.Name()
		target := name
		switch {
		case strings.HasPrefix(name, "LICENSE"):
			target += ".txt"
		case !keep(name):
			continue
		}
		data, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.dist, to, target), data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hashed writes a file under a name that carries a hash of its content.
func (b *build) hashed(logical string, data []byte) error {
	sum := sha256.Sum256(data)
	hash := base32.StdEncoding.EncodeToString(sum[:])[:8]
	ext := filepath.Ext(logical)
	name := strings.TrimSuffix(logical, ext) + "-" + hash + ext
	b.names[logical] = name
	return os.WriteFile(filepath.Join(b.dist, name), data, 0o644)
}
