package api

import _ "embed"

//go:embed openapi.yaml
var openAPI string

// OpenAPI returns openapi.yaml, the description of the API in OpenAPI 3.1.
func OpenAPI() []byte { return []byte(openAPI) }
