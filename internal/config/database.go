package config

import (
	"cmp"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
)

func (c *Config) checkDatabase() error {
	switch {
	case c.Database != "" && !isPostgres(c.Database):
		// The value may contain a password.
		return errors.New(
			"database: it must be a URL that begins with postgres://; " +
				"without the key the database is SQLite, in the data folder",
		)
	case c.DatabaseListen != "" && (c.Database == "" || !isPostgres(c.DatabaseListen)):
		return errors.New(
			"database_listen: it must be a URL that begins with postgres://, beside the one in database",
		)
	case c.DatabasePassword != "" &&
		(c.Database == "" || passwordIn(c.Database) != "" || passwordIn(c.DatabaseListen) != ""):
		return errors.New(
			"database_password: it belongs to a URL in database that has no password itself",
		)
	}
	return nil
}

// DatabasePath returns the URL of the PostgreSQL database, or the path of the SQLite file.
func (c *Config) DatabasePath() string {
	if c.Database != "" {
		return c.withPassword(c.Database)
	}
	return filepath.Join(c.Data, "signet.db")
}

// SessionURL returns the URL of the PostgreSQL database past a pooler; "" if there is none.
func (c *Config) SessionURL() string {
	if c.DatabaseListen == "" {
		return ""
	}
	return c.withPassword(c.DatabaseListen)
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") ||
		strings.HasPrefix(database, "postgresql://")
}

// withPassword adds database_password to a URL.
func (c *Config) withPassword(database string) string {
	u, err := url.Parse(database)
	if c.DatabasePassword == "" || err != nil {
		return database // the store refuses a URL that is none
	}
	// In the URL of a database a plus sign is no space, as in libpq.
	parameter := "password=" + strings.ReplaceAll(url.QueryEscape(c.DatabasePassword), "+", "%20")
	u.RawQuery = strings.Trim(u.RawQuery+"&"+parameter, "&")
	return u.String()
}

// passwordIn returns the password in the URL of a database; "" if there is none.
func passwordIn(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return cmp.Or(password, u.Query().Get("password"))
}
