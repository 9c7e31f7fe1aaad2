package sandbox

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// decodeToken returns the header and the claims of a compact JWS, or nil.
func decodeToken(jws string) *Token {
	parts := strings.Split(jws, ".")
	if len(parts) != 3 {
		return nil
	}
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		return nil
	}
	claims, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil
	}
	return &Token{httpx.Pretty(string(header)), httpx.Pretty(string(claims))}
}

// snippets returns a call of the API as curl and in three languages. url is the call's, t its
// token.
func snippets(r *http.Request, url string, t *Token) []Snippet {
	if t == nil {
		return nil
	}
	var claims map[string]json.RawMessage
	if json.Unmarshal([]byte(t.Claims), &claims) != nil {
		return nil
	}
	text := func(name string) (s string) {
		_ = json.Unmarshal(claims[name], &s)
		return s
	}
	goCall := ""
	switch {
	case strings.HasSuffix(r.URL.Path, api.PathCancel):
		goCall = fmt.Sprintf("err = c.Cancel(ctx, %q)", text("request_id"))
	case r.Method == http.MethodGet:
		goCall = fmt.Sprintf(
			"result, err := c.Result(ctx, %q, %q)", text("request_id"), text("exchange_code"),
		)
	default:
		goCall = fmt.Sprintf(
			"initiated, err := c.Initiate(ctx, client.Request{DocName: %q, Locations: places}, document)",
			text("doc_name"),
		)
	}
	for _, made := range []string{"iat", "exp", "jti"} {
		delete(claims, made)
	}
	var header struct{ Alg, Kid string }
	_ = json.Unmarshal([]byte(t.Header), &header)
	rest, err := json.Marshal(claims)
	if err != nil {
		return nil
	}
	own := httpx.Pretty(string(rest))
	upload := r.Header.Get("Content-Type") == "application/octet-stream"
	curl := "curl -i -X " + r.Method + " " + url + ` -H "Authorization: $TOKEN"`
	nodeBody, pythonBody := "", ""
	nodeHeaders, pythonHeaders := `{ Authorization: token }`, `{"Authorization": token}`
	if upload {
		curl += " \\\n  -H \"Content-Type: application/octet-stream\" --data-binary @document.pdf"
		nodeHeaders = `{ Authorization: token, "Content-Type": "application/octet-stream" }`
		nodeBody = `, body: await readFile("document.pdf")`
		pythonHeaders = `{"Authorization": token, "Content-Type": "application/octet-stream"}`
		pythonBody = `, data=open("document.pdf", "rb").read()`
	}
	node := `import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { importPKCS8, SignJWT } from "jose";

const key = await importPKCS8(await readFile("key.pem", "utf8"), "` + header.Alg + `");
const token = await new SignJWT(` + own + `)
  .setProtectedHeader({ alg: "` + header.Alg + `", kid: "` + header.Kid + `", typ: "JWT" })
  .setIssuedAt().setExpirationTime("2m").setJti(randomUUID())
  .sign(key);
const answer = await fetch("` + url + `", {
  method: "` + r.Method + `", headers: ` + nodeHeaders + nodeBody + `,
});
console.log(answer.status, await answer.text());`
	python := `import time, urllib.error, urllib.request, uuid
import jwt  # PyJWT

now = int(time.time())
token = jwt.encode(
    {**` + own + `, "iat": now, "exp": now + 120, "jti": str(uuid.uuid4())},
    open("key.pem").read(), algorithm="` + header.Alg + `", headers={"kid": "` + header.Kid + `"},
)
call = urllib.request.Request(
    "` + url + `", method="` + r.Method + `",
    headers=` + pythonHeaders + pythonBody + `,
)
try:
    answer = urllib.request.urlopen(call)
except urllib.error.HTTPError as refused:
    answer = refused
print(answer.status, answer.read().decode())`
	base, _, _ := strings.Cut(url, api.PathRequest)
	golang := `c, err := client.New(client.Config{
	BaseURL: "` + base + `", ClientID: "` + text("client_id") + `",
	Key: key, KeyID: "` + header.Kid + `",
})
if err != nil {
	return err
}
` + goCall
	return []Snippet{{"curl", curl}, {"Node", node}, {"Python", python}, {"Go", golang}}
}
