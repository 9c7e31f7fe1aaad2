package doctor_test

import (
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
)

// networkMistakes are mistakes in listeners, logins and what else is reached by the network.
var networkMistakes = []mistake{
	{
		"allowed risk",
		func(c *clinic) { c.config.StaticQR, c.config.Unsafe = true, config.List{"static_qr"} },
		doctor.Warning, "exposure", "static_qr is unsafe", "remove the key",
	},
	{
		"metrics for all", func(c *clinic) { c.config.Control = "0.0.0.0:0" },
		doctor.Warning, "exposure", "/metrics on 0.0.0.0:0 is open", "set metrics_token",
	},
	{
		"no control listener", func(c *clinic) { c.config.Control = "" },
		doctor.Warning, "exposure", "no /readyz", "set control",
	},
	{
		"proxy that is not trusted", func(c *clinic) { c.config.TrustedProxies = nil },
		doctor.Warning, "exposure", "address for that of every client", "set trusted_proxies",
	},
	{
		"control of another program", func(c *clinic) {
			c.config.Control = strings.TrimPrefix(c.server(http.NotFound), "http://")
		},
		doctor.Fault, "control", "another program answers", "set control",
	},
	{
		"no provider", func(c *clinic) { c.config.OIDCIssuer = "" },
		doctor.Warning, "login", "no signer can log in", "set oidc_issuer",
	},
	{
		"no client", func(c *clinic) { c.config.OIDCClientID = "" },
		doctor.Fault, "login", "knows no client", "set oidc_client_id",
	},
	{
		"provider away", func(c *clinic) { c.provider.Close() },
		doctor.Fault, "login", "refuses the connection", "oidc_issuer",
	},
	{
		"other spelling of the issuer", func(c *clinic) { c.config.OIDCIssuer += "/" },
		doctor.Fault, "login", "issuer", "as the provider writes it",
	},
	{
		"provider without keys", func(c *clinic) { c.config.OIDCIssuer += "/empty" },
		doctor.Fault, "login", "there is none", "oidc_issuer",
	},
	{
		"other client secret", func(c *clinic) { c.config.OIDCClientSecret = strong },
		doctor.Fault, "login", "does not accept the client", "oidc_client_secret",
	},
	{
		"operators' client", func(c *clinic) {
			c.config.ConsoleOIDCIssuer, c.config.ConsoleOIDCClientID = c.provider.URL, "console"
			c.config.ConsoleURL, c.config.ConsoleRoles = "https://console.test", config.List{"a=admin"}
		},
		doctor.Fault, "console login", "does not accept the client", "console_oidc_client_id",
	},
	{
		"TLS key of another certificate", func(c *clinic) {
			c.config.TLSCertificate = c.data("authority", "issuing.crt")
			c.config.TLSKey = c.data("authority", "root.key")
		},
		doctor.Fault, "tls", "private key does not match", "name a certificate and its key",
	},
	{
		"TLS certificate of another host", func(c *clinic) {
			c.config.TLSCertificate = c.data("authority", "issuing.crt")
			c.config.TLSKey = c.data("authority", "issuing.key")
		},
		doctor.Fault, "tls", "for another host name", "for the host of public_url",
	},
	{
		"ACME authority away",
		func(c *clinic) { c.config.ACMEDirectory = "https://127.0.0.1:1/directory" },
		doctor.Fault, "tls", "acme_directory: The server refuses", "check acme_directory",
	},
	{
		"every proxy is trusted",
		func(c *clinic) { c.config.TrustedProxies = config.List{"0.0.0.0/0"} },
		doctor.Warning, "exposure", "0.0.0.0/0 trusts every client", "addresses of the proxies",
	},
	{
		"address of another machine", func(c *clinic) { c.config.Listen = "192.0.2.1:8080" },
		doctor.Fault, "listen", "does not have the address 192.0.2.1", "an address of this machine",
	},
	{
		"public URL that no phone reaches",
		func(c *clinic) { c.config.PublicURL = "https://localhost" },
		doctor.Warning, "exposure", "which no phone can reach", "set public_url",
	},
	{
		"scope that is not offered", func(c *clinic) { c.config.OIDCScopes = config.List{"uinfin"} },
		doctor.Warning, "login", "the scope uinfin", "set oidc_scopes",
	},
	{
		"claim that is not offered", func(c *clinic) { c.config.OIDCUINClaim = "nric" },
		doctor.Warning, "login", "the claim nric", "the names of claims",
	},
	{
		"authentication class that is not offered",
		func(c *clinic) { c.config.OIDCACRValues = config.List{"urn:x"} },
		doctor.Warning, "login", "the acr urn:x", "oidc_acr_values",
	},
	{
		"clock of another time zone",
		func(c *clinic) { c.now = func() time.Time { return time.Now().Add(8 * time.Hour) } },
		doctor.Warning, "login", "ID tokens are refused", "synchronise the clock of this machine",
	},
	{
		"encryption that is not offered", func(c *clinic) { c.config.OIDCEncrypted = true },
		doctor.Fault, "login", "encrypted by ECDH-ES", "set oidc_profile and oidc_encrypted",
	},
	{
		"console without an admin", func(c *clinic) {
			c.config.ConsoleOIDCIssuer, c.config.ConsoleOIDCClientID = c.provider.URL, "signet"
			c.config.ConsoleOIDCClientSecret = clinicSecret
			c.config.ConsoleURL, c.config.ConsoleRoles = "https://console.test", config.List{"a=viewer"}
		},
		doctor.Warning, "exposure", "no operator can be an admin", "console_roles",
	},
	{
		"collector away", func(c *clinic) { c.config.OTLPEndpoint = "http://127.0.0.1:1" },
		doctor.Warning, "traces", "refuses the connection", "start the collector",
	},
	{
		"TLS certificate without its chain", func(c *clinic) {
			c.config.TLSCertificate, c.config.TLSKey = c.withoutChain("sign.test")
		},
		doctor.Warning, "tls", "no certificate of CN=Between", "tls_certificate",
	},
	{
		"TLS files exchanged", func(c *clinic) {
			c.config.TLSKey, c.config.TLSCertificate = c.withoutChain("sign.test")
		},
		doctor.Fault, "tls", "PEM inputs may have been switched", "name a certificate and its key",
	},
	{
		"TLS chain in the wrong order", func(c *clinic) {
			leaf, ca, key := c.certificate(&x509.Certificate{DNSNames: []string{"sign.test"}})
			c.config.TLSCertificate, c.config.TLSKey = c.pem("CERTIFICATE", ca, leaf), key
		},
		doctor.Fault, "tls", "private key does not match", "the server's certificate before those of its CAs",
	},
	{
		"TLS chain of another CA", func(c *clinic) {
			leaf, _, key := c.certificate(&x509.Certificate{DNSNames: []string{"sign.test"}})
			_, other, _ := c.certificate(&x509.Certificate{})
			c.config.TLSCertificate, c.config.TLSKey = c.pem("CERTIFICATE", leaf, other), key
		},
		doctor.Warning, "tls", "no certificate of CN=Between", "into tls_certificate, after the server's",
	},
	{
		"CA of the TLS certificate has ended", func(c *clinic) {
			leaf, ca, key := c.certificate(&x509.Certificate{
				DNSNames: []string{"sign.test"}, NotAfter: time.Now().AddDate(3, 0, 0),
			})
			c.config.TLSCertificate, c.config.TLSKey = c.pem("CERTIFICATE", leaf, ca), key
			c.now = func() time.Time { return time.Now().AddDate(2, 0, 0) }
		},
		doctor.Fault, "tls", "CN=Between in tls_certificate ended on", "the present certificate of this CA",
	},
	{
		"TLS certificate of tomorrow", func(c *clinic) {
			c.config.TLSCertificate, c.config.TLSKey = c.withoutChain("sign.test")
			c.now = func() time.Time { return time.Now().AddDate(0, 0, -1) }
		},
		doctor.Fault, "tls", "it is not valid before", "set the clock of this machine",
	},
	{
		"TLS certificate for clients", func(c *clinic) {
			leaf, ca, key := c.certificate(&x509.Certificate{
				DNSNames:    []string{"sign.test"},
				ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
			})
			c.config.TLSCertificate, c.config.TLSKey = c.pem("CERTIFICATE", leaf, ca), key
		},
		doctor.Fault, "tls", "not for servers", "install a certificate",
	},
	{
		"TLS certificate that signs itself", func(c *clinic) {
			self := &x509.Certificate{
				DNSNames: []string{"sign.test"}, NotAfter: time.Now().AddDate(1, 0, 0),
			}
			leaf, key := c.issue(self, self, nil)
			c.config.TLSCertificate, c.config.TLSKey = c.pem("CERTIFICATE", leaf), c.key(key)
		},
		doctor.Warning, "tls", "no authority has issued", "an authority that the phones",
	},
	{
		"provider of an unknown authority",
		func(c *clinic) { c.config.OIDCIssuer, _ = c.secureServer() },
		doctor.Fault, "login", "authority that this machine does not trust", "set oidc_roots",
	},
	{
		"provider without PKCE", offering("code_challenge_methods_supported", "plain"),
		doctor.Fault, "login", "PKCE with S256", "let it offer this",
	},
	{
		"provider without codes", offering("response_types_supported", "id_token"),
		doctor.Fault, "login", "authorization codes", "let it offer this",
	},
	{
		"ID tokens under the client's secret",
		offering("id_token_signing_alg_values_supported", "HS256"),
		doctor.Fault, "login", "its private key has signed, but HS256", "let it offer this",
	},
	{
		"provider without secrets",
		offering("token_endpoint_auth_methods_supported", "private_key_jwt"),
		doctor.Fault, "login", "client secrets, but private_key_jwt",
		"without oidc_client_secret the client authenticates by its key",
	},
	{
		"provider with keys for encryption only", offering("jwks_uri", ""),
		doctor.Fault, "login", "none of them is a public key for signatures", "oidc_issuer",
	},
	{
		"public URL with an address",
		func(c *clinic) { c.config.PublicURL = "https://192.0.2.7" },
		doctor.Warning, "exposure", "no phone verifies its owner", "to a host name",
	},
	{
		"data without a root", func(c *clinic) { c.config.Data = "data" },
		doctor.Warning, "exposure", `data "data" is another folder`, "begins with /",
	},
	{
		"uploads smaller than documents", func(c *clinic) { c.config.UploadMiB = 5 },
		doctor.Warning, "limits", "upload_mib is 5: larger documents", "set upload_mib to 10",
	},
	{
		"relying party's uploads smaller than documents",
		func(c *clinic) { c.config.UploadMiBPerParty = 9 },
		doctor.Warning, "limits", "upload_mib_per_party is 9", "set upload_mib_per_party to 10",
	},
	{
		"too few files", func(c *clinic) { c.config.Connections, c.files = 8192, 4096 },
		doctor.Warning, "limits", "4096 files and connections can be open", "LimitNOFILE",
	},
	{
		"port of another program", func(c *clinic) {
			c.config.Listen = strings.TrimPrefix(c.server(http.NotFound), "http://")
		},
		doctor.Fault, "listen", "another program answers", "set listen",
	},
}

// offering plants a provider whose metadata has one list, or whose keys are not for signatures.
func offering(list, value string) func(*clinic) {
	return func(c *clinic) {
		mux := http.NewServeMux()
		s := httptest.NewServer(mux)
		c.Cleanup(s.Close)
		metadata := map[string]any{
			"issuer": s.URL, "authorization_endpoint": s.URL + "/authorize",
			"token_endpoint": c.provider.URL + "/token", "jwks_uri": c.provider.URL + "/keys",
		}
		if metadata[list] = []string{value}; value == "" {
			metadata[list] = s.URL + "/keys"
		}
		mux.HandleFunc("/keys", text(`{"keys":[{"kty":"EC","use":"enc"},{"kty":"oct"}]}`))
		mux.HandleFunc(
			"/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
				_ = json.NewEncoder(w).Encode(metadata)
			},
		)
		c.config.OIDCIssuer = s.URL
	}
}
