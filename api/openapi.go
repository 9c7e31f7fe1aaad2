package api

import _ "embed"

//go:embed openapi.yaml
var openAPI string

// OpenAPI is openapi.yaml: the contract for people and programs that do not read Go (OpenAPI 3.1).
func OpenAPI() []byte { return []byte(openAPI) }
