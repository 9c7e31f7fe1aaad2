package doctor

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"math/big"
	"os"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/tsa"
)

// checkLastStamp looks whether the last use of a timestamp authority succeeded.
func checkLastStamp(ctx context.Context, s *Service) Finding {
	return faulty(s.Stamps(ctx), "run signet doctor, which asks each timestamp authority", "")
}

const stampRemedy = "check tsa_urls and the firewall; tsa_roots needs the root of the authority's " +
	"certificate, and tsa_policy a policy that it has"

// checkAuthorities takes a timestamp from each external authority.
func checkAuthorities(ctx context.Context, s *Service) (list []Finding) {
	if len(s.Config.TSAURLs) == 0 {
		if s.Config.TSARoots != "" || s.Config.TSAPolicy != "" {
			return []Finding{warning(
				"set tsa_urls, or remove tsa_roots and tsa_policy",
				"timestamps come from the built-in authority, because tsa_urls is empty",
			)}
		}
		return []Finding{ok("the built-in authority")}
	}
	authority, err := s.authority()
	if err != nil {
		return nil // checkSignature reports it
	}
	own := parts.ServiceEvidence{Authority: authority}
	all, err := parts.NewStamps(s.Config, authority, own, s.Now)
	if err != nil {
		return []Finding{faulty(err, stampRemedy, "")}
	}
	digest := sha256.Sum256(testDocument)
	failed := 0
	for _, client := range all.External {
		begin := time.Now()
		_, err := client.Timestamp(ctx, digest[:])
		remedy := stampRemedy
		if errors.Is(err, tsa.ErrClock) {
			remedy = "set the clock of this machine, by chrony for example; if it is right, use another authority"
		}
		f := faulty(shown(err), remedy, fmt.Sprintf("answered in %s", since(begin)))
		f.Text = host(client.URL) + ": " + f.Text
		if err != nil {
			failed++
		}
		list = append(list, f)
	}
	if failed < len(list) { // another one answers
		for i := range list {
			if list[i].Level == Fault {
				list[i].Level = Warning
			}
		}
	}
	return list
}

// testDocument is the document that checkSignature signs.
//
//go:embed test.pdf
var testDocument []byte

// checkAuthority looks whether a start can open the authority, whose certificates and keys belong
// together.
func checkAuthority(_ context.Context, s *Service) Finding {
	_, err := s.authority()
	return faulty(
		shown(err), "restore the folder of the authority from a backup, all of its files", "",
	)
}

// checkSignature signs, timestamps and verifies a document at the level of the configuration. The
// signer's certificate is of an authority that exists for this check only, because the deployment's
// authority certifies persons.
func checkSignature(ctx context.Context, s *Service) Finding {
	begin := time.Now()
	if f := checkAuthority(ctx, s); f.Level != OK {
		return f
	}
	level, until, err := s.sign(ctx)
	due := until.Add(-s.Config.RenewBefore)
	if err == nil && !until.IsZero() && due.Before(s.Now()) {
		return warning(
			"set renew_before to less, or use a timestamp authority whose certificate ends later",
			"the certificate of a document's timestamp ends on %s, within renew_before: each document "+
				"is to be renewed at once, which fails", until.UTC().Format(time.DateOnly),
		)
	}
	return faulty(
		shown(err),
		"the findings on keys, certificates and timestamps say what is wrong",
		fmt.Sprintf(
			"signed, timestamped and verified a test document of level %s in %s", level,
			since(begin),
		),
	)
}

// sign returns the level of a document that it signs, and until when its newest timestamp is good.
func (s *Service) sign(ctx context.Context) (level pades.Level, until time.Time, err error) {
	authority, err := s.authority()
	if err != nil {
		return level, until, err
	}
	dir, err := os.MkdirTemp("", "signet-doctor-*")
	if err != nil {
		return level, until, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	other, err := ca.Open(dir, ca.Options{
		Name: "Signet doctor", BaseURL: s.Config.PublicURL + pki.Base, Now: s.Now,
		Rand: rand.Reader,
	})
	if err != nil {
		return level, until, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return level, until, err
	}
	cert, err := other.IssueSigner(
		ca.Subject{UIN: "S0000001I", Name: "Signet doctor"}, &key.PublicKey,
	)
	if err != nil {
		return level, until, err
	}
	all, err := parts.NewStamps(
		s.Config, authority,
		parts.Sources{parts.ServiceEvidence{Authority: authority}, valid{other}}, s.Now,
		other.Chain()...,
	)
	if err != nil {
		return level, until, err
	}
	original := bytes.NewReader(testDocument)
	p, err := pades.Prepare(original, original.Size(), pades.Options{
		Locations: []pades.Location{{Page: 1, X: 0.1, Y: 0.5}}, FieldName: "doctor",
		SignerName: cert.Subject.CommonName, SignedAt: s.Now(), Rand: rand.Reader,
	})
	if err != nil {
		return level, until, err
	}
	digest := sha256.Sum256(p.SignedAttributes(cert))
	signature, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return level, until, err
	}
	o := pades.SealOptions{
		Chain: append([]*x509.Certificate{cert}, other.Chain()...), Timestamper: all.Source,
		Known: all.Known, NoDocumentTimestamp: s.Config.Level() < pades.LevelLTA,
		TimestampField: "doctor-timestamp", Rand: rand.Reader,
	}
	if s.Config.Level() > pades.LevelT {
		o.Evidence = all.Evidence
	}
	appended, level, err := pades.Seal(ctx, original, p, signature, o)
	if err != nil {
		return level, until, err
	}
	signed := bytes.NewReader(slices.Concat(testDocument, appended))
	report, err := pades.Verify(signed, signed.Size(), pades.VerifyOptions{
		Roots: other.Roots(), TSARoots: all.Roots, Now: s.Now(),
	})
	if err != nil {
		return level, until, err
	}
	return level, report.Until(), report.Meets(pades.Expectation{
		Prepared: p, Certificate: cert, Level: s.Config.Level(),
	})
}

// valid is the evidence about the certificates of an authority that has revoked none.
type valid struct{ *ca.Authority }

func (v valid) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return v.Authority.Evidence(ctx, certs, noneRevoked{})
}

type noneRevoked struct{}

func (noneRevoked) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true}, nil
}

func (noneRevoked) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }

func since(begin time.Time) time.Duration { return time.Since(begin).Round(time.Millisecond) }
