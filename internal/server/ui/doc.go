// Package ui renders pages: the frame around every page, the security headers that belong to it,
// the languages, and the browser code and styles. Start at [Kit.Render] in kit.go.
//
//	kit, err := ui.New(ui.Options{Templates: []ui.Templates{portal.Templates()}})
//	mux.Handle("GET /static/", kit.Static())
//	err = kit.Render(w, r, http.StatusOK, portal.Landing{...})
//
// The package has no pages of its own except the error page. Each edge keeps its view models, which
// implement [Page], and its templates beside its handlers. Pages work without script: the server
// renders them from the state of the sign request, and actions are forms. Script reloads the page
// when the state changes, counts down, and draws the document.
//
// The sources of the browser code are in the folder web at the root of the repository. `web/build`
// bundles them into dist, which is committed so that building Signet does not require Node. The
// tests of this package render all pages of all edges with sample data (samples_test.go).
package ui
