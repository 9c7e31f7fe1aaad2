package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/evanw/esbuild/pkg/api"
)

// replaced has, for each published file of pdf.js, the modules that the pages do not use and the
// code that takes their place. A key that ends in a slash stands for all modules of that folder.
// pdf.js is published as one file in which a comment names each module; what only these modules use
// falls away with them, as unused code of the bundle.
var replaced = map[string]map[string]string{
	"pdf.mjs": {
		// The whole interface, and its assignment to a global variable.
		"./src/pdf.js": `export { getDocument, GlobalWorkerOptions, TextLayer };`,
		// Annotations as elements of the page, and their editing.
		"./src/display/annotation_layer.js": "",
		"./src/display/draw_layer.js":       "",
		"./src/display/editor/":             "",
		"./src/display/editor/editor.js":    `class AnnotationEditor {}`,
		"./src/display/editor/drawers/":     "",
		"./src/display/touch_manager.js":    "",
		// What draws with WebGPU (enableWebGPU).
		"./src/display/webgpu.js": `const isGPUReady = () => false;
			const initGPU = () => null, drawMeshWithGPU = initGPU, loadMeshShader = initGPU;`,
		// Documents that are not read with fetch, and what Node.js has instead of a browser.
		"./src/display/network.js":     `class PDFNetworkStream {}`,
		"./src/display/node_stream.js": `class PDFNodeStream {}`,

		"./src/display/node_utils.js": `class NodeBinaryDataFactory {}
			class NodeCanvasFactory {} class NodeFilterFactory {}`,
	},
	"pdf_viewer.mjs": {
		"./web/pdfjs.js":                `const makeSet = () => new Set();`,
		"./web/pdf_viewer.component.js": `export { EventBus, PDFFindController };`,
	},
	"pdf.worker.mjs": {
		// Forms of the kind XFA, which the viewer does not draw (enableXfa).
		"./src/core/xfa/":           "",
		"./src/core/xfa/factory.js": `class XFAFactory { static getRichTextAsHtml() { return null; } }`,
		"./src/core/xfa_fonts.js":   `const getXfaFontName = () => null, getXfaFontDict = () => null;`,
		// WebAssembly, which the pages' policy does not allow (useWasm).
		"./src/core/postscript/wasm_compiler.js": `const buildPostScriptWasmFunction = () => null;`,
		// Changes of the document.
		"./src/core/editor/pdf_editor.js": `class PDFEditor {}`,
		"./src/core/writer.js":            `const incrementalUpdate = () => { throw new Error("this viewer changes no document"); };`,
		// A filter that few documents use, with a dictionary of 130 KB.
		brotliModule:                  "",
		"./src/core/brotli_stream.js": brotliStream,
	},
}

// brotliModule is the decoder, a script of its own that brotliStream loads when a document uses it.
const brotliModule = "./external/brotli/decode.js"

const brotliStream = `
class BrotliStream extends DecodeStream {
  isAsync = true;
  constructor(stream, maybeLength) {
    super(maybeLength);
    this.stream = stream;
    this.dict = stream.dict;
  }
  readBlock() {
    throw new FormatError("the filter BrotliDecode is supported where pdf.js waits for the data only");
  }
  async asyncGetBytes() {
    const { BrotliDecode } = await import("pdfjs-brotli");
    this.stream.reset();
    const bytes = (this.stream.isAsync && (await this.stream.asyncGetBytes())) || this.stream.getBytes();
    const { buffer, byteOffset, length } = BrotliDecode(new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length));
    return new Uint8Array(buffer, byteOffset, length);
  }
  async getImageData(length) {
    return (await this.asyncGetBytes()).subarray(0, length);
  }
}
`

// moduleComment is the line before each module of a published file.
var moduleComment = regexp.MustCompile(`(?m)^;// (\S+)$`)

// plugin returns the plugin that replaces modules of pdf.js.
func (b *build) plugin() api.Plugin {
	return api.Plugin{Name: "pdfjs", Setup: func(p api.PluginBuild) {
		published := `pdfjs-dist/legacy/(build/pdf(\.worker)?|web/pdf_viewer)\.mjs$`
		load := func(args api.OnLoadArgs) (api.OnLoadResult, error) {
			data, err := os.ReadFile(args.Path)
			if err != nil {
				return api.OnLoadResult{}, err
			}
			text, err := replaceModules(string(data), replaced[filepath.Base(args.Path)])
			return api.OnLoadResult{Contents: &text}, err
		}
		brotli := func(api.OnResolveArgs) (api.OnResolveResult, error) {
			return api.OnResolveResult{Path: "./" + b.names["brotli.js"], External: true}, nil
		}
		p.OnLoad(api.OnLoadOptions{Filter: published}, load)
		p.OnResolve(api.OnResolveOptions{Filter: "^pdfjs-brotli$"}, brotli)
	}}
}

// brotli writes the decoder of the filter BrotliDecode.
func (b *build) brotli() error {
	data, err := os.ReadFile(
		filepath.Join(b.modules, "pdfjs-dist", "legacy", "build", "pdf.worker.mjs"),
	)
	if err != nil {
		return fmt.Errorf("%w (run npm ci in web)", err)
	}
	for _, m := range modulesOf(string(data)) {
		if m.name != brotliModule {
			continue
		}
		result := api.Transform(m.code+"export { BrotliDecode };", api.TransformOptions{
			Format: api.FormatESModule, Target: target, Engines: engines,
			MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
			Charset: api.CharsetUTF8,
		})
		if len(result.Errors) > 0 {
			return fmt.Errorf("%s: %s", brotliModule, result.Errors[0].Text)
		}
		return b.hashed("brotli.js", result.Code)
	}
	return fmt.Errorf("%s is not in pdf.worker.mjs", brotliModule)
}

// module is a part of a published file: head is what is before its code, the comment with its name.
type module struct{ name, head, code string }

// modulesOf splits a published file. The first part, the head of the file, has no name.
func modulesOf(text string) []module {
	parts := []module{{}}
	at := 0
	for _, m := range moduleComment.FindAllStringSubmatchIndex(text, -1) {
		parts[len(parts)-1].code = text[at:m[0]]
		parts = append(parts, module{name: text[m[2]:m[3]], head: text[m[0]:m[1]] + "\n"})
		at = m[1]
	}
	parts[len(parts)-1].code = text[at:]
	return parts
}

// replaceModules puts other code in the place of modules of a published file. A module that is not
// there is an error: a new version of pdf.js may have moved it.
func replaceModules(text string, by map[string]string) (string, error) {
	var out strings.Builder
	missing := maps.Clone(by)
	for _, m := range modulesOf(text) {
		for _, key := range []string{m.name, m.name[:strings.LastIndex(m.name, "/")+1]} {
			if code, ok := by[key]; ok {
				m.code = code + "\n"
				delete(missing, key)
				break
			}
		}
		out.WriteString(m.head + m.code)
	}
	if len(missing) > 0 {
		return "", fmt.Errorf("pdf.js has no module %s", slices.Collect(maps.Keys(missing)))
	}
	return out.String(), nil
}
