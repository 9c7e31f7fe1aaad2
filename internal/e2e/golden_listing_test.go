package e2e_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
)

// fields is a record as a listing shows it. The names are the listing's own and stay when a Go
// field is renamed.
type fields map[string]any

// compact drops zero values, so that the listing of an older release matches when fields are added.
func (f fields) compact() fields {
	for name, v := range f {
		if inner, ok := v.(fields); ok {
			if v = inner.compact(); len(inner) == 0 {
				delete(f, name)
			}
			continue
		}
		value := reflect.ValueOf(v)
		if !value.IsValid() || value.IsZero() || value.Kind() == reflect.Slice && value.Len() == 0 {
			delete(f, name)
		}
	}
	return f
}

func listDocument(d request.Document) fields {
	return fields{
		"key": d.Key, "size": d.Size, "sha256": d.SHA256, "pages": d.Pages,
		"signatures": d.Signatures,
	}
}

// listRequest shows every field of a request.
func listRequest(r *request.Request) fields {
	f := fields{
		"id": r.ID, "client": r.ClientID, "version": r.Version, "state": r.State,
		"doc_name": r.DocName, "document": listDocument(r.Document),
		"signer_hash": r.SignerHash, "exchange_hash": r.ExchangeHash, "outcome": r.Outcome,
		"created": r.CreatedAt, "expires": r.ExpiresAt, "cancelled": r.CancelledAt,
	}
	var places []fields
	for _, l := range r.Locations {
		places = append(places, fields{"page": l.Page, "x": l.X, "y": l.Y})
	}
	f["places"], f["warnings"] = places, r.Warnings
	if p := r.Signer; p != nil {
		f["signer"] = fields{
			"uin": p.UIN, "name": p.Name,
			"acr": p.Auth.ACR, "amr": p.Auth.AMR, "auth_time": p.Auth.At,
		}
	}
	if s := r.Session; s != nil {
		session := fields{
			"id": s.ID, "started": s.StartedAt, "ends": s.EndsAt,
			"match_code": s.MatchCode,
		}
		if p := s.Prepared; p != nil {
			session["prepared"] = fields{"key": p.Key, "digest": p.Digest, "at": p.At}
		}
		f["session"] = session
	}
	if a := r.Approval; a != nil {
		f["approval"] = fields{
			"session": a.SessionID, "phone": a.PhoneID, "certificate": a.Certificate,
			"signature": a.Signature, "at": a.At,
			"seal_by": a.SealBy, "tries": a.Tries, "next_try": a.NextTry,
		}
	}
	if d := r.Signed; d != nil {
		f["signed"] = fields{
			"document": listDocument(d.Document), "at": d.At, "name": d.Name, "level": d.Level,
			"until": d.Until, "renewal": d.Renewal,
		}
	}
	return f.compact()
}

func listEvent(e *request.Event) fields {
	return fields{"seq": e.Seq, "at": e.At, "kind": e.Kind, "detail": e.Detail}.compact()
}

func listJob(j *request.Job) fields {
	return fields{
		"id": j.ID, "request": j.RequestID, "client": j.ClientID, "kind": j.Kind, "status": j.Status,
		"attempts": j.Attempts,
		"due":      j.DueAt, "lease": j.Lease, "payload": j.Payload, "last_error": j.LastError,
	}.compact()
}

func listPhone(p *signer.Phone) fields {
	f := fields{
		"id": p.ID, "uin": p.UIN, "serial": p.Serial, "name": p.Name, "certificate": p.Certificate,
		"enrolled": p.EnrolledAt, "active": p.ActiveAt, "revoked": p.RevokedAt,
	}
	// keyCompromise was the only reason of the first releases, whose listings lack it.
	if !p.RevokedAt.IsZero() && p.RevokedReason != 1 {
		f["reason"] = strconv.Itoa(p.RevokedReason)
	}
	if c := p.Credential; c != nil {
		f["credential"] = fields{
			"id": c.ID, "public_key": c.PublicKey, "handle": c.Handle, "aaguid": c.AAGUID,
			"counter": c.Counter, "backup_eligible": c.BackupEligible,
		}
	}
	return f.compact()
}

