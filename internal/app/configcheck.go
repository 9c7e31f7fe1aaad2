package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
)

// maxValidity is the longest lifetime of signers' certificates: three years, the limit of usual
// policies.
const maxValidity = 3 * 8760 * time.Hour

// check returns an error for a configuration that cannot work.
func (c *Config) check() error {
	switch {
	case !isBase(c.PublicURL):
		return fmt.Errorf(
			"public_url %q: it must be a scheme, a host and perhaps a port, such as https://sign.example.com",
			c.PublicURL,
		)
	case c.Data != "" && isFile(c.Data):
		return fmt.Errorf("data %q: it is a file and must be a folder", c.Data)
	case c.Control != "" && c.Control == c.Listen && !strings.HasSuffix(c.Control, ":0"):
		return fmt.Errorf(
			"control %q: it is the address of listen, and needs one of its own", c.Control,
		)
	case c.Database != "" && !isPostgres(c.Database):
		// The value may contain a password.
		return errors.New(
			"database: it must be a URL that begins with postgres://; without the key the database is SQLite, in the data folder",
		)
	case c.DatabaseListen != "" && (c.Database == "" || !isPostgres(c.DatabaseListen)):
		return errors.New(
			"database_listen: it must be a URL that begins with postgres://, beside the one in database",
		)
	case c.DatabasePassword != "" && (c.Database == "" || passwordIn(c.Database) != "" || passwordIn(c.DatabaseListen) != ""):
		return errors.New(
			"database_password: it belongs to a URL in database that has no password itself",
		)
	case c.OIDCIssuer != "" && !isIssuer(c.OIDCIssuer):
		return fmt.Errorf(
			"oidc_issuer %q: it must be an https URL without user, query and fragment, such as https://login.example.com",
			c.OIDCIssuer,
		)
	case c.OTLPEndpoint != "" && !isIssuer(c.OTLPEndpoint):
		return fmt.Errorf(
			"otlp_endpoint %q: it must be a URL with http or https, such as http://127.0.0.1:4318",
			c.OTLPEndpoint,
		)
	case !slices.Contains([]string{"", "documented", strictnessReal}, c.Strictness):
		return fmt.Errorf("strictness %q: it must be documented or real", c.Strictness)
	case c.DrainDelay < 0 || c.DrainDelay > time.Minute:
		return fmt.Errorf("drain_delay %s: it must be between 0s and 1m", c.DrainDelay)
	case c.StopTimeout < 0 || c.StopTimeout > 10*time.Minute:
		return fmt.Errorf("stop_timeout %s: it must be between 0s and 10m", c.StopTimeout)
	case c.UnauthorizedStatus != 400 && c.UnauthorizedStatus != 401:
		return fmt.Errorf("unauthorized_status %d: it must be 400 or 401", c.UnauthorizedStatus)
	case !slices.Contains(
		[]calllog.Mode{"", calllog.None, calllog.Refused, calllog.All}, calllog.Mode(c.RecordCalls),
	):
		return fmt.Errorf("record_calls %q: it must be none, refused or all", c.RecordCalls)
	case c.SessionLifetime < 10*time.Second || c.SessionLifetime > 30*time.Minute:
		return fmt.Errorf("session_lifetime %s: it must be between 10s and 30m", c.SessionLifetime)
	case c.SealTimeout != 0 && (c.SealTimeout < time.Minute || c.SealTimeout > 720*time.Hour):
		return fmt.Errorf("seal_timeout %s: it must be between 1m and 720h", c.SealTimeout)
	case c.SignerValidity != 0 && (c.SignerValidity < time.Hour || c.SignerValidity > maxValidity):
		return fmt.Errorf(
			"signer_validity %s: it must be between 1h and %s", c.SignerValidity, maxValidity,
		)
	}
	if err := c.checkAddresses(); err != nil {
		return err
	}
	if _, _, err := c.content(); err != nil {
		return err
	}
	if signer.Verification(c.UserVerification) == signer.VerificationRequired {
		if _, err := signer.NewVerifier(c.PublicURL); err != nil {
			return fmt.Errorf("user_verification: public_url needs a host name: %w", err)
		}
	}
	if min(c.RatePerParty, c.UploadsPerParty, c.Uploads, c.UploadMiBPerParty, c.UploadMiB) < 0 {
		return errors.New(
			"rate_per_party, uploads_per_party, uploads, upload_mib_per_party and upload_mib must not be negative",
		)
	}
	if d := c.PhoneDelay; d != nil && (*d < 0 || *d > 720*time.Hour) {
		return fmt.Errorf("phone_delay %s: it must be between 0 and 720h", *d)
	}
	if err := c.checkProfiles(); err != nil {
		return err
	}
	if c.OIDCMaxAge != 0 && c.OIDCMaxAge < time.Second {
		return fmt.Errorf("oidc_max_age %s: it must be 0 or at least 1s", c.OIDCMaxAge)
	}
	if n := c.PhoneLimit; n != nil && *n < 0 {
		return fmt.Errorf("phone_limit %d: it must not be negative", *n)
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if _, err := server.ParseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	if min(c.Connections, c.ConnectionsPerAddress, c.StreamsPerAddress) < 0 {
		return errors.New(
			"connections, connections_per_address and streams_per_address must not be negative",
		)
	}
	if n := c.FailedLoginsPerAddress; n != nil && *n < 0 {
		return fmt.Errorf("failed_logins_per_address %d: it must not be negative", *n)
	}
	if n := c.RatePerPerson; n != nil && *n < 0 {
		return fmt.Errorf("rate_per_person %d: it must not be negative", *n)
	}
	if min(
		c.RetainSignedDays, c.RetainUnsignedDays, c.RetainPhonesDays, c.RetainChangesDays,
		c.RetainCallsDays,
	) < 0 {
		return errors.New("the retain_*_days must not be negative")
	}
	if c.RenewBefore < 0 {
		return fmt.Errorf("renew_before %s: it must not be negative", c.RenewBefore)
	}
	if c.Documents != "" {
		if _, err := documents.ParseLocation(c.Documents); err != nil {
			return fmt.Errorf("documents: %w", err)
		}
	}
	if n := len(c.ConsolePassword); n > 0 && n < console.MinPassword {
		return fmt.Errorf("console_password: it must have at least %d bytes", console.MinPassword)
	}
	if c.ConsoleOIDCIssuer != "" {
		if err := c.checkConsoleLogin(); err != nil {
			return err
		}
	}
	if err := c.checkKeys(c.KeysPassword); err != nil {
		return err
	}
	if err := c.checkKeyFiles(); err != nil {
		return err
	}
	if c.ConsoleFourEyes && (c.ConsoleOIDCIssuer == "" || c.ConsolePassword != "") {
		return errors.New(
			"console_four_eyes: it needs console_oidc_issuer and no console_password, which tell admins apart",
		)
	}
	if c.ConsolePassword != "" && c.Control == "" {
		return errors.New(
			"console_password: the console is on the control listener, and there is none (control)",
		)
	}
	if n := len([]rune(c.AuthorityName)); n == 0 || n > 40 {
		return fmt.Errorf("authority_name %q: it must have 1 to 40 characters", c.AuthorityName)
	}
	for _, f := range []struct{ key, file string }{
		{"oidc_roots", c.OIDCRoots},
		{"console_oidc_roots", c.ConsoleOIDCRoots},
		{"acme_roots", c.ACMERoots},
	} {
		if _, err := transport(f.key, f.file); err != nil {
			return err
		}
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	c.ConsoleURL = strings.TrimRight(c.ConsoleURL, "/")
	return c.checkTSA()
}

// address is an address to listen on, and its key in the configuration.
type address struct{ key, addr string }

// addresses returns the addresses of the listeners that there are to be.
func (c *Config) addresses() []address {
	return slices.DeleteFunc([]address{
		{"listen", c.Listen}, {"control", c.Control}, {"listen_http", c.ListenHTTP},
	}, func(a address) bool { return a.addr == "" })
}

// checkAddresses returns an error for an address that cannot be listened on.
func (c *Config) checkAddresses() error {
	for _, a := range c.addresses() {
		_, port, err := net.SplitHostPort(a.addr)
		if err == nil {
			_, err = net.LookupPort("tcp", port)
		}
		if err != nil {
			return fmt.Errorf(
				"%s %q: it must be an address and a port, such as 127.0.0.1:8080 or :8080", a.key,
				a.addr,
			)
		}
	}
	return nil
}

// content returns the kinds of content of RefuseContent and WarnContent.
func (c *Config) content() (refused, warned []pades.FindingCode, err error) {
	refused, err = request.ParseContent(c.RefuseContent, request.DefaultRefusedContent)
	if err != nil {
		return nil, nil, fmt.Errorf("refuse_content: %w", err)
	}
	warned, err = request.ParseContent(c.WarnContent, request.DefaultWarnedContent)
	if err != nil {
		return nil, nil, fmt.Errorf("warn_content: %w", err)
	}
	return refused, warned, nil
}

// console reports whether the service has a console.
func (c *Config) console() bool { return c.ConsolePassword != "" || c.ConsoleOIDCIssuer != "" }

// isBase reports whether a text is a URL to which paths are appended: a scheme, a host and perhaps
// a port.
func isBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" &&
		u.User == nil && strings.Trim(u.Path, "/") == "" && u.RawQuery == ""
}

// isIssuer reports whether a text has the form of an issuer (OpenID Connect Core 1.0, section 2).
// It also accepts http, which [risks] judges.
func isIssuer(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Hostname() != "" &&
		u.User == nil && u.RawQuery == "" && !u.ForceQuery && !strings.Contains(text, "#")
}

// isFile reports whether something other than a folder is at a path.
func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}
