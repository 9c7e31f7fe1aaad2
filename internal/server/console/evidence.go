package console

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// evidence sends a ZIP file of everything recorded about a request, for auditors and disputes.
func (c *Console) evidence(w http.ResponseWriter, r *http.Request) error {
	id := r.PathValue("request_id")
	e, err := c.Requests.TakeEvidence(r.Context(), id, c.operator(r))
	if err != nil {
		return err
	}
	defer func() { _ = e.Close() }()
	records, err := calllog.OfRequest(r.Context(), c.Calls, c.Recorder, id)
	if err != nil {
		return err
	}
	trail := scrubbed(e.Events)
	var log bytes.Buffer
	err = c.Audit.Evidence(r.Context(), &log, id, len(trail), func(seq int64) bool {
		return trail[seq-1] != e.Events[seq-1]
	})
	if err != nil {
		return err
	}
	c.Log.InfoContext(r.Context(), "evidence taken", "request_id", id, "by", c.operator(r))
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	// The file name holds only characters that this function chose.
	h.Set(
		"Content-Disposition",
		fmt.Sprintf(`attachment; filename="%s-evidence.zip"`, e.Request.ID),
	)
	h.Set("Cache-Control", "no-store")
	facts := c.factsOf(r.Context(), e.Request)
	if err := c.bundle(w, e, facts, trail, &log, records); err != nil {
		c.Log.ErrorContext(r.Context(), "writing evidence", "request_id", id, "err", err)
		// breaks the connection, so that the client does not keep a truncated file
		panic(http.ErrAbortHandler)
	}
	return nil
}

// exportAudit sends the whole audit log.
func (c *Console) exportAudit(w http.ResponseWriter, r *http.Request) error {
	c.Log.InfoContext(r.Context(), "audit log taken", "by", c.operator(r))
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Disposition", `attachment; filename="`+auditFile+`"`)
	w.Header().Set("Cache-Control", "no-store")
	if err := c.Audit.Export(r.Context(), httpx.WhileRead(w)); err != nil {
		c.Log.ErrorContext(r.Context(), "exporting the audit log", "err", err)
		panic(http.ErrAbortHandler) // breaks the connection
	}
	return nil
}

// bundle writes the ZIP file.
func (c *Console) bundle(
	w io.Writer, e *request.Evidence, f facts, trail []request.Event, log io.Reader,
	records []calllog.Record,
) error {
	b := &bundler{zip: zip.NewWriter(w), at: c.Now()}
	b.json("request.json", f)
	b.json("events.json", trail)
	b.file(audit.EvidenceFile, log)
	b.json("jobs.json", scrubbedJobs(e.Jobs))
	b.json("calls.json", records)
	if e.Uploaded != nil {
		b.file("uploaded.pdf", io.NewSectionReader(e.Uploaded, 0, e.Uploaded.Size()))
	}
	if e.Signed != nil {
		b.file("signed.pdf", io.NewSectionReader(e.Signed, 0, e.Signed.Size()))
		b.json("verification.json", e.Report)
	}
	// no certificate if the signer was forgotten
	if a := e.Request.Approval; a != nil && e.Signed != nil && e.Request.Signer != nil {
		b.pem("certificates/signer.pem", a.Certificate)
	}
	for i, cert := range c.Certificates() {
		b.pem(fmt.Sprintf("certificates/%d-%s.pem", i+1, fileName(cert)), cert.Raw)
	}
	b.file("README.txt", strings.NewReader(readme(e)))
	b.file("SHA256SUMS", strings.NewReader(b.sums.String()))
	if b.err != nil {
		return b.err
	}
	return b.zip.Close()
}

// facts is the form of request.json: the request without its secrets. It also omits the hash of the
// intended signer, because there are few enough NRICs to try them all.
type facts struct {
	RequestID    string        `json:"request_id"`
	State        request.State `json:"state"`
	ClientID     string        `json:"client_id"`
	RelyingParty string        `json:"relying_party"`
	DocName      string        `json:"doc_name"`
	CreatedAt    time.Time     `json:"created_at"`
	ExpiresAt    time.Time     `json:"expires_at"`
	CancelledAt  time.Time     `json:"cancelled_at,omitzero"`
	// IntendedSigner says that the relying party named the signer; otherwise the first person who
	// opens the request is the signer.
	IntendedSigner bool           `json:"intended_signer"`
	Signer         *signerRecord  `json:"signer,omitempty"`
	Places         []api.Location `json:"places"`
	Document       document       `json:"document"`
	ApprovedAt     time.Time      `json:"approved_at,omitzero"`
	PhoneID        string         `json:"phone_id,omitempty"`
	Signed         *signedRecord  `json:"signed,omitempty"`
}

type signerRecord struct {
	Name       string `json:"name"`
	PartialUIN string `json:"partial_uin"`
}

type document struct {
	Size       int64  `json:"size"`
	SHA256     string `json:"sha256"`
	Pages      int    `json:"pages"`
	Signatures int    `json:"signatures_before"`
}

type signedRecord struct {
	At     time.Time `json:"at"`
	Name   string    `json:"name"`
	Level  string    `json:"level"`
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
}

