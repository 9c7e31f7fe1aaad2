package parts

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// WebhookKey is the name of the key that signs webhooks.
const WebhookKey = "webhook"

// WebhookKeyDelay is how long a new webhook key is published before it is used. Relying parties
// keep the JWKS for an hour (docs/contract.md).
const WebhookKeyDelay = 2 * time.Hour

// webhookKeyChange is the name of the webhook keys in Config.Change.
const webhookKeyChange = "webhook_key"

// webhookKeys is the fact that the database records of the keys that sign webhooks: their ids.
const webhookKeys = "webhook_keys"

// ErrWebhookKey is the error for a keys folder that has no webhook key that the database records.
var ErrWebhookKey = errors.New(
	"the keys folder does not have the webhook key of the deployment, whose webhooks relying parties " +
		"believe: restore the file webhook.key (or webhook-2.key and so on) from a backup; or, if it " +
		"is lost or was stolen, stop all nodes and start one with --change " + webhookKeyChange +
		", which signs webhooks with another key",
)

// OpenWebhookKeys opens the keys that sign webhooks. A first start makes the key; later ones refuse
// a directory without a key that the database has recorded, unless the configuration changes it.
func OpenWebhookKeys(
	ctx context.Context, c *config.Config, db *store.Store, keys *keydir.Dir, log *slog.Logger,
) (*keydir.KeyRing, error) {
	recorded, stored, err := CheckWebhookKey(ctx, db, keys)
	change := slices.Contains(c.Change, webhookKeyChange)
	if err != nil && !(change && errors.Is(err, ErrWebhookKey)) {
		return nil, err
	}
	ring, err := WebhookKeys(keys)
	if err != nil {
		return nil, err
	}
	if len(stored) == 0 {
		if stored, err = storedWebhookKeys(keys); err != nil {
			return nil, err
		}
	}
	if value := strings.Join(stored, " "); value != recorded {
		_, err = db.Record(ctx, webhookKeys, value, true)
	}
	if err == nil && change {
		log.Warn("recorded for the deployment", webhookKeyChange, stored)
	}
	return ring, err
}

// WebhookKeys opens the keys that sign webhooks, and makes the first one.
func WebhookKeys(keys *keydir.Dir) (*keydir.KeyRing, error) {
	return keys.KeyRing(WebhookKey, WebhookKeyDelay, SecretOverlap)
}

// RecordWebhookKeys records the keys after a rotation, so that the older ones may be removed.
func RecordWebhookKeys(ctx context.Context, db *store.Store, ring *keydir.KeyRing) error {
	ids, err := webhookKeyIDs(ring.Keys()...)
	if err != nil {
		return err
	}
	recorded, err := db.Recorded(ctx, webhookKeys)
	if value := strings.Join(ids, " "); err == nil && value != recorded {
		_, err = db.Record(ctx, webhookKeys, value, true)
	}
	return err
}

// CheckWebhookKey returns an error that wraps ErrWebhookKey if the database has recorded webhook
// keys, and the directory has none of them. recorded is "" if it has recorded none.
func CheckWebhookKey(
	ctx context.Context, db *store.Store, keys *keydir.Dir,
) (recorded string, stored []string, err error) {
	if recorded, err = db.Recorded(ctx, webhookKeys); err != nil {
		return "", nil, err
	}
	if stored, err = storedWebhookKeys(keys); err != nil {
		return "", nil, err
	}
	known := strings.Fields(recorded)
	switch {
	case recorded == "" || slices.ContainsFunc(stored, func(id string) bool {
		return slices.Contains(known, id)
	}):
	case len(stored) == 0:
		err = fmt.Errorf("%w: %w", ErrWebhookKey, fs.ErrNotExist)
	default:
		err = fmt.Errorf("%w: it has another key", ErrWebhookKey)
	}
	return recorded, stored, err
}

// storedWebhookKeys returns the ids of all webhook keys in the directory, also of those that have
// ended.
func storedWebhookKeys(keys *keydir.Dir) (ids []string, err error) {
	files, err := keys.List()
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		name, isKey := strings.CutSuffix(f.Name, ".key")
		if !isKey || name != WebhookKey && !strings.HasPrefix(name, WebhookKey+"-") {
			continue
		}
		key, err := keys.Existing(name, elliptic.P256())
		if err != nil {
			return nil, err
		}
		id, err := webhookKeyIDs(key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id...)
	}
	slices.Sort(ids)
	return ids, nil
}

// webhookKeyIDs returns the ids of keys, sorted.
func webhookKeyIDs(keys ...crypto.Signer) (ids []string, err error) {
	for _, key := range keys {
		public, err := WebhookJWK(key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, public.KeyID)
	}
	slices.Sort(ids)
	return ids, nil
}

// WebhookJWK returns the public part of the webhook key, as relying parties get it.
func WebhookJWK(key crypto.Signer) (jose.JSONWebKey, error) {
	return keydir.PublicJWK(key, "sig", string(jose.ES256))
}
