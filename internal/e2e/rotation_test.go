package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// signedOn signs a document: the calls go to p, the signer and the phone are on phone, which may be
// another node. It returns the signed document, and what failed.
func (p *process) signedOn(phone *process, uin string) ([]byte, error) {
	status, text, _ := p.call(
		"POST", "/api/v3/sign-requests", p.party.Token(token.Initiate), "application/octet-stream",
		pdftest.Minimal(),
	)
	var in api.Initiated
	if err := json.Unmarshal([]byte(text), &in); err != nil || status != 200 {
		return nil, fmt.Errorf("initiate: %d %s", status, text)
	}
	for _, step := range []string{"open", "proceed", "approve"} {
		status, text, _ := phone.call(
			"POST", "/requests/"+in.RequestID+"/act", "", "application/json",
			fmt.Appendf(nil, `{"as":%q,"do":%q}`, uin, step),
		)
		if status != 200 {
			return nil, fmt.Errorf("%s: %d %s", step, status, text)
		}
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		status, text, _ := p.call(
			"GET", "/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
			p.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode)), "", nil,
		)
		var result api.Result
		if status == 200 && json.Unmarshal([]byte(text), &result) == nil {
			resp, err := http.Get(result.SignedDocURL)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			return io.ReadAll(resp.Body)
		}
		if !strings.Contains(text, "DOCUMENT_NOT_SIGNED") || time.Now().After(deadline) {
			return nil, fmt.Errorf("result: %d %s", status, text)
		}
	}
}

// signedBy returns the common names of the issuing CA of a document's signer and of its document
// timestamp's unit. The document must be valid.
func signedBy(t *testing.T, data string, document []byte) (issuing, unit string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(data, "authority", "root.crt"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	report, err := pades.Verify(
		bytes.NewReader(document), int64(len(document)),
		pades.VerifyOptions{Roots: roots, TSARoots: roots, Now: time.Now().Add(10 * time.Minute)},
	)
	if err == nil {
		err = report.Err()
	}
	if err != nil {
		t.Fatal(err)
	}
	return report.Signatures[0].Chain[1].Subject.CommonName,
		report.Signatures[1].Signer.Subject.CommonName
}

// TestRotateAuthority rotates the issuing CA, the OCSP responder and the time-stamping unit of two
// nodes while documents are signed through both. No call fails. Phones go on to sign with
// certificates of the old issuing CA, and new phones get certificates of the new one, on both
// nodes. After the old one is revoked, the phones enrol again.
func TestRotateAuthority(t *testing.T) {
	database := cluster.Database(t)
	first := newProcess(t)
	nodes := []*process{first, first.sibling(t)}
	for _, p := range nodes {
		p.args = append(p.args, "--database", database)
		p.start(t)
	}
	sign := func(node, phone int, uin, wantIssuing string) (unit string) {
		t.Helper()
		document, err := nodes[node].signedOn(nodes[phone], uin)
		if err != nil {
			t.Fatal(err)
		}
		issuing, unit := signedBy(t, first.data, document)
		if !strings.HasSuffix(issuing, wantIssuing) {
			t.Errorf("the phone's certificate is of %q, want %s", issuing, wantIssuing)
		}
		return unit
	}
	for node := range nodes { // the phones are enrolled
		sign(node, node, alice, "Issuing CA 1")
	}
	var stop atomic.Bool
	var signed atomic.Int64
	var load sync.WaitGroup
	for lane := range 2 {
		load.Go(func() {
			for n := lane; !stop.Load(); n++ {
				if _, err := nodes[n%2].signedOn(nodes[n/2%2], alice); err != nil {
					t.Errorf("under load: %v", err)
				}
				signed.Add(1)
			}
		})
	}
	c := config.Config{Data: first.data, PublicURL: first.url, AuthorityName: "Signet"}
	for _, part := range []string{"issuing", "ocsp", "tsa"} {
		if _, err := maintenance.RotateAuthority(t.Context(), c, part); err != nil {
			t.Fatal(err)
		}
	}
	for node := range nodes { // each looks by itself
		waitFor(t, "the new time-stamping unit", func() bool {
			return strings.HasSuffix(sign(node, node, alice, "Issuing CA 1"), "Unit 2")
		})
	}
	stop.Store(true)
	load.Wait()
	t.Logf("%d documents signed during the rotation", signed.Load())

	for _, p := range nodes { // the minute in which the new one does not issue
		if a := do(t, "POST", p.control+"/clock", "", "application/json", strings.NewReader(`{"advance": "61s"}`)); a.status != 200 {
			t.Fatalf("clock: %d %s", a.status, a.body)
		}
	}
	for node := range nodes {
		sign(node, node, alice, "Issuing CA 1")
		sign(node, 1-node, bob, "Issuing CA 2") // sealed by either node
	}

	certs, _, err := maintenance.ShowAuthority(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	old := certs[slices.IndexFunc(certs, func(c maintenance.AuthorityCertificate) bool { return c.Name == "issuing" })]
	before, err := nodes[0].signedOn(nodes[0], alice)
	if err != nil {
		t.Fatal(err)
	}
	if err := maintenance.RevokeCertificate(
		t.Context(), c, old.SerialNumber, "cACompromise", "", slog.New(slog.DiscardHandler),
	); err != nil {
		t.Fatal(err)
	}
	for node := range nodes {
		waitFor(t, "the revocation of the old issuing CA", func() bool {
			a := do(t, "GET", nodes[node].url+pki.Base+ca.PathRootCRL, "", "", nil)
			list, err := x509.ParseRevocationList([]byte(a.body))
			return err == nil && len(list.RevokedCertificateEntries) == 1 &&
				list.RevokedCertificateEntries[0].ReasonCode == 2
		})
		sign(node, node, alice, "Issuing CA 2")
	}
	signedBy(t, first.data, before) // it stays valid
}
