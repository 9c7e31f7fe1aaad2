package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// fill sets every exported field below v, each to another value. A field of a kind that it does not
// know fails the test.
func fill(t *testing.T, v reflect.Value, n *int) {
	t.Helper()
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.UnixMicro(1_700_000_000_000_000 + int64(*n)).UTC()))
		return
	case []byte:
		v.SetBytes(fmt.Append(nil, "bytes ", *n))
		return
	case interface{ MarshalJSON() ([]byte, error) }: // json.RawMessage
		v.SetBytes(fmt.Appendf(nil, `{"n":%d}`, *n))
		return
	}
	switch v.Kind() {
	case reflect.Interface:
		// found out when the value is used, and never stored
		if v.Type() != reflect.TypeFor[error]() {
			t.Fatalf("a field of the type %s", v.Type())
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Uint32:
		v.SetUint(uint64(*n))
	case reflect.Float64:
		v.SetFloat(1 / float64(*n))
	case reflect.String:
		v.SetString(fmt.Sprint("text ", *n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, key, n)
		fill(t, value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() {
				fill(t, v.Field(i), n)
			}
		}
	default:
		t.Fatalf("a field of the type %s", v.Type())
	}
}

func filled[T any](t *testing.T) (v T) {
	t.Helper()
	n := 0
	fill(t, reflect.ValueOf(&v).Elem(), &n)
	return v
}

// TestRowsKeepEveryField fills every field of what is stored as JSON, so that a new field that is
// not stored fails.
func TestRowsKeepEveryField(t *testing.T) {
	check := func(want, got any, err error, opts ...cmp.Option) {
		t.Helper()
		if diff := cmp.Diff(want, got, opts...); diff != "" || err != nil {
			t.Errorf("%T (-stored +read): %v\n%s", want, err, diff)
		}
	}
	r := filled[request.Request](t)
	data, err := encodeRequest(&r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := decode(r.Version, []byte(data), nil)
	check(&r, got, err, cmp.AllowUnexported(request.Request{}))

	bare := request.Request{}
	if data, err = encodeRequest(&bare); err != nil {
		t.Fatal(err)
	}
	got, err = decodeRequest([]byte(data))
	check(&bare, got, err, cmp.AllowUnexported(request.Request{}))

	call := filled[calllog.Record](t)
	if data, err = encodeCall(&call); err != nil {
		t.Fatal(err)
	}
	gotCall, err := decodeCall(call.ID, []byte(data))
	check(call, gotCall, err)

	detail := filled[request.Detail](t)
	if data, err = encodeDetail(detail); err != nil {
		t.Fatal(err)
	}
	gotDetail, err := decodeDetail([]byte(data))
	check(detail, gotDetail, err)

	edits := filled[[]party.Edit](t)
	if data, err = encodeEdits(edits); err != nil {
		t.Fatal(err)
	}
	gotEdits, err := decodeEdits([]byte(data))
	check(edits, gotEdits, err)
}

// TestColumnsKeepEveryField does the same for what is stored in columns.
func TestColumnsKeepEveryField(t *testing.T) {
	s, err := Open(t.Context(), Options{Database: t.TempDir() + "/a.db", Kind: Sandbox})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	check := func(want, got any, err error) {
		t.Helper()
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("%T (-stored +read): %v\n%s", want, err, diff)
		}
	}

	phone := filled[signer.Phone](t)
	phoneEvent := filled[signer.Event](t)
	if err := s.ChangePhones(t.Context(), phone.UIN, func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
		return []signer.Phone{phone}, []signer.Event{phoneEvent}, nil
	}); err != nil {
		t.Fatal(err)
	}
	phoneEvents, err := s.PhoneEvents(t.Context(), phone.UIN)
	check([]signer.Event{phoneEvent}, phoneEvents, err)
	gotPhone, err := s.Phone(t.Context(), phone.ID)
	check(phone, gotPhone, err)

	r := &request.Request{ID: "id", ClientID: "party", State: request.StateCreated}
	e := filled[request.Effects](t)
	e.Ticket = request.Ticket{}
	for i := range e.Events {
		e.Events[i].Seq = i + 1 // the store's
	}
	if err := s.Create(t.Context(), r, e); err != nil {
		t.Fatal(err)
	}
	events, err := s.Events(t.Context(), r.ID)
	check(e.Events, events, err)
	jobs, err := s.Jobs(t.Context(), r.ID)
	for i := range e.Jobs { // a new job has no lease
		j := &e.Jobs[i]
		j.ID, j.RequestID, j.ClientID, j.Lease = int64(i+1), r.ID, r.ClientID, time.Time{}
	}
	check(e.Jobs, jobs, err)

	rp, change := filled[party.Party](t), filled[party.Change](t)
	change.ClientID = rp.ClientID
	logo := party.Logo{Name: rp.Logo, PNG: []byte("picture")}
	err = errors.Join(
		s.AddParty(t.Context(), rp, change),
		s.ChangeLogo(t.Context(), rp.ClientID, 1, logo, change),
	)
	if err != nil {
		t.Fatal(err)
	}
	registration, err := s.Registration(t.Context(), rp.ClientID)
	// it is not the registration's: RenewKeys counts it for configured parties, too
	rp.KeysEpoch, rp.JWKS = 0, ""
	want := party.Registration{Party: rp, Version: 2, CreatedAt: change.At, ChangedAt: change.At}
	check(want, registration, err)
	changes, err := s.PartyChanges(t.Context(), rp.ClientID, 1)
	check([]party.Change{change}, changes, err)
}

