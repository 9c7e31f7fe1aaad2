package sandbox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"html/template"
	"path"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"
	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// The parts of an OpenAPI document that the reference page shows. The document is the program's
// own.
type (
	openAPI struct {
		Info struct{ Title, Version, Summary, Description string }
		Tags []struct{ Name, Description string }

		Paths, Webhooks ordered[pathItem]

		Components struct {
			Schemas    map[string]schema
			Responses  map[string]response
			Examples   map[string]example
			Parameters map[string]parameter
		}
	}
	pathItem struct {
		Parameters []parameter
		Get, Post  *operation
	}
	operation struct {
		OperationID string `yaml:"operationId"`
		Summary     string
		Description string
		Deprecated  bool
		Tags        []string
		Parameters  []parameter
		RequestBody struct{ Content ordered[media] } `yaml:"requestBody"`
		Responses   ordered[response]
	}
	parameter struct {
		Ref         string `yaml:"$ref"`
		Name, In    string
		Required    bool
		Description string
		Schema      schema
		Content     ordered[media]
	}
	response struct {
		Ref         string `yaml:"$ref"`
		Description string
		Headers     ordered[parameter]
		Content     ordered[media]
	}
	media struct {
		Schema   schema
		Examples ordered[example]
	}
	example struct {
		Ref     string `yaml:"$ref"`
		Summary string
		Value   yaml.Node
	}
	schema struct {
		Ref         string `yaml:"$ref"`
		Type        string
		Format      string
		Description string
		Enum        []string
		Required    []string
		Properties  ordered[schema]
		Items       *schema
		AllOf       []schema `yaml:"allOf"`
	}
)

// ordered is a mapping in the order of the document.
type ordered[T any] []named[T]

type named[T any] struct {
	Name  string
	Value T
}

// UnmarshalYAML reads a mapping.
func (o *ordered[T]) UnmarshalYAML(node *yaml.Node) error {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for i := 0; i+1 < len(node.Content); i += 2 {
		n := named[T]{Name: node.Content[i].Value}
		if err := node.Content[i+1].Decode(&n.Value); err != nil {
			return fmt.Errorf("%s: %w", n.Name, err)
		}
		*o = append(*o, n)
	}
	return nil
}

// readReference returns the groups of the document's operations, without forms.
func readReference(text []byte) (ref Reference, err error) {
	var doc openAPI
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return ref, err
	}
	ref.Version = doc.Info.Version
	if ref.Text, err = markdown(doc.Info.Description); err != nil {
		return ref, err
	}
	for _, tag := range doc.Tags {
		ref.Groups = append(ref.Groups, Group{Name: tag.Name, Text: tag.Description})
	}
	add := func(call string, item pathItem, op *operation) error {
		o, err := doc.operation(call, item, op)
		for i := range ref.Groups {
			if len(op.Tags) > 0 && ref.Groups[i].Name == op.Tags[0] {
				ref.Groups[i].Operations = append(ref.Groups[i].Operations, o)
			}
		}
		return err
	}
	for _, p := range doc.Paths {
		for method, op := range map[string]*operation{"POST": p.Value.Post, "GET": p.Value.Get} {
			if op == nil {
				continue // no path has both
			}
			if err := add(method+" "+p.Name, p.Value, op); err != nil {
				return ref, err
			}
		}
	}
	for _, hook := range doc.Webhooks {
		if err := add("POST your webhook URL", hook.Value, hook.Value.Post); err != nil {
			return ref, err
		}
	}
	return ref, nil
}

func (doc *openAPI) operation(call string, item pathItem, op *operation) (o Operation, err error) {
	o = Operation{ID: op.OperationID, Call: call, Summary: op.Summary, Deprecated: op.Deprecated}
	if o.Text, err = markdown(op.Description); err != nil {
		return o, err
	}
	for _, p := range append(item.Parameters, op.Parameters...) {
		if p.Ref != "" {
			p = doc.Components.Parameters[path.Base(p.Ref)]
		}
		m := Member{Name: p.Name, Type: p.In, Text: plain(p.Description), Required: p.Required}
		for _, media := range p.Content {
			m.Type += ", " + media.Name
		}
		if m.Text == "" {
			m.Text = plain(doc.resolve(p.Schema).Description)
		}
		o.Parameters = append(o.Parameters, m)
	}
	for _, body := range op.RequestBody.Content {
		o.Body = body.Name
	}
	for _, r := range op.Responses {
		a, err := doc.answer(r.Name, r.Value)
		if err != nil {
			return o, err
		}
		o.Answers = append(o.Answers, a)
	}
	return o, nil
}

func (doc *openAPI) answer(status string, r response) (Answer, error) {
	if r.Ref != "" {
		r = doc.Components.Responses[path.Base(r.Ref)]
	}
	a := Answer{Status: status, Text: plain(r.Description)}
	for _, h := range r.Headers {
		a.Members = append(
			a.Members, Member{Name: h.Name, Type: "header", Text: plain(h.Value.Description)},
		)
	}
	for _, body := range r.Content {
		a.Members = append(a.Members, doc.members(body.Value.Schema)...)
		for _, e := range body.Value.Examples {
			x := e.Value
			if x.Ref != "" {
				x = doc.Components.Examples[path.Base(x.Ref)]
			}
			var value any
			if err := x.Value.Decode(&value); err != nil {
				return a, fmt.Errorf("%s: %w", e.Name, err)
			}
			text, err := json.Marshal(value)
			if err != nil {
				return a, fmt.Errorf("%s: %w", e.Name, err)
			}
			a.Examples = append(
				a.Examples, Sample{Name: x.Summary, Text: httpx.Pretty(string(text))},
			)
		}
	}
	return a, nil
}

// resolve follows the reference of a schema, and keeps its own description.
func (doc *openAPI) resolve(s schema) schema {
	if s.Ref == "" {
		return s
	}
	target := doc.Components.Schemas[path.Base(s.Ref)]
	if s.Description != "" {
		target.Description = s.Description
	}
	return target
}

// members lists the members of an object.
func (doc *openAPI) members(s schema) (list []Member) {
	s = doc.resolve(s)
	for _, part := range s.AllOf {
		for _, m := range doc.members(part) {
			if len(list) > 0 && m.Name == list[0].Name { // narrowed by the second part
				list[0].Type = m.Type
				continue
			}
			list = append(list, m)
		}
	}
	for _, p := range s.Properties {
		v := doc.resolve(p.Value)
		m := Member{Name: p.Name, Type: v.Type, Text: plain(v.Description)}
		if len(v.Enum) > 0 {
			m.Type = strings.Join(v.Enum, ", ")
		}
		if v.Items != nil {
			m.Type = "list of " + doc.resolve(*v.Items).Type
		}
		list = append(list, m)
	}
	return list
}

// plain returns a short text of the document without marks of Markdown.
func plain(text string) string { return strings.TrimSpace(strings.ReplaceAll(text, "`", "")) }

// markdown returns a text of the document as HTML.
func markdown(text string) (template.HTML, error) {
	var b bytes.Buffer
	convert := goldmark.New(goldmark.WithExtensions(extension.Table))
	if err := convert.Convert([]byte(text), &b); err != nil {
		return "", err
	}
	// Headings of the document are below those of the page; tables scroll by themselves.
	html := strings.NewReplacer(
		"<h2", "<h3", "</h2", "</h3", "<table>", `<div class="scroll" tabindex="0"><table>`,
		"</table>", "</table></div>",
	).Replace(b.String())
	return template.HTML(html), nil // of our own document; goldmark leaves out raw HTML
}
