package apitest

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// ErrNotCovered says that the document knows no such operation.
var ErrNotCovered = errors.New("apitest: the document has no such operation")

// Exchange is a request and its answer, both with the body as it went over the wire.
type Exchange struct {
	Request      *http.Request // its Body is not used
	RequestBody  []byte
	Status       int
	Header       http.Header
	ResponseBody []byte
}

// Check returns what is wrong with an exchange, and ErrNotCovered if the document does not know the
// operation.
//
// The answer must be documented for its operation and status, with exactly the documented members,
// and without a body where none is documented. The request is judged only if the answer is a
// success: then it must have been right, and its token must have the documented claims.
func (d *Document) Check(x Exchange) error {
	route, values := d.route(x.Request)
	if route == nil {
		return fmt.Errorf("%w: %s %s", ErrNotCovered, x.Request.Method, x.Request.URL.Path)
	}
	request := x.Request.Clone(context.Background())
	request.Body = io.NopCloser(bytes.NewReader(x.RequestBody))
	request.ContentLength = int64(len(x.RequestBody))
	input := &openapi3filter.RequestValidationInput{
		Request: request, PathParams: values, Route: route, QueryParams: request.URL.Query(),
		ParamDecoder: decodeParameter,
		Options: &openapi3filter.Options{
			IncludeResponseStatus: true, MultiError: true,
			AuthenticationFunc: func(
				_ context.Context, in *openapi3filter.AuthenticationInput,
			) error {
				_, err := tokenClaims(in.RequestValidationInput.Request.Header)
				return err
			},
		},
	}
	var errs []error
	if x.Status >= 200 && x.Status <= 299 {
		errs = append(errs, openapi3filter.ValidateRequest(context.Background(), input))
		if x.Request.Method == http.MethodPost && route.Operation.RequestBody == nil &&
			len(x.RequestBody) > 0 {
			errs = append(errs, errors.New("the request has a body"))
		}
	}
	errs = append(errs, checkResponse(input, x))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("apitest: %s, status %d: %w", route.Operation.OperationID, x.Status, err)
	}
	return nil
}

func checkResponse(input *openapi3filter.RequestValidationInput, x Exchange) error {
	output := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: x.Status, Header: x.Header, Options: input.Options,
	}
	output.SetBodyBytes(x.ResponseBody)
	if err := openapi3filter.ValidateResponse(context.Background(), output); err != nil {
		return err
	}
	response := input.Route.Operation.Responses.Status(x.Status)
	if response == nil || x.Request.Method == http.MethodHead {
		return nil
	}
	if len(response.Value.Content) == 0 {
		if len(x.ResponseBody) > 0 {
			return fmt.Errorf("a body of %d bytes where none is documented", len(x.ResponseBody))
		}
		return nil
	}
	media := response.Value.Content.Get(x.Header.Get("Content-Type"))
	if media == nil || media.Schema == nil || media.Schema.Value.Format == "binary" {
		return nil
	}
	var body any
	if err := json.Unmarshal(x.ResponseBody, &body); err != nil {
		return err
	}
	return undocumented("", body, media.Schema)
}

// undocumented finds members that the schema has not. The document lets clients ignore what they do
// not know; the service must not make use of that unnoticed.
func undocumented(where string, v any, schema *openapi3.SchemaRef) error {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			known := property(schema, name)
			if known == nil {
				return fmt.Errorf("the member %s%s is not documented", where, name)
			}
			if err := undocumented(where+name+".", member, known); err != nil {
				return err
			}
		}
	case []any:
		for _, item := range v {
			if err := undocumented(where, item, schema.Value.Items); err != nil {
				return err
			}
		}
	}
	return nil
}

func property(schema *openapi3.SchemaRef, name string) *openapi3.SchemaRef {
	if p := schema.Value.Properties[name]; p != nil {
		return p
	}
	for _, part := range schema.Value.AllOf {
		if p := property(part, name); p != nil {
			return p
		}
	}
	return nil
}

// decodeParameter decodes a parameter that has a media type: the token of a call, whose claims the
// schema describes.
func decodeParameter(
	p *openapi3.Parameter, values []string,
) (claims any, schema *openapi3.Schema, err error) {
	media := p.Content.Get("application/jwt")
	if media == nil || len(values) != 1 {
		return nil, nil, fmt.Errorf("%s: %d values of no known type", p.Name, len(values))
	}
	claims, err = decodeToken(values[0])
	if _, ok := claims.(map[string]any); err == nil && !ok {
		err = fmt.Errorf("%s: the payload is no object", p.Name)
	}
	if err == nil {
		err = visit(media.Schema.Value, claims) // with the checks that the caller leaves out
	}
	return claims, media.Schema.Value, err
}

func visit(schema *openapi3.Schema, v any) error {
	return schema.VisitJSON(
		v, openapi3.MultiErrors(), openapi3.EnableJSONSchema2020(),
		openapi3.EnableFormatValidation(),
	)
}

// tokenClaims decodes the token of a call. It does not verify it.
func tokenClaims(header http.Header) (any, error) {
	values := header.Values("Authorization")
	if len(values) != 1 {
		return nil, fmt.Errorf("%d Authorization headers", len(values))
	}
	return decodeToken(values[0])
}

func decodeToken(token string) (claims any, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, errors.New("the token is not a bare compact JWS")
	}
	for i, part := range parts {
		text, err := base64.RawURLEncoding.DecodeString(part)
		if err != nil || len(text) == 0 {
			return nil, errors.New("the token is not a bare compact JWS")
		}
		if i == 1 {
			if err := json.Unmarshal(text, &claims); err != nil {
				return nil, fmt.Errorf("the token's payload: %w", err)
			}
		}
	}
	return claims, nil
}

// CheckWebhook returns what is wrong with a webhook that the service has sent: its header, its
// body, and the claims of its token. It does not verify the token.
func (d *Document) CheckWebhook(method string, header http.Header, body []byte) error {
	op := d.doc.Webhooks["signed"].GetOperation(method)
	if op == nil {
		return fmt.Errorf("apitest: webhook: %s", method)
	}
	media := op.RequestBody.Value.Content.Get(header.Get("Content-Type"))
	if media == nil {
		return fmt.Errorf("apitest: webhook: Content-Type %q", header.Get("Content-Type"))
	}
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		return fmt.Errorf("apitest: webhook: %w", err)
	}
	err := errors.Join(visit(media.Schema.Value, v), undocumented("", v, media.Schema))
	if err != nil {
		return fmt.Errorf("apitest: webhook: %w", err)
	}
	schema := media.Schema.Value.Properties["token"].Value.ContentSchema.Value
	claims, err := decodeToken(v.(map[string]any)["token"].(string))
	if err == nil {
		err = errors.Join(
			visit(schema, claims), undocumented("", claims, &openapi3.SchemaRef{Value: schema}),
		)
	}
	if err != nil {
		return fmt.Errorf("apitest: webhook: token: %w", err)
	}
	return nil
}
