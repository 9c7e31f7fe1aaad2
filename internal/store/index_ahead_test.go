package store_test

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/signet-sign/signet/internal/store"
)

// TestIndexesMadeAhead checks that the indexes which operators make before an upgrade, with the
// statements of docs/operating.md, are taken over by the migrations and not built again.
func TestIndexesMadeAhead(t *testing.T) {
	url := cluster.Database(t)
	if err := store.MigrateTo(t.Context(), url, 26); err != nil {
		t.Fatal(err)
	}
	ask(t, url, `INSERT INTO requests SELECT 'signv3-0199' || lpad(to_hex(n), 4, '0') ||
		'-0000-7000-8000-000000000000', 'c', 'created', 1, n, NULL, '{"uin":"S1234567D"}'
		FROM generate_series(1, 100) AS n`)
	docs, err := os.ReadFile("../../docs/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	statements := regexp.MustCompile(`(?m)^CREATE INDEX CONCURRENTLY .*;$`).FindAllString(string(docs), -1)
	if len(statements) != 2 {
		t.Fatalf("the guide has the statements %q", statements)
	}
	for _, s := range statements {
		ask(t, url, s)
	}
	const files = `SELECT relname || ' ' || pg_relation_filenode(oid) FROM pg_class
		WHERE relname LIKE 'requests_ahead_%' ORDER BY 1`
	before := query(t, url, files)
	if err := store.MigrateTo(t.Context(), url, 28); err != nil {
		t.Fatal(err)
	}
	if after := query(t, url, files); len(before) != 2 || !slices.Equal(after, before) {
		t.Errorf("indexes and files %v, before %v", after, before)
	}
	const first = `SELECT string_agg(c.relname || ' of ' || p.relname, ', ' ORDER BY p.relname)
		FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
		JOIN pg_class AS p ON p.oid = i.inhparent JOIN pg_index AS x ON x.indexrelid = p.oid
		WHERE p.relname LIKE 'requests_by_signer%' AND x.indisvalid AND
		x.indrelid = 'requests'::regclass AND (SELECT indrelid FROM pg_index WHERE
		indexrelid = c.oid) = 'requests_first'::regclass`
	want := "requests_ahead_2 of requests_by_signer, requests_ahead_1 of requests_by_signer_hash"
	if got := query(t, url, first); len(got) != 1 || got[0] != want {
		t.Errorf("the first partition has %q, want %s", got, want)
	}
}
