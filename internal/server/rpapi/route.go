package rpapi

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// Handler serves the calls below each base, keys, the OpenAPI document and download links, and
// passes every other path to next. A path belongs to the API if its first segment does or if one is
// "sign-requests", and errors on it are answered in JSON (docs/contract.md, 2.6). Callers are
// programs that present a token, so Handler needs no protection against cross-site requests and is
// mounted outside it.
func (a *API) Handler(next http.Handler, bases ...string) http.Handler {
	mux, ours := http.NewServeMux(), map[string]bool{}
	handle := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, h)
		ours[firstSegment(path)] = true
	}
	j := httpx.JSON{Status: a.status, Explain: a.Explain, Log: a.Log}
	for _, base := range bases {
		cancel := a.recorded(j, calllog.Cancel, a.cancel)
		result := a.recorded(j, calllog.Result, a.result)
		handle("POST", base+api.PathCancel, a.withoutBody(cancel))
		handle("POST", base+api.PathRequest, a.recorded(j, calllog.Initiate, a.initiate))
		handle("GET", base+api.PathResult, a.withoutBody(result))
		handle("GET", base+api.PathResult0, a.withoutBody(result))
	}
	if a.KeysAlias != "" {
		handle("GET", a.KeysAlias, http.HandlerFunc(a.serveKeys))
	}
	handle("GET", api.PathKeys, http.HandlerFunc(a.serveKeys))
	handle("GET", api.PathOpenAPI, http.HandlerFunc(serveOpenAPI))
	links := httpx.JSON{Status: linkStatus, Explain: a.Explain, Log: a.Log}
	handle("GET", "/documents/{request_id}", a.recorded(links, calllog.Download, a.download))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		clean := path.Clean("/" + escaped)
		lower := strings.ToLower(clean)
		if !ours[firstSegment(lower)] && !strings.Contains(lower+"/", api.PathRequest+"/") {
			next.ServeHTTP(w, r)
			return
		}
		if clean == escaped {
			if _, pattern := mux.Handler(r); pattern != "" {
				mux.ServeHTTP(w, r)
				return
			}
			if methods := methodsOf(mux, r); len(methods) > 0 {
				w.Header().Set("Allow", strings.Join(methods, ", "))
				a.refuseRoute(
					w, r, http.StatusMethodNotAllowed,
					api.ErrMethod.Because(
						"the call takes %s; %s", strings.Join(methods, " and "),
						meant(methods[0], lower, bases),
					),
				)
				return
			}
		}
		a.refuseRoute(
			w, r, http.StatusNotFound,
			api.ErrNoCall.Because("%s", a.nearest(mux, r, escaped, clean, bases)),
		)
	})
}

// refuseRoute answers with a status that depends on the route and not on the error's code.
func (a *API) refuseRoute(w http.ResponseWriter, r *http.Request, status int, err error) {
	j := httpx.JSON{Status: func(string) int { return status }, Explain: a.Explain, Log: a.Log}
	a.withoutBody(j.Handle(func(http.ResponseWriter, *http.Request) error { return err })).
		ServeHTTP(w, r)
}

// withoutBody serves a call whose body has no meaning. It reads the body first, because the
// connection would else be reset while the client still writes, and the answer lost.
//
// The call is whole without more from the client, so it goes on when the HTTP server ends its
// context: the client may have closed its direction of the connection only, and still read.
func (a *API) withoutBody(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength != 0 {
			a.drainBody(w, r, false)
		}
		next.ServeHTTP(w, r.WithContext(context.WithoutCancel(r.Context())))
	})
}

// nearest explains why a path has no call.
func (a *API) nearest(
	mux *http.ServeMux, r *http.Request, escaped, clean string, bases []string,
) string {
	for _, candidate := range []string{clean, strings.ToLower(clean)} {
		u := *r.URL
		u.Path, u.RawPath = candidate, ""
		if candidate != escaped && len(methodsOf(mux, &http.Request{URL: &u, Host: r.Host})) > 0 {
			return "the path is not exact: the call is at " + candidate
		}
	}
	return "no call is at this path; " + meant(r.Method, strings.ToLower(clean), bases)
}

// meant names the call that a path and a method resemble most, with the right ones. The path is in
// lower case.
func meant(method, path string, bases []string) string {
	base := api.BasePath
	for _, b := range bases {
		if strings.HasPrefix(path, b+"/") {
			base = b
		}
	}
	has := func(words ...string) bool {
		return slices.ContainsFunc(words, func(word string) bool {
			return strings.Contains(path, word)
		})
	}
	ofRequest := has("/"+api.RequestIDPrefix, "{request_id}", ":request_id")
	initiate := "initiate is POST " + base + api.PathRequest
	cancel := "cancel is POST " + base + api.PathCancel + ", and its token names the request"
	result := "result is GET " + base + api.PathResult
	switch {
	case has("/documents"):
		return "a document is a GET of the signed_doc_url of a result"
	case has("keys", "jwk"):
		return "the keys of webhooks are GET " + api.PathKeys
	case has("openapi", "swagger"):
		return "the description of the API is GET " + api.PathOpenAPI
	case has("cancel"), method == http.MethodDelete:
		return cancel
	case has("signed", "result", "download"):
		return result
	case has("status"), ofRequest && method == http.MethodGet:
		return "there is no call for the state of a request; " + result
	case !ofRequest && has("request", "initiate") && method == http.MethodPost:
		return initiate
	}
	return initiate + "; " + cancel + "; " + result
}

// methodsOf returns the methods that the path of r accepts.
func methodsOf(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		asked := &http.Request{Method: method, URL: r.URL, Host: r.Host}
		if _, pattern := mux.Handler(asked); pattern != "" {
			methods = append(methods, method)
		}
	}
	return methods
}

// firstSegment returns "/a" for "/a/b".
func firstSegment(path string) string {
	if i := strings.IndexByte(path[1:], '/'); i >= 0 {
		return path[:i+1]
	}
	return path
}