func listParty(p *party.Party) fields {
	return fields{
		"client": p.ClientID, "name": p.Name, "logo": p.Logo, "jwks_url": p.JWKSURL,
		"redirect_url": p.RedirectURL, "webhook_url": p.WebhookURL,
		"disabled": p.Disabled, "keys_epoch": p.KeysEpoch, "ca": p.CA,
		"allow_download": p.AllowDownload, "require_all_pages": p.RequireAllPages,
		"webhook_ladder": p.WebhookLadder, "allow_private": p.AllowPrivate,
	}
}

func listRegistration(r *party.Registration) fields {
	f := fields{"version": r.Version, "created": r.CreatedAt, "changed": r.ChangedAt}
	maps.Copy(f, listParty(&r.Party))
	return f.compact()
}

func listChange(c *party.Change) fields {
	var edits []fields
	for _, e := range c.Edits {
		edits = append(edits, fields{"field": e.Field, "from": e.From, "to": e.To}.compact())
	}
	f := fields{"client": c.ClientID, "at": c.At, "by": c.By, "kind": c.Kind, "edits": edits}
	return f.compact()
}

func listPartyProposal(p *party.Proposal) fields {
	f := fields{
		"client": p.ClientID, "version": p.Version, "by": p.By, "subject": p.Subject, "at": p.At,
	}
	maps.Copy(f, listParty(&p.Party))
	return f.compact()
}

func listPersonProposal(p *person.Proposal) fields {
	return fields{
		"id": p.ID, "act": p.Kind, "uin": p.UIN, "phone": p.PhoneID, "reason": p.Reason,
		"by": p.By.Name, "subject": p.By.Subject, "at": p.At, "claimed": p.ClaimedUntil,
	}.compact()
}

func listCall(c *calllog.Record) fields {
	f := fields{
		"id": c.ID, "at": c.At, "took": c.Took, "kind": c.Kind, "party": c.Party,
		"claimed":   c.Claimed,
		"authentic": c.Authentic, "by": c.By, "request": c.RequestID, "attempt": c.Attempt,
		"status": c.Status, "error": c.Error, "description": c.Description, "reason": c.Reason,
	}
	if d := c.Diagnosis; d != nil {
		f["diagnosis"] = fields{"id": d.ID, "check": d.Check, "remedy": d.Remedy}
	}
	if t := c.Token; t != nil {
		f["token"] = fields{
			"header": string(t.Header), "claims": string(t.Claims),
			"signature": t.Signature, "problem": t.Problem,
		}
	}
	return f.compact()
}

// goldenPeople are the owners of the phones in golden databases.
var goldenPeople = []string{alice, bob}

