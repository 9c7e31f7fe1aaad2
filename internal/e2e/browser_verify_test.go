package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/signet-sign/signet/internal/config"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
)

// verifying is a sandbox whose phones verify their owners. Its host is a name, because browsers
// have no credentials for addresses.
func verifying(t *testing.T, mode string) func(*config.Config) {
	listen := freeAddr(t)
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	return func(c *config.Config) {
		c.Listen, c.PublicURL, c.UserVerification = listen, "http://localhost:"+port, mode
	}
}

// authenticator is the virtual authenticator of a browser's tab, which is part of the device.
type authenticator struct {
	b  *browser
	id webauthn.AuthenticatorID
}

func command[P, R any](b *browser, c cdp.Command[P, R], params P) (result R) {
	b.t.Helper()
	err := chromedp.Do(
		b.ctx,
		chromedp.Func(func(ctx context.Context, target *chromedp.Target) (err error) {
			result, err = cdp.Call(ctx, target, c, params)
			return err
		}),
	)
	if err != nil {
		b.t.Fatalf("%s: %v", c.Method, err)
	}
	return result
}

// authenticator gives the browser one that recognises its owner.
func (b *browser) authenticator() authenticator {
	b.t.Helper()
	command(b, webauthn.Enable, webauthn.EnableParams{})
	r := command(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{
		Options: &webauthn.VirtualAuthenticatorOptions{
			Protocol: "ctap2", Transport: "internal", HasUserVerification: true,
			IsUserVerified: true, AutomaticPresenceSimulation: true,
		},
	})
	return authenticator{b, r.AuthenticatorID}
}

// recognises makes the next verifications succeed or fail.
func (a authenticator) recognises(yes bool) {
	a.b.t.Helper()
	command(a.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{
		AuthenticatorID: a.id, IsUserVerified: yes,
	})
}

// clone replaces the credential by a copy of it that has not counted.
func (a authenticator) clone() {
	a.b.t.Helper()
	r := command(a.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id})
	for _, c := range r.Credentials {
		command(a.b, webauthn.RemoveCredential, webauthn.RemoveCredentialParams{
			AuthenticatorID: a.id, CredentialID: c.CredentialID,
		})
		// webauthn.Credential has members that this authenticator refuses.
		type credential struct {
			CredentialID         []byte `json:"credentialId"`
			IsResidentCredential bool   `json:"isResidentCredential"`
			RpID                 string `json:"rpId"`
			PrivateKey           []byte `json:"privateKey"`
			UserHandle           []byte `json:"userHandle,omitempty"`
			SignCount            int    `json:"signCount"`
		}
		type params struct {
			AuthenticatorID webauthn.AuthenticatorID `json:"authenticatorId"`
			Credential      credential               `json:"credential"`
		}
		add := cdp.Command[params, cdp.Empty]{Method: webauthn.CommandAddCredential}
		command(a.b, add, params{a.id, credential{
			CredentialID: c.CredentialID, IsResidentCredential: c.IsResidentCredential,
			RpID: "localhost", PrivateKey: c.PrivateKey, UserHandle: c.UserHandle,
		}})
	}
}

