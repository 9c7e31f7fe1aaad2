// Package ui is the kit from which pages are made: the frame around every page, the security
// headers that go with it, its languages, and the browser code and styles. Start reading at
// [Kit.Render] in kit.go.
//
//	kit, err := ui.New(ui.Options{Templates: []ui.Templates{portal.Templates()}})
//	mux.Handle("GET /static/", kit.Static())
//	err = kit.Render(w, r, http.StatusOK, portal.Landing{...})
//
// It does not hold the pages themselves: each edge has its view models, which implement [Page],
// and its templates beside its handlers. A page works without script: the server renders it from
// the state of the sign request, its actions are forms, and script only reloads the page when
// the state changes, counts down, and draws the document.
//
// The sources of the browser code are in the folder web at the root of the repository;
// `web/build` bundles them into dist, which is committed so that building Signet needs no Node.
// The tests of this package draw all pages of all edges with sample data (samples_test.go).
package ui
