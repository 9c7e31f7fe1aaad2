package config

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/pades"
)

// maxValidity is the longest lifetime of signers' certificates: three years, the limit of usual
// policies.
const maxValidity = 3 * 8760 * time.Hour

// Error is the error of a configuration that makes no sense, whatever the machine is like.
type Error struct{ error }

// Unwrap returns what is wrong.
func (e Error) Unwrap() error { return e.error }

// Mistake returns an [Error] for what is wrong with a configuration, or nil.
func Mistake(err error) error {
	if err == nil {
		return nil
	}
	return Error{err}
}

// Check returns an [Error] for a configuration that cannot work. It removes slashes from the ends
// of PublicURL and ConsoleURL.
func (c *Config) Check() error {
	for _, check := range []func() error{
		c.checkPublic, c.checkAddresses, c.checkTLS, c.checkDatabase, c.checkDocuments,
		c.CheckKeys, c.CheckKeyFiles, c.checkCertificates, c.CheckTSA, c.checkCalls, c.checkContent,
		c.checkTimes, c.checkLimits, c.checkLogin, c.checkConsole,
	} {
		if err := check(); err != nil {
			return Mistake(err)
		}
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	c.ConsoleURL = strings.TrimRight(c.ConsoleURL, "/")
	return nil
}

func (c *Config) checkPublic() error {
	if err := CheckBase(c.PublicURL); err != nil {
		return fmt.Errorf("public_url %q: %w", c.PublicURL, err)
	}
	if c.OTLPEndpoint != "" && !isIssuer(c.OTLPEndpoint) {
		return fmt.Errorf(
			"otlp_endpoint %q: it must be a URL with http or https, such as http://127.0.0.1:4318",
			c.OTLPEndpoint,
		)
	}
	if _, err := server.ParseProxies(c.TrustedProxies); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	return nil
}

func (c *Config) checkDocuments() error {
	if c.Data != "" && isFile(c.Data) {
		return fmt.Errorf("data %q: it is a file and must be a folder", c.Data)
	}
	if to, err := os.Readlink(c.Data); err == nil {
		if _, err := os.Stat(c.Data); errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("data %q: it leads to %s, which is not there: is it mounted?", c.Data, to)
		}
	}
	if c.DocumentsCredentials != "" {
		id, secret, _ := strings.Cut(c.DocumentsCredentials, ":")
		switch {
		case c.Documents == "":
			return errors.New("documents_credentials: they belong to a bucket in documents")
		case id == "" || secret == "":
			return errors.New(
				"documents_credentials: it must be an access key id, a colon and the secret access key",
			)
		}
	}
	if c.Documents != "" {
		if _, err := documents.ParseLocation(c.Documents); err != nil {
			return fmt.Errorf("documents: %w", err)
		}
	}
	return nil
}

// checkCalls checks how calls of relying parties are judged and recorded.
func (c *Config) checkCalls() error {
	switch {
	case !slices.Contains([]string{"", "documented", StrictnessReal}, c.Strictness):
		return fmt.Errorf("strictness %q: it must be documented or real", c.Strictness)
	case c.UnauthorizedStatus != 400 && c.UnauthorizedStatus != 401:
		return fmt.Errorf("unauthorized_status %d: it must be 400 or 401", c.UnauthorizedStatus)
	case !slices.Contains(
		[]calllog.Mode{"", calllog.None, calllog.Refused, calllog.All}, calllog.Mode(c.RecordCalls),
	):
		return fmt.Errorf("record_calls %q: it must be none, refused or all", c.RecordCalls)
	}
	return nil
}

func (c *Config) checkTimes() error {
	if d := c.SessionLifetime; d < 10*time.Second || d > 30*time.Minute {
		return fmt.Errorf("session_lifetime %s: it must be between 10s and 30m", d)
	}
	// In the others 0 is the default, or has a meaning of its own.
	for _, d := range []struct {
		key             string
		value, min, max time.Duration
	}{
		{"seal_timeout", c.SealTimeout, time.Minute, 720 * time.Hour},
		{"signer_validity", c.SignerValidity, time.Hour, maxValidity},
		{"oidc_max_age", c.OIDCMaxAge, time.Second, math.MaxInt64},
		{"renew_before", c.RenewBefore, 0, math.MaxInt64},
		{"auto_sign", c.AutoSign, 0, math.MaxInt64},
		{"phone_delay", orZero(c.PhoneDelay), 0, 720 * time.Hour},
		{"drain_delay", c.DrainDelay, 0, time.Minute},
		{"stop_timeout", c.StopTimeout, 0, 10 * time.Minute},
	} {
		switch {
		case d.value == 0 || d.min <= d.value && d.value <= d.max:
		case d.max == math.MaxInt64:
			return fmt.Errorf("%s %s: it must be at least %s", d.key, d.value, d.min)
		default:
			return fmt.Errorf("%s %s: it must be between %s and %s", d.key, d.value, d.min, d.max)
		}
	}
	return nil
}

