package ui

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	textlanguage "golang.org/x/text/language"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Templates are the templates of one edge, and what they may call besides the functions of this
// package. Files holds templates/*.html: files that begin with "_" are parts that its pages share.
type Templates struct {
	Files     fs.FS
	Functions template.FuncMap
}

// Options configures a [Kit]. The zero value is ready for use.
type Options struct {
	// Now is the clock for "time left". Default time.Now.
	Now func() time.Time
	// Location is the time zone of the times shown. Default Singapore (UTC+8,
	// no daylight saving).
	Location *time.Location
	// Sandbox puts a line above every page which says that nothing here is
	// binding.
	Sandbox bool
	// PublicURL is where the service is reached; https marks the cookies. Default: http.
	PublicURL string
	// LoginURLs are the identity provider's pages that a login redirects to.
	// They are allowed as targets of the forms that start a login.
	LoginURLs []string
	// Templates of the edges whose pages are rendered.
	Templates []Templates
}

// Kit renders pages and serves what they load. It is safe for concurrent use.
type Kit struct {
	options   Options
	assets    *assets
	languages []*language
	matcher   textlanguage.Matcher // of languages
	// language tag -> page -> template; parsed on first use
	pages map[string]func() (map[string]*template.Template, error)
}

// New reads the embedded templates, messages and bundles. An error means that
// the build itself is broken.
func New(o Options) (*Kit, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.FixedZone("SGT", 8*60*60)
	}
	k := &Kit{options: o, pages: map[string]func() (map[string]*template.Template, error){}}
	var err error
	if k.assets, err = openAssets(); err != nil {
		return nil, err
	}
	if k.languages, err = openLanguages(); err != nil {
		return nil, err
	}
	k.matcher = newMatcher(k.languages)
	for _, l := range k.languages {
		k.pages[l.Tag] = sync.OnceValues(
			func() (map[string]*template.Template, error) { return k.parse(l) },
		)
	}
	_, err = k.pages[k.languages[0].Tag]() // it is the same text for all: a fault shows here
	return k, err
}

// view is what a template sees: {{.Page}} is the view model.
type view struct {
	Page      Page
	Title     string
	Shell     Shell
	Name      string // of the template, for styles
	Style     string
	More      string // the style sheet of the shell, or ""
	Script    string
	Imports   []string // chunks that Script cannot start without
	Icon      string
	TouchIcon string
	Manifest  string
	Live      *LiveRef
	Viewer    *viewerRef
	Warm      string // URLs that the browser may fetch when it is idle, separated by spaces, or ""
	Strings   string // JSON of the messages that the page's script needs
	Language  *language
	Switch    []languageLink
	Sandbox   bool
	Now       time.Time
}

// viewerRef is where the viewer finds its parts.
type viewerRef struct{ Worker, CMaps, Fonts, Wasm string }

