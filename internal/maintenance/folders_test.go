package maintenance

import (
	"io"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/config"
)

// TestNothingInFolders checks that what has no folder is neither backed up nor restored.
func TestNothingInFolders(t *testing.T) {
	c := config.Config{
		Database: "postgres://signet@db.example/signet", Documents: "s3://signet/documents",
		KeyFiles: "database", KeysPassword: "mZ7kQ2vX9pLs4TgB",
	}
	if err := Backup(t.Context(), c, nil, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "back up the database") {
		t.Errorf("a backup of nothing: %v", err)
	}
	if err := Restore(t.Context(), c, strings.NewReader(""), strings.NewReader("")); err == nil ||
		!strings.Contains(err.Error(), "data: a folder") {
		t.Errorf("a restore to nowhere: %v", err)
	}
}
