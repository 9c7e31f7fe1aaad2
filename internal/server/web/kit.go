package web

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed all:templates
var templateFiles embed.FS

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
	// LoginURLs are the identity provider's pages that a login redirects to.
	// They are allowed as targets of the forms that start a login.
	LoginURLs []string
}

// Kit renders pages and serves what they load. It is safe for concurrent use.
type Kit struct {
	options   Options
	assets    *assets
	languages []*language
	pages     map[string]func() (map[string]*template.Template, error) // language tag -> page -> template; parsed on first use
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
	for _, l := range k.languages {
		k.pages[l.Tag] = sync.OnceValues(func() (map[string]*template.Template, error) { return k.parse(l) })
	}
	_, err = k.pages[k.languages[0].Tag]() // it is the same text for all: a fault shows here
	return k, err
}

// view is what a template sees: {{.Page}} is the view model.
type view struct {
	Page      Page
	Title     string
	Shell     shell
	Name      string // of the template, for styles
	Style     string
	More      string // the style sheet of the shell, or ""
	Script    string
	Imports   []string // chunks that Script cannot start without
	Icon      string
	TouchIcon string
	Manifest  string
	Live      *liveRef
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
	m := page.meta()
	lang := k.language(w, r)
	if m.english {
		lang = k.byTag("en")
	}
	pages, err := k.pages[lang.Tag]()
	if err != nil {
		return err
	}
	tmpl := pages[m.template]
	if tmpl == nil {
		return fmt.Errorf("web: no template %q", m.template)
	}
	v := view{
		Page:      page,
		Title:     lang.text(m.title, m.args...),
		Shell:     m.shell,
		Name:      m.template,
		Style:     k.assets.url("app.css"),
		Icon:      k.assets.url("icon.svg"),
		TouchIcon: k.assets.url("icon-180.png"),
		Live:      m.live,
		Language:  lang,
		Switch:    k.switchLinks(r, lang),
		Sandbox:   k.options.Sandbox,
		Now:       k.options.Now(),
	}
	if m.script != "" {
		v.Script = k.assets.url(m.script + ".js")
		v.Imports = k.assets.imports(m.script + ".js")
		v.Strings = lang.strings
	}
	if m.shell == shellPhone {
		v.Manifest = k.assets.url("phone.webmanifest")
	}
	if m.shell == shellConsole {
		v.More, v.Switch = k.assets.url("console.css"), nil
	}
	if m.viewer {
		v.Viewer = k.assets.viewer()
	}
	if m.eager {
		v.Imports = append(slices.Clone(v.Imports), k.assets.url("viewer.js"))
	}
	if m.warm {
		v.Warm = k.assets.url("viewer.js") + " " + k.assets.url("pdf.worker.js")
	}
	var body bytes.Buffer
	if err := tmpl.ExecuteTemplate(&body, "layout", v); err != nil {
		return fmt.Errorf("web: render %s: %w", m.template, err)
	}
	targets := m.targets
	if m.login {
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

// Error answers with the plain error page of the status. If even that cannot be
// rendered it falls back to text, so a caller need not look further.
func (k *Kit) Error(w http.ResponseWriter, r *http.Request, status int, reference string) {
	if err := k.Render(w, r, status, HTTPError{Status: status, Reference: reference, RetryURL: retryURL(r, status)}); err != nil {
		http.Error(w, http.StatusText(status), status)
	}
}

// retryURL is where trying again makes sense after an error that may pass: the page itself, or for a form the page that it was on,
// which a browser tells to its own origin.
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
	if !strings.HasPrefix(page.Path, "/") || strings.HasPrefix(page.Path, "//") { // "//host" would be another origin
		return ""
	}
	return page.RequestURI()
}

// parse builds the pages of one language. Each page is a clone of the layout and
// the shared parts, with the language's functions bound.
func (k *Kit) parse(l *language) (map[string]*template.Template, error) {
	base, err := template.New("").Funcs(k.functions(l)).ParseFS(templateFiles, "templates/_*.html")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	entries, err := templateFiles.ReadDir("templates")
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, e := range entries {
		name, ok := pageName(e.Name())
		if !ok {
			continue
		}
		t, err := base.Clone()
		if err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		if _, err := t.ParseFS(templateFiles, "templates/"+e.Name()); err != nil {
			return nil, fmt.Errorf("web: %w", err)
		}
		pages[name] = t
	}
	if len(pages) == 0 {
		return nil, errors.New("web: no pages")
	}
	return pages, nil
}
