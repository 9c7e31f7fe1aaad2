package store

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/token"
)

// The structs of this file are the stored form of what is kept as JSON: requests.data,
// events.detail, phone_events.detail, calls.data and party_changes.edits. Their members are in
// databases that exist, so a member is never renamed, removed or given another type; a new member
// is optional. What is searched for is in columns of its own, see migrations/.
//
// Each object has its version in the member v. Rows without it are of version 1. A form that the
// program does not know is an error, because a member that it does not know would be lost with the
// next change.

// rowVersion is the version of the form that this program writes, and the newest that it reads.
const rowVersion = 1

var errNewerRow = errors.New("the row was written by a newer version of signet")

func checkVersion(v int) error {
	if v > rowVersion {
		return fmt.Errorf(
			"%w: its version is %d, this program knows %d", errNewerRow, v, rowVersion,
		)
	}
	return nil
}

// encodeRow returns the JSON of a row. An error names what it is of.
func encodeRow(what string, row any) (string, error) {
	b, err := json.Marshal(row)
	if err != nil {
		return "", fmt.Errorf("encoding %s: %w", what, err)
	}
	return string(b), nil
}

// decodeRow reads the JSON of a row whose version is at v. An error names what it is of.
func decodeRow(what string, data []byte, row any, v *int) error {
	err := json.Unmarshal(data, row)
	if err == nil {
		err = checkVersion(*v)
	}
	if err != nil {
		return fmt.Errorf("decoding %s: %w", what, err)
	}
	return nil
}

// requestRow is requests.data. Text search uses the members doc_name and signer.name
// (dialect.searched).
type requestRow struct {
	V            int           `json:"v,omitempty"`
	ID           string        `json:"id"`
	ClientID     string        `json:"client_id"`
	State        string        `json:"state"`
	DocName      string        `json:"doc_name"`
	Locations    []locationRow `json:"locations"`
	SignerHash   string        `json:"signer_hash,omitempty"`
	ExchangeHash []byte        `json:"exchange_hash"`
	CreatedAt    time.Time     `json:"created_at"`
	ExpiresAt    time.Time     `json:"expires_at"`
	Document     documentRow   `json:"document"`
	Warnings     []string      `json:"warnings,omitempty"`
	Signer       *personRow    `json:"signer,omitempty"`
	Session      *sessionRow   `json:"session,omitempty"`
	Approval     *approvalRow  `json:"approval,omitempty"`
	Signed       *signedRow    `json:"signed,omitempty"`
	CancelledAt  time.Time     `json:"cancelled_at,omitzero"`
	Outcome      string        `json:"outcome,omitempty"`
}

type locationRow struct {
	Page int     `json:"page"`
	X    float64 `json:"x"`
	Y    float64 `json:"y"`
}

type documentRow struct {
	Key        string `json:"key"`
	Size       int64  `json:"size"`
	SHA256     []byte `json:"sha256"`
	Pages      int    `json:"pages"`
	Signatures int    `json:"signatures"`
}

type personRow struct {
	UIN  string `json:"uin"`
	Name string `json:"name"`

	ACR      string    `json:"acr,omitempty"`
	AMR      string    `json:"amr,omitempty"`
	AuthTime time.Time `json:"auth_time,omitzero"`
}

func newPersonRow(p *signer.Person) *personRow {
	if p == nil {
		return nil
	}
	return &personRow{p.UIN, p.Name, p.Auth.ACR, p.Auth.AMR, p.Auth.At}
}

func (r *personRow) person() *signer.Person {
	if r == nil {
		return nil
	}
	return &signer.Person{
		UIN: r.UIN, Name: r.Name,
		Auth: signer.Authentication{ACR: r.ACR, AMR: r.AMR, At: r.AuthTime},
	}
}

type sessionRow struct {
	ID        string       `json:"id"`
	StartedAt time.Time    `json:"started_at"`
	EndsAt    time.Time    `json:"ends_at"`
	MatchCode string       `json:"match_code"`
	Prepared  *preparedRow `json:"prepared,omitempty"`
}

type preparedRow struct {
	Key    string    `json:"key"`
	Digest []byte    `json:"digest"`
	At     time.Time `json:"at"`
}

