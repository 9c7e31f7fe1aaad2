package maintenance

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// clean is a register without revoked certificates.
type clean struct{}

func (clean) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true}, nil
}
func (clean) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }

type evidence struct{ *ca.Authority }

func (e evidence) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return e.Authority.Evidence(ctx, certs, clean{})
}

// archived returns a data folder with an authority, a document that it signed, and the end of the
// timestamp's certificate.
func archived(t *testing.T) (data string, doc []byte, end time.Time) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	data = t.TempDir()
	authority, err := ca.Open(filepath.Join(data, "authority"), ca.Options{
		Name: "Our Office", BaseURL: "https://sign.example.com/pki", Now: time.Now,
		Rand: rand.Reader,
	})
	must(err)
	stamps, err := parts.NewStamps(&config.Config{}, authority, evidence{authority}, time.Now)
	must(err)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	cert, err := authority.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &key.PublicKey,
	)
	must(err)
	doc = pdftest.Minimal()
	p, err := pades.Prepare(bytes.NewReader(doc), int64(len(doc)), pades.Options{
		Locations: []pades.Location{{Page: 1, X: 0.1, Y: 0.1}}, FieldName: "field",
		SignerName: "TAN AH KOW", SignedAt: time.Now(), Rand: rand.Reader,
	})
	must(err)
	sum := sha256.Sum256(p.SignedAttributes(cert))
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	must(err)
	appended, _, err := pades.Seal(
		t.Context(),
		bytes.NewReader(doc),
		p,
		signature,
		pades.SealOptions{
			Chain: append(
				[]*x509.Certificate{cert},
				authority.Chain()...), Timestamper: stamps.Source,
			Evidence:       stamps.Evidence,
			TimestampField: "stamp", Rand: rand.Reader,
		},
	)
	must(err)
	_, chain := authority.TSA()
	return data, append(doc, appended...), chain[0].NotAfter
}

func TestArchive(t *testing.T) {
	data, doc, end := archived(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "contract.pdf")
	if err := os.WriteFile(file, doc, 0o640); err != nil {
		t.Fatal(err)
	}
	const before = 90 * 24 * time.Hour
	open := func(c config.Config, now time.Time) *Archive {
		t.Helper()
		c.Data = data
		a, err := openArchive(t.Context(), c, func() time.Time { return now })
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	untouched := func(name string) {
		t.Helper()
		got, err := os.ReadFile(file)
		if err != nil || !bytes.Equal(got, doc) {
			t.Errorf("%s: the document was touched (%v)", name, err)
		}
		if list, err := os.ReadDir(folder); err != nil || len(list) != 1 {
			t.Errorf("%s: left over: %v, %v", name, list, err)
		}
	}

	if renewed, err := open(config.Config{}, time.Now()).Renew(t.Context(), file, before); renewed ||
		err != nil {
		t.Errorf("not due: %v, %v", renewed, err)
	}
	untouched("not due")

	due := end.AddDate(0, 0, -30)
	away := config.Config{
		TSAURLs:  config.List{"http://127.0.0.1:1/"},
		TSARoots: filepath.Join(data, "authority", "root.crt"),
	}
	if _, err := open(away, due).Renew(t.Context(), file, before); err == nil {
		t.Error("no timestamp: renewed")
	}
	untouched("no timestamp")

	link := filepath.Join(t.TempDir(), "link.pdf")
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if renewed, err := open(config.Config{}, due).Renew(t.Context(), link, before); !renewed ||
		err != nil {
		t.Fatalf("due: %v, %v", renewed, err)
	}
	got, err := os.ReadFile(file)
	if err != nil || !bytes.HasPrefix(got, doc) || len(got) == len(doc) {
		t.Fatalf("%d bytes after %d, %v", len(got), len(doc), err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if list, err := os.ReadDir(folder); err != nil || len(list) != 1 {
		t.Errorf("left over: %v, %v", list, err)
	}

	late := open(config.Config{}, end.AddDate(1, 0, 0))
	for _, tc := range []struct {
		doc   []byte
		valid bool
	}{{doc, false}, {got, true}} {
		report, err := pades.Verify(bytes.NewReader(tc.doc), int64(len(tc.doc)), late.trust())
		if err != nil {
			t.Fatal(err)
		}
		if err := report.Err(); (err == nil) != tc.valid {
			t.Errorf("a year after the first certificate: %v", err)
		}
	}

	// A file that is no good stays as it is.
	doc[len(doc)/2] ^= 1
	if err := os.WriteFile(file, doc, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := open(config.Config{}, due).Renew(t.Context(), file, before); err == nil {
		t.Error("a damaged document is renewed")
	}
	untouched("damaged")
}

func TestArchiveNeedsAnAuthority(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenArchive(t.Context(), config.Config{Data: dir}); err == nil {
		t.Error("an empty folder: accepted")
	}
	if list, _ := os.ReadDir(dir); len(list) != 0 {
		t.Error("an authority was founded where there was none")
	}
}
