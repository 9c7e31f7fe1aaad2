package phone

import (
	"embed"
	"html/template"

	"github.com/signet-sign/signet/internal/server/ui"
)

//go:embed templates/*.html
var templates embed.FS

// Templates returns the templates of the phone's pages, for [ui.Options].
func Templates() ui.Templates {
	return ui.Templates{Files: templates, Functions: template.FuncMap{"scannext": scanNext}}
}