// listGolden reads everything of a golden database that a store's methods return.
func listGolden(ctx context.Context, s *store.Store, g *golden) (fields, error) {
	var l lister
	all := fields{}
	requests, err := s.List(ctx, request.Filter{Limit: 1000})
	l.note(err)
	var rows []fields
	found := fields{}
	find := func(what string, f request.Filter) {
		if found[what] == nil {
			f.Limit = 1000
			ids, err := s.List(ctx, f)
			l.note(err)
			found[what] = each(ids, func(r **request.Request) string { return (*r).DocName })
		}
	}
	for i, listed := range requests {
		if listed == nil {
			continue
		}
		r, err := s.Get(ctx, listed.ID)
		if l.note(err); err != nil {
			continue
		}
		row := fields{"request": listRequest(r)}
		events, err := s.Events(ctx, r.ID)
		l.note(err)
		row["events"] = each(events, listEvent)
		jobs, err := s.Jobs(ctx, r.ID)
		l.note(err)
		// Version 0.1 kept purges in a table of their own. TestGoldenOperations checks what they
		// do.
		jobs = slices.DeleteFunc(jobs, func(j request.Job) bool { return j.Kind == "purge" })
		row["jobs"] = each(jobs, listJob)
		kept, err := s.Calls(ctx, calllog.Filter{RequestID: r.ID, Limit: 1000})
		l.note(err)
		row["calls"] = each(kept, func(c *calllog.Record) int64 { return c.ID })
		find("party "+r.ClientID+", "+string(r.State),
			request.Filter{ClientID: r.ClientID, State: r.State})
		find("time "+r.CreatedAt.String(),
			request.Filter{From: r.CreatedAt, To: r.CreatedAt.Add(time.Microsecond)})
		if i%10 == 5 {
			find("name "+r.DocName, request.Filter{Text: strings.ToUpper(r.DocName)})
			find("id "+r.ID, request.Filter{Text: r.ID})
			find("before "+r.DocName, request.Filter{Before: request.Filter{}.CursorAt(r)})
		}
		rows = append(rows, row)
	}
	all["requests"], all["found"] = rows, found
	counts, err := s.Count(ctx, request.Filter{})
	l.note(err)
	all["counts"] = counts
	all["due"], err = s.Due(ctx, g.At, 1000)
	l.note(err)

	phones := fields{}
	for _, uin := range goldenPeople {
		list, err := s.Phones(ctx, uin)
		l.note(err)
		phones[uin] = each(list, listPhone)
		events, err := s.PhoneEvents(ctx, uin)
		if l.note(err); len(events) > 0 {
			phones["events of "+uin] = events
		}
		for _, p := range list {
			byID, err := s.Phone(ctx, p.ID)
			l.note(err)
			bySerial, err := s.PhoneBySerial(ctx, p.Serial)
			l.note(err)
			phones["by id "+p.ID], phones["by serial "+p.Serial] = byID.Name, bySerial.ID
		}
	}
	revoked, err := s.RevokedPhones(ctx)
	l.note(err)
	phones["revoked"] = each(revoked, listPhone)
	all["phones"] = phones

	parties := fields{}
	registrations, epochs, err := s.Registrations(ctx)
	l.note(err)
	parties["registered"], parties["epochs"] = each(registrations, listRegistration), epochs
	for _, id := range []string{g.Shop, g.Clinic, g.Gone} {
		changes, err := s.PartyChanges(ctx, id, 1000)
		l.note(err)
		parties["changes of "+id] = each(changes, listChange)
	}
	for _, r := range registrations {
		if r.Logo == "" {
			continue
		}
		logo, err := s.LogoPNG(ctx, r.Logo)
		l.note(err)
		sum := sha256.Sum256(logo)
		parties["logo of "+r.ClientID] = sum[:]
	}
	keys := fields{}
	for _, id := range []string{g.Shop, g.Clinic} {
		k, ok, err := s.LoadKeys(ctx, id)
		if l.note(err); ok {
			keys[k.ClientID] = fields{
				"url": k.URL, "epoch": k.Epoch, "jwks": string(k.JWKS), "fetched": k.FetchedAt,
			}
		}
	}
	if len(keys) > 0 { // version 0.1 did not store them
		parties["keys"] = keys
	}
	ofParties, ofPeople, err := proposals(ctx, s, g)
	l.note(err)
	all["parties"] = parties
	all["proposals"] = fields{
		"parties": each(ofParties, listPartyProposal), "people": each(ofPeople, listPersonProposal),
	}.compact()
	all["operators"], err = s.OperatorSessions(ctx)
	l.note(err)
	receivers, err := s.Receivers(ctx)
	l.note(err)
	all["receivers"] = each(receivers, listReceiver)
	all["key files"] = listKeyFiles(s, &l)
	all["document keys"] = listDocumentKeys(ctx, s, &l)
	all["audit"] = listAudit(ctx, s, &l)

	records, err := s.Calls(ctx, calllog.Filter{Limit: 10_000})
	l.note(err)
	all["calls"] = each(records, listCall)
	shelves := fields{}
	for name, f := range map[string]calllog.Filter{
		"shop": {Party: g.Shop}, "clinic": {Party: g.Clinic},
		"refused": {Refused: true}, "webhooks": {Kind: calllog.Webhook},
	} {
		f.Limit = 10_000
		list, err := s.Calls(ctx, f)
		l.note(err)
		shelves[name] = each(list, func(c *calllog.Record) int64 { return c.ID })
	}
	all["calls of"] = shelves
	for _, r := range records {
		if !r.Refused() {
			continue
		}
		found, err := s.Calls(ctx, calllog.Filter{Code: r.Error, Limit: 10_000})
		l.note(err)
		if !slices.ContainsFunc(found, func(f calllog.Record) bool { return f.ID == r.ID }) {
			l.note(fmt.Errorf("call %d is not found by its code", r.ID))
		}
	}

	var unused []string
	for client, ids := range g.JTIs {
		for _, jti := range ids {
			used, err := s.Used(ctx, client, jti)
			if l.note(err); !used {
				unused = append(unused, jti)
			}
		}
	}
	all["unused tokens"] = unused
	for _, name := range []string{
		"proposals", "operators", "receivers", "key files", "document keys", "audit",
	} {
		if reflect.ValueOf(all[name]).Len() == 0 { // version 0.1 stored nothing of it
			delete(all, name)
		}
	}
	return all, l.err
}