// attack has the functions of the phone's page in the hands of a thief who controls the page.
const attack = `
const b64 = b => btoa(String.fromCharCode(...new Uint8Array(b))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const raw = s => Uint8Array.from(atob(s.replace(/-/g, "+").replace(/_/g, "/")), c => c.charCodeAt(0));
const post = (path, body) => fetch(path.startsWith("/phone/") ? path : location.pathname + path, {
	method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
const challenge = async () => (await post("/challenge", {})).json();
const assertion = async (id, digest, uv) => {
	const c = await navigator.credentials.get({publicKey: {challenge: digest, rpId: "localhost", allowCredentials: [{type: "public-key", id: raw(id)}], userVerification: uv}});
	return {id: c.id, rawId: b64(c.rawId), type: c.type, clientExtensionResults: {}, response: {
		clientDataJSON: b64(c.response.clientDataJSON), authenticatorData: b64(c.response.authenticatorData), signature: b64(c.response.signature)}};
};
const key = () => new Promise(done => {
	const open = indexedDB.open("signet-phone");
	open.onsuccess = () => { open.result.transaction("keys").objectStore("keys").getAll().onsuccess = e => { open.result.close(); done(e.target.result[0].key) } };
});
const approve = async (c, a) => {
	const s = await crypto.subtle.sign({name: "ECDSA", hash: "SHA-256"}, (await key()).privateKey, raw(c.to_be_signed));
	const answer = await post("/approve", {signature: b64(s), assertion: a});
	return answer.status + " " + ((await answer.json()).error ?? "");
};
const start = async (act, id, by) => (await post("/phone/api/" + act + "-phone/start", {phone_id: id, by: by})).json();
const confirm = async (act, id, by, c, a) => {
	const s = await crypto.subtle.sign({name: "ECDSA", hash: "SHA-256"}, (await key()).privateKey, raw(c.to_be_signed));
	const answer = await post("/phone/api/" + act + "-phone", {
		phone_id: id, by: by, to_be_signed: c.to_be_signed, proof: b64(s), assertion: a});
	return answer.status + " " + ((await answer.json()).error ?? "");
};
const digest = async c => crypto.subtle.digest("SHA-256", raw(c.to_be_signed));
`

func (b *browser) attack(script string) string {
	b.t.Helper()
	out, err := eval[string](b, "(async () => {"+attack+script+"})()")
	if err != nil {
		b.fail("the script", err)
	}
	return out
}

// TestUserVerification checks that the phone asks for its owner's fingerprint, face or PIN for
// exactly one signature, and nothing else than the answer to that is accepted.
func TestUserVerification(t *testing.T) {
	s := start(t, verifying(t, "preferred"))
	desk := newBrowser(t, 1280, 900)
	phone := newBrowser(t, 390, 844)
	a := phone.authenticator()
	phone.enrol(s)
	first := desk.atCode(s)
	phone.scan(desk)
	phone.sees("Checked on this phone")

	const refused = "400 USER_VERIFICATION_FAILED"
	refuses := func(name, script string) {
		t.Helper()
		if got := phone.attack(script); got != refused {
			t.Errorf("%s: %s", name, got)
		}
		if v := s.view(t, first); v.State != "session" {
			t.Fatalf("%s: the request is %s", name, v.State)
		}
	}
	refuses("no assertion", `const c = await challenge(); return approve(c)`)
	refuses("an empty assertion", `const c = await challenge(); return approve(c, {})`)
	refuses("another challenge", `const c = await challenge();
		return approve(c, await assertion(c.credential_id, crypto.getRandomValues(new Uint8Array(32)), "required"))`)
	refuses("the message in the place of its digest", `const c = await challenge();
		return approve(c, await assertion(c.credential_id, raw(c.to_be_signed), "required"))`)
	refuses(
		"another credential's name",
		`const c = await challenge(), x = await assertion(c.credential_id, await digest(c), "required");
		x.id = x.rawId = b64(new Uint8Array(16)); return approve(c, x)`,
	)
	refuses(
		"another signature",
		`const c = await challenge(), x = await assertion(c.credential_id, await digest(c), "required");
		x.response.signature = (await assertion(c.credential_id, new Uint8Array(32), "required")).response.signature; return approve(c, x)`,
	)
	refuses(
		"the flag set afterwards",
		`const c = await challenge(), x = await assertion(c.credential_id, await digest(c), "required");
		const d = raw(x.response.authenticatorData); d[36] ^= 1; x.response.authenticatorData = b64(d); return approve(c, x)`,
	)
	a.recognises(false)
	refuses("no user verification", `const c = await challenge();
		return approve(c, await assertion(c.credential_id, await digest(c), "discouraged"))`)
	phone.press("Approve")
	phone.sees("could not check that it is you")
	phone.shot("unverified")
	a.recognises(true)

	// Another site of the same host name gets the right challenge signed.
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte("<p>Another site"))
	}))
	t.Cleanup(other.Close)
	address := phone.location().String()
	given := phone.attack(`return JSON.stringify(await challenge())`)
	phone.open(strings.Replace(other.URL, "127.0.0.1", "localhost", 1))
	foreign := phone.attack(fmt.Sprintf(
		`const c = %s; return JSON.stringify(await assertion(c.credential_id, await digest(c), "required"))`,
		given,
	))
	phone.open(address)
	phone.sees("Checked on this phone")
	refuses("another origin", fmt.Sprintf(`return approve(await challenge(), %s)`, foreign))

	good := phone.attack(`const c = await challenge();
		return JSON.stringify(await assertion(c.credential_id, await digest(c), "required"))`)
	phone.press("Approve")
	phone.sees("Your signature is")
	s.settled(t, first, "signed")
	var c phoneapi.SignChallenge
	if err := json.Unmarshal([]byte(given), &c); err != nil {
		t.Fatal(err)
	}
	checkAssertion(t, s, first, c.ToBeSigned)

	desk.sees("Document signed") // its reload would stop the way to another page
	second := desk.atCode(s)
	phone.scan(desk)
	phone.sees("Checked on this phone")
	first = second
	refuses(
		"the assertion of another document",
		fmt.Sprintf(`return approve(await challenge(), %s)`, good),
	)
	a.clone()
	refuses("a copy of the credential", `const c = await challenge();
		return approve(c, await assertion(c.credential_id, await digest(c), "required"))`)
}