type approvalRow struct {
	SessionID   string    `json:"session_id"`
	PhoneID     string    `json:"phone_id"`
	Certificate []byte    `json:"certificate"`
	Signature   []byte    `json:"signature"`
	At          time.Time `json:"at"`
	SealBy      time.Time `json:"seal_by,omitzero"`
	Tries       int       `json:"tries,omitempty"`
	NextTry     time.Time `json:"next_try,omitzero"`
}

type signedRow struct {
	documentRow
	At      time.Time `json:"at"`
	Name    string    `json:"name"`
	Level   string    `json:"level"`
	Until   time.Time `json:"until,omitzero"`
	Renewal string    `json:"renewal,omitempty"`
}

// encodeRequest returns the stored form of r, without Version, which is a column.
func encodeRequest(r *request.Request) (string, error) {
	row := requestRow{
		V: rowVersion, ID: r.ID, ClientID: r.ClientID, State: string(r.State), DocName: r.DocName,
		SignerHash: r.SignerHash, ExchangeHash: r.ExchangeHash, CreatedAt: r.CreatedAt,
		ExpiresAt: r.ExpiresAt, Document: documentRow(r.Document), Warnings: r.Warnings,
		Signer: newPersonRow(r.Signer), Approval: (*approvalRow)(r.Approval),
		CancelledAt: r.CancelledAt, Outcome: string(r.Outcome),
	}
	if r.Locations != nil {
		row.Locations = make([]locationRow, len(r.Locations))
		for i, l := range r.Locations {
			row.Locations[i] = locationRow(l)
		}
	}
	if s := r.Session; s != nil {
		row.Session = &sessionRow{
			s.ID, s.StartedAt, s.EndsAt, s.MatchCode, (*preparedRow)(s.Prepared),
		}
	}
	if d := r.Signed; d != nil {
		row.Signed = &signedRow{documentRow(d.Document), d.At, d.Name, d.Level, d.Until, d.Renewal}
	}
	return encodeRow("request "+r.ID, row)
}

// decodeRequest decodes the result of encodeRequest.
func decodeRequest(data []byte) (*request.Request, error) {
	var row requestRow
	if err := decodeRow("a request", data, &row, &row.V); err != nil {
		return nil, err
	}
	r := &request.Request{
		ID: row.ID, ClientID: row.ClientID, State: request.State(row.State), DocName: row.DocName,
		SignerHash: row.SignerHash, ExchangeHash: row.ExchangeHash, CreatedAt: row.CreatedAt,
		ExpiresAt: row.ExpiresAt, Document: request.Document(row.Document), Warnings: row.Warnings,
		Signer: row.Signer.person(), Approval: (*request.Approval)(row.Approval),
		CancelledAt: row.CancelledAt, Outcome: request.Outcome(row.Outcome),
	}
	if row.Locations != nil {
		r.Locations = make([]api.Location, len(row.Locations))
		for i, l := range row.Locations {
			r.Locations[i] = api.Location(l)
		}
	}
	if s := row.Session; s != nil {
		r.Session = &request.Session{
			ID: s.ID, StartedAt: s.StartedAt, EndsAt: s.EndsAt, MatchCode: s.MatchCode,
			Prepared: (*request.Prepared)(s.Prepared),
		}
	}
	if d := row.Signed; d != nil {
		r.Signed = &request.SignedDocument{
			Document: request.Document(d.documentRow), At: d.At, Name: d.Name, Level: d.Level,
			Until: d.Until, Renewal: d.Renewal,
		}
	}
	return r, nil
}

// detailRow is events.detail, or an empty text. Its version is a text, because programs before
// versions read the object as names with texts.
type detailRow struct {
	V int `json:"v,omitempty,string"`
	detailMembers
}

type detailMembers struct {
	ACR           string `json:"acr,omitempty"`
	AMR           string `json:"amr,omitempty"`
	Assertion     string `json:"assertion,omitempty"`
	Attempt       string `json:"attempt,omitempty"`
	AuthTime      string `json:"auth_time,omitempty"`
	Authenticator string `json:"authenticator,omitempty"`
	By            string `json:"by,omitempty"`
	Client        string `json:"client,omitempty"`
	ClientID      string `json:"client_id,omitempty"`
	Count         string `json:"count,omitempty"`
	Documents     string `json:"documents,omitempty"`
	EndsAt        string `json:"ends_at,omitempty"`
	Error         string `json:"error,omitempty"`
	Failures      string `json:"failures,omitempty"`
	Findings      string `json:"findings,omitempty"`
	From          string `json:"from,omitempty"`
	Outcome       string `json:"outcome,omitempty"`
	Pages         string `json:"pages,omitempty"`
	Phone         string `json:"phone,omitempty"`
	Places        string `json:"places,omitempty"`
	SHA256        string `json:"sha256,omitempty"`
	Seen          string `json:"seen,omitempty"`
	Size          string `json:"size,omitempty"`
	State         string `json:"state,omitempty"`
	Status        string `json:"status,omitempty"`
	Until         string `json:"until,omitempty"`
	UserVerified  string `json:"user_verified,omitempty"`
	WarnedOf      string `json:"warned_of,omitempty"`
}