// Render writes the page with its headers. Nothing has been written when it
// returns an error from a template, so that the caller can still answer with an
// error page; an error of the connection is returned too.
func (k *Kit) Render(w http.ResponseWriter, r *http.Request, status int, page Page) error {
	m := page.Meta()
	lang := k.language(w, r)
	if m.English {
		lang = k.byTag("en")
	}
	pages, err := k.pages[lang.Tag]()
	if err != nil {
		return err
	}
	tmpl := pages[m.Template]
	if tmpl == nil {
		return fmt.Errorf("ui: no template %q", m.Template)
	}
	v := view{
		Page:      page,
		Title:     lang.text(m.Title, m.Args...),
		Shell:     m.Shell,
		Name:      m.Template,
		Style:     k.assets.url("app.css"),
		Icon:      k.assets.url("icon.svg"),
		TouchIcon: k.assets.url("icon-180.png"),
		Live:      m.Live,
		Language:  lang,
		Switch:    k.switchLinks(r, lang),
		Sandbox:   k.options.Sandbox,
		Now:       k.options.Now(),
	}
	if m.Script != "" {
		v.Script = k.assets.url(m.Script + ".js")
		v.Imports = k.assets.imports(m.Script + ".js")
		v.Strings = lang.strings
	}
	if m.Shell == ShellPhone {
		v.Manifest = k.assets.url("phone.webmanifest")
	}
	if m.Shell == ShellConsole {
		v.More, v.Switch = k.assets.url("console.css"), nil
	}
	if m.Viewer {
		v.Viewer = k.assets.viewer()
	}
	if m.Eager {
		v.Imports = append(slices.Clone(v.Imports), k.assets.url("viewer.js"))
	}
	if m.Warm {
		v.Warm = k.assets.url("viewer.js") + " " + k.assets.url("pdf.worker.js")
	}
	var body bytes.Buffer
	if err := tmpl.ExecuteTemplate(&body, "layout", v); err != nil {
		return fmt.Errorf("ui: render %s: %w", m.Template, err)
	}
	targets := m.Targets
	if m.Login {
		targets = append(append([]string(nil), targets...), k.options.LoginURLs...)
	}
	setPageHeaders(w.Header(), targets)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", lang.Tag)
	h.Set("Content-Length", strconv.Itoa(body.Len()))
	h.Add("Vary", "Accept-Language, Cookie")
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, err = w.Write(body.Bytes())
	return err
}

// Show is Render for handlers that have nothing else to answer with: an error goes to the log.
func (k *Kit) Show(
	w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, page Page,
) {
	if err := k.Render(w, r, status, page); err != nil {
		log.ErrorContext(r.Context(), "rendering", "route", r.Pattern, "err", err)
	}
}

// Error answers with the plain error page of the status. If even that cannot be
// rendered it falls back to text, so a caller need not look further.
func (k *Kit) Error(w http.ResponseWriter, r *http.Request, status int, reference string) {
	if err := k.Render(w, r, status, HTTPError{Status: status, Reference: reference, RetryURL: retryURL(r, status)}); err != nil {
		http.Error(w, http.StatusText(status), status)
	}
}

// retryURL is where trying again makes sense after an error that may pass: the page itself, or for
// a form the page that it was on, which a browser tells to its own origin.
func retryURL(r *http.Request, status int) string {
	if status != http.StatusTooManyRequests && status < http.StatusInternalServerError {
		return ""
	}
	page := r.URL
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		from, err := url.Parse(r.Referer())
		if err != nil || from.Host != r.Host {
			return ""
		}
		page = from
	}
	// "//host" would be another origin
	if !strings.HasPrefix(page.Path, "/") || strings.HasPrefix(page.Path, "//") {
		return ""
	}
	return page.RequestURI()
}

// parse builds the pages of one language. Each page is a clone of the layout and
// the shared parts, with the language's functions bound.
func (k *Kit) parse(l *language) (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(k.functions(l)).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("ui: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, set := range append([]Templates{{Files: templateFiles}}, k.options.Templates...) {
		if err := parseSet(pages, base, set); err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
	}
	return pages, nil
}

// parseSet adds the pages of one edge.
func parseSet(pages map[string]*template.Template, base *template.Template, set Templates) error {
	files, err := fs.Glob(set.Files, "templates/*.html")
	if err != nil {
		return err
	}
	shared, err := base.Clone()
	if err != nil {
		return err
	}
	shared.Funcs(set.Functions)
	for _, file := range files {
		if _, page := pageName(path.Base(file)); !page {
			if _, err := shared.ParseFS(set.Files, file); err != nil {
				return err
			}
		}
	}
	for _, file := range files {
		name, page := pageName(path.Base(file))
		if !page {
			continue
		}
		if pages[name] != nil {
			return fmt.Errorf("two pages are named %s", name)
		}
		t, err := shared.Clone()
		if err != nil {
			return err
		}
		if pages[name], err = t.ParseFS(set.Files, file); err != nil {
			return err
		}
	}
	return nil
}

// Location is the time zone of the times that pages show, for the dates that people type.
func (k *Kit) Location() *time.Location { return k.options.Location }