// checkLimits checks numbers that must not be negative.
func (c *Config) checkLimits() error {
	for _, n := range []struct {
		key   string
		value int
	}{
		{"rate_per_party", c.RatePerParty},
		{"uploads_per_party", c.UploadsPerParty},
		{"uploads", c.Uploads},
		{"upload_mib_per_party", c.UploadMiBPerParty},
		{"upload_mib", c.UploadMiB},
		{"connections", c.Connections},
		{"connections_per_address", c.ConnectionsPerAddress},
		{"streams_per_address", c.StreamsPerAddress},
		{"rate_per_person", orZero(c.RatePerPerson)},
		{"failed_logins_per_address", orZero(c.FailedLoginsPerAddress)},
		{"phone_limit", orZero(c.PhoneLimit)},
		{"retain_signed_days", c.RetainSignedDays},
		{"retain_unsigned_days", c.RetainUnsignedDays},
		{"retain_phones_days", c.RetainPhonesDays},
		{"retain_changes_days", c.RetainChangesDays},
		{"retain_calls_days", c.RetainCallsDays},
	} {
		if n.value < 0 {
			return fmt.Errorf("%s %d: it must not be negative", n.key, n.value)
		}
	}
	return nil
}

// orZero returns the value of a key that may be missing.
func orZero[T any](value *T) (v T) {
	if value != nil {
		v = *value
	}
	return v
}

// Address is an address to listen on, and its key in the configuration.
type Address struct{ Key, Addr string }

// Addresses returns the addresses of the listeners that there are to be.
func (c *Config) Addresses() []Address {
	return slices.DeleteFunc([]Address{
		{"listen", c.Listen}, {"control", c.Control}, {"listen_http", c.ListenHTTP},
	}, func(a Address) bool { return a.Addr == "" })
}

// AddressError is the error of a text that is no address to listen on.
type AddressError string

func (e AddressError) Error() string {
	return fmt.Sprintf(
		"%q: it must be an address and a port, such as 127.0.0.1:8080 or :8080", string(e),
	)
}

// CheckAddress returns an [AddressError] unless addr is a host, which may be empty, and a port.
func CheckAddress(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return AddressError(addr)
	}
	return nil
}

// checkAddresses returns an error for an address that cannot be listened on.
func (c *Config) checkAddresses() error {
	for i, a := range c.Addresses() {
		if err := CheckAddress(a.Addr); err != nil {
			return fmt.Errorf("%s %w", a.Key, err)
		}
		for _, b := range c.Addresses()[:i] {
			if overlap(a.Addr, b.Addr) {
				return fmt.Errorf(
					"%s %q: it has the address of %s, %q, and needs one of its own", a.Key, a.Addr,
					b.Key, b.Addr,
				)
			}
		}
	}
	return nil
}

// overlap reports whether two listeners cannot have these addresses at the same time.
func overlap(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	ipA, ipB := net.ParseIP(hostA), net.ParseIP(hostB)
	return portA == portB && portA != "0" && (hostA == hostB || hostA == "" || hostB == "" ||
		ipA.IsUnspecified() || ipB.IsUnspecified() || ipA != nil && ipA.Equal(ipB))
}

// Content returns the kinds of content of RefuseContent and WarnContent.
func (c *Config) Content() (refused, warned []pades.FindingCode, err error) {
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

func (c *Config) checkContent() error {
	_, _, err := c.Content()
	return err
}

// HasConsole reports whether the service has a console.
func (c *Config) HasConsole() bool { return c.ConsolePassword != "" || c.ConsoleOIDCIssuer != "" }

// CheckBase returns an error for a text that is no URL to which paths are appended, or is not
// written as browsers write the origin of its pages, with which credentials are compared.
func CheckBase(text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || strings.ContainsAny(text, "?#") {
		return errors.New(
			"it must be a scheme, a host and perhaps a port, such as https://sign.example.com",
		)
	}
	host, port := strings.ToLower(u.Host), u.Port()
	if strings.ContainsFunc(host, func(r rune) bool { return r > unicode.MaxASCII }) {
		return errors.New("the host must be in ASCII: names in other characters begin with xn--")
	}
	if n, err := strconv.ParseUint(port, 10, 16); port != "" && (err != nil || n == 0) {
		return fmt.Errorf("there is no port %s", port)
	}
	if port == map[string]string{"http": "80", "https": "443"}[u.Scheme] || strings.HasSuffix(host, ":") {
		host = strings.TrimSuffix(host, ":"+port)
	}
	if origin := u.Scheme + "://" + host; strings.TrimRight(text, "/") != origin {
		return fmt.Errorf("it must be %s, as browsers write it", origin)
	}
	return nil
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
