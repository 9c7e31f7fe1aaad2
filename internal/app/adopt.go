package app

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
)

// Adopted counts what [Adopt] has done.
type Adopted struct{ Adopted, Refused int }

// Adopt brings signed documents back whose records are lost or older, because an older database was
// restored. files are exports of the audit log, evidence bundles (ZIP), and signed documents, such
// as relying parties have them. What the log proves of a request is believed; see
// [request.Service.Adopt]. The bytes are those of a file, or the stored ones if they can be read:
// the keys of encrypted documents were in the lost database. Each outcome is reported with the id
// of the request. It needs the SQLite database for itself.
func Adopt(
	ctx context.Context, c config.Config, log *slog.Logger, files []string,
	report func(id, outcome string),
) (n Adopted, err error) {
	// Open would make a new deployment where there is none.
	if err := c.CompleteCommand(); err != nil {
		return n, err
	}
	p, err := parts.Open(ctx, &c, store.Options{Kind: store.Service, Now: time.Now, Log: log})
	if err != nil {
		return n, err
	}
	if err := p.Close(); err != nil {
		return n, err
	}
	c.Listen, c.ListenHTTP = "127.0.0.1:0", "" // nothing is answered
	if c.Control != "" {
		c.Control = "127.0.0.1:0"
	}
	a, err := Open(ctx, c, time.Now, log)
	if err != nil {
		return n, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	lost := &lost{
		trust: audit.Trust{Key: a.audit.Signer.Key()}, trails: map[string][]request.Event{},
		documents: map[[sha256.Size]byte]source{},
		signed: func(id string) (bool, error) {
			r, err := a.sign.Get(ctx, id)
			if errors.Is(err, api.ErrNoRecord) {
				return false, nil
			}
			return err == nil && r.State.Signed(), err
		},
	}
	for _, name := range files {
		if err := lost.read(name); err != nil {
			return n, fmt.Errorf("%s: %w", name, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(lost.trails)) {
		switch err := a.adopt(ctx, lost, id); {
		case err == nil:
			n.Adopted++
			report(id, "adopted")
		case errors.Is(err, request.ErrAdopted):
		case errors.Is(err, request.ErrAway) || ctx.Err() != nil:
			return n, err
		default:
			n.Refused++
			report(id, "not adopted: "+err.Error())
		}
	}
	return n, a.unproven(ctx, lost, func(id, why string) {
		n.Refused++
		report(id, "not adopted: "+why)
	})
}

// lost is the requests in the files that the database does not know as signed.
type lost struct {
	trust     audit.Trust
	trails    map[string][]request.Event // of requests with a signed document, by request id
	documents map[[sha256.Size]byte]source

	// signed reports whether the database knows a request as signed.
	signed func(id string) (bool, error)
}

// source reads a document of a file.
type source func() ([]byte, error)

// read reads a file of one of the three kinds. It does not hold an audit log in memory.
func (l *lost) read(name string) (err error) {
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	head := make([]byte, len("%PDF-"))
	n, err := io.ReadFull(file, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return err
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch head = head[:n]; {
	case bytes.Equal(head, []byte("%PDF-")):
		sum := sha256.New()
		if _, err := io.Copy(sum, file); err != nil {
			return err
		}
		l.documents[[sha256.Size]byte(sum.Sum(nil))] = func() ([]byte, error) {
			return os.ReadFile(name)
		}
		return nil
	case !bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return l.follow(file)
	}
	document := inBundle(name, "signed.pdf")
	signed, err := document()
	if err == nil {
		l.documents[sha256.Sum256(signed)] = document
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	events, err := inBundle(name, audit.EvidenceFile)()
	if err != nil {
		return err
	}
	return l.follow(bytes.NewReader(events))
}

// inBundle reads a file of an evidence bundle.
func inBundle(bundle, file string) source {
	return func() ([]byte, error) {
		r, err := zip.OpenReader(bundle)
		if err != nil {
			return nil, err
		}
		defer func() { _ = r.Close() }() // it was only read
		return audit.ReadBundle(&r.Reader, file)
	}
}

// follow keeps the trails of an audit log that tell of a signed document which the database lacks.
// Of a request that several files tell of it keeps the longest. While it reads it holds the trails
// of requests that are open at that place of the log.
func (l *lost) follow(file io.ReadSeeker) error {
	trails := map[string][]request.Event{}
	report, err := audit.Read(file, l.trust, func(e audit.Entry) error {
		_, begun := trails[e.RequestID]
		switch kind := request.EventKind(e.Kind); {
		case kind == request.EventCancelled || kind == request.EventExpired:
			delete(trails, e.RequestID) // it is not signed any more
			return nil
		case begun:
		case kind != request.EventInitiated && kind != request.EventSigned:
			return nil // of a request that is left out, or of something else
		default:
			if known, err := l.signed(e.RequestID); err != nil || known {
				return err
			}
		}
		var d request.Detail
		if e.Detail != "" {
			if err := json.Unmarshal([]byte(e.Detail), &d); err != nil {
				return fmt.Errorf("event %d of %s: %w", e.Seq, e.RequestID, err)
			}
		}
		trails[e.RequestID] = append(trails[e.RequestID], request.Event{
			Seq: int(e.Seq), At: e.At, Kind: request.EventKind(e.Kind), Detail: d,
		})
		return nil
	})
	if err != nil {
		return err
	}
	if report.Problem != nil {
		return report.Problem
	}
	for id, trail := range trails {
		a := request.Adoption{RequestID: id, Events: trail}
		if a.SHA256() != nil && len(trail) > len(l.trails[id]) {
			l.trails[id] = trail
		}
	}
	return nil
}

// adopt adopts the document of one request.
func (a *App) adopt(ctx context.Context, l *lost, id string) error {
	adoption := request.Adoption{RequestID: id, Events: l.trails[id]}
	for i, e := range adoption.Events {
		if e.Seq != i+1 {
			return fmt.Errorf("event %d of its trail is missing, or was erased", i+1)
		}
	}
	r, err := a.sign.Get(ctx, id)
	switch {
	case err == nil && r.State.Signed():
		return request.ErrAdopted
	case err != nil && !errors.Is(err, api.ErrNoRecord):
		return err
	}
	owner := cmp.Or(r, &request.Request{ClientID: adoption.Events[0].Detail.ClientID}).ClientID
	if _, err := a.parties.Party(ctx, owner); err != nil && owner != "" {
		return fmt.Errorf("client %s: %w; register it first", owner, err)
	}
	sum := [sha256.Size]byte(adoption.SHA256())
	if read := l.documents[sum]; read != nil {
		text, err := read()
		if err != nil {
			return err
		}
		return a.sign.Adopt(ctx, adoption, memory{bytes.NewReader(text)}, adopter)
	}
	stored, why, err := a.stored(ctx, id, sum)
	if err != nil {
		return err
	}
	if stored == nil {
		return fmt.Errorf(
			"%s; give the signed document with the SHA-256 %x, which the relying party has", why,
			sum,
		)
	}
	defer stored.Close()
	return a.sign.Adopt(ctx, adoption, stored, adopter)
}

// adopter is who adopts documents, for the trail.
const adopter = "signet restore"

// stored opens the stored document of a request that has a digest. It returns nil, and why, if
// there is none that can be read.
func (a *App) stored(
	ctx context.Context, id string, sum [sha256.Size]byte,
) (found request.Blob, why string, err error) {
	keys, err := a.sign.Documents.Keys(ctx, id)
	if err != nil {
		return nil, "", err
	}
	why = "no file has its document"
	for _, key := range keys {
		if !request.IsSigned(key) {
			continue
		}
		b, err := a.sign.Documents.Open(ctx, key)
		if errors.Is(err, vault.ErrNoKey) {
			why = "the stored document is encrypted, and its key was in the lost database"
			continue
		}
		if err != nil {
			return nil, "", err
		}
		digest := sha256.New()
		_, err = io.Copy(digest, io.NewSectionReader(b, 0, b.Size()))
		if err == nil && bytes.Equal(digest.Sum(nil), sum[:]) {
			return b, "", nil
		}
		if err := errors.Join(err, b.Close()); err != nil {
			return nil, "", err
		}
		why = "the stored document is another one than the log names"
	}
	return nil, why, nil
}

// unproven reports the stored signed documents of which neither the database nor a file tells.
func (a *App) unproven(ctx context.Context, l *lost, report func(id, why string)) error {
	ids, err := a.sign.Documents.Requests(ctx, time.Now().AddDate(100, 0, 0))
	if err != nil {
		return err
	}
	for _, id := range ids {
		if l.trails[id] != nil {
			continue
		}
		keys, err := a.sign.Documents.Keys(ctx, id)
		if err != nil {
			return err
		}
		r, err := a.sign.Get(ctx, id)
		if err != nil && !errors.Is(err, api.ErrNoRecord) {
			return err
		}
		if slices.ContainsFunc(keys, request.IsSigned) && (r == nil || !r.State.Signed()) {
			report(id, "no audit log among the files tells of its signature")
		}
	}
	return nil
}

// memory is a document in memory.
type memory struct{ *bytes.Reader }

// Close implements request.Blob.
func (memory) Close() error { return nil }
