package config

import (
	"strings"
	"testing"
	"time"
)

// TestDatabaseURLs checks that the password goes into both URLs, and what cannot be meant is
// refused without showing it.
func TestDatabaseURLs(t *testing.T) {
	const hosts = "postgres://signet@db1:5432,db2:5432/signet?target_session_attrs=read-write"
	for _, test := range []struct {
		database, listen, password string
		wantDatabase, wantListen   string
		refused                    string // part of the error; "": none
	}{
		{database: hosts, wantDatabase: hosts},
		{
			database: "postgres://signet@pool/signet", listen: hosts, password: "a&b=c/d +",
			wantDatabase: "postgres://signet@pool/signet?password=a%26b%3Dc%2Fd%20%2B",
			wantListen:   hosts + "&password=a%26b%3Dc%2Fd%20%2B",
		},
		{password: "secret", refused: "database_password"},
		{database: "postgres://signet:secret@db/signet", password: "secret", refused: "database_password"},
		{
			database: hosts, listen: "postgres://db/signet?password=secret", password: "secret",
			refused: "database_password",
		},
		{listen: hosts, refused: "database_listen"},
		{database: hosts, listen: "mysql://secret@db", refused: "database_listen"},
	} {
		c := Config{
			PublicURL: "https://sign.test", AuthorityName: "Signet",
			UnauthorizedStatus: 400, SessionLifetime: time.Minute,
			Database: test.database, DatabaseListen: test.listen, DatabasePassword: test.password,
		}
		err := c.Check()
		if (err == nil) != (test.refused == "") ||
			err != nil && !strings.Contains(err.Error(), test.refused) {
			t.Errorf("%+v: %v", test, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "secret") {
				t.Errorf("the error has the password: %v", err)
			}
			continue
		}
		if got := c.DatabasePath(); got != test.wantDatabase {
			t.Errorf("database %q, want %q", got, test.wantDatabase)
		}
		if got := c.SessionURL(); got != test.wantListen {
			t.Errorf("database_listen %q, want %q", got, test.wantListen)
		}
	}
}