func (c *Console) factsOf(ctx context.Context, r *request.Request) facts {
	f := facts{
		RequestID: r.ID, State: r.State, ClientID: r.ClientID,
		RelyingParty: c.partyName(ctx, r.ClientID), DocName: r.DocName,
		CreatedAt: r.CreatedAt, ExpiresAt: r.ExpiresAt, CancelledAt: r.CancelledAt,
		IntendedSigner: r.SignerHash != "", Places: r.Locations,
		Document: document{
			r.Document.Size, hex.EncodeToString(r.Document.SHA256), r.Document.Pages,
			r.Document.Signatures,
		},
	}
	if r.Signer != nil {
		f.Signer = &signerRecord{r.Signer.Name, r.Signer.Hint()}
	}
	if r.Approval != nil {
		f.ApprovedAt, f.PhoneID = r.Approval.At, r.Approval.PhoneID
	}
	if s := r.Signed; s != nil {
		f.Signed = &signedRecord{s.At, s.Name, s.Level, s.Size, hex.EncodeToString(s.SHA256)}
	}
	return f
}

func readme(e *request.Evidence) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Evidence of the sign request %s\n\n", e.Request.ID)
	fmt.Fprintf(
		&b, "Its state was %q when this file was made. All times are UTC.\n\n", e.Request.State,
	)
	b.WriteString(`request.json       the request, its relying party and its signer
events.json        the audit trail, oldest first, in the order of seq. If the phone verified its owner, "approved" has the WebAuthn assertion
                   in base64url: public_key (COSE) verifies signature over authenticator_data and SHA-256(client_data), and the
                   challenge in client_data is the SHA-256 of the signed attributes of the signature
audit.jsonl        the events as leaves of the service's transparency log, with inclusion proofs and a signed checkpoint; an event
                   that holds the query of a URL is left out, and its hash is there. Check with: signet audit verify FILE.zip
jobs.json          webhook deliveries and other jobs of the request
calls.json         calls of the relying party, and webhooks, as far as they were recorded, oldest first: answers, reasons of
                   refusals, decoded tokens. "authentic": false means that any client may have sent it.
`)
	if e.Uploaded != nil {
		b.WriteString(
			`uploaded.pdf       the document as it was uploaded; its SHA-256 is "document.sha256" in request.json
`,
		)
	}
	if e.Signed != nil {
		b.WriteString(
			`signed.pdf         the signed document; its SHA-256 is "signed.sha256" in request.json and in the event "signed", or, if a
                   further timestamp was added since, in the newest event "renewed"
verification.json  result of checking all signatures in signed.pdf when this file was made, also earlier signatures by others,
                   which are trusted only if they chain to the roots that this service trusts
`,
		)
	}
	b.WriteString(
		`certificates/      the certificate authority's and the timestamp authority's certificates`,
	)
	if e.Signed != nil {
		b.WriteString(", and the signer's")
	}
	b.WriteString(`
SHA256SUMS         digests of the files; check with: sha256sum -c SHA256SUMS

`)
	switch {
	case e.Signed == nil && e.Uploaded == nil:
		b.WriteString(
			"There is no signed document. The document of a request that is cancelled or expired is deleted.\n",
		)
	case e.Signed == nil:
		b.WriteString("There is no signed document yet.\n")
	default:
		b.WriteString(
			"The signature in signed.pdf is self-contained: it holds the signer's certificate, a timestamp and, at levels\n" +
				"B-LT and B-LTA, the revocation data. To check it, trust the root certificate in certificates/.\n",
		)
	}
	b.WriteString(
		"\nLeft out, because they are secret or would identify the signer: NRIC or FIN (the last four characters are given),\n" +
			"the hash of the intended signer, session ids, the exchange code, links and tokens.\n" +
			"The serialNumber in certificates/signer.pem has those four characters and a hash of the number. The hash is keyed and\n" +
			"tells nothing, unless the certificate is from version 0.1.0 or from an authority with signer_serial: compat; then the\n" +
			"number can be found from it by trying all.\n",
	)
	return b.String()
}

// fileName returns the file name for a certificate.
func fileName(c *x509.Certificate) string {
	return strings.Trim(strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			return r
		case 'A' <= r && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, c.Subject.CommonName), "-")
}

// bundler writes files into a ZIP file and keeps their digests and the first error.
type bundler struct {
	zip  *zip.Writer
	at   time.Time
	sums strings.Builder
	err  error
}

func (b *bundler) file(name string, r io.Reader) {
	if b.err != nil {
		return
	}
	w, err := b.zip.CreateHeader(
		&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: b.at.UTC()},
	)
	if err != nil {
		b.err = err
		return
	}
	sum := sha256.New()
	if _, b.err = io.Copy(io.MultiWriter(w, sum), r); b.err == nil {
		fmt.Fprintf(&b.sums, "%x  %s\n", sum.Sum(nil), name)
	}
}

func (b *bundler) json(name string, v any) {
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil && b.err == nil {
		b.err = err
	}
	b.file(name, bytes.NewReader(append(text, '\n')))
}

func (b *bundler) pem(name string, der []byte) {
	b.file(name, bytes.NewReader(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}
