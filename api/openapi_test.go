package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signet-sign/signet/api"
)

func load(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOpenAPIIsValid(t *testing.T) {
	doc := load(t)
	if err := doc.Validate(t.Context()); err != nil { // examples included
		t.Fatal(err)
	}
	if doc.Info.Version != api.Version {
		t.Errorf("version %s, want %s", doc.Info.Version, api.Version)
	}
	if doc.Servers[0].URL != api.BasePath {
		t.Errorf("base path %s", doc.Servers[0].URL)
	}
	for path, method := range map[string]string{
		api.PathRequest: "POST", api.PathCancel: "POST", api.PathResult: "GET",
		api.PathResult0: "GET", api.PathKeys: "GET",
	} {
		if item := doc.Paths.Value(path); item == nil || item.GetOperation(method) == nil {
			t.Errorf("%s %s is missing", method, path)
		}
	}
}

// codes returns the Code constants of errors.go: those that relying parties see, and those that
// they do not.
func codes(t *testing.T) (public, private []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "errors.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		group, ok := decl.(*ast.GenDecl)
		if !ok || group.Tok != token.CONST {
			continue
		}
		for _, spec := range group.Specs {
			value := spec.(*ast.ValueSpec)
			text, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
			if err != nil || !strings.HasPrefix(value.Names[0].Name, "Code") {
				t.Fatalf("%s is no code", value.Names[0].Name)
			}
			doc := strings.Join(strings.Fields(group.Doc.Text()), " ")
			if strings.Contains(doc, "Relying parties never get them") {
				private = append(private, text)
			} else {
				public = append(public, text)
			}
		}
	}
	if len(public) < 11 || len(private) < 7 {
		t.Fatalf("errors.go is not understood: %d and %d codes", len(public), len(private))
	}
	return public, private
}

// Every code that a relying party may see is in the document with an example that has the exact
// text, and no other code is.
func TestOpenAPIHasEveryCode(t *testing.T) {
	doc := load(t)
	public, private := codes(t)

	examples := map[api.Error]bool{}
	allowed := map[string]bool{}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, response := range op.Responses.Map() {
				media := response.Value.Content.Get("application/json")
				if media == nil {
					continue
				}
				for name, example := range media.Examples {
					value, _ := example.Value.Value.(map[string]any)
					code, ok := value["error"].(string)
					if !ok {
						continue
					}
					text, _ := value["error_description"].(string)
					examples[api.Error{Code: code, Description: text}] = true
					if !slices.Contains(enum(media.Schema), code) {
						t.Errorf(
							"%s: the example %s is of the code %s, which the schema has not",
							op.OperationID, name, code,
						)
					}
				}
				for _, code := range enum(media.Schema) {
					allowed[code] = true
					if !slices.Contains(public, code) {
						t.Errorf("%s: unknown code %s", op.OperationID, code)
					}
				}
			}
		}
	}
	for _, code := range public {
		if !allowed[code] {
			t.Errorf("no operation has %s", code)
		}
	}
	for _, code := range private {
		if strings.Contains(string(api.OpenAPI()), code) {
			t.Errorf("%s is in the document", code)
		}
	}
	for _, e := range []*api.Error{
		api.ErrUnauthorized, api.ErrNoRecord, api.ErrServerSide, api.ErrTooManyRequests,
		api.ErrActiveSession, api.ErrAlreadySigned,
		api.ErrAlreadyCancelled, api.ErrNotSigned, api.ErrExpired, api.ErrCancelled,
		api.ErrSignedAccessExpired,
	} {
		if !examples[*e] {
			t.Errorf("no example has the text of %v", e)
		}
	}
}

// enum returns the codes that an error schema allows.
func enum(schema *openapi3.SchemaRef) []string {
	var out []string
	for _, part := range schema.Value.AllOf {
		if e := part.Value.Properties["error"]; e != nil {
			for _, v := range e.Value.Enum {
				out = append(out, v.(string))
			}
		}
	}
	return out
}

// The schemas have the members of the Go types, no more and no fewer, and all of them are required.
func TestOpenAPIHasTheGoTypes(t *testing.T) {
	doc := load(t)
	for name, v := range map[string]any{
		"Initiated": api.Initiated{}, "SignerInfo": api.SignerInfo{}, "Result": api.Result{},
		"Error":   api.Error{},
		"Webhook": api.Webhook{}, "WebhookClaims": api.WebhookClaims{}, "Location": api.Location{},
	} {
		var want []string
		for f := range reflect.TypeOf(v).Fields() {
			want = append(want, f.Tag.Get("json"))
		}
		slices.Sort(want)
		schema := doc.Components.Schemas[name]
		if name == "Webhook" {
			schema = doc.Webhooks["signed"].Post.RequestBody.Value.Content.Get(
				"application/json",
			).Schema
		}
		var got []string
		for member := range schema.Value.Properties {
			got = append(got, member)
		}
		slices.Sort(got)
		required := slices.Sorted(slices.Values(schema.Value.Required))
		if !slices.Equal(got, want) || !slices.Equal(required, want) {
			t.Errorf("%s: members %v, required %v, want %v", name, got, required, want)
		}
	}
}

// The limits that are in the text are those of the code.
func TestOpenAPIHasTheLimits(t *testing.T) {
	doc := load(t)
	locations := doc.Components.Schemas["InitiateClaims"].Value.Properties["sign_locations"].Value
	if *locations.MaxItems != api.MaxLocations {
		t.Errorf("%d locations", *locations.MaxItems)
	}
	text := string(api.OpenAPI())
	for _, want := range []string{"220.5 x 60 points", "less than 10 MiB", "30 minutes", "120 s"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing", want)
		}
	}
	if api.BoxWidth != 220.5 || api.BoxHeight != 60 || api.MaxDocumentBytes != 10<<20 ||
		api.RequestLifetime != 1800 ||
		api.TokenLifetime != 120 {
		t.Error("a limit has changed: change the text as well")
	}
}
