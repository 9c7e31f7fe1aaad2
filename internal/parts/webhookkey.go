package parts

import (
	"context"
	"crypto"
	"crypto/elliptic"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// WebhookKeyChange is the name of the webhook keys in Config.Change.
const WebhookKeyChange = "webhook_key"

// WebhookKeys is the fact that the database records of the keys that sign webhooks: their ids.
const WebhookKeys = "webhook_keys"

// ErrWebhookKey is the error for a keys folder that has no webhook key that the database records.
var ErrWebhookKey = errors.New(
	"the keys folder does not have the webhook key of the deployment, whose webhooks relying parties " +
		"believe: restore the file webhook.key (or webhook-2.key and so on) from a backup; or, if it " +
		"is lost or was stolen, stop all nodes and start one with --change " + WebhookKeyChange +
		", which signs webhooks with another key",
)

// StoredWebhookKeys returns the ids of all webhook keys in the directory, also of those that have
// ended.
func StoredWebhookKeys(keys *keydir.Dir) (ids []string, err error) {
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
		id, err := WebhookKeyIDs(key)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id...)
	}
	slices.Sort(ids)
	return ids, nil
}

// WebhookKeyIDs returns the ids of keys, sorted.
func WebhookKeyIDs(keys ...crypto.Signer) (ids []string, err error) {
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

// CheckWebhookKey returns an error that wraps ErrWebhookKey if the database has recorded webhook
// keys, and the directory has none of them. recorded is "" if it has recorded none.
func CheckWebhookKey(
	ctx context.Context, db *store.Store, keys *keydir.Dir,
) (recorded string, stored []string, err error) {
	if recorded, err = db.Recorded(ctx, WebhookKeys); err != nil {
		return "", nil, err
	}
	if stored, err = StoredWebhookKeys(keys); err != nil {
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

// WebhookKey is the name of the key that signs webhooks.
const WebhookKey = "webhook"

// WebhookKeyDelay is how long a new webhook key is published before it is used. Relying parties
// keep the JWKS for an hour (docs/contract.md).
const WebhookKeyDelay = 2 * time.Hour

// WebhookJWK returns the public part of the webhook key, as relying parties get it.
func WebhookJWK(key crypto.Signer) (jose.JSONWebKey, error) {
	return keydir.PublicJWK(key, "sig", string(jose.ES256))
}
