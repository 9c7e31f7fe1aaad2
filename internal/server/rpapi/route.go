package rpapi

import (
	"net/http"
	"path"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// Handler serves the calls below each base, keys, the OpenAPI document and download links, and
// passes every other path to next. A path belongs to the API if its first segment does, and errors
// on it are answered in JSON (docs/contract.md, 2.6). Callers are programs that present a token, so
// Handler does not need protection against cross-site requests and is mounted outside it.
func (a *API) Handler(next http.Handler, bases ...string) http.Handler {
	mux, ours := http.NewServeMux(), map[string]bool{}
	handle := func(method, path string, h http.Handler) {
		mux.Handle(method+" "+path, h)
		ours[firstSegment(path)] = true
	}
	j := httpx.JSON{Status: a.status, Explain: a.Explain, Log: a.Log}
	for _, base := range bases {
		handle("POST", base+api.PathCancel, a.recorded(j, calllog.Cancel, a.cancel))
		handle("POST", base+api.PathRequest, a.recorded(j, calllog.Initiate, a.initiate))
		handle("GET", base+api.PathResult, a.recorded(j, calllog.Result, a.result))
		handle("GET", base+api.PathResult0, a.recorded(j, calllog.Result, a.result))
	}
	if a.KeysAlias != "" {
		handle("GET", a.KeysAlias, http.HandlerFunc(a.serveKeys))
	}
	handle("GET", api.PathKeys, http.HandlerFunc(a.serveKeys))
	handle("GET", api.PathOpenAPI, http.HandlerFunc(serveOpenAPI))
	links := httpx.JSON{Status: linkStatus, Log: a.Log}
	handle("GET", "/documents/{request_id}", a.recorded(links, calllog.Download, a.download))

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		escaped := r.URL.EscapedPath()
		clean := path.Clean("/" + escaped)
		if !ours[firstSegment(strings.ToLower(clean))] {
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
					api.ErrMethod.Because("the call takes %s", strings.Join(methods, " and ")),
				)
				return
			}
		}
		a.refuseRoute(
			w, r, http.StatusNotFound,
			api.ErrNoCall.Because("%s", a.nearest(mux, r, escaped, clean)),
		)
	})
}

// refuseRoute answers with a status that depends on the route and not on the error's code.
func (a *API) refuseRoute(w http.ResponseWriter, r *http.Request, status int, err error) {
	httpx.JSON{Status: func(string) int { return status }, Explain: a.Explain, Log: a.Log}.Refuse(
		w, r, err,
	)
}

// nearest explains why a path has no call.
func (a *API) nearest(mux *http.ServeMux, r *http.Request, escaped, clean string) string {
	for _, candidate := range []string{clean, strings.ToLower(clean)} {
		u := *r.URL
		u.Path, u.RawPath = candidate, ""
		if candidate != escaped && len(methodsOf(mux, &http.Request{URL: &u, Host: r.Host})) > 0 {
			return "the path is not exact: the call is at " + candidate
		}
	}
	return "calls are at " + api.BasePath + api.PathRequest + " and below"
}

// methodsOf returns the methods that the path of r accepts.
func methodsOf(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
		if _, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host}); pattern != "" {
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
