package config

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// strong is a password that is not easy to guess.
const strong = "mZ7kQ2vX9pLs4TgB"

// safe is a configuration without a risk.
func safe() Config {
	return Config{
		Listen: "127.0.0.1:0", Data: "/nonexistent", PublicURL: "https://sign.test",
		AuthorityName: "Signet", UnauthorizedStatus: 400, SessionLifetime: 180e9,
	}
}

// write writes a file and returns its path.
func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

// TestRisks checks that a start is refused for each risk, with its key and what to do, and the key
// in Unsafe allows this one and logs it.
func TestRisks(t *testing.T) {
	secrets := func(mode os.FileMode) string {
		return write(t, "listen: 127.0.0.1:0\noidc_client_secret: "+strong+"\n", mode)
	}
	database := func(url string) string { return write(t, "database: "+url+"\n", 0o644) }
	type change = func(*Config)
	tests := []struct {
		key, remedy string
		unsafe      []change // each refused
		safe        []change // none refused
	}{
		{
			"control", "loopback",
			[]change{
				func(c *Config) { c.Control, c.ConsolePassword = "0.0.0.0:8081", strong },
				func(c *Config) { c.Control, c.ConsolePassword = ":8081", strong },
				func(c *Config) { c.Control, c.ConsoleOIDCIssuer = ":8081", "https://login.test" },
				func(c *Config) { c.Control, c.ConsolePassword = "10.0.0.7:8081", strong },
				func(c *Config) { c.Control, c.ConsolePassword = "localhost.test:8081", strong },
			},
			[]change{
				func(c *Config) { c.Control, c.ConsolePassword = "127.0.0.1:8081", strong },
				func(c *Config) { c.Control, c.ConsolePassword = "[::1]:8081", strong },
				func(c *Config) { c.Control = "0.0.0.0:8081" },
			},
		},
		{
			"public_url", "https://",
			[]change{
				func(c *Config) { c.PublicURL = "http://sign.test" },
				func(c *Config) { c.PublicURL = "http://10.0.0.7:8080" },
			},
			[]change{
				func(c *Config) { c.PublicURL = "http://127.0.0.1:8080" },
				func(c *Config) { c.PublicURL = "http://localhost:8080" },
			},
		},
		{
			"oidc_issuer", "https://",
			[]change{func(c *Config) { c.OIDCIssuer = "http://login.test" }},
			[]change{
				func(c *Config) { c.OIDCIssuer = "https://login.test/realms/a" },
				func(c *Config) { c.OIDCIssuer = "http://127.0.0.1:9000" },
			},
		},
		{
			"console_oidc_issuer", "https://",
			[]change{func(c *Config) { c.ConsoleOIDCIssuer = "http://login.test" }},
			[]change{func(c *Config) { c.ConsoleOIDCIssuer = "https://login.test" }},
		},
		{
			"console_url", "https://",
			[]change{func(c *Config) { c.ConsoleURL = "http://console.test" }},
			[]change{func(c *Config) { c.ConsoleURL = "http://localhost:8081" }},
		},
		{
			"console_oidc_client_secret", "random",
			[]change{func(c *Config) { c.ConsoleOIDCClientSecret = "secret" }},
			[]change{func(c *Config) { c.ConsoleOIDCClientSecret = strong }},
		},
		{
			"metrics_token", "random",
			[]change{func(c *Config) { c.MetricsToken = "prometheus" }},
			[]change{func(c *Config) { c.MetricsToken = strong }},
		},
		{
			"console_password", "random",
			[]change{
				func(c *Config) { c.ConsolePassword = "aaaaaaaaaaaaaaaa" },
				func(c *Config) { c.ConsolePassword = "passwordpassword" },
				func(c *Config) { c.ConsolePassword = "1234567890123456" },
				func(c *Config) { c.ConsolePassword = "Summer2026Summer2026" },
			},
			[]change{
				func(c *Config) { c.ConsolePassword = strong },
				func(c *Config) { c.ConsolePassword = strings.Repeat(strong, 1000) },
			},
		},
		{
			"oidc_client_secret", "random",
			[]change{func(c *Config) { c.OIDCClientSecret = "secret" }},
			[]change{func(c *Config) { c.OIDCClientSecret = strong }},
		},
		{
			"documents", "https://",
			[]change{func(c *Config) { c.Documents = "s3://b?endpoint=http://s3.test:9000" }},
			[]change{
				func(c *Config) { c.Documents = "s3://b?endpoint=http://127.0.0.1:9000" },
				func(c *Config) { c.Documents = "s3://b/p?endpoint=https://s3.test" },
				func(c *Config) { c.Documents = "s3://b" },
			},
		},
		{
			"documents_credentials", "random",
			[]change{func(c *Config) { c.DocumentsCredentials = "minioadmin:minioadmin" }},
			[]change{func(c *Config) { c.DocumentsCredentials = "signet:" + strong }},
		},
		{
			"keys_password", "random",
			[]change{
				func(c *Config) { c.KeysPassword = "passwordpassword" },
				func(c *Config) { c.Keys, c.KeysPassword = "tpmkms:", "passwordpassword" },
			},
			[]change{
				func(c *Config) { c.KeysPassword = strong },
				func(c *Config) { c.Keys, c.KeysPassword = "pkcs11:token=a?module-path=/m", "1234" },
			},
		},
		{
			"database_listen", "random",
			[]change{func(c *Config) {
				c.Database, c.DatabaseListen = "postgres:///a", "postgres://signet:signet@db.test/a"
			}},
			[]change{
				func(c *Config) { c.Database, c.DatabaseListen = "postgres:///a", "postgres:///a" },
			},
		},
		{
			"database_password", "random",
			[]change{
				func(c *Config) { c.Database, c.DatabasePassword = "postgres:///a", "postgres" },
			},
			[]change{func(c *Config) { c.Database, c.DatabasePassword = "postgres:///a", strong }},
		},
		{
			"database", "random",
			[]change{
				func(c *Config) { c.Database = "postgres://signet:signet@db.test/signet" },
				func(c *Config) { c.Database = "postgres://db.test/signet?user=s&password=postgres" },
			},
			[]change{
				func(c *Config) { c.Database = "postgres://signet:" + strong + "@db.test/signet" },
				func(c *Config) { c.Database = "postgres:///signet" },
			},
		},
		{
			"tls_key", "chmod",
			[]change{func(c *Config) { c.TLSKey = write(t, "key", 0o644) }},
			[]change{func(c *Config) { c.TLSKey = write(t, "key", 0o640) }},
		},
		{
			"static_qr", "remove the key", []change{func(c *Config) { c.StaticQR = true }}, nil,
		},
		{
			"lenient_tokens", "remove the key",
			[]change{func(c *Config) { c.LenientTokens = true }},
			nil,
		},
		{
			"config", "chmod",
			[]change{
				func(c *Config) { c.File = secrets(0o644) },
				func(c *Config) { c.File = secrets(0o604) },
				func(c *Config) { c.File = database("postgres://signet:" + strong + "@db/signet") },
				func(c *Config) { c.File = database("postgres://db/signet?password=" + strong) },
				func(c *Config) { c.File = database("postgres://db/signet?sslpassword=" + strong) },
				func(c *Config) { c.File = database("postgres://signet:50%@db/signet") },
			},
			[]change{
				func(c *Config) { c.File = secrets(0o640) },
				func(c *Config) { c.File = write(t, "listen: 127.0.0.1:0\n", 0o644) },
				func(c *Config) { c.File = database("postgres://signet@db/signet?host=a,b") },
			},
		},
	}
	for _, f := range new(Config).secretFiles() {
		set := func(c *Config, mode os.FileMode) {
			for _, own := range c.secretFiles() {
				if own.key == f.key {
					*own.path = write(t, "postgres://"+strong, mode)
				}
			}
			if err := c.ReadSecrets(); err != nil {
				t.Fatal(err)
			}
		}
		tests = append(tests, tests[len(tests)-1])
		last := &tests[len(tests)-1]
		last.key = f.key
		last.unsafe = []change{func(c *Config) { set(c, 0o644) }}
		last.safe = []change{func(c *Config) { set(c, 0o600) }}
	}

	tested := map[string]bool{}
	for _, test := range tests {
		tested[test.key] = true
		others := slices.DeleteFunc(keysOfRisks(), func(key string) bool { return key == test.key })
		for i, change := range test.unsafe {
			c := safe()
			change(&c)
			c.Unsafe = others
			err := c.refuseRisks(slog.New(slog.DiscardHandler))
			if err == nil || !strings.HasPrefix(err.Error(), test.key+": ") ||
				!strings.Contains(err.Error(), test.remedy) ||
				!strings.Contains(err.Error(), "--unsafe "+test.key) {
				t.Errorf("%s, unsafe %d: %v", test.key, i, err)
			}
			var log bytes.Buffer
			c.Unsafe = List{test.key}
			err = c.refuseRisks(slog.New(slog.NewTextHandler(&log, nil)))
			if err != nil || !strings.Contains(log.String(), "level=WARN") ||
				!strings.Contains(log.String(), "key="+test.key+" ") {
				t.Errorf("%s, allowed %d: %v: %s", test.key, i, err, log.String())
			}
			if strings.Contains(log.String(), strong) {
				t.Errorf("%s: the log has a secret: %s", test.key, log.String())
			}
		}
		for i, change := range test.safe {
			c := safe()
			change(&c)
			if err := c.refuseRisks(slog.New(slog.DiscardHandler)); err != nil {
				t.Errorf("%s, safe %d: %v", test.key, i, err)
			}
		}
	}
	for _, key := range keysOfRisks() {
		if !tested[key] {
			t.Errorf("no test of %s", key)
		}
	}
}

