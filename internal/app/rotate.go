package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// How long a secret is accepted after its successor is in use. Links, challenges and logins live
// for hours at most; the cookie that identifies a phone lives for a year.
const (
	secretOverlap = 24 * time.Hour
	cookieOverlap = 366 * 24 * time.Hour
)

// RotateSecret creates the next secret of cookies, links, enrolment or console, of the hashes in
// signers' certificates (signers), or the next keys of the client of OpenID Connect providers
// (oidc), or of webhooks (webhook). It returns when running nodes use them.
func RotateSecret(
	ctx context.Context, c config.Config, name string,
) (after time.Duration, err error) {
	names := []string{"cookies", "links", "enrolment", "console", "signers", "oidc", webhookKey}
	if !slices.Contains(names, name) {
		return 0, fmt.Errorf("secret %q: it must be one of %s", name, strings.Join(names, ", "))
	}
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	switch name {
	case "oidc":
		return clientKeyDelay, errors.Join(
			k.keys.RotateKey(clientKey), k.keys.RotateKey(encryptionKey),
		)
	case webhookKey:
		return webhookKeyDelay, k.keys.RotateKey(webhookKey)
	case "signers":
		dir, err := k.authority()
		if err != nil {
			return 0, err
		}
		return time.Minute, dir.Rotate(name)
	}
	return time.Minute, k.keys.Rotate(name)
}

// RotateDocumentKey makes a new key in the keys folder, under which the keys of documents are to be
// wrapped, and returns its name. Running nodes use it from their next sweep on, within an hour, and
// wrap the keys under older ones again.
func RotateDocumentKey(ctx context.Context, c config.Config) (name string, err error) {
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	return k.keys.Wrapping(wrappingKeys).Rotate()
}
