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
	"strconv"
	"strings"
	"sync"
	"time"

	textlanguage "golang.org/x/text/language"
)

//go:embed templates/*.html
var templateFiles embed.FS

// Templates are the templates of one edge, and the functions that they call besides those of this
// package. Files holds templates/*.html; files that begin with "_" are parts that the edge's pages
// share.
type Templates struct {
	Files     fs.FS
	Functions template.FuncMap
}

// Options configures a [Kit]. The zero value is ready for use.
type Options struct {
	// Now is the clock for "time left". Default time.Now.
	Now func() time.Time
	// Location is the time zone of displayed times. Default UTC.
	Location *time.Location
	// Sandbox adds a line to every page which says that nothing signed here is binding.
	Sandbox bool
	// PublicURL is the URL of the service. With https, cookies are marked secure. Default: http.
	PublicURL string
	// LoginURLs are the identity provider's pages that a login redirects to. The policy of pages
	// with a login form allows them.
	LoginURLs []string
	// Templates of the edges whose pages are rendered.
	Templates []Templates
}

// Kit renders pages and serves their scripts and styles. It is safe for concurrent use.
type Kit struct {
	options   Options
	assets    *assets
	languages []*language
	matcher   textlanguage.Matcher               // for languages
	pages     map[string]map[string]pageTemplate // by the language's tag and the template's name
}

// pageTemplate returns the template of a page, which it parses on first use: a process shows few of
// them, in one language or two.
type pageTemplate func() (*template.Template, error)

// New reads the embedded templates, messages and bundles. It fails only if the build is broken.
func New(o Options) (*Kit, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Location == nil {
		o.Location = time.UTC
	}
	k := &Kit{options: o, pages: map[string]map[string]pageTemplate{}}
	var err error
	if k.assets, err = openAssets(); err != nil {
		return nil, err
	}
	if k.languages, err = openLanguages(); err != nil {
		return nil, err
	}
	k.matcher = newMatcher(k.languages)
	for _, l := range k.languages {
		if k.pages[l.Tag], err = k.pagesOf(l); err != nil {
			return nil, fmt.Errorf("ui: %w", err)
		}
	}
	return k, nil
}

// view is the data of a template; {{.Page}} is the view model.
type view struct {
	Page      Page
	Title     string
	Shell     Shell
	Name      string // of the template, for styles
	Style     string
	More      string // the style sheet of the shell, or ""
	Script    string
	Viewer    bool   // Script shows a PDF at once
	Document  string // URL of that PDF if it is to load beside the viewer, or ""
	Icon      string
	TouchIcon string
	Manifest  string
	Live      *LiveRef
	Waiting   *Waiting
	Strings   string // JSON of the messages that the page's script needs
	Language  *language
	Switch    []languageLink
	Sandbox   bool
	Now       time.Time
}

// Render writes the page with its headers. If a template fails, Render returns the error before it
// writes anything, so that the caller can answer with an error page.
func (k *Kit) Render(w http.ResponseWriter, r *http.Request, status int, page Page) error {
	m := page.Meta()
	lang := k.language(w, r)
	if m.English {
		lang = k.byTag("en")
	}
	parse := k.pages[lang.Tag][m.Template]
	if parse == nil {
		return fmt.Errorf("ui: no template %q", m.Template)
	}
	tmpl, err := parse()
	if err != nil {
		return fmt.Errorf("ui: %w", err)
	}
	v := view{
		Page:      page,
		Title:     lang.text(m.Title, m.Args...),
		Shell:     m.Shell,
		Name:      m.Template,
		Style:     k.assets.url("app.css"),
		Icon:      k.assets.url("icon.svg"),
		TouchIcon: k.assets.url("icon-180.png"),
		Viewer:    m.Viewer,
		Document:  m.Document,
		Live:      m.Live,
		Waiting:   m.Waiting,
		Language:  lang,
		Switch:    k.switchLinks(r, lang),
		Sandbox:   k.options.Sandbox,
		Now:       k.options.Now(),
	}
	if m.Script != "" {
		v.Script = k.assets.url(m.Script + ".js")
		v.Strings = lang.strings
	}
	if m.Shell == ShellPhone {
		v.Manifest = k.assets.url("phone.webmanifest")
	}
	if m.Shell == ShellConsole {
		v.More = k.assets.url("console.css")
	}
	if m.English {
		v.Switch = nil
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
	h.Add("Vary", "Accept-Encoding, Accept-Language, Cookie")
	sent := body.Bytes()
	if compressible(r) {
		h.Set("Content-Encoding", "gzip")
		sent = compress(sent)
	}
	h.Set("Content-Length", strconv.Itoa(len(sent)))
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return nil
	}
	_, _ = w.Write(sent) // fails if the client has gone, which is no fault
	return nil
}