func keysOfRisks() (keys List) {
	for _, r := range risks() {
		keys = append(keys, r.key)
	}
	return keys
}

// TestManyRisks checks that one start names all risks, and a key in Unsafe that allows nothing.
func TestManyRisks(t *testing.T) {
	c := safe()
	c.StaticQR, c.LenientTokens, c.Unsafe = true, true, List{"data"}
	err := c.refuseRisks(slog.New(slog.DiscardHandler))
	for _, want := range []string{"static_qr: ", "lenient_tokens: ", `unsafe: "data"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: no %q", err, want)
		}
	}
}

// operators returns a change of a configuration that also has a login of operators.
func operators(change func(*Config)) func(*Config) {
	return func(c *Config) {
		c.Control, c.ConsoleURL = "127.0.0.1:0", "https://console.test"
		c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = "https://login.test", "console"
		c.ConsoleRoles = List{"staff=viewer"}
		change(c)
	}
}

// publicURL sets the public URL.
func publicURL(text string) func(*Config) { return func(c *Config) { c.PublicURL = text } }

// TestMistakes checks that what cannot work is refused by its key, and Unsafe does not allow it.
func TestMistakes(t *testing.T) {
	for _, test := range []struct {
		name, key string
		change    func(*Config)
	}{
		{"no data", "data", func(c *Config) { c.Data = "" }},
		{"no public URL", "public_url", func(c *Config) { c.PublicURL = "" }},
		{"no address", "listen", func(c *Config) { c.Listen = "" }},
		{"MySQL", "database", func(c *Config) { c.Database = "mysql://u:" + strong + "@db.test/s" }},
		{"a path", "database", func(c *Config) { c.Database = "/var/lib/signet.db" }},
		{"a word", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "nonsense" }},
		{"no scheme", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "login.test" }},
		{"another scheme", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "ftp://login.test" }},
		{"no host", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "https://" }},
		{"a query", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "https://login.test?a=b" }},
		{"a fragment", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "https://login.test#" }},
		{"a password", "oidc_issuer", func(c *Config) { c.OIDCIssuer = "https://u:p@login.test" }},
		{"no URL of the console", "console_url", operators(func(c *Config) { c.ConsoleURL = "" })},
		{"no client of operators", "console_oidc_client_id", operators(func(c *Config) {
			c.ConsoleOIDCClientID = ""
		})},
		{"a path", "console_url", operators(func(c *Config) { c.ConsoleURL = "https://a.test/b" })},
		{"a user", "public_url", func(c *Config) { c.PublicURL = "https://u:p@sign.test" }},
		{"no roles", "console_roles", operators(func(c *Config) { c.ConsoleRoles = nil })},
		{"an unknown role", "console_roles", operators(func(c *Config) {
			c.ConsoleRoles = List{"staff=root"}
		})},
		{"nowhere for operators", "console_oidc_issuer", operators(func(c *Config) {
			c.Control = ""
		})},
		{"no TLS key", "tls_certificate", func(c *Config) { c.TLSCertificate = "tls.crt" }},
		{"no TLS certificate", "tls_certificate", func(c *Config) { c.TLSKey = "tls.key" }},
		{"two certificates", "tls_certificate", func(c *Config) {
			c.TLSCertificate, c.TLSKey, c.ACMEDirectory = "a", "b", "https://acme.test"
		}},
		{"TLS for http", "public_url", func(c *Config) {
			c.TLSCertificate, c.TLSKey, c.PublicURL = "a", "b", "http://localhost"
		}},
		{"ACME by http", "acme_directory", func(c *Config) { c.ACMEDirectory = "http://acme.test" }},
		{"ACME for an address", "acme_directory", func(c *Config) {
			c.ACMEDirectory, c.PublicURL = "https://acme.test", "https://192.0.2.1"
		}},
		{"roots without ACME", "acme_email and acme_roots", func(c *Config) { c.ACMERoots = "file" }},
		{"no such roots", "acme_roots", func(c *Config) {
			c.ACMEDirectory, c.ACMERoots = "https://acme.test", "/nonexistent"
		}},
		{"http without TLS", "listen_http", func(c *Config) { c.ListenHTTP = "127.0.0.1:0" }},
		{"two places", "console_password", func(c *Config) {
			c.ConsolePassword, c.ConsolePasswordFile = strong, "file"
		}},
		{"no file", "console_password_file", func(c *Config) { c.ConsolePasswordFile = "/nonexistent" }},
		{"empty", "console_password_file", func(c *Config) {
			c.ConsolePasswordFile = write(t, "\n", 0o600)
		}},
		{"no credentials", "console_password_file", func(c *Config) {
			c.ConsolePasswordFile = "$CREDENTIALS_DIRECTORY/console"
		}},
		{"another variable", "console_password_file", func(c *Config) {
			c.ConsolePasswordFile = "$HOME/console"
		}},
		{"two lines", "metrics_token_file", func(c *Config) {
			c.MetricsTokenFile = write(t, strong+"\nsecond\n", 0o600)
		}},
		{"two line breaks", "database_password_file", func(c *Config) {
			c.DatabasePasswordFile = write(t, strong+"\n\n", 0o600)
		}},
		{"a byte order mark", "console_password_file", func(c *Config) {
			c.ConsolePasswordFile = write(t, "\ufeff"+strong, 0o600)
		}},
		{"a document of discovery", "oidc_issuer", func(c *Config) {
			c.OIDCIssuer = "https://login.test/.well-known/openid-configuration"
		}},
		{"a document of discovery", "console_oidc_issuer", operators(func(c *Config) {
			c.ConsoleOIDCIssuer = "https://login.test/a/.well-known/openid-configuration/"
		})},
		{"a fragment", "public_url", publicURL("https://sign.test#")},
		{"an empty query", "public_url", publicURL("https://sign.test?")},
		{"no host", "public_url", publicURL("https://:8443")},
		{"port 0", "public_url", publicURL("https://sign.test:0")},
		{"no such port", "public_url", publicURL("https://sign.test:65536")},
		{
			"the default port", `public_url "https://sign.test:443": it must be https://sign.test`,
			publicURL("https://sign.test:443"),
		},
		{"a colon", `public_url "https://sign.test:": it must be https://sign.test`, publicURL("https://sign.test:")},
		{"capitals", `public_url "HTTPS://Sign.Test/": it must be https://sign.test,`, publicURL("HTTPS://Sign.Test/")},
		{"other characters", "public_url", publicURL("https://bücher.test")},
		{"capitals", "console_url", operators(func(c *Config) { c.ConsoleURL = "https://Console.test" })},
		{"all addresses", "control", func(c *Config) { c.Listen, c.Control = ":1", "127.0.0.1:1" }},
		{"all addresses", "control", func(c *Config) { c.Listen, c.Control = "127.0.0.1:1", "[::]:1" }},
		{"one address", "control", func(c *Config) { c.Listen, c.Control = "localhost:1", "localhost:1" }},
		{"one address for http", "listen_http", func(c *Config) {
			c.TLSCertificate, c.TLSKey, c.Listen, c.ListenHTTP = "a", "b", "[::1]:1", "[0::1]:1"
		}},
		{"credentials of no bucket", "documents_credentials", func(c *Config) {
			c.DocumentsCredentials = "id:" + strong
		}},
		{"no access key id", "documents_credentials", func(c *Config) {
			c.Documents, c.DocumentsCredentials = "s3://bucket/prefix", strong
		}},
		{"a link to nothing", "data", func(c *Config) {
			c.Data = filepath.Join(t.TempDir(), "data")
			if err := os.Symlink("/nonexistent/signet", c.Data); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		c := safe()
		c.Data, c.Unsafe = t.TempDir(), keysOfRisks()
		test.change(&c)
		err := c.CompleteService(slog.New(slog.DiscardHandler))
		if err == nil {
			err = c.Check()
		}
		if err == nil || !strings.HasPrefix(err.Error(), test.key) ||
			strings.Contains(err.Error(), strong) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// TestReadSecrets checks that a secret is the text of the file that its second key names, which may
// be in the folder of systemd's credentials.
func TestReadSecrets(t *testing.T) {
	t.Setenv("CREDENTIALS_DIRECTORY", t.TempDir())
	for _, f := range new(Config).secretFiles() {
		for text, want := range map[string]string{
			"a secret": "a secret", "a secret\n": "a secret", "a secret\r\n": "a secret",
			" a b \n": " a b ",
		} {
			path := filepath.Join(os.Getenv("CREDENTIALS_DIRECTORY"), f.key)
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			for _, named := range []string{
				path, "$CREDENTIALS_DIRECTORY/" + f.key, "${CREDENTIALS_DIRECTORY}/" + f.key,
			} {
				var c Config
				for _, own := range c.secretFiles() {
					if own.key == f.key {
						*own.path = named
					}
				}
				if err := c.ReadSecrets(); err != nil {
					t.Fatal(err)
				}
				for _, own := range c.secretFiles() {
					if got := *own.value; own.key == f.key && got != want ||
						own.key != f.key && got != "" {
						t.Errorf("%s %q: %s is %q", f.key, text, own.secret, got)
					}
				}
			}
		}
	}
}
