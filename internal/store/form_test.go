package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// TestStoredForm checks that what is stored as JSON, with a value for each field, has the text of
// testdata/rows.json, and that this text is read as the same values: a member that was renamed,
// removed or given another type fails. A change of a stored field needs a migration, or a row
// version that is read as before. A field that is new only needs ROWS=accept.
func TestStoredForm(t *testing.T) {
	r := filled[request.Request](t)
	call, detail := filled[calllog.Record](t), filled[request.Detail](t)
	edits, phone := filled[[]party.Edit](t), filled[signer.Detail](t)
	credential := filled[*signer.Credential](t)
	texts := map[string]json.RawMessage{}
	keep := func(name, text string, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		texts[name] = json.RawMessage(text)
	}
	text, err := encodeRequest(&r)
	keep("requests.data", text, err)
	text, err = encodeCall(&call)
	keep("calls.data", text, err)
	text, err = encodeDetail(detail)
	keep("events.detail", text, err)
	text, err = encodeEdits(edits)
	keep("party_changes.edits", text, err)
	text, err = encodePhoneDetail(phone)
	keep("phone_events.detail", text, err)
	text, err = encodePhoneLeaf(phone, []byte("certificate"))
	keep("events.detail of a phone", text, err)
	text, err = encodeOperatorLeaf("operator", `{"v":1}`)
	keep("events.detail of an operator", text, err)
	text, err = encodeCredential(credential)
	keep("phones.credential", text, err)

	const file = "testdata/rows.json"
	now, err := json.MarshalIndent(texts, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	now = append(now, '\n')
	if os.Getenv("ROWS") == "accept" {
		if err := os.WriteFile(file, now, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	accepted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(accepted), string(now)); diff != "" {
		t.Errorf("(-accepted +now):\n%s", diff)
	}
	var old map[string]json.RawMessage
	if err := json.Unmarshal(accepted, &old); err != nil {
		t.Fatal(err)
	}
	same := func(name string, want any, read func([]byte) (any, error)) {
		t.Helper()
		var b bytes.Buffer
		if err := json.Compact(&b, old[name]); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got, err := read(b.Bytes())
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(request.Request{})); err != nil || diff != "" {
			t.Errorf("%s is read: %v\n%s", name, err, diff)
		}
	}
	same("requests.data", &r, func(b []byte) (any, error) { return decode(r.Version, b, nil) })
	same("calls.data", call, func(b []byte) (any, error) { return decodeCall(call.ID, b) })
	same("events.detail", detail, func(b []byte) (any, error) { return decodeDetail(b) })
	same("party_changes.edits", edits, func(b []byte) (any, error) { return decodeEdits(b) })
	same("phone_events.detail", phone, func(b []byte) (any, error) { return decodePhoneDetail(b) })
	same("phones.credential", credential, func(b []byte) (any, error) { return decodeCredential(b) })
}

// TestStoredColumns reads rows that are in no golden database, as the first schema that had them
// stored them.
func TestStoredColumns(t *testing.T) {
	at := func(n int64) time.Time { return time.UnixMicro(1_700_000_000_000_000 + n).UTC() }

	s := openFrom(t, 13, `INSERT INTO phones
		(id, uin, serial, name, certificate, enrolled_at, revoked_at, active_at, credential)
		VALUES ('phone', 'S1234567D', '17', 'Pixel', 'Y2VydGlmaWNhdGU=', 1700000000000001, 0,
			1700000000000002, '{"v":1,"id":"aWQ=","public_key":"a2V5","handle":"aGFuZGxl",
			"aaguid":"YWFndWlk","counter":4294967295,"backup_eligible":true}')`)
	phone, err := s.Phone(t.Context(), "phone")
	want := signer.Phone{
		ID: "phone", UIN: "S1234567D", Serial: "17", Name: "Pixel",
		Certificate: []byte("certificate"), EnrolledAt: at(1), ActiveAt: at(2),
		Credential: &signer.Credential{
			ID: []byte("id"), PublicKey: []byte("key"), Handle: []byte("handle"),
			AAGUID: []byte("aaguid"), Counter: 1<<32 - 1, BackupEligible: true,
		},
	}
	if diff := cmp.Diff(want, phone); diff != "" || err != nil {
		t.Errorf("the phone: %v\n%s", err, diff)
	}

	s = openFrom(t, 23, `INSERT INTO receivers
		(client_id, failures, since, last, held_until, paused_at) VALUES ('shop', 3,
			1700000000000001, 1700000000000002, 1700000000000003, 1700000000000004)`)
	receivers, err := s.Receivers(t.Context())
	wanted := []party.Receiver{{
		ClientID: "shop", Failures: 3, Since: at(1), Last: at(2), HeldUntil: at(3), PausedAt: at(4),
	}}
	if diff := cmp.Diff(wanted, receivers); diff != "" || err != nil {
		t.Errorf("receivers: %v\n%s", err, diff)
	}

	s = openFrom(t, 26, `INSERT INTO key_files (folder, name, content, changed_at) VALUES
		('keys', 'cookies.secret', 'c2VjcmV0', 1700000000000001),
		('authority', 'root.crt', 'cm9vdA==', 1700000000000002)`)
	for folder, want := range map[string]struct {
		name, content string
		changed       time.Time
	}{
		"keys": {"cookies.secret", "secret", at(1)}, "authority": {"root.crt", "root", at(2)},
	} {
		content, readErr := s.KeyFiles(folder).Read(want.name)
		list, err := s.KeyFiles(folder).List()
		if err = errors.Join(readErr, err); err != nil || string(content) != want.content ||
			!reflect.DeepEqual(list, []keydir.File{{Name: want.name, Size: list[0].Size, Changed: want.changed}}) {
			t.Errorf("%s: %q, %v, %v", folder, content, list, err)
		}
	}
}
