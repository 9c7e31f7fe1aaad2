package config

import (
	"strings"
	"testing"
)

// TestKeyFiles checks which configurations can have their keys in the database, and which then need
// no folder.
func TestKeyFiles(t *testing.T) {
	const (
		postgres = "postgres://signet@db.example/signet"
		bucket   = "s3://signet/documents"
		password = "quartz-heron-lantern-77"
	)
	for name, test := range map[string]struct {
		config Config
		want   string // part of the error; "": none
	}{
		"folder":          {Config{Data: "data"}, ""},
		"folder, by name": {Config{Data: "data", KeyFiles: "data"}, ""},
		"no folder":       {Config{}, "data: a folder is needed"},
		"nonsense":        {Config{Data: "data", KeyFiles: "db"}, "key_files"},
		"SQLite":          {Config{Data: "data", KeyFiles: "database", KeysPassword: password}, "PostgreSQL"},
		"no password":     {Config{Data: "data", Database: postgres, KeyFiles: "database"}, "keys_password"},
		"documents inside": {
			Config{Database: postgres, KeyFiles: "database", KeysPassword: password},
			"data: a folder is needed",
		},
		"keys inside": {Config{Database: postgres, Documents: bucket}, "data: a folder is needed"},
		"nothing inside": {
			Config{Database: postgres, Documents: bucket, KeyFiles: "database", KeysPassword: password},
			"",
		},
	} {
		err := test.config.CheckData()
		if err == nil {
			err = test.config.CheckKeyFiles()
		}
		if (err != nil) != (test.want != "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
}
