// Package web is the kit from which every page of Signet is made: the view
// models that handlers fill in, the templates that show them, the browser code
// and styles that belong to them, and the security headers that go with a page.
//
// Start reading at [Kit.Render] (kit.go) and at the view models: portal.go for
// the signer's pages, phone.go for the phone, sandbox.go for the persona chooser
// and the demo relying party, errors.go for plain HTTP errors. [Gallery] lists
// every page with sample data.
//
//	kit, err := web.New(web.Options{})
//	mux.Handle("GET /static/", kit.Static())
//	err = kit.Render(w, r, http.StatusOK, web.Landing{...})
//
// Pages work without script: each is rendered by the server from the state of
// the sign request, its actions are forms, and script only reloads the page when
// the state changes, counts down, and draws the document.
//
// The sources of the browser code are in the folder web at the root of the
// repository; `web/build` bundles them into dist, which is committed so that
// building Signet needs no Node.
//
// A view model knows nothing of the domain: handlers own the URLs and the
// decisions, and a page reads a request only to choose a language. The helpers that
// every edge shares sit beside the pages: live.go streams a request's state,
// json.go answers JSON, pdf.go serves documents.
package web
