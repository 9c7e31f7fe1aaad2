// Package openapi is where tests compile the client that oapi-codegen generates from
// api/openapi.yaml, and type-check the types of openapi-typescript. Its import keeps the module
// that generated clients need.
package openapi

import _ "github.com/oapi-codegen/runtime"
