package sandbox

import (
	"embed"

	"github.com/signet-sign/signet/internal/server/ui"
)

//go:embed templates/*.html
var templates embed.FS

// Templates returns the templates of the demo relying party and the identity provider, for
// [ui.Options].
func Templates() ui.Templates {
	return ui.Templates{Files: templates}
}
