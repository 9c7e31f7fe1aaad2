package app

import (
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// networkMistakes are mistakes in listeners, logins and what else is reached by the network.
var networkMistakes = []mistake{
	{
		"allowed risk",
		func(c *clinic) { c.config.StaticQR, c.config.Unsafe = true, config.List{"static_qr"} },
		Warning, "exposure", "static_qr is unsafe", "remove the key",
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
			c.config.Control = strings.TrimPrefix(c.server(http.NotFound), "http://")
		},
		Fault, "control", "another program answers", "set control",
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
			c.config.ConsoleURL, c.config.ConsoleRoles = "https://console.test", config.List{"a=admin"}
		},
		Fault, "console login", "does not accept the client", "console_oidc_client_id",
	},
	{
		"TLS key of another certificate", func(c *clinic) {
			c.config.TLSCertificate = c.data("authority", "issuing.crt")
			c.config.TLSKey = c.data("authority", "root.key")
		},
		Fault, "tls", "private key does not match", "name a certificate and its key",
	},
	{
		"TLS certificate of another host", func(c *clinic) {
			c.config.TLSCertificate = c.data("authority", "issuing.crt")
			c.config.TLSKey = c.data("authority", "issuing.key")
		},
		Fault, "tls", "for another host name", "for the host of public_url",
	},
	{
		"ACME authority away",
		func(c *clinic) { c.config.ACMEDirectory = "https://127.0.0.1:1/directory" },
		Fault, "tls", "acme_directory: The server refuses", "check acme_directory",
	},
	{
		"every proxy is trusted",
		func(c *clinic) { c.config.TrustedProxies = config.List{"0.0.0.0/0"} },
		Warning, "exposure", "0.0.0.0/0 trusts every client", "addresses of the proxies",
	},
	{
		"address of another machine", func(c *clinic) { c.config.Listen = "192.0.2.1:8080" },
		Fault, "listen", "does not have the address 192.0.2.1", "an address of this machine",
	},
	{
		"public URL that no phone reaches",
		func(c *clinic) { c.config.PublicURL = "https://localhost" },
		Warning, "exposure", "which no phone can reach", "set public_url",
	},
	{
		"scope that is not offered", func(c *clinic) { c.config.OIDCScopes = config.List{"uinfin"} },
		Warning, "login", "the scope uinfin", "set oidc_scopes",
	},
	{
		"claim that is not offered", func(c *clinic) { c.config.OIDCUINClaim = "nric" },
		Warning, "login", "the claim nric", "the names of claims",
	},
	{
		"authentication class that is not offered",
		func(c *clinic) { c.config.OIDCACRValues = config.List{"urn:x"} },
		Warning, "login", "the acr urn:x", "oidc_acr_values",
	},
	{
		"clock of another time zone",
		func(c *clinic) { c.now = func() time.Time { return time.Now().Add(8 * time.Hour) } },
		Warning, "login", "ID tokens are refused", "synchronise the clock of this machine",
	},
	{
		"encryption that is not offered", func(c *clinic) { c.config.OIDCEncrypted = true },
		Fault, "login", "encrypted by ECDH-ES", "set oidc_profile and oidc_encrypted",
	},
	{
		"console without an admin", func(c *clinic) {
			c.config.ConsoleOIDCIssuer, c.config.ConsoleOIDCClientID = c.provider.URL, "signet"
			c.config.ConsoleOIDCClientSecret = clinicSecret
			c.config.ConsoleURL, c.config.ConsoleRoles = "https://console.test", config.List{"a=viewer"}
		},
		Warning, "exposure", "no operator can be an admin", "console_roles",
	},
	{
		"collector away", func(c *clinic) { c.config.OTLPEndpoint = "http://127.0.0.1:1" },
		Warning, "traces", "refuses the connection", "start the collector",
	},
	{
		"TLS certificate without its chain", func(c *clinic) {
			c.config.TLSCertificate, c.config.TLSKey = c.withoutChain("sign.test")
		},
		Warning, "tls", "no certificate of CN=Between", "tls_certificate",
	},
	{
		"port of another program", func(c *clinic) {
			c.config.Listen = strings.TrimPrefix(c.server(http.NotFound), "http://")
		},
		Fault, "listen", "another program answers", "set listen",
	},
}