// checkAssertion verifies what the trail keeps of an approval with the bytes that were signed.
func checkAssertion(t *testing.T, s *sandbox, id, toBeSigned string) {
	t.Helper()
	message, err := base64.RawURLEncoding.DecodeString(toBeSigned)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range s.trail(t, id).Events {
		if e.Kind != "approved" {
			continue
		}
		var kept map[string]string
		if err := json.Unmarshal([]byte(e.Detail["assertion"]), &kept); err != nil ||
			e.Detail["user_verified"] != "webauthn" || e.Detail["authenticator"] == "" {
			t.Fatalf("the trail has %v: %v", e.Detail, err)
		}
		var client struct{ Type, Challenge, Origin string }
		text, err := base64.RawURLEncoding.DecodeString(kept["client_data"])
		if err != nil {
			t.Fatal(err)
		}
		digest := sha256.Sum256(message)
		if err := json.Unmarshal(text, &client); err != nil || client.Type != "webauthn.get" ||
			client.Challenge != base64.RawURLEncoding.EncodeToString(digest[:]) ||
			client.Origin != s.url {
			t.Errorf("the assertion is for %+v, %v", client, err)
		}
		data, err := base64.RawURLEncoding.DecodeString(kept["authenticator_data"])
		if err != nil || len(data) < 37 || data[32]&4 == 0 || kept["signature"] == "" ||
			kept["public_key"] == "" {
			t.Errorf("the assertion is %v, %v", kept, err)
		}
		return
	}
	t.Error("no approval in the trail")
}

