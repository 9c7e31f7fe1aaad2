package doctor_test

import (
	"database/sql"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/documents/s3test"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// dataMistakes are mistakes in the database, the documents and the folders.
var dataMistakes = []mistake{
	{
		"file of another user", func(c *clinic) {
			if os.Getuid() != 0 {
				c.Skip("only root can give a file away")
			}
			c.must(os.Chown(c.data("keys", "links.secret"), 12345, -1))
		},
		doctor.Fault, "owner", "1 files in", "chown -R",
	},
	{
		"public URL of another deployment",
		func(c *clinic) { c.config.PublicURL = "https://other.test" },
		doctor.Fault, "public_url", "https://sign.test for the deployment", "set public_url",
	},
	{
		"no database file", removed("signet.db"),
		doctor.Fault, "deployment", "is new, and the documents folder",
		"correct data, documents or database",
	},
	{
		"database of garbage", replaced("not a database, but a text\n", "signet.db"),
		doctor.Fault, "database", "not a database", "database",
	},
	{
		"documents that cannot be written", func(c *clinic) { // a read-only disk, for root, too
			removed("documents", "tmp")(c)
			replaced("", "documents", "tmp")(c)
		},
		doctor.Fault, "documents", "not a directory", "make it writable",
	},
	{
		"documents not mounted", away("documents"),
		doctor.Fault, "deployment", "documents folder", "mount the folder",
	},
	{
		"authority not mounted", away("authority"),
		doctor.Fault, "deployment", "authority folder", "mount the folder",
	},
	{
		"disk almost full", free(100 << 20),
		doctor.Warning, "disk", "0.1 GiB are free", "free space",
	},
	{
		"data in memory", func(c *clinic) { c.inMemory = func(string) bool { return true } },
		doctor.Fault, "disk", "a restart of the machine loses all of it", "a folder on a disk",
	},
	{
		"disk full", free(1 << 20),
		doctor.Fault, "documents", "1 MiB are free", "free space on its disk",
	},
	{
		"keys of another deployment", func(c *clinic) {
			other := newClinic(c.T, "")
			other.start(false)
			c.must(os.RemoveAll(c.data("keys")))
			c.must(os.Rename(other.data("keys"), c.data("keys")))
		},
		doctor.Fault, "deployment", "the keys folder", "correct data",
	},
	{
		"database for all to read", func(c *clinic) {
			allowed(0o755)(c)
			allowed(0o644, "signet.db")(c)
		},
		doctor.Warning, "owner", "every user of this machine can read", "chmod 700",
	},
	{
		"folder for all", allowed(0o777),
		doctor.Warning, "owner", "every user of this machine can change", "chmod 700",
	},
}

// removed removes a file in the data folder.
func removed(path ...string) func(*clinic) {
	return func(c *clinic) { c.must(os.Remove(c.data(path...))) }
}

// replaced gives a file in the data folder another content.
func replaced(content string, path ...string) func(*clinic) {
	return func(c *clinic) { c.must(os.WriteFile(c.data(path...), []byte(content), 0o600)) }
}

// allowed gives a file or folder in the data folder another mode.
func allowed(mode os.FileMode, path ...string) func(*clinic) {
	return func(c *clinic) { c.must(os.Chmod(c.data(path...), mode)) }
}

// away plants an empty folder, as where none is mounted.
func away(name string) func(*clinic) {
	return func(c *clinic) {
		c.must(os.Rename(c.data(name), c.data(name)+"-away"))
		c.must(os.Mkdir(c.data(name), 0o700))
	}
}

// free plants a disk with so many free bytes.
func free(bytes uint64) func(*clinic) {
	return func(c *clinic) { c.free = func(string) (uint64, error) { return bytes, nil } }
}

// TestDiagnosePostgres plants mistakes that concern the database's server.
func TestDiagnosePostgres(t *testing.T) {
	cluster := pgtest.Cluster{Durable: true}
	t.Cleanup(cluster.Stop)
	database := cluster.Database(t)
	c := newClinic(t, database)
	c.start(false)
	if found := c.diagnose(); len(found) > 0 {
		t.Errorf("a healthy service: %+v", found)
	}
	empty := cluster.Database(t)
	behind := newClinic(t, cluster.Pooler(t, empty))
	behind.config.DatabaseListen = empty
	if found := behind.diagnose(); len(found) > 0 {
		t.Errorf("an empty database behind a pooler: %+v", found)
	}
	for _, test := range []struct {
		database string
		level    doctor.Level
		check    string
		text     string
		remedy   string
	}{
		{database + "&synchronous_commit=off", doctor.Fault, "database server", "synchronous_commit is off", "set it to on"},
		{
			database + "&default_transaction_read_only=on", doctor.Fault, "database server",
			"takes no changes", "target_session_attrs",
		},
		{strings.Replace(database, "/test1", "/test9", 1), doctor.Fault, "database", "does not exist", "name in database"},
		{
			"postgres://signet:" + strong + "@127.0.0.1:1/signet", doctor.Fault, "database",
			"refuses the connection", "start the database",
		},
		{cluster.Database(t), doctor.Fault, "deployment", "folder", "correct data, documents or database"},
		{cluster.Pooler(t, database), doctor.Fault, "database", "unsupported startup parameter", "set database_listen"},
		{database + "&statement_timeout=9000", doctor.Fault, "database server", "statement_timeout is 9000 ms", "ALTER ROLE"},
		{
			database + "&idle_session_timeout=60000", doctor.Fault, "database server",
			"idle_session_timeout is 60000 ms", "ALTER ROLE",
		},
		{database + "&conect_timeout=3", doctor.Fault, "database", `parameter "conect_timeout"`, "correct the parameters"},
		{database + "&synchronous_commit=maybe", doctor.Fault, "database", "synchronous_commit", "correct the parameters"},
		{
			"postgres://signet:" + strong + "@192.0.2.1/signet?connect_timeout=1", doctor.Warning,
			"exposure", "at 192.0.2.1 may be in clear text", "sslmode=verify-full",
		},
	} {
		c.config.Database = test.database
		c.expect(c.diagnose(), test.level, test.check, test.text, test.remedy)
	}
	db, err := sql.Open("pgx", database)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), "CREATE ROLE guest LOGIN"); err != nil {
		t.Fatal(err)
	}
	parties := c.config.Parties
	c.config.Database = strings.Replace(database, "/test1", "/test9", 1)
	c.config.Parties = nil // whether the database has some is not known
	for _, f := range c.diagnose() {
		if f.Check == "relying party" {
			t.Errorf("while the database is away: %+v", f)
		}
	}
	c.config.Parties = parties
	for _, own := range []string{database, cluster.Database(t)} { // with and without tables
		c.config.Database = own + "&user=guest"
		c.expect(c.diagnose(), doctor.Fault, "database", "permission denied", "CREATE on the schema")
	}
	c.config.Database, c.config.DatabaseListen = database, cluster.LooseTransactionPooler(t, database)
	c.expect(c.diagnose(), doctor.Fault, "database", "a pooler in transaction mode", "set database_listen")
	c.config.DatabaseListen = cluster.SessionPooler(t, database)
	if found := c.diagnose(); len(found) > 0 {
		t.Errorf("a pooler in session mode: %+v", found)
	}
	c.config.DatabaseListen = ""
	if _, err := db.ExecContext(t.Context(),
		"CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
	); err != nil {
		t.Fatal(err)
	}
	latin := newClinic(t, strings.Replace(database, "/test1", "/latin", 1))
	latin.start(false)
	latin.expect(
		latin.diagnose(), doctor.Fault, "database server", "the encoding LATIN1", "ENCODING 'UTF8'",
	)
	if _, err := db.ExecContext(t.Context(), "ALTER DATABASE test1 CONNECTION LIMIT 12"); err != nil {
		t.Fatal(err)
	}
	c.expect(
		c.diagnose(), doctor.Warning, "database server",
		"12 connections are allowed, and 1 node uses up to 19", "raise max_connections",
	)
	if _, err := db.ExecContext(t.Context(), "ALTER DATABASE test1 CONNECTION LIMIT -1"); err != nil {
		t.Fatal(err)
	}
	empty = cluster.Database(t)
	for _, test := range []struct {
		plant, undo  string
		level        doctor.Level
		text, remedy string
	}{
		{
			"ALTER SYSTEM SET autovacuum = off", "ALTER SYSTEM RESET autovacuum", doctor.Warning,
			"autovacuum is off", "ALTER SYSTEM SET",
		},
		{
			"ALTER TABLE outbox SET (autovacuum_enabled = false)",
			"ALTER TABLE outbox RESET (autovacuum_enabled)", doctor.Warning, "is off for outbox:",
			"RESET (autovacuum_enabled)",
		},
		{
			"ALTER SYSTEM SET full_page_writes = off", "ALTER SYSTEM RESET full_page_writes", doctor.Fault,
			"full_page_writes is off", "set it to on",
		},
		{
			"ALTER SYSTEM SET synchronous_standby_names = 'gone'",
			"ALTER SYSTEM RESET synchronous_standby_names", doctor.Fault,
			"no standby of synchronous_standby_names (gone) is connected",
			"remove it from synchronous_standby_names",
		},
	} {
		for _, statement := range []string{test.plant, "SELECT pg_reload_conf()"} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
		for _, own := range []string{database, empty} { // after and before the first start
			if c.config.Database = own; own != database && strings.HasPrefix(test.plant, "ALTER TABLE") {
				continue
			}
			found := c.diagnose()
			for end := time.Now().Add(time.Minute); time.Now().Before(end); found = c.diagnose() {
				if c.has(found, test.level, "database server", test.text, test.remedy) {
					break // the server has read its configuration again
				}
			}
			c.expect(found, test.level, "database server", test.text, test.remedy)
		}
		for _, statement := range []string{test.undo, "SELECT pg_reload_conf()"} {
			if _, err := db.ExecContext(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.config.Database = database
	for _, test := range []struct {
		ahead time.Duration
		level doctor.Level
		text  string
	}{
		{2 * time.Second, doctor.Warning, "ahead of the database's"},
		{-2 * time.Second, doctor.Warning, "behind the database's"},
		{-6 * time.Second, doctor.Fault, "behind the database's"},
	} {
		c.now = func() time.Time { return time.Now().Add(test.ahead) }
		c.expect(c.diagnose(), test.level, "clock", test.text, "chrony")
	}
}

// TestDiagnosePostgresTLS plants mistakes that concern the TLS of the database's server.
func TestDiagnosePostgresTLS(t *testing.T) {
	cluster := pgtest.Cluster{Durable: true, TLS: new(pgtest.TLS)}
	t.Cleanup(cluster.Stop)
	db, err := sql.Open("pgx", cluster.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	role := "CREATE ROLE " + pgtest.PasswordUser + " SUPERUSER LOGIN PASSWORD '" + strong + "'"
	if _, err := db.ExecContext(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() {
		for {
			c, err := plain.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 8)) // whether there is TLS
			_, _ = c.Write([]byte("N"))
			_ = c.Close()
		}
	}()
	c := newClinic(t, "")
	over := func(host, parameters string) {
		c.config.Database = "postgres://" + pgtest.PasswordUser + ":" + strong + "@" + host +
			"/test1?sslmode=" + parameters
	}
	over("localhost:"+cluster.TLS.Port, "verify-full&sslrootcert="+cluster.TLS.Root)
	if found := c.diagnose(); len(found) > 0 {
		t.Errorf("a healthy configuration: %+v", found)
	}
	for _, test := range []struct{ host, parameters, text, remedy string }{
		{
			"localhost:" + cluster.TLS.Port, "verify-full&sslrootcert=" + cluster.TLS.Other,
			"authority that this machine does not trust", "set sslrootcert",
		},
		{
			"127.0.0.1:" + cluster.TLS.Port, "verify-full&sslrootcert=" + cluster.TLS.Root,
			"127.0.0.1", "by a host that its certificate has",
		},
		{plain.Addr().String(), "require", "server refused TLS connection", "set ssl to on"},
	} {
		over(test.host, test.parameters)
		c.expect(c.diagnose(), doctor.Fault, "database", test.text, test.remedy)
	}
}

// TestDiagnoseBucket plants mistakes that concern the object store. A bucket policy that lacks one
// permission is a proxy that refuses the calls which need it, as S3 does.
func TestDiagnoseBucket(t *testing.T) {
	server := s3test.Start(t)
	c := newClinic(t, "")
	bucket := server.Bucket(t)
	denied := ""
	c.config.DocumentsCredentials = server.Credentials
	c.config.Documents = server.Via(t, bucket, func(
		w http.ResponseWriter, r *http.Request, next http.Handler,
	) {
		if denied == "" || permission(r) != denied {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>`)
	})
	denied = "s3:PutObject"
	c.expect(c.diagnose(), doctor.Fault, "documents", denied, "grant the credentials the permission")
	denied = ""
	c.start(false)
	if found := c.diagnose(); len(found) > 0 {
		t.Errorf("a healthy service: %+v", found)
	}
	for _, test := range []struct{ permission, check string }{
		{"s3:PutObject", "documents"},
		{"s3:DeleteObject", "documents"},
		{"s3:ListBucket", "document deletion"},
		{"s3:ListBucketMultipartUploads", "document deletion"},
		{"s3:AbortMultipartUpload", "document deletion"},
		{"s3:GetObject", "deployment"}, // whose identity is an object
	} {
		denied = test.permission
		text := test.permission
		if test.check == "deployment" {
			text = "Access Denied"
		}
		c.expect(c.diagnose(), doctor.Fault, test.check, text, "grant the credentials the permission")
	}
	denied = ""
	healthy := c.config
	for _, test := range []struct {
		name         string
		plant        func()
		text, remedy string
	}{
		{"no bucket", func() {
			c.config.Documents = s3test.Location("no-such-bucket", server.URL)
		}, "bucket", "make the bucket"},
		{"another secret", func() {
			id, _, _ := strings.Cut(server.Credentials, ":")
			c.config.DocumentsCredentials = id + ":" + strong
		}, "signature", "set documents_credentials_file"},
		{"another access key", func() {
			c.config.DocumentsCredentials = "unknown:" + strong
		}, "access key ID", "set documents_credentials_file"},
		{"nothing answers", func() {
			c.config.Documents = s3test.Location("bucket", "http://127.0.0.1:1")
		}, "The server refuses the connection", "start the object store"},
	} {
		c.config = healthy
		test.plant()
		c.expect(c.diagnose(), doctor.Fault, "deployment", test.text, test.remedy)
	}
}

// permission returns the permission that a call of S3 needs.
func permission(r *http.Request) string {
	q := r.URL.Query()
	object := strings.Count(strings.Trim(r.URL.Path, "/"), "/") > 0
	switch {
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "s3:AbortMultipartUpload"
	case q.Has("uploads") && r.Method == http.MethodGet:
		return "s3:ListBucketMultipartUploads"
	case q.Has("delete"), r.Method == http.MethodDelete:
		return "s3:DeleteObject"
	case r.Method == http.MethodPut, r.Method == http.MethodPost:
		return "s3:PutObject"
	case object:
		return "s3:GetObject"
	}
	return "s3:ListBucket"
}