func encodeDetail(d request.Detail) (string, error) {
	if d == (request.Detail{}) {
		return "", nil
	}
	return encodeRow("an event", detailRow{rowVersion, detailMembers(d)})
}

func decodeDetail(text []byte) (request.Detail, error) {
	if len(text) == 0 {
		return request.Detail{}, nil
	}
	var row detailRow
	if err := decodeRow("an event", text, &row, &row.V); err != nil {
		return request.Detail{}, err
	}
	return request.Detail(row.detailMembers), nil
}

// phoneDetailRow is phone_events.detail, or an empty text.
type phoneDetailRow struct {
	V int `json:"v,omitempty"`
	phoneDetailMembers
}

type phoneDetailMembers struct {
	Name     string    `json:"name,omitempty"`
	ActiveAt time.Time `json:"active_at,omitzero"`
	By       string    `json:"by,omitempty"`
	ACR      string    `json:"acr,omitempty"`
	AMR      string    `json:"amr,omitempty"`
	AuthTime time.Time `json:"auth_time,omitzero"`
	Operator string    `json:"operator,omitempty"`
	Reason   int       `json:"reason,omitempty"`
	Why      string    `json:"why,omitempty"`

	UserVerified  string `json:"user_verified,omitempty"`
	Authenticator string `json:"authenticator,omitempty"`
	Assertion     string `json:"assertion,omitempty"`
}

func encodePhoneDetail(d signer.Detail) (string, error) {
	if d == (signer.Detail{}) {
		return "", nil
	}
	return encodeRow("an event of a phone", phoneDetailRow{rowVersion, phoneDetailMembers(d)})
}

// phoneLeafRow is events.detail of an event of a phone. It has no name, because the audit log names
// no person. The certificate, by its hash, is evidence of whose phone it is.
type phoneLeafRow struct {
	phoneDetailRow
	Certificate string `json:"certificate_sha256,omitempty"`
}

func encodePhoneLeaf(d signer.Detail, certificate []byte) (string, error) {
	d.Name = ""
	row := phoneLeafRow{phoneDetailRow: phoneDetailRow{rowVersion, phoneDetailMembers(d)}}
	if certificate != nil {
		sum := sha256.Sum256(certificate)
		row.Certificate = hex.EncodeToString(sum[:])
	}
	return encodeRow("an event of a phone", row)
}

// operatorLeafRow is events.detail of what an operator did to a relying party or a phone.
type operatorLeafRow struct {
	V     int             `json:"v,omitempty"`
	By    string          `json:"by"`
	Edits json.RawMessage `json:"edits,omitempty"` // party_changes.edits
}

func encodeOperatorLeaf(by, edits string) (string, error) {
	row := operatorLeafRow{rowVersion, by, json.RawMessage(edits)}
	return encodeRow("a change of a relying party", row)
}

func decodePhoneDetail(text []byte) (signer.Detail, error) {
	if len(text) == 0 {
		return signer.Detail{}, nil
	}
	var row phoneDetailRow
	if err := decodeRow("an event of a phone", text, &row, &row.V); err != nil {
		return signer.Detail{}, err
	}
	return signer.Detail(row.phoneDetailMembers), nil
}

// credentialRow is phones.credential, or an empty text.
type credentialRow struct {
	V int `json:"v,omitempty"`
	credentialMembers
}

type credentialMembers struct {
	ID             []byte `json:"id"`
	PublicKey      []byte `json:"public_key"`
	Handle         []byte `json:"handle"`
	AAGUID         []byte `json:"aaguid"`
	Counter        uint32 `json:"counter,omitempty"`
	BackupEligible bool   `json:"backup_eligible,omitempty"`
}