// TestUserVerificationOfPhones checks that a phone that verifies its owner does so for exactly one
// approval or removal of a phone, that nothing else is accepted, and that the trail has it.
func TestUserVerificationOfPhones(t *testing.T) {
	s := start(t, verifying(t, "preferred"), guarded)
	own := newBrowser(t, 390, 844)
	a := own.authenticator()
	own.enrol(s)
	fresh := newBrowser(t, 390, 844)
	fresh.open(s.url + "/phone/enrol")
	fresh.press("TAN XIAO HUI")
	fresh.press("Create")
	fresh.sees("Approve this phone")
	own.open(s.url + "/phone/")
	own.sees("A new phone is waiting")
	own.until("knowing which it is", `document.querySelector("[data-approve-phone]:not([hidden])")`)
	waits := own.read(`document.querySelector("[data-approve-phone]").dataset.approvePhone`)
	by := own.read(`document.querySelector("[data-remove-phone]").dataset.removePhone`)
	named := fmt.Sprintf("const waits = %q, by = %q;", waits, by)

	refuses := func(name, script string) {
		t.Helper()
		if got := own.attack(named + script); got != "400 USER_VERIFICATION_FAILED" {
			t.Errorf("%s: %s", name, got)
		}
		if got := own.attack(named + `const page = await (await fetch("/phone/")).text();
			return page.includes("A new phone is waiting") ? "waits" : "can sign"`); got != "waits" {
			t.Fatalf("%s: it %s", name, got)
		}
	}
	refuses("no assertion", `return confirm("approve", waits, by, await start("approve", waits, by))`)
	refuses("an empty assertion", `return confirm("approve", waits, by, await start("approve", waits, by), {})`)
	refuses("another challenge", `const c = await start("approve", waits, by);
		const other = crypto.getRandomValues(new Uint8Array(32));
		return confirm("approve", waits, by, c, await assertion(c.credential_id, other, "required"))`)
	refuses("the assertion of another answer", `const c = await start("approve", waits, by);
		const d = await start("approve", waits, by);
		return confirm("approve", waits, by, c, await assertion(c.credential_id, await digest(d), "required"))`)
	refuses("the assertion of a removal", `const c = await start("approve", waits, by);
		const d = await start("remove", waits, by);
		return confirm("approve", waits, by, c, await assertion(c.credential_id, await digest(d), "required"))`)
	refuses("the flag set afterwards", `const c = await start("approve", waits, by);
		const x = await assertion(c.credential_id, await digest(c), "required");
		const d = raw(x.response.authenticatorData);
		d[36] ^= 1;
		x.response.authenticatorData = b64(d);
		return confirm("approve", waits, by, c, x)`)
	refuses("a removal without one", `return confirm("remove", by, by, await start("remove", by, by))`)
	a.recognises(false)
	refuses("no user verification", `const c = await start("approve", waits, by);
		return confirm("approve", waits, by, c, await assertion(c.credential_id, await digest(c), "discouraged"))`)
	own.press("It is mine: approve")
	own.sees("could not check that it is you. Nothing was changed")
	own.shot("unverified-phone")
	a.recognises(true)
	if got := own.attack(named + `const c = await start("approve", waits, by);
		const x = await assertion(c.credential_id, await digest(c), "required");
		return await confirm("remove", waits, by, c, x)`); got != "400 SIGNATURE_INVALID" {
		t.Errorf("an approval as a removal: %s", got)
	}
	own.press("It is mine: approve")
	own.sees("It can sign now")

	// The assertion of an approval is used once, and a copy of the credential is noticed.
	if got := own.attack(named + `const c = await start("remove", waits, by);
		const x = await assertion(c.credential_id, await digest(c), "required");
		const first = await confirm("remove", waits, by, c, x);
		return first + " " + await confirm("remove", by, by, c, x)`); got != "200  400 SIGNATURE_INVALID" {
		t.Errorf("a removal, and its assertion again: %s", got)
	}
	a.clone()
	got := own.attack(named + `const c = await start("remove", by, by);
		return confirm("remove", by, by, c, await assertion(c.credential_id, await digest(c), "required"))`)
	if got != "400 USER_VERIFICATION_FAILED" {
		t.Errorf("a copy of the credential: %s", got)
	}
	checkConfirmations(t, s, waits, by)
}

