package parts

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/store"
)

// Fact is a setting that all nodes of a deployment must share.
type Fact struct{ Key, Value string }

// Facts returns what the database records of a configuration and of the root certificate.
func Facts(c *config.Config, root *x509.Certificate) []Fact {
	sum := sha256.Sum256(root.Raw)
	return []Fact{
		{"public_url", c.PublicURL},
		{"signature_level", c.Level().String()},
		{"authority", "the one with the root certificate " + hex.EncodeToString(sum[:])},
	}
}

// Against returns an error if the database has recorded another value.
func (f Fact) Against(recorded string) error {
	if recorded == f.Value {
		return nil
	}
	return fmt.Errorf(
		"%s: it is %s on this node, and %s for the deployment: correct this node; or, to change it for all, stop them and start one with --change %s",
		f.Key, f.Value, recorded, f.Key,
	)
}

// RecordFacts refuses a node whose configuration differs from that of the deployment's other nodes.
func RecordFacts(
	ctx context.Context, c *config.Config, root *x509.Certificate, db *store.Store,
	log *slog.Logger,
) error {
	facts := Facts(c, root)
	var errs []error
	for _, key := range c.Change {
		if key != auditKey && key != webhookKeyChange &&
			!slices.ContainsFunc(facts, func(f Fact) bool { return f.Key == key }) {
			errs = append(errs, fmt.Errorf(
				"--change %s: it can name public_url, signature_level, authority, %s and %s", key,
				auditKey, webhookKeyChange,
			))
		}
	}
	for _, f := range facts {
		change := slices.Contains(c.Change, f.Key)
		recorded, err := db.Record(ctx, f.Key, f.Value, change)
		if err == nil {
			err = f.Against(recorded)
		}
		if err == nil && change {
			log.Warn("recorded for the deployment", f.Key, f.Value)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// CheckRegistered returns a [config.Error] if the configured relying parties are not valid.
func CheckRegistered(c *config.Config) error {
	parties, _, err := c.Registered()
	if err == nil {
		_, err = party.NewRegistry(c.Policy(0), parties...)
	}
	return config.Mistake(err)
}