func listReceiver(r *party.Receiver) fields {
	return fields{
		"client": r.ClientID, "failures": r.Failures, "since": r.Since, "last": r.Last,
		"held": r.HeldUntil, "paused": r.PausedAt,
	}.compact()
}

// listKeyFiles are the files with keys that are in the database.
func listKeyFiles(s *store.Store, l *lister) fields {
	all := fields{}
	for _, folder := range []string{"keys", "authority"} {
		files, err := s.KeyFiles(folder).List()
		l.note(err)
		for _, f := range files {
			b, err := s.KeyFiles(folder).Read(f.Name)
			l.note(err)
			sum := sha256.Sum256(b)
			all[folder+"/"+f.Name] = fields{"size": f.Size, "changed": f.Changed, "sha256": sum[:]}
		}
	}
	return all
}

// listDocumentKeys are the wrapped keys of the documents.
func listDocumentKeys(ctx context.Context, s *store.Store, l *lister) (all []vault.Key) {
	wrapping, err := s.WrappingKeys(ctx)
	l.note(err)
	for _, name := range wrapping {
		keys, err := s.KeysWrappedBy(ctx, name, vault.Key{}, 10_000)
		l.note(err)
		all = append(all, keys...)
	}
	return all
}

// listAudit is the audit log, with the register of certificates.
func listAudit(ctx context.Context, s *store.Store, l *lister) fields {
	entries, err := s.Entries(ctx, 0, 10_000)
	l.note(err)
	hashes, err := s.Hashes(ctx, 0, 100_000)
	l.note(err)
	checkpoints, err := s.Checkpoints(ctx, 0, 10_000)
	l.note(err)
	certificates, err := s.Certificates(ctx, audit.Certificate{}, "", 10_000)
	l.note(err)
	return fields{
		"entries": entries, "hashes": hashes, "checkpoints": checkpoints,
		"certificates": certificates,
	}.compact()
}

// proposals are the acts that wait for a second operator.
func proposals(ctx context.Context, s *store.Store, g *golden) (
	ofParties []party.Proposal, ofPeople []person.Proposal, err error,
) {
	for _, id := range []string{g.Shop, g.Clinic} {
		p, err := s.Proposal(ctx, id)
		switch {
		case err == nil:
			ofParties = append(ofParties, p)
		case !errors.Is(err, party.ErrNoProposal):
			return nil, nil, err
		}
	}
	ofPeople, err = s.PersonProposals(ctx, time.Time{})
	return ofParties, ofPeople, err
}

// lister keeps the first error.
type lister struct{ err error }

func (l *lister) note(err error) {
	if l.err == nil {
		l.err = err
	}
}

func each[T, R any](list []T, show func(*T) R) (rows []R) {
	for i := range list {
		rows = append(rows, show(&list[i]))
	}
	return rows
}