// checkConfirmations checks what the trails of a phone that was approved, and then removed, by
// another keep of the assertions.
func checkConfirmations(t *testing.T, s *sandbox, id, by string) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(s.app.Config.Data, "signet.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	for _, query := range []string{
		`SELECT kind, detail FROM phone_events WHERE phone_id = ? AND kind <> 'enrolled' ORDER BY id`,
		`SELECT kind, detail FROM events WHERE request_id = 'phone/' || ? AND kind <> 'enrolled' ORDER BY seq`,
	} {
		rows, err := db.QueryContext(t.Context(), query, id)
		if err != nil {
			t.Fatal(err)
		}
		var kinds []string
		for rows.Next() {
			var kind string
			var text []byte
			var detail struct {
				By            string
				UserVerified  string `json:"user_verified"`
				Authenticator string
				Assertion     string
			}
			if err := rows.Scan(&kind, &text); err != nil {
				t.Fatal(err)
			}
			kinds = append(kinds, kind)
			var kept map[string]string
			err := errors.Join(
				json.Unmarshal(text, &detail), json.Unmarshal([]byte(detail.Assertion), &kept),
			)
			if err != nil || detail.By != by || detail.UserVerified != "webauthn" ||
				detail.Authenticator == "" {
				t.Fatalf("%s has %s: %v", kind, text, err)
			}
			act := map[string]string{"approved": "approval", "removed": "removal"}[kind]
			prefix := "signet phone " + act + " v2\n" + id + "\n" + by + "\n"
			message := decoded(t, kept["message"])
			digest := sha256.Sum256(message)
			var client struct{ Challenge string }
			err = json.Unmarshal(decoded(t, kept["client_data"]), &client)
			if err != nil || !bytes.HasPrefix(message, []byte(prefix)) ||
				client.Challenge != base64.RawURLEncoding.EncodeToString(digest[:]) ||
				kept["signature"] == "" || kept["public_key"] == "" {
				t.Errorf("%s: %q, %+v, %v", kind, message, client, err)
			}
		}
		if err := rows.Err(); err != nil || !slices.Equal(kinds, []string{"approved", "removed"}) {
			t.Errorf("%s: %v, %v", query, kinds, err)
		}
	}
}

func decoded(t *testing.T, text string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestUserVerificationRequired checks that a device that cannot verify its owner is not set up, and
// a phone that was set up before does not sign.
func TestUserVerificationRequired(t *testing.T) {
	s := start(t, verifying(t, "required"))
	without := newBrowser(t, 390, 844)
	without.open(s.url + "/phone/enrol")
	without.press("TAN XIAO HUI")
	without.press("Create")
	without.sees("This device must be able to check that it is you")
	without.shot("unverified")
	p := newPhone(t, s, alice)
	c := p.challenge(t)
	p.call(t, "api/enrol", phoneapi.EnrolRequest{
		Challenge: c, PublicKey: p.jwk(), Name: "x", Proof: p.proof(t, c),
	}, nil).refusedAs(t, "without a credential", 400, "USER_VERIFICATION_FAILED")
	c = p.challenge(t)
	p.call(t, "api/enrol", phoneapi.EnrolRequest{
		Challenge: c, PublicKey: p.jwk(), Name: "x", Proof: p.proof(t, c),
		Credential: json.RawMessage(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`),
	}, nil).refusedAs(t, "with a credential that is none", 400, "USER_VERIFICATION_FAILED")

	phone := newBrowser(t, 390, 844)
	a := phone.authenticator()
	a.recognises(false)
	phone.open(s.url + "/phone/enrol")
	phone.press("TAN XIAO HUI")
	phone.press("Create")
	phone.sees("This device must be able to check that it is you")
	a.recognises(true)
	phone.press("Create")
	phone.sees("This phone is ready")
	desk := newBrowser(t, 1280, 900)
	id := desk.atCode(s)
	phone.scan(desk)
	phone.sees("Checked on this phone")
	phone.press("Approve")
	phone.sees("Your signature is")
	s.settled(t, id, "signed")
}

// TestUserVerificationPreferred checks that a phone that cannot verify its owner signs, and the
// trail does not say that it did. Phones of before need a credential once it is required.
func TestUserVerificationPreferred(t *testing.T) {
	s := start(t, verifying(t, "preferred"))
	p, desk := enrolled(t, s, alice), s.visitor(t)
	in := s.initiate(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session := p.scan(t, desk, in)
	var c phoneapi.SignChallenge
	if a := p.call(t, session+"/challenge", nil, &c); a.status != 200 || c.CredentialID != "" {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	approval := p.approval(t, c)
	if a := p.call(t, session+"/approve", approval, nil); a.status != 200 {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	for _, e := range s.trail(t, in.RequestID).Events {
		if e.Kind == "approved" &&
			(e.Detail["user_verified"] != "" || e.Detail["assertion"] != "") {
			t.Errorf("the trail has %v", e.Detail)
		}
	}
}
