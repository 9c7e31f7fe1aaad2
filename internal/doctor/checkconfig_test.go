package doctor_test

import (
	"os"
	"path/filepath"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
)

// configurationMistakes are mistakes in the configuration.
var configurationMistakes = []mistake{
	{
		"no data folder", func(c *clinic) { c.config.Data = "" },
		doctor.Fault, "configuration", "data: a folder is needed", "correct the key",
	},
	{
		"no address", func(c *clinic) { c.config.Listen = "" },
		doctor.Fault, "configuration", "listen: an address is needed", "correct the key",
	},
	{
		"plain public URL", func(c *clinic) { c.config.PublicURL = "http://sign.test" },
		doctor.Fault, "configuration", "public_url: documents and logins would cross", "correct",
	},
	{
		"weak password", func(c *clinic) { c.config.ConsolePassword = "passwordpassword" },
		doctor.Fault, "configuration", "console_password: it is easy to guess", "correct the key",
	},
	{
		"secret's file away", func(c *clinic) { c.config.MetricsTokenFile = "/nonexistent" },
		doctor.Fault, "configuration", "metrics_token_file: open /nonexistent", "correct the key",
	},
	{
		"another database",
		func(c *clinic) { c.config.Database = "mysql://root:" + strong + "@db/signet" },
		doctor.Fault, "configuration", "postgres://", "correct the key",
	},
	{
		"authority of the database's certificate away",
		func(c *clinic) {
			c.config.Database = "postgres://signet@db.test/signet?sslmode=verify-full&sslrootcert=/nonexistent"
		},
		doctor.Fault, "configuration", "open /nonexistent", "correct the key",
	},
	{
		"unknown sslmode",
		func(c *clinic) {
			c.config.Database = "postgres://signet@db.test/signet?sslmode=verify_full"
			c.config.DatabasePassword = strong
		},
		doctor.Fault, "configuration", "sslmode is invalid", "correct the key",
	},
	{
		"pooler's other URL without an sslmode", func(c *clinic) {
			c.config.Database = "postgres://signet@db.test/signet"
			c.config.DatabaseListen = c.config.Database + "?sslmode=on"
		},
		doctor.Fault, "configuration", "sslmode is invalid", "correct the key",
	},
	{
		"CA file away", func(c *clinic) { c.config.OIDCRoots = "/nonexistent" },
		doctor.Fault, "configuration", "oidc_roots: open /nonexistent", "correct the key",
	},
	{
		"operators' CA file without a certificate", func(c *clinic) {
			c.config.ConsoleOIDCRoots = write(c.T, "none", 0o600)
		},
		doctor.Fault, "configuration", "console_oidc_roots", "correct the key",
	},
	{
		"authority without a name", func(c *clinic) { c.config.AuthorityName = "" },
		doctor.Fault, "configuration", "authority_name", "correct the key",
	},
	{
		"private addresses", func(c *clinic) { c.config.AllowPrivate = false },
		doctor.Fault, "configuration", "the scheme is not https, and allow_private is not set", "correct",
	},
	{
		"file without an authority", func(c *clinic) {
			c.config.Parties[0].CAFile = write(c.T, "no certificate", 0o600)
		},
		doctor.Fault, "configuration", "CA: it is not certificates", "correct",
	},
	{
		"relying party twice",
		func(c *clinic) { c.config.Parties = append(c.config.Parties, c.config.Parties[0]) },
		doctor.Fault, "configuration", "registered twice", "correct the key",
	},
	{
		"logo away", func(c *clinic) { c.config.Parties[0].Logo = "/nonexistent.png" },
		doctor.Fault, "configuration", "logo: open /nonexistent.png", "correct the key",
	},
	{
		"public URL with a path",
		func(c *clinic) { c.config.PublicURL = "https://sign.test/signet" },
		doctor.Fault, "configuration", "public_url \"https://sign.test/signet\"", "correct the key",
	},
	{
		"secret is a folder", func(c *clinic) { c.config.MetricsTokenFile = c.TempDir() },
		doctor.Fault, "configuration", "metrics_token_file: read", "correct the key",
	},
	{
		"secret's file is empty", func(c *clinic) {
			c.config.OIDCClientSecret = ""
			c.config.OIDCClientSecretFile = write(c.T, "\n", 0o600)
		},
		doctor.Fault, "configuration", "is empty", "correct the key",
	},
	{
		"one address for both listeners",
		func(c *clinic) { c.config.Listen, c.config.Control = "127.0.0.1:1", "127.0.0.1:1" },
		doctor.Fault, "configuration", "it has the address of listen", "correct the key",
	},
	{
		"data is a file", func(c *clinic) { c.config.Data = write(c.T, "", 0o600) },
		doctor.Fault, "configuration", "must be a folder", "correct the key",
	},
	{
		"proxy by name", func(c *clinic) { c.config.TrustedProxies = config.List{"haproxy"} },
		doctor.Fault, "configuration", "neither an address nor a network", "correct the key",
	},
	{
		"an address and all addresses",
		func(c *clinic) { c.config.Listen, c.config.Control = ":8080", "127.0.0.1:8080" },
		doctor.Fault, "configuration", `control "127.0.0.1:8080": it has the address of listen`, "correct the key",
	},
	{
		"issuer is its metadata's URL",
		func(c *clinic) { c.config.OIDCIssuer += "/.well-known/openid-configuration" },
		doctor.Fault, "configuration", "the issuer is http://127.0.0.1", "correct the key",
	},
	{
		"public URL as browsers do not write it",
		func(c *clinic) { c.config.PublicURL = "https://Sign.test:443" },
		doctor.Fault, "configuration", "it must be https://sign.test, as browsers write it", "correct the key",
	},
	{
		"secret of two lines",
		func(c *clinic) { c.config.MetricsTokenFile = write(c.T, strong+"\nnext\n", 0o600) },
		doctor.Fault, "configuration", "must be one line of text", "correct the key",
	},
	{
		"data leads to what is not mounted", func(c *clinic) {
			c.config.Data = filepath.Join(c.TempDir(), "data")
			c.must(os.Symlink("/nonexistent/signet", c.config.Data))
		},
		doctor.Fault, "configuration", "it leads to /nonexistent/signet", "correct the key",
	},
	{
		"credentials of no bucket",
		func(c *clinic) { c.config.DocumentsCredentials = "id:" + strong },
		doctor.Fault, "configuration", "they belong to a bucket in documents", "correct the key",
	},
	{
		"address without a port", func(c *clinic) { c.config.Listen = "localhost" },
		doctor.Fault, "configuration", `listen "localhost"`, "correct the key",
	},
	{
		"port that is no number", func(c *clinic) { c.config.Control = "127.0.0.1:port" },
		doctor.Fault, "configuration", `control "127.0.0.1:port"`, "correct the key",
	},
	{
		"unknown content", func(c *clinic) { c.config.RefuseContent = "javascrip" },
		doctor.Fault, "configuration", "refuse_content", "correct the key",
	},
	{
		"phones cannot verify their owners", func(c *clinic) {
			c.config.PublicURL, c.config.UserVerification = "https://192.0.2.7", "required"
		},
		doctor.Fault, "configuration", "public_url needs a host name", "correct the key",
	},
}
