package app

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// How long a secret is accepted after its successor is in use. Links, challenges and logins live
// for hours at most; the cookie that identifies a phone lives for a year.
const (
	secretOverlap = 24 * time.Hour
	cookieOverlap = 366 * 24 * time.Hour
)

// RotateSecret creates the next secret of cookies, links, enrolment or console, or the next keys of
// the client of OpenID Connect providers (oidc), or of webhooks (webhook). It returns when running
// nodes use them.
func RotateSecret(c Config, name string) (after time.Duration, _ error) {
	names := []string{"cookies", "links", "enrolment", "console", "oidc", webhookKey}
	if !slices.Contains(names, name) {
		return 0, fmt.Errorf("secret %q: it must be one of %s", name, strings.Join(names, ", "))
	}
	keys, err := c.existingKeys()
	if err != nil {
		return 0, err
	}
	after = time.Minute
	switch name {
	case "oidc":
		after = clientKeyDelay
		err = errors.Join(keys.RotateKey(clientKey), keys.RotateKey(encryptionKey))
	case webhookKey:
		after = webhookKeyDelay
		err = keys.RotateKey(webhookKey)
	default:
		err = keys.Rotate(name)
	}
	return after, errors.Join(err, keys.Protection().Close())
}

// RotateDocumentKey makes a new key in the keys folder, under which the keys of documents are to be
// wrapped, and returns its name. Running nodes use it from their next sweep on, within an hour, and
// wrap the keys under older ones again.
func RotateDocumentKey(c Config) (name string, err error) {
	keys, err := c.existingKeys()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, keys.Protection().Close()) }()
	return keys.Wrapping(wrappingKeys).Rotate()
}
