package app

import (
	"crypto/rand"
	"database/sql"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// TestDiagnose plants one mistake at a time into a healthy service that is stopped, and expects
// the finding that names it and the remedy.
func TestDiagnose(t *testing.T) {
	data := func(c *clinic, parts ...string) string {
		return filepath.Join(append([]string{c.config.Data}, parts...)...)
	}
	must := func(c *clinic, err error) {
		c.Helper()
		if err != nil {
			c.Fatal(err)
		}
	}
	away := func(name string) func(*clinic) {
		return func(c *clinic) {
			must(c, os.Rename(data(c, name), data(c, name)+"-away"))
			must(c, os.Mkdir(data(c, name), 0o700))
		}
	}
	later := func(years int) func(*clinic) {
		return func(c *clinic) { c.now = func() time.Time { return time.Now().AddDate(years, 0, -5) } }
	}
	server := func(c *clinic, h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		c.Cleanup(s.Close)
		return s.URL
	}
	for _, test := range []struct {
		name                string
		plant               func(c *clinic)
		level               Level
		check, text, remedy string
	}{
		{"nothing", func(*clinic) {}, OK, "", "", ""},
		{
			"no data folder", func(c *clinic) { c.config.Data = "" },
			Fault, "configuration", "data: a folder is needed", "correct the key",
		},
		{
			"no address", func(c *clinic) { c.config.Listen = "" },
			Fault, "configuration", "listen: an address is needed", "correct the key",
		},
		{
			"plain public URL", func(c *clinic) { c.config.PublicURL = "http://sign.test" },
			Fault, "configuration", "public_url: documents and logins would cross", "correct",
		},
		{
			"allowed risk",
			func(c *clinic) { c.config.StaticQR, c.config.Unsafe = true, List{"static_qr"} },
			Warning, "exposure", "static_qr is unsafe", "remove the key",
		},
		{
			"weak password", func(c *clinic) { c.config.ConsolePassword = "passwordpassword" },
			Fault, "configuration", "console_password: it is easy to guess", "correct the key",
		},
		{
			"secret's file away", func(c *clinic) { c.config.MetricsTokenFile = "/nonexistent" },
			Fault, "configuration", "metrics_token_file: open /nonexistent", "correct the key",
		},
		{
			"another database",
			func(c *clinic) { c.config.Database = "mysql://root:" + strong + "@db/signet" },
			Fault, "configuration", "postgres://", "correct the key",
		},
		{
			"metrics for all", func(c *clinic) { c.config.Control = "0.0.0.0:0" },
			Warning, "exposure", "/metrics on 0.0.0.0:0 is open", "set metrics_token",
		},
		{
			"no control listener", func(c *clinic) { c.config.Control = "" },
			Warning, "exposure", "no /readyz", "set control",
		},
		{
			"proxy that is not trusted", func(c *clinic) { c.config.TrustedProxies = nil },
			Warning, "exposure", "address for that of every client", "set trusted_proxies",
		},
		{
			"control of another program", func(c *clinic) {
				c.config.Control = strings.TrimPrefix(server(c, http.NotFound), "http://")
			},
			Fault, "control", "another program answers", "set control",
		},
		{
			"file of another user", func(c *clinic) {
				if os.Getuid() != 0 {
					c.Skip("only root can give a file away")
				}
				must(c, os.Chown(data(c, "keys", "links.secret"), 12345, -1))
			},
			Fault, "owner", "1 files in", "chown -R",
		},
		{
			"JWKS at a private address", func(c *clinic) {
				c.config.AllowPrivate = false
				p := &c.config.Parties[0]
				p.JWKSURL, p.RedirectURL = "https://localhost/jwks", "https://rp.test/"
				p.WebhookURL = ""
			},
			Fault, "relying party ID", "its JWKS", "set allow_private",
		},
		{
			"public URL of another deployment",
			func(c *clinic) { c.config.PublicURL = "https://other.test" },
			Fault, "public_url", "https://sign.test for the deployment", "set public_url",
		},
		{
			"no database file", func(c *clinic) { must(c, os.Remove(data(c, "signet.db"))) },
			Fault, "deployment", "is new, and the documents folder",
			"correct data, documents or database",
		},
		{
			"database of garbage", func(c *clinic) {
				must(c, os.WriteFile(data(c, "signet.db"), []byte("not a database, but a text\n"), 0o600))
			},
			Fault, "database", "not a database", "database",
		},
		{
			"documents not mounted", away("documents"),
			Fault, "deployment", "documents folder", "mount the folder",
		},
		{
			"authority not mounted", away("authority"),
			Fault, "deployment", "authority folder", "mount the folder",
		},
		{
			"key lost", func(c *clinic) { must(c, os.Remove(data(c, "keys", "webhook.key"))) },
			Fault, "keys/webhook.key", "no such file", "restore it from a backup",
		},
		{
			"key for all",
			func(c *clinic) { must(c, os.Chmod(data(c, "authority", "root.key"), 0o644)) },
			Fault, "authority/root.key", "accessible to group or others", "chmod 600",
		},
		{
			"key of another authority", func(c *clinic) {
				from := filepath.Join(c.TempDir(), "authority")
				_, err := ca.Open(from, ca.Options{
					Name: "Signet", BaseURL: "https://sign.test", Now: time.Now, Rand: rand.Reader,
				})
				must(c, err)
				for _, name := range []string{"issuing.key", "issuing.crt"} {
					must(c, os.Rename(filepath.Join(from, name), data(c, "authority", name)))
				}
			},
			Fault, "signature", "issuing was not issued by the authority beside it", "keys",
		},
		{
			"certificate ends soon", later(10), Warning, "certificates", "issuing until",
			"ca rotate --part issuing",
		},
		{
			"certificate has ended", later(11), Fault, "certificates", "issuing until",
			"ca rotate --part issuing",
		},
		{
			"disk almost full", func(c *clinic) {
				c.free = func(string) (uint64, error) { return 100 << 20, nil }
			},
			Warning, "disk", "0.1 GiB are free", "free space",
		},
		{
			"disk full", func(c *clinic) {
				c.free = func(string) (uint64, error) { return 1 << 20, nil }
			},
			Fault, "documents", "1 MiB are free", "free space on its disk",
		},
		{
			"no timestamp authority", func(c *clinic) { c.stamps.Close() },
			Fault, "timestamps", "refuses the connection", "tsa_urls",
		},
		{
			"another root", func(c *clinic) {
				c.config.TSARoots = data(c, "authority", "root.crt")
			},
			Fault, "timestamps", "127.0.0.1", "tsa_roots",
		},
		{
			"unknown policy", func(c *clinic) { c.config.TSAPolicy = "1.2.3.4" },
			Fault, "timestamps", "127.0.0.1", "tsa_policy",
		},
		{
			"one of two timestamp authorities", func(c *clinic) {
				c.config.TSAURLs = append(c.config.TSAURLs, "http://127.0.0.1:1/")
			},
			Warning, "timestamps", "127.0.0.1:1: The server refuses the connection", "tsa_urls",
		},
		{
			"no provider", func(c *clinic) { c.config.OIDCIssuer = "" },
			Warning, "login", "no signer can log in", "set oidc_issuer",
		},
		{
			"no client", func(c *clinic) { c.config.OIDCClientID = "" },
			Fault, "login", "knows no client", "set oidc_client_id",
		},
		{
			"provider away", func(c *clinic) { c.provider.Close() },
			Fault, "login", "refuses the connection", "oidc_issuer",
		},
		{
			"other spelling of the issuer", func(c *clinic) { c.config.OIDCIssuer += "/" },
			Fault, "login", "issuer", "as the provider writes it",
		},
		{
			"provider without keys", func(c *clinic) { c.config.OIDCIssuer += "/empty" },
			Fault, "login", "there is none", "oidc_issuer",
		},
		{
			"other client secret", func(c *clinic) { c.config.OIDCClientSecret = strong },
			Fault, "login", "does not accept the client", "oidc_client_secret",
		},
		{
			"operators' client", func(c *clinic) {
				c.config.ConsoleOIDCIssuer, c.config.ConsoleOIDCClientID = c.provider.URL, "console"
				c.config.ConsoleURL, c.config.ConsoleRoles = "https://console.test", List{"a=admin"}
			},
			Fault, "console login", "does not accept the client", "console_oidc_client_id",
		},
		{
			"no relying party", func(c *clinic) { c.config.Parties = nil },
			Warning, "relying party", "there is none", "register one",
		},
		{
			"no JWKS", func(c *clinic) { c.config.Parties[0].JWKSURL = server(c, http.NotFound) },
			Fault, "relying party ID", "answered 404", "correct jwks_url",
		},
		{
			"JWKS without a key", func(c *clinic) {
				c.config.Parties[0].JWKSURL = server(c, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"keys":[]}`)
				})
			},
			Fault, "relying party ID", "no usable key", "publish its keys",
		},
		{
			"private addresses", func(c *clinic) { c.config.AllowPrivate = false },
			Fault, "configuration", "the scheme is not https", "correct",
		},
		{
			"webhook away", func(c *clinic) {
				c.config.Parties[0].WebhookURL = "http://127.0.0.1:1/?key=" + clinicQuery
			},
			Fault, "relying party ID", "its webhook: The server refuses", "correct webhook_url",
		},
		{
			"webhook of an unknown authority", func(c *clinic) {
				s := httptest.NewTLSServer(http.NotFoundHandler())
				c.Cleanup(s.Close)
				c.config.Parties[0].WebhookURL = s.URL
			},
			Fault, "relying party ID", "authority that this machine does not trust", "webhook_url",
		},
		{
			"webhook of an unknown authority, remedy", func(c *clinic) {
				c.config.Parties[0].WebhookURL, _ = c.secureServer()
			},
			Fault, "relying party ID", "its webhook", "set ca_file of the relying party",
		},
		{
			"authority of a relying party has ended", func(c *clinic) {
				p := &c.config.Parties[0]
				p.WebhookURL, p.CAFile = c.secureServer()
				c.now = func() time.Time { return time.Now().AddDate(1, 0, 1) }
			},
			Fault, "relying party ID", "its ca_file: CN=Relying Party CA ended on",
			"replace it by the present authority",
		},
		{
			"authority of a relying party ends soon", func(c *clinic) {
				p := &c.config.Parties[0]
				p.WebhookURL, p.CAFile = c.secureServer()
				c.now = func() time.Time { return time.Now().AddDate(1, 0, -5) }
			},
			Warning, "relying party ID", "its ca_file: CN=Relying Party CA ends on",
			"replace it by the present authority",
		},
		{
			"another authority of a relying party", func(c *clinic) {
				p := &c.config.Parties[0]
				p.WebhookURL, _ = c.secureServer()
				_, p.CAFile = c.secureServer()
			},
			Fault, "relying party ID", "authority that this machine does not trust", "set ca_file",
		},
		{
			"file without an authority", func(c *clinic) {
				c.config.Parties[0].CAFile = write(c.T, "no certificate", 0o600)
			},
			Fault, "configuration", "CA: it is not certificates", "correct",
		},
		{
			"JWKS with RSA keys only", func(c *clinic) {
				c.config.Parties[0].JWKSURL = server(c, func(w http.ResponseWriter, _ *http.Request) {
					_, _ = io.WriteString(w, `{"keys":[{"kty":"RSA","kid":"a","n":"AQAB","e":"AQAB"}]}`)
				})
			},
			Fault, "relying party ID", "kty is not EC", "publish its keys",
		},
		{
			"JWKS elsewhere", func(c *clinic) {
				c.config.Parties[0].JWKSURL = server(c, http.RedirectHandler("/x", http.StatusFound).ServeHTTP)
			},
			Fault, "relying party ID", "redirects are not followed", "correct jwks_url",
		},
		{
			"relying party twice",
			func(c *clinic) { c.config.Parties = append(c.config.Parties, c.config.Parties[0]) },
			Fault, "configuration", "registered twice", "correct the key",
		},
		{
			"logo away", func(c *clinic) { c.config.Parties[0].Logo = "/nonexistent.png" },
			Fault, "configuration", "logo: open /nonexistent.png", "correct the key",
		},
		{
			"public URL with a path",
			func(c *clinic) { c.config.PublicURL = "https://sign.test/signet" },
			Fault, "configuration", "public_url \"https://sign.test/signet\"", "correct the key",
		},
		{
			"secret is a folder", func(c *clinic) { c.config.MetricsTokenFile = c.TempDir() },
			Fault, "configuration", "metrics_token_file: read", "correct the key",
		},
		{
			"secret's file is empty", func(c *clinic) {
				c.config.OIDCClientSecret = ""
				c.config.OIDCClientSecretFile = write(c.T, "\n", 0o600)
			},
			Fault, "configuration", "is empty", "correct the key",
		},
		{
			"TLS key of another certificate", func(c *clinic) {
				c.config.TLSCertificate = data(c, "authority", "issuing.crt")
				c.config.TLSKey = data(c, "authority", "root.key")
			},
			Fault, "tls", "private key does not match", "name a certificate and its key",
		},
		{
			"TLS certificate of another host", func(c *clinic) {
				c.config.TLSCertificate = data(c, "authority", "issuing.crt")
				c.config.TLSKey = data(c, "authority", "issuing.key")
			},
			Fault, "tls", "for another host name", "for the host of public_url",
		},
		{
			"ACME authority away",
			func(c *clinic) { c.config.ACMEDirectory = "https://127.0.0.1:1/directory" },
			Fault, "tls", "acme_directory: The server refuses", "check acme_directory",
		},
		{
			"keys of another deployment", func(c *clinic) {
				other := newClinic(c.T, "")
				other.start(false)
				must(c, os.RemoveAll(data(c, "keys")))
				must(c, os.Rename(data(other, "keys"), data(c, "keys")))
			},
			Fault, "deployment", "the keys folder", "correct data",
		},
		{
			"one address for both listeners",
			func(c *clinic) { c.config.Listen, c.config.Control = "127.0.0.1:1", "127.0.0.1:1" },
			Fault, "configuration", "it is the address of listen", "correct the key",
		},
		{
			"data is a file", func(c *clinic) { c.config.Data = write(c.T, "", 0o600) },
			Fault, "configuration", "must be a folder", "correct the key",
		},
		{
			"clock far behind", func(c *clinic) {
				c.now = func() time.Time { return time.Now().AddDate(0, -1, 0) }
			},
			Fault, "timestamps", "differs from the local clock", "set the clock of this machine",
		},
		{
			"proxy by name", func(c *clinic) { c.config.TrustedProxies = List{"haproxy"} },
			Fault, "configuration", "neither an address nor a network", "correct the key",
		},
		{
			"root is no certificate",
			func(c *clinic) { c.config.TSARoots = write(c.T, "none", 0o600) },
			Fault, "timestamps", "malformed certificate", "tsa_roots needs the root",
		},
		{
			"broken registration", func(c *clinic) {
				c.config.Parties[0].JWKSURL = strings.Replace(c.config.Parties[0].JWKSURL, "//", "//user@", 1)
			},
			Fault, "relying party ID", "user information", "correct its registration",
		},
		{
			"port of another program", func(c *clinic) {
				c.config.Listen = strings.TrimPrefix(server(c, http.NotFound), "http://")
			},
			Fault, "listen", "another program answers", "set listen",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := newClinic(t, "")
			c.start(false)
			test.plant(c)
			found := c.diagnose()
			if test.check == "" {
				if len(found) > 0 {
					t.Errorf("%+v", found)
				}
				return
			}
			id := c.party.ClientID
			c.expect(
				found, test.level, strings.Replace(test.check, "ID", id, 1), test.text, test.remedy,
			)
		})
	}
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
	for _, test := range []struct {
		database string
		level    Level
		check    string
		text     string
		remedy   string
	}{
		{database + "&synchronous_commit=off", Fault, "database server", "synchronous_commit is off", "set it to on"},
		{database + "&default_transaction_read_only=on", Fault, "database server", "takes no changes", "target_session_attrs"},
		{strings.Replace(database, "/test1", "/test9", 1), Fault, "database", "does not exist", "name in database"},
		{"postgres://signet:" + strong + "@127.0.0.1:1/signet", Fault, "database", "refuses the connection", "start the database"},
		{cluster.Database(t), Fault, "deployment", "folder", "correct data, documents or database"},
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
	for _, own := range []string{database, cluster.Database(t)} { // with and without tables
		c.config.Database = own + "&user=guest"
		c.expect(c.diagnose(), Fault, "database", "permission denied", "CREATE on the schema")
	}
	c.config.Database = database
	for ahead, level := range map[time.Duration]Level{2 * time.Second: Warning, -6 * time.Second: Fault} {
		c.now = func() time.Time { return time.Now().Add(ahead) }
		c.expect(c.diagnose(), level, "clock", "ahead of the database's by", "chrony")
	}
}

// TestDiagnoseRunning examines a service that runs, by its own findings and from outside. Then the
// proxy in front of it makes mistakes.
func TestDiagnoseRunning(t *testing.T) {
	c := newClinic(t, "")
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c.config.Listen = free.Addr().String()
	free.Close()
	var proxy http.Handler = http.NotFoundHandler()
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r)
	}))
	defer public.Close()
	c.config.PublicURL = public.URL
	a := c.start(true)
	proxy = a.public()
	for name, list := range map[string][]Finding{
		"itself":  a.Diagnose(t.Context()),
		"outside": c.diagnose(),
	} {
		for _, f := range list {
			if f.Level != OK && f.Check != "exposure" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	proxy = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		a.public().ServeHTTP(w, r)
	})
	c.expect(c.diagnose(), Fault, "public_url", "413", "client_max_body_size 10m")
	proxy = http.NotFoundHandler()
	c.expect(c.diagnose(), Fault, "public_url", "another program", "let the proxy lead to listen")
	public.Close()
	c.expect(c.diagnose(), Fault, "public_url", "refuses the connection", "check DNS, the proxy")
}

// TestExamineChangesNothing checks that neither an examination nor a diagnosis changes a file or
// makes one, not even a folder that is missing. The database of a running service may change.
func TestExamineChangesNothing(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, missing := range []string{"", "keys", "authority", "documents"} {
			t.Run(fmt.Sprintf("running %t, without %q", running, missing), func(t *testing.T) {
				c := newClinic(t, "")
				a := c.start(running)
				if missing != "" {
					if err := os.RemoveAll(filepath.Join(c.config.Data, missing)); err != nil {
						t.Fatal(err)
					}
				}
				before := tree(t, c.config.Data)
				if running {
					a.Diagnose(t.Context())
				} else {
					Examine(t.Context(), c.config, slog.New(slog.DiscardHandler))
					c.diagnose()
				}
				after := tree(t, c.config.Data)
				if running {
					clear := func(files map[string]string) {
						for path := range files {
							files[path] = ""
						}
					}
					clear(before)
					clear(after)
				}
				if !maps.Equal(before, after) {
					t.Errorf("%q became %q", before, after)
				}
			})
		}
	}
}

// tree returns the contents of all files below a folder; a folder has none.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			files[path] = ""
			return nil
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
