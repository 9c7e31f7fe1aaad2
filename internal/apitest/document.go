package apitest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/signet-sign/signet/api"
)

// Document is api/openapi.yaml, ready to judge. It is safe for concurrent use.
type Document struct {
	doc *openapi3.T
}

// Load reads the document that is in the program.
func Load() (*Document, error) {
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(api.OpenAPI())
	if err != nil {
		return nil, fmt.Errorf("apitest: %w", err)
	}
	if err := doc.Validate(loader.Context); err != nil {
		return nil, fmt.Errorf("apitest: %w", err)
	}
	return &Document{doc}, nil
}

// Covers reports whether the document says something about the request. It says nothing about the
// portal, the phone and the sandbox.
func (d *Document) Covers(r *http.Request) bool {
	route, _ := d.route(r)
	return route != nil
}

// route finds the operation of a request, below any of its servers, and the values in its path.
func (d *Document) route(r *http.Request) (*routers.Route, map[string]string) {
	for path, item := range d.doc.Paths.Map() {
		op := item.GetOperation(r.Method)
		if op == nil {
			continue
		}
		servers := d.doc.Servers
		if len(item.Servers) > 0 {
			servers = item.Servers
		}
		for _, server := range servers {
			if values, ok := match(strings.TrimRight(server.URL, "/")+path, r.URL.Path); ok {
				return &routers.Route{
					Spec: d.doc, Server: server, Path: path, PathItem: item, Method: r.Method,
					Operation: op,
				}, values
			}
		}
	}
	return nil, nil
}

// match compares a path with a template of whole segments, such as /documents/{request_id}.
func match(template, path string) (map[string]string, bool) {
	want, got := strings.Split(template, "/"), strings.Split(path, "/")
	if len(want) != len(got) {
		return nil, false
	}
	values := map[string]string{}
	for i, segment := range want {
		name, isValue := strings.CutPrefix(segment, "{")
		switch {
		case isValue && got[i] != "":
			values[strings.TrimSuffix(name, "}")] = got[i]
		case segment != got[i]:
			return nil, false
		}
	}
	return values, true
}

// Operations lists the operationIds of all calls and of the webhook, so that a test can see what it
// has not reached.
func (d *Document) Operations() []string {
	var ids []string
	for _, item := range d.doc.Paths.Map() {
		for _, op := range item.Operations() {
			ids = append(ids, op.OperationID)
		}
	}
	for _, item := range d.doc.Webhooks {
		for _, op := range item.Operations() {
			ids = append(ids, op.OperationID)
		}
	}
	slices.Sort(ids)
	return ids
}