// TestRowsOfVersion1 reads rows without a version, as the first releases wrote them, and refuses
// those of a later program.
func TestRowsOfVersion1(t *testing.T) {
	r, call := filled[request.Request](t), filled[calllog.Record](t)
	detailText, detailErr := encodeDetail(filled[request.Detail](t))
	text, err := encodeRequest(&r)
	callText, callErr := encodeCall(&call)
	editText, editErr := encodeEdits(filled[[]party.Edit](t))
	phoneText, phoneErr := encodePhoneDetail(filled[signer.Detail](t))
	credentialText, credentialErr := encodeCredential(filled[*signer.Credential](t))
	if err := errors.Join(err, callErr, editErr, detailErr, phoneErr, credentialErr); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string]struct {
		text string
		read func([]byte) error
	}{
		"request":    {text, func(b []byte) error { _, err := decodeRequest(b); return err }},
		"call":       {callText, func(b []byte) error { _, err := decodeCall(1, b); return err }},
		"detail":     {detailText, func(b []byte) error { _, err := decodeDetail(b); return err }},
		"phone":      {phoneText, func(b []byte) error { _, err := decodePhoneDetail(b); return err }},
		"credential": {credentialText, func(b []byte) error { _, err := decodeCredential(b); return err }},
		"edit":       {editText, func(b []byte) error { _, err := decodeEdits(b); return err }},
	} {
		version := regexp.MustCompile(`"v":"?1"?,`)
		without := version.ReplaceAllString(row.text, "")
		later := version.ReplaceAllStringFunc(row.text, func(member string) string {
			return strings.Replace(member, "1", "2", 1)
		})
		if without == row.text || later == row.text {
			t.Fatalf("%s has no version: %s", name, row.text)
		}
		if err := row.read([]byte(without)); err != nil {
			t.Errorf("%s without a version: %v", name, err)
		}
		if err := row.read([]byte(later)); !errors.Is(err, errNewerRow) {
			t.Errorf("%s of version 2: %v", name, err)
		}
	}
}

// TestDetailsForEarlierReleases reads a detail as release 0.1.0 does: on PostgreSQL its nodes run
// beside those of this release until they are replaced.
func TestDetailsForEarlierReleases(t *testing.T) {
	text, err := encodeDetail(request.Detail{Attempt: "2", Error: "no answer"})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]string
	err = json.Unmarshal([]byte(text), &got)
	want := map[string]string{"v": "1", "attempt": "2", "error": "no answer"}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
