package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms"
	"github.com/signet-sign/signet/internal/pkcs11"
)

// The values of [Config.KeyFiles].
const (
	InData     = "data"
	InDatabase = "database"
)

// CheckKeyFiles returns an [Error] if KeyFiles does not go with the other keys.
func (c *Config) CheckKeyFiles() error { return Mistake(c.checkKeyFiles()) }

func (c *Config) checkKeyFiles() error {
	switch c.KeyFiles {
	case "", InData:
		return nil
	case InDatabase:
	default:
		return fmt.Errorf("key_files %q: it must be data or database", c.KeyFiles)
	}
	if !isPostgres(c.Database) {
		return errors.New("key_files: database needs a PostgreSQL URL in database")
	}
	if c.KeysPassword == "" {
		return errors.New(
			"keys_password: it is needed to encrypt what key_files has in the database",
		)
	}
	return nil
}

// CheckData returns an [Error] if there is no folder for what is not stored elsewhere, or what
// names the database is wrong.
func (c *Config) CheckData() error {
	if c.Data == "" && (c.Database == "" || c.Documents == "" || c.KeyFiles != InDatabase) {
		return Mistake(errors.New(
			"data: a folder is needed, unless database, documents and key_files are all elsewhere",
		))
	}
	return Mistake(c.checkDatabase())
}

// CheckKeys returns an [Error] if Keys and KeysPassword cannot be a provider.
func (c *Config) CheckKeys() error { return Mistake(c.checkKeys()) }

func (c *Config) checkKeys() error {
	password := c.KeysPassword
	scheme, _, _ := strings.Cut(c.Keys, ":")
	switch {
	case c.Keys == "" || c.Keys == "file:":
		if password != "" && len(password) < keydir.MinPassword {
			return fmt.Errorf("keys_password: it must have at least %d bytes", keydir.MinPassword)
		}
		return nil
	case slices.Contains(kms.Schemes, scheme):
		if err := kms.Check(c.Keys, password); err != nil {
			return fmt.Errorf("keys %s: %w", c.Keys, err)
		}
		return nil
	case scheme != "pkcs11":
		return fmt.Errorf(
			"keys %q: it must be file:, or a URI with the scheme pkcs11, %s",
			c.Keys, strings.Join(kms.Schemes, ", "),
		)
	case password == "":
		return errors.New("keys_password: it must be the PIN of the token in keys")
	}
	if err := pkcs11.Check(c.Keys); err != nil {
		return fmt.Errorf("keys %s: %w", c.Keys, err)
	}
	return nil
}

func (c *Config) checkCertificates() error {
	if n := len([]rune(c.AuthorityName)); n == 0 || n > 40 {
		return fmt.Errorf("authority_name %q: it must have 1 to 40 characters", c.AuthorityName)
	}
	return nil
}
