package maintenance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// Checked counts what [CheckRestored] has checked.
type Checked struct {
	Requests, Documents, Findings int
	Remedies                      []string // what to do about the findings, one for each kind
}

// What to do about the findings of each kind.
const (
	remedyDocument = "a document that is missing or differs: copy it from a backup of the documents " +
		"that is not older than the database. Of a request that is not signed, let the relying " +
		"party cancel it and initiate another"
	remedyTrail = "a trail: the database is damaged, or another program has changed it. Restore it " +
		"from another backup"
	remedyAudit = "the audit log: restore keys/audit.secret and the database from the same backup, or " +
		"see \"A key was stolen\" in docs/operating.md"
	remedySigned = "signed documents that the database does not know: signet restore --adopt brings " +
		"back those that an export of the audit log or evidence proves"
	remedyUnsigned = "documents of unknown requests that are not signed: nothing; the service moves " +
		"them to the trash"
)

// finder reports findings, and collects what to do about them.
type finder struct {
	Checked
	report func(requestID, finding string)
}

// find reports a finding about a request, or about no request if id is "".
func (f *finder) find(id, remedy, format string, args ...any) {
	f.Findings++
	if !slices.Contains(f.Remedies, remedy) {
		f.Remedies = append(f.Remedies, remedy)
	}
	f.report(id, fmt.Sprintf(format, args...))
}

// CheckRestored compares the database with the documents, as after a restore. It opens every
// document that the database knows and compares it with the recorded digest, checks every trail and
// the audit log, and looks for documents that the database does not know: those of requests that
// are newer than a restored database. It reports each finding with the id of the request, and then
// the documents in the trash, which are no findings. It changes nothing, and needs the SQLite
// database for itself.
func CheckRestored(
	ctx context.Context, c config.Config, log *slog.Logger, report func(requestID, finding string),
) (_ Checked, err error) {
	n := &finder{report: report}
	if err := c.CompleteCommand(); err != nil {
		return n.Checked, err
	}
	p, err := parts.Open(ctx, &c, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log})
	if err != nil {
		return n.Checked, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	db, docs := p.Store, p.Vault
	f := request.Filter{Limit: 200}
	for {
		page, err := db.List(ctx, f)
		if err != nil {
			return n.Checked, err
		}
		for _, r := range page {
			n.Requests++
			for _, d := range recordedDocuments(r) {
				n.Documents++
				if err := openDocument(ctx, docs, d); err != nil {
					n.find(r.ID, remedyDocument, "%s: %v", d.Key, err)
				}
			}
			events, err := db.Events(ctx, r.ID)
			if err != nil {
				return n.Checked, err
			}
			if err := checkTrail(r, events); err != nil {
				n.find(r.ID, remedyTrail, "trail: %v", err)
			}
		}
		if len(page) < f.Limit {
			break
		}
		f.Before = f.CursorAt(page[len(page)-1])
	}
	err = errors.Join(checkAudit(ctx, &c, db, p.Keys, log, n), findUnknown(ctx, db, docs, n))
	return n.Checked, err
}

// checkAudit compares the trails with the audit log, if there is one.
func checkAudit(
	ctx context.Context, c *config.Config, db *store.Store, keys *keydir.Dir, log *slog.Logger,
	n *finder,
) error {
	newest, err := db.Newest(ctx)
	if err != nil || newest.Size == 0 {
		return err
	}
	if _, err := keys.Read("audit.secret"); err != nil {
		n.find("", remedyAudit, "audit log: it has no key: %v", err)
		return nil
	}
	l, err := parts.OpenAudit(ctx, c, db, keys, log)
	if errors.Is(err, parts.ErrAuditKey) {
		n.find("", remedyAudit, "audit log: %v", err)
		return nil
	}
	if err != nil {
		return err
	}
	file, w := io.Pipe()
	go func() { w.CloseWithError(l.Export(ctx, w)) }()
	report, err := audit.Verify(file, audit.Trust{Key: l.Signer.Key()})
	_ = file.Close()
	if err != nil {
		return err
	}
	if report.Problem != nil {
		n.find("", remedyAudit, "audit log: of an export, %v", report.Problem)
	}
	return nil
}

// recordedDocuments returns the documents that a record names with their digests.
func recordedDocuments(r *request.Request) (list []request.Document) {
	if r.State.KeepsUpload() {
		list = append(list, r.Document)
	}
	if r.State.Signed() {
		list = append(list, r.Signed.Document)
	}
	return list
}

// openDocument reads a document and compares it with its record.
func openDocument(ctx context.Context, docs request.Documents, d request.Document) error {
	f, err := docs.Open(ctx, d.Key)
	if err != nil {
		return err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(f, 0, f.Size())); err != nil {
		return err
	}
	if !bytes.Equal(sum.Sum(nil), d.SHA256) {
		return errors.New("it is not the document of the record: its SHA-256 differs")
	}
	return nil
}

// finalEvents are the events that a request in a state must have.
var finalEvents = map[request.State]request.EventKind{
	request.StateSigned: request.EventSigned, request.StateExpired: request.EventExpired,
	request.StateCancelled: request.EventCancelled,
}

// checkTrail returns what is wrong with the trail of a request.
func checkTrail(r *request.Request, events []request.Event) error {
	if len(events) == 0 || events[0].Kind != request.EventInitiated {
		return errors.New("it does not begin with the request's initiation")
	}
	if want, ok := finalEvents[r.State]; ok &&
		!slices.ContainsFunc(events, func(e request.Event) bool { return e.Kind == want }) {
		return fmt.Errorf("the request is %s, and no line says so", r.State)
	}
	return nil
}

// findUnknown finds the documents of requests that the database does not know.
func findUnknown(
	ctx context.Context, db *store.Store, docs request.Documents, n *finder,
) error {
	all := time.Now().AddDate(100, 0, 0) // for the clock of any machine
	ids, err := docs.Requests(ctx, all)
	if err != nil {
		return err
	}
	for _, id := range ids {
		r, err := db.Get(ctx, id)
		unknown := errors.Is(err, api.ErrNoRecord)
		if err != nil && !unknown {
			return err
		}
		keys, err := docs.Keys(ctx, id)
		if err != nil {
			return err
		}
		for _, key := range keys {
			switch signed := request.IsSigned(key); {
			case unknown && signed:
				n.find(
					id, remedySigned, "%s: a signed document, and the database does not know the request",
					key,
				)
			case unknown:
				n.find(id, remedyUnsigned, "%s: the database does not know the request", key)
			case signed && !r.State.Signed():
				n.find(
					id, remedySigned, "%s: a signed document, and by the database the request is %s",
					key, r.State,
				)
			}
		}
	}
	trash, err := docs.Discarded(ctx, all)
	for _, key := range trash {
		n.report("", key+": in the trash, which is emptied after a week")
	}
	return err
}
