package ui

import (
	"net/http"
	"time"
)

// What the tests of the pages, which are in package ui_test because they need all edges, see of
// a Kit.

// Tags are the languages.
func (k *Kit) Tags() (tags []string) {
	for _, l := range k.languages {
		tags = append(tags, l.Tag)
	}
	return tags
}

// Messages are those of a language by key.
func (k *Kit) Messages(tag string) map[string]string { return k.byTag(tag).messages }

// Chosen is the language of the answer to a request.
func (k *Kit) Chosen(w http.ResponseWriter, r *http.Request) string { return k.language(w, r).Tag }

// Date writes a time in a language by the message of a key.
func (k *Kit) Date(tag string, t time.Time, key string) string { return k.byTag(tag).date(t, key) }

// Text is the message of a key in a language.
func (k *Kit) Text(tag, key string, args ...any) string { return k.byTag(tag).text(key, args...) }

// LanguageCookie is the name of the cookie that keeps a choice.
const LanguageCookie = languageCookie

// AssetURL is where a file of the bundle is served.
func (k *Kit) AssetURL(name string) string { return k.assets.url(name) }

// AssetNames maps the names of files in the sources to those in the bundle.
func (k *Kit) AssetNames() map[string]string { return k.assets.names }

// TemplateSets are the templates of this package and of all edges.
func (k *Kit) TemplateSets() []Templates {
	return append([]Templates{{Files: templateFiles}}, k.options.Templates...)
}

// AssetWeight is the size of a file of the bundle on the wire.
func (k *Kit) AssetWeight(file string) int {
	f := k.assets.files[file]
	if f.brotli != nil {
		return len(f.brotli)
	}
	if gz := f.compressed(); gz != nil {
		return len(gz)
	}
	return len(f.data)
}

// PageWeight is the size of a page on the wire.
func PageWeight(page []byte) int {
	return len(compress(page))
}