func encodeCredential(c *signer.Credential) (string, error) {
	if c == nil {
		return "", nil
	}
	return encodeRow("the credential of a phone", credentialRow{rowVersion, credentialMembers(*c)})
}

func decodeCredential(text []byte) (*signer.Credential, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var row credentialRow
	if err := decodeRow("the credential of a phone", text, &row, &row.V); err != nil {
		return nil, err
	}
	return new(signer.Credential(row.credentialMembers)), nil
}

// callRow is calls.data. The record's ID is a column.
type callRow struct {
	V           int       `json:"v,omitempty"`
	At          time.Time `json:"at"`
	Took        int64     `json:"took_ns"`
	Kind        string    `json:"call"`
	Party       string    `json:"client_id,omitempty"`
	Claimed     string    `json:"client_id_claimed,omitempty"`
	Authentic   bool      `json:"authentic"`
	By          string    `json:"by,omitempty"`
	RequestID   string    `json:"request_id,omitempty"`
	Attempt     int       `json:"attempt,omitempty"`
	Status      int       `json:"status,omitempty"`
	Error       string    `json:"error,omitempty"`
	Description string    `json:"error_description,omitempty"`
	Reason      string    `json:"reason,omitempty"`
	Token       *tokenRow `json:"token,omitempty"`

	Diagnosis *diagnosisRow `json:"diagnosis,omitempty"`
}

type diagnosisRow struct {
	ID     string `json:"id"`
	Check  string `json:"check"`
	Remedy string `json:"remedy,omitempty"`
}

type tokenRow struct {
	Header    json.RawMessage `json:"header,omitempty"`
	Claims    json.RawMessage `json:"claims,omitempty"`
	Signature string          `json:"signature,omitempty"`
	Problem   string          `json:"problem,omitempty"`
}

func encodeCall(r *calllog.Record) (string, error) {
	row := callRow{
		rowVersion, r.At, int64(r.Took), string(r.Kind), r.Party, r.Claimed, r.Authentic, r.By,
		r.RequestID, r.Attempt, r.Status, r.Error, r.Description, r.Reason, (*tokenRow)(r.Token),
		nil,
	}
	if d := r.Diagnosis; d != nil {
		row.Diagnosis = &diagnosisRow{d.ID, string(d.Check), d.Remedy}
	}
	return encodeRow("a call", row)
}

func decodeCall(id int64, data []byte) (calllog.Record, error) {
	var row callRow
	if err := decodeRow("a call", data, &row, &row.V); err != nil {
		return calllog.Record{}, err
	}
	r := calllog.Record{
		ID: id, At: row.At, Took: time.Duration(row.Took), Kind: calllog.Kind(row.Kind),
		Party: row.Party, Claimed: row.Claimed, Authentic: row.Authentic, By: row.By,
		RequestID: row.RequestID, Attempt: row.Attempt, Status: row.Status, Error: row.Error,
		Description: row.Description, Reason: row.Reason, Token: (*calllog.Token)(row.Token),
	}
	if d := row.Diagnosis; d != nil {
		r.Diagnosis = &calllog.Diagnosis{ID: d.ID, Check: token.Check(d.Check), Remedy: d.Remedy}
	}
	return r, nil
}

// editRow is an element of party_changes.edits, which is an array, or an empty text.
type editRow struct {
	V     int    `json:"v,omitempty"`
	Field string `json:"field"`
	From  string `json:"from,omitempty"`
	To    string `json:"to,omitempty"`
}

func encodeEdits(edits []party.Edit) (string, error) {
	if len(edits) == 0 {
		return "", nil
	}
	rows := make([]editRow, len(edits))
	for i, e := range edits {
		rows[i] = editRow{rowVersion, string(e.Field), e.From, e.To}
	}
	b, err := json.Marshal(rows)
	if err != nil {
		return "", fmt.Errorf("encoding a change of a relying party: %w", err)
	}
	return text(string(b)), nil
}

func decodeEdits(data []byte) (edits []party.Edit, err error) {
	if len(data) == 0 {
		return nil, nil
	}
	var rows []editRow
	if err := json.Unmarshal(data, &rows); err != nil {
		return nil, fmt.Errorf("decoding a change of a relying party: %w", err)
	}
	for _, row := range rows {
		if err := checkVersion(row.V); err != nil {
			return nil, err
		}
		edits = append(edits, party.Edit{Field: party.Field(row.Field), From: row.From, To: row.To})
	}
	return edits, nil
}
