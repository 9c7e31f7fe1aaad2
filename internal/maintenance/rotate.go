package maintenance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
)

// RotateSecret creates the next secret of cookies, links, enrolment or console, of the hashes in
// signers' certificates (signers), or the next keys of the client of OpenID Connect providers
// (oidc), or of webhooks (webhook). It returns when running nodes use them.
func RotateSecret(
	ctx context.Context, c config.Config, name string,
) (after time.Duration, err error) {
	names := []string{
		"cookies", "links", "enrolment", "console", "signers", "oidc", parts.WebhookKey,
	}
	if !slices.Contains(names, name) {
		return 0, fmt.Errorf("secret %q: it must be one of %s", name, strings.Join(names, ", "))
	}
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	switch name {
	case "oidc":
		return parts.ClientKeyDelay, errors.Join(
			k.Keys.RotateKey(parts.ClientKey), k.Keys.RotateKey(parts.EncryptionKey),
		)
	case parts.WebhookKey:
		return parts.WebhookKeyDelay, k.Keys.RotateKey(parts.WebhookKey)
	case "signers":
		dir, err := k.Authority()
		if err != nil {
			return 0, err
		}
		return time.Minute, dir.Rotate(name)
	}
	return time.Minute, k.Keys.Rotate(name)
}

// RotateDocumentKey makes a new key in the keys folder, under which the keys of documents are to be
// wrapped, and returns its name. Running nodes use it from their next sweep on, within an hour, and
// wrap the keys under older ones again.
func RotateDocumentKey(ctx context.Context, c config.Config) (name string, err error) {
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	return k.Keys.Wrapping(parts.WrappingKeys).Rotate()
}