// compressible reports whether a page may be compressed. A page that shows what its URL's query or
// a form holds must not be: its size would tell another site, which chooses the query, what else
// the page holds (the attack BREACH).
func compressible(r *http.Request) bool {
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	return get && r.URL.RawQuery == "" && accepts(r, "gzip")
}

// Show renders the page and logs an error, for handlers that have no other answer.
func (k *Kit) Show(
	w http.ResponseWriter, r *http.Request, log *slog.Logger, status int, page Page,
) {
	if err := k.Render(w, r, status, page); err != nil {
		log.ErrorContext(r.Context(), "rendering", "route", r.Pattern, "err", err)
	}
}

// Error answers with the error page of the status, or with text if the page cannot be rendered.
func (k *Kit) Error(w http.ResponseWriter, r *http.Request, status int, reference string) {
	page := HTTPError{Status: status, Reference: reference, RetryURL: retryURL(r, status)}
	if err := k.Render(w, r, status, page); err != nil {
		http.Error(w, http.StatusText(status), status)
	}
}

// retryURL returns the URL for "Try again" after an error that may pass: the page itself, or for a
// form the page that contained it, which the browser sends as referrer to the same origin.
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
	// "//host" is another origin.
	if !strings.HasPrefix(page.Path, "/") || strings.HasPrefix(page.Path, "//") {
		return ""
	}
	return page.RequestURI()
}

// pagesOf returns the pages of one language. Each is a clone of the layout and the shared parts,
// with the language's functions.
func (k *Kit) pagesOf(l *language) (map[string]pageTemplate, error) {
	base := sync.OnceValues(func() (*template.Template, error) {
		return template.New("").Funcs(k.functions(l)).ParseFS(templateFiles, "templates/_*.html")
	})
	pages := map[string]pageTemplate{}
	for _, set := range append([]Templates{{Files: templateFiles}}, k.options.Templates...) {
		if err := addPages(pages, base, set); err != nil {
			return nil, err
		}
	}
	return pages, nil
}

// addPages adds the pages of one edge.
func addPages(pages map[string]pageTemplate, base pageTemplate, set Templates) error {
	files, err := fs.Glob(set.Files, "templates/*.html")
	if err != nil {
		return err
	}
	var parts []string
	shared := sync.OnceValues(func() (*template.Template, error) {
		t, err := clone(base, set.Functions)
		if err != nil || len(parts) == 0 {
			return t, err
		}
		return t.ParseFS(set.Files, parts...)
	})
	for _, file := range files {
		name, isPage := pageName(path.Base(file))
		if !isPage {
			parts = append(parts, file)
			continue
		}
		if pages[name] != nil {
			return fmt.Errorf("two pages are named %s", name)
		}
		pages[name] = sync.OnceValues(func() (*template.Template, error) {
			t, err := clone(shared, nil)
			if err != nil {
				return nil, err
			}
			return t.ParseFS(set.Files, file)
		})
	}
	return nil
}

// clone returns a clone of a template with further functions.
func clone(of pageTemplate, functions template.FuncMap) (*template.Template, error) {
	t, err := of()
	if err != nil {
		return nil, err
	}
	if t, err = t.Clone(); err != nil {
		return nil, err
	}
	return t.Funcs(functions), nil
}

// Location returns the time zone of displayed times, for parsing dates in forms.
func (k *Kit) Location() *time.Location { return k.options.Location }
