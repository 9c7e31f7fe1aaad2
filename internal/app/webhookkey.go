package app

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/parts"
)

// openWebhookKeys opens the keys that sign webhooks. A first start makes the key; later starts of
// the service refuse a folder without a key that the database has recorded, unless the
// configuration changes it.
func (a *App) openWebhookKeys(ctx context.Context) (err error) {
	if a.wall != nil { // a sandbox
		a.webhookKeys, err = a.keys.KeyRing(
			parts.WebhookKey, parts.WebhookKeyDelay, parts.SecretOverlap,
		)
		return err
	}
	recorded, stored, err := parts.CheckWebhookKey(ctx, a.store, a.keys)
	change := slices.Contains(a.Config.Change, parts.WebhookKeyChange)
	if err != nil && !(change && errors.Is(err, parts.ErrWebhookKey)) {
		return err
	}
	a.webhookKeys, err = a.keys.KeyRing(
		parts.WebhookKey, parts.WebhookKeyDelay, parts.SecretOverlap,
	)
	if err != nil {
		return err
	}
	if len(stored) == 0 {
		if stored, err = parts.StoredWebhookKeys(a.keys); err != nil {
			return err
		}
	}
	if value := strings.Join(stored, " "); value != recorded {
		_, err = a.store.Record(ctx, parts.WebhookKeys, value, true)
	}
	if err == nil && change {
		a.log.Warn("recorded for the deployment", parts.WebhookKeyChange, stored)
	}
	return err
}

// recordWebhookKeys records the keys after a rotation, so that the older ones may be removed.
func (a *App) recordWebhookKeys(ctx context.Context) {
	ids, err := parts.WebhookKeyIDs(a.webhookKeys.Keys()...)
	if err == nil && !slices.Equal(ids, a.recordedKeys) {
		_, err = a.store.Record(ctx, parts.WebhookKeys, strings.Join(ids, " "), true)
		if err == nil {
			a.recordedKeys = ids
		}
	}
	if err != nil && ctx.Err() == nil {
		a.log.Warn("recording the keys of webhooks", "err", err)
	}
}
