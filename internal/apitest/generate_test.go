package apitest_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/signet-sign/signet/api"
)

// The generators of clients that relying parties use read api/openapi.yaml, and what they write
// compiles. tools/openapi has what the tests need.
const (
	document  = "../../api/openapi.yaml"
	toolsDir  = "../../tools/openapi"
	toolsFile = "../../tools/go.mod"
)

// run runs a command in a folder.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

// useGo uses what is generated: a type for the claims of each token, and a method for each call.
const useGo = `package signv3

import (
	"bytes"
	"context"
)

func use(ctx context.Context, c *ClientWithResponses, token string) error {
	_, err := c.InitiateWithBodyWithResponse(
		ctx, &InitiateParams{Authorization: token}, "application/octet-stream", bytes.NewReader(nil),
	)
	if err != nil {
		return err
	}
	signed, err := c.ResultWithResponse(ctx, "signv3-1", &ResultParams{Authorization: token})
	if err != nil {
		return err
	}
	_ = signed.JSON200.SignerInfo.SignerName
	cancelled, err := c.CancelWithResponse(ctx, &CancelParams{Authorization: token})
	if err != nil {
		return err
	}
	_ = cancelled.JSON400.Error
	_ = InitiateClaims{ClientId: "shop", DocName: "Lease.pdf", SignLocations: &[]Location{{Page: 1, X: 0.1, Y: 0.1}}}
	_ = CancelClaims{RequestId: "signv3-1"}
	_ = ResultClaims{ExchangeCode: "code"}
	return nil
}
`

// useGoWebhook uses the webhook, which the configuration of api/oapi-codegen.yaml keeps.
const useGoWebhook = `package signv3

func receive(claims WebhookClaims) (string, SignerInfo) { return claims.SignedDocUrl, claims.SignerInfo }
`

// TestGeneratedGo compiles the client that oapi-codegen generates, with the configuration and
// without it.
func TestGeneratedGo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		use  string
	}{
		"as configured": {[]string{"-config", absolute(t, "../../api/oapi-codegen.yaml")}, useGo + useGoWebhook[len("package signv3\n"):]},
		"by default":    {[]string{"-package", "signv3", "-generate", "types,client"}, useGo},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			generated, use := filepath.Join(dir, "generated.go"), filepath.Join(dir, "use.go")
			args := append(
				[]string{"tool", "-modfile=" + toolsFile, "oapi-codegen", "-o", generated},
				c.args...)
			run(t, ".", "go", append(args, document)...)
			if err := os.WriteFile(use, []byte(c.use), 0o600); err != nil {
				t.Fatal(err)
			}
			// The files take the place of the package's, so that the module of tools has their
			// imports.
			tools := absolute(t, toolsDir)
			overlay, err := json.Marshal(map[string]map[string]string{"Replace": {
				filepath.Join(tools, "openapi.go"):   use,
				filepath.Join(tools, "generated.go"): generated,
			}})
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "overlay.json")
			if err := os.WriteFile(file, overlay, 0o600); err != nil {
				t.Fatal(err)
			}
			run(t, "../../tools", "go", "build", "-overlay", file, "./openapi")
		})
	}
}

// npm skips the test if the packages of tools/openapi are missing, or fails it in CI.
func npm(t *testing.T) (bin string) {
	t.Helper()
	bin = absolute(t, toolsDir+"/node_modules/.bin")
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("run web/deps: ", err)
		}
		t.Skip("run web/deps: ", err)
	}
	return bin
}

// useTypeScript uses what is generated.
const useTypeScript = `import type { components, operations, webhooks } from "./generated";

type Schemas = components["schemas"];
export const initiate: Schemas["InitiateClaims"] = {
  client_id: "shop", doc_name: "Lease.pdf", jti: "j", iat: 1.5, exp: 2, sign_locations: [{ page: 1, x: 0.1, y: 0.1 }],
};
export const cancel: Schemas["CancelClaims"] = { request_id: "signv3-1", client_id: "shop", iat: 1, exp: 2 };
export const result: Schemas["ResultClaims"] = { exchange_code: "c", jti: "j", iat: 1, exp: 2 };
export const name = (claims: Schemas["WebhookClaims"]): string => claims.signer_info.signer_name;
type Body = webhooks["signed"]["post"]["requestBody"]["content"]["application/json"];
export const token = (body: Body): string => body.token;
type Refusal = operations["cancel"]["responses"][400]["content"]["application/json"];
export const active = (refusal: Refusal): boolean => refusal.error === "ACTIVE_SESSION_ONGOING";
export const header: operations["cancel"]["parameters"]["header"] = { Authorization: "token" };
`

// TestGeneratedTypeScript type-checks the types that openapi-typescript generates.
func TestGeneratedTypeScript(t *testing.T) {
	bin, dir := npm(t), t.TempDir()
	run(t, ".", bin+"/openapi-typescript", document, "-o", filepath.Join(dir, "generated.d.ts"))
	use := filepath.Join(dir, "use.ts")
	check := []string{
		"--noEmit", "--strict", "--target", "es2022", "--moduleResolution", "bundler", "--module",
		"es2022", use,
	}
	if err := os.WriteFile(use, []byte(useTypeScript), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, bin+"/tsc", check...)
	// The check can fail.
	wrong := strings.Replace(useTypeScript, `request_id: "signv3-1"`, `request_id: 1`, 1)
	if err := os.WriteFile(use, []byte(wrong), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := exec.CommandContext(t.Context(), bin+"/tsc", check...).Run(); err == nil {
		t.Error("a number is accepted for a request id")
	}
}

// TestRedocly checks that every component is used, and the document follows the recommended rules.
func TestRedocly(t *testing.T) {
	bin := npm(t)
	cmd := exec.CommandContext(t.Context(), bin+"/redocly", "lint", "--format", "json", document)
	cmd.Env = append(os.Environ(), "REDOCLY_TELEMETRY=off", "REDOCLY_SUPPRESS_UPDATE_NOTICE=true")
	out, _ := cmd.Output() // fails if there are problems
	var report struct {
		Totals   struct{ Errors, Warnings int }
		Problems []struct {
			RuleID, Message string
			Location        []struct{ Pointer string }
		}
	}
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, p := range report.Problems {
		// The keys have no refusal.
		if p.RuleID == "operation-4xx-response" &&
			strings.Contains(p.Location[0].Pointer, "keys.json") {
			continue
		}
		t.Errorf("%s: %s %v", p.RuleID, p.Message, p.Location)
	}
	if !strings.Contains(string(api.OpenAPI()), "InitiateClaims") {
		t.Error("the claims are gone")
	}
}

// TestTokenIsText checks that the schema of each call's token accepts the token's text, which the
// clients of some generators (@hey-api/openapi-ts) have to pass as what the schema describes.
func TestTokenIsText(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromData(api.OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	calls := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			p := op.Parameters.GetByInAndName("header", "Authorization")
			if p == nil {
				continue
			}
			calls++
			schema := p.Content.Get("application/jwt").Schema.Value
			if err := schema.VisitJSON("e30.e30.c2ln"); err != nil {
				t.Errorf("%s %s: a token is no value of the schema: %v", method, path, err)
			}
			if err := schema.VisitJSON(map[string]any{"iat": 1.0}); err == nil {
				t.Errorf("%s %s: claims that lack most are a value of the schema", method, path)
			}
		}
	}
	if calls != 4 {
		t.Errorf("%d calls have a token", calls)
	}
}
