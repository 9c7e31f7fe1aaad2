package store_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/store"
)

// TestSQLitePlans checks that with a million requests, every statement that runs for each call or
// many times a second finds its rows by an index, and so does the search for a person's requests.
func TestSQLitePlans(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	if err := openSQLite(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	binds := strings.NewReplacer("$1", "1", "$2", "2", "$3", "3")
	for _, statement := range []struct{ query, index string }{
		{
			`SELECT id FROM requests WHERE due_at <= (SELECT CAST($1 AS BIGINT))
				ORDER BY due_at, id LIMIT 256`,
			"requests_due",
		},
		{
			store.RequestsOf[0],
			"requests_by_signer_hash (<expr>=?)",
		},
		{
			store.RequestsOf[0],
			"requests_by_signer (<expr>=?)",
		},
		{
			`SELECT version, data FROM requests WHERE id = $1`,
			"sqlite_autoindex_requests_1",
		},
		{
			`SELECT at, kind, detail FROM events WHERE request_id = $1 ORDER BY seq`,
			"events USING PRIMARY KEY (request_id=?)",
		},
		{
			`SELECT coalesce(max(seq), 0) + 1 FROM events WHERE request_id = $1`,
			"events USING PRIMARY KEY (request_id=?)",
		},
		{
			`SELECT 1 FROM outbox WHERE kind = $1 AND status = 'pending'
				AND ready_at <= $2 LIMIT 1`,
			"outbox_ready",
		},
		{
			`SELECT id FROM outbox WHERE kind = $1 AND status = 'pending' AND ready_at <= $2
				ORDER BY ready_at, id LIMIT $3`,
			"outbox_ready",
		},
		{
			`SELECT min(client_id) FROM outbox WHERE kind = $1 AND status = 'pending'
				AND kind <> 'purge' AND client_id > $2`,
			"outbox_by_party (kind=? AND client_id>?)",
		},
		{
			`SELECT min(ready_at) FROM outbox WHERE kind = $1 AND status = 'pending'
				AND kind <> 'purge' AND client_id = $2`,
			"outbox_by_party (kind=? AND client_id=?)",
		},
		{
			`SELECT id FROM outbox WHERE kind = $1 AND status = 'pending' AND ready_at <= $2
				AND kind <> 'purge' AND client_id = $3 ORDER BY ready_at, id`,
			"outbox_by_party (kind=? AND client_id=? AND ready_at<?)",
		},
		{
			`SELECT id FROM outbox WHERE kind = $1 AND status = 'failed'
				ORDER BY id DESC LIMIT $2`,
			"outbox_failed (kind=?)",
		},
		{
			`SELECT state, (created_at - $1) / $3 AS step, count(*) FROM requests
				WHERE state = 'signed' AND created_at >= $1 AND created_at < $2
				GROUP BY state, step`,
			"COVERING INDEX requests_by_state (state=? AND created_at>? AND created_at<?)",
		},
		{
			`SELECT id FROM outbox WHERE request_id = $1 ORDER BY id`,
			"outbox_by_request",
		},
		{
			`SELECT wrapped FROM document_keys WHERE request_id = $1 AND name = $2 ORDER BY id`,
			"document_keys USING PRIMARY KEY (request_id=? AND name=?)",
		},
		{
			`SELECT wrapped_by FROM document_keys WHERE wrapped_by > $1 ORDER BY wrapped_by LIMIT 1`,
			"COVERING INDEX document_keys_by_wrapping (wrapped_by>?)",
		},
		{
			`SELECT client_id, jti FROM used_tokens WHERE keep_until < $1 LIMIT $2`,
			"used_tokens_until",
		},
		{
			`SELECT id FROM phones WHERE serial = $1`,
			"sqlite_autoindex_phones_2",
		},
		{
			`SELECT id FROM phones WHERE uin = $1 ORDER BY enrolled_at, id`,
			"phones_by_uin",
		},
		{
			`SELECT id FROM phones WHERE revoked_at <> 0 ORDER BY revoked_at, id`,
			"phones_revoked",
		},
		{
			`SELECT id FROM requests WHERE client_id = $1 AND created_at >= $2
				AND created_at <= $3 ORDER BY created_at DESC, id DESC`,
			"requests_by_client (client_id=? AND created_at>? AND created_at<?)",
		},
		{
			`SELECT id FROM requests WHERE state = $1 AND created_at >= $2
				AND created_at <= $3 ORDER BY created_at DESC, id DESC`,
			"requests_by_state (state=? AND created_at>? AND created_at<?)",
		},
		{
			`SELECT state, count(*) FROM requests WHERE created_at >= $1 AND created_at < $2
				GROUP BY state`,
			"COVERING INDEX requests_by_state",
		},
		{
			`DELETE FROM used_tokens WHERE (client_id, jti) IN (SELECT client_id, jti
				FROM used_tokens WHERE keep_until < $1 LIMIT 9)`,
			"sqlite_autoindex_used_tokens_1",
		},
		{
			`SELECT id, data FROM calls WHERE id < $1 ORDER BY id DESC LIMIT $2`,
			"INTEGER PRIMARY KEY",
		},
		{
			`SELECT id FROM requests WHERE created_at >= $1 AND created_at < $2
				AND (state, created_at, id) < ($1, $2, $3)
				ORDER BY state DESC, created_at DESC, id DESC LIMIT 9`,
			"requests_by_state ((state,created_at)<(?,?))",
		},
		{
			`SELECT id FROM requests WHERE created_at >= $1 AND created_at < $2
				AND (client_id, created_at, id) < ($1, $2, $3)
				ORDER BY client_id DESC, created_at DESC, id DESC LIMIT 9`,
			"requests_by_client ((client_id,created_at)<(?,?))",
		},
		{
			`SELECT id FROM requests WHERE created_at >= $1 AND created_at < $2
				ORDER BY client_id DESC, created_at DESC, id DESC LIMIT 9`,
			"requests_by_client",
		},
		{
			`SELECT id, data FROM calls WHERE id < $1 AND party = $2
				ORDER BY id DESC LIMIT $3`,
			"calls_by_party (party=? AND id<?)",
		},
		{
			`SELECT id, data FROM calls WHERE id < $1 AND request_id = $2
				ORDER BY id DESC LIMIT $3`,
			"calls_by_request (request_id=? AND id<?)",
		},
		{
			`SELECT id, data FROM calls WHERE id < $1 AND refused = 1
				ORDER BY id DESC LIMIT $2`,
			"calls_refused (refused=? AND id<?)",
		},
		{
			`SELECT id, data FROM calls WHERE id < $1 AND code = $2 AND code <> ''
				ORDER BY id DESC LIMIT $3`,
			"calls_by_code (code=? AND id<?)",
		},
		{
			`SELECT id FROM calls WHERE party = $1 AND authentic = $2
				ORDER BY id DESC LIMIT 1 OFFSET $3`,
			"COVERING INDEX calls_by_party",
		},
		{
			`SELECT id FROM calls WHERE request_id = $1 AND authentic = $2
				ORDER BY id DESC LIMIT 1 OFFSET $3`,
			"COVERING INDEX calls_by_request",
		},
		{
			`SELECT count(*) FROM calls WHERE request_id = $1`,
			"COVERING INDEX calls_by_request (request_id=?)",
		},
		{
			`DELETE FROM calls WHERE party = $1 AND authentic = $2 AND id <= $3`,
			"calls_by_party (party=? AND id<?)",
		},
		{
			`SELECT id FROM calls WHERE at < $1 LIMIT $2`,
			"calls_at",
		},
	} {
		var plan []string
		rows, err := db.QueryContext(
			t.Context(), "EXPLAIN QUERY PLAN "+binds.Replace(statement.query),
		)
		if err != nil {
			t.Fatalf("%s: %v", statement.query, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			plan = append(plan, detail)
		}
		if err := rows.Close(); err != nil {
			t.Fatal(err)
		}
		if all := strings.Join(plan, "; "); !strings.Contains(all, statement.index) {
			t.Errorf("%s\n\tdoes not use %s: %s", statement.query, statement.index, all)
		}
	}
}
