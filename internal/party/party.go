package party

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/signet-sign/signet/internal/safehttp"
)

// Party is a registered relying party (docs/contract.md, 1.1). No call contains any of its fields
// except the client id.
type Party struct {
	ClientID string // 1 to 128 characters of the base64url alphabet and "."; usually 32
	Name     string // shown to the signer, see [CheckDisplayText]; at most MaxName characters
	Logo     string // shown to the signer: the name of a [Logo], see [Registry.Logo]; may be ""

	JWKSURL     string // URL of the keys of the party's tokens; empty if JWKS has them
	JWKS        string // a JWK set (RFC 7517), which only a configured party can have
	RedirectURL string // where the signer's browser returns to; query parameters are added
	// where the service sends the signed document; if empty, the party gets it with the result
	WebhookURL string

	AllowDownload   bool // signers may save and print the document before they sign it
	RequireAllPages bool // signers proceed to sign only when they have seen every page
	WebhookLadder   bool // failed webhooks are tried for two days; see [Receiver]

	// AllowPrivate allows http, any port and private addresses for the JWKS and webhook URLs, as
	// [safehttp.Policy] does.
	AllowPrivate bool

	// CA has certificates in PEM, at most 16 KiB: the authorities that are trusted for the JWKS and
	// webhook URLs instead of the system's. It may be empty.
	CA string

	// Disabled makes the service refuse the party's calls. Its requests continue: signers can sign,
	// and webhooks are sent.
	Disabled bool

	// Problem is the part of a URL that a configured party must not have. The service refuses the
	// party's calls because of it; see [Registry.Replace]. It is nil if nothing is wrong.
	Problem error

	// KeysEpoch is how often an operator has discarded the cached keys of the party on all nodes.
	KeysEpoch int64
}

// MaxName is the length limit of a party's display name in characters.
const MaxName = 100

const (
	maxClientID = 128
	maxURL      = 2048 // bytes
)

// Field is a field of a registration.
type Field string

// The fields.
const (
	FieldClientID Field = "client_id"
	FieldName     Field = "name"
	FieldJWKS     Field = "jwks_url"
	FieldRedirect Field = "redirect_url"
	FieldWebhook  Field = "webhook_url"
	FieldDownload Field = "allow_download"
	FieldAllPages Field = "require_all_pages"
	FieldLadder   Field = "webhook_ladder"
	FieldPrivate  Field = "allow_private"
	FieldCA       Field = "ca"
)

// Problems returns what is wrong with the registration, by field. It judges addresses by the policy
// of the clients that fetch JWKS and send webhooks, so that the service can call every party that
// it registers. It makes no DNS lookups.
func (p *Party) Problems(policy safehttp.Policy) map[Field]error {
	found := map[Field]error{}
	note := func(f Field, err error) {
		if err != nil {
			found[f] = err
		}
	}
	if !ValidClientID(p.ClientID) {
		note(
			FieldClientID,
			fmt.Errorf(
				"it must be 1 to %d characters of A-Z a-z 0-9 . _ -, and more than dots",
				maxClientID,
			),
		)
	}
	note(FieldName, CheckDisplayText(p.Name, MaxName))
	own := p.Policy(policy)
	note(FieldJWKS, p.checkKeys(own))
	note(FieldRedirect, checkBrowserURL(p.RedirectURL, policy))
	if p.WebhookURL != "" {
		note(FieldWebhook, own.CheckURL(p.WebhookURL))
	}
	_, err := p.Authorities()
	note(FieldCA, err)
	for f, u := range map[Field]string{
		FieldJWKS: p.JWKSURL, FieldRedirect: p.RedirectURL, FieldWebhook: p.WebhookURL,
	} {
		if len(u) > maxURL {
			note(f, fmt.Errorf("it is longer than %d bytes", maxURL))
		}
	}
	return found
}

// checkKeys judges the source of the party's keys.
func (p *Party) checkKeys(policy safehttp.Policy) error {
	switch {
	case p.JWKS == "" && p.JWKSURL == "":
		return errMissing
	case p.JWKS == "":
		return policy.CheckURL(p.JWKSURL)
	case p.JWKSURL != "":
		return errors.New("the configuration has the JWKS itself, too")
	}
	_, err := parseKeySet([]byte(p.JWKS), false)
	return err
}

var errMissing = errors.New("it is missing")

// bare returns p with URLs without user information, query and fragment.
func (p Party) bare() Party {
	for _, text := range []*string{&p.JWKSURL, &p.RedirectURL, &p.WebhookURL} {
		if u, err := url.Parse(*text); err == nil {
			u.User, u.RawQuery, u.Fragment, u.RawFragment = nil, "", "", ""
			*text = u.String()
		}
	}
	return p
}

// Validate reports the first of the [Party.Problems].
func (p *Party) Validate(policy safehttp.Policy) error {
	found := p.Problems(policy)
	if err := found[FieldClientID]; err != nil {
		return fmt.Errorf("client id: %w", err)
	}
	for _, f := range []struct {
		field Field
		words string
	}{
		{FieldName, "name"},
		{FieldJWKS, "JWKS URL:"},
		{FieldRedirect, "redirect URL:"},
		{FieldWebhook, "webhook URL:"},
		{FieldCA, "CA:"},
	} {
		if err := found[f.field]; err != nil {
			return fmt.Errorf("client %s: %s %w", p.ClientID, f.words, err)
		}
	}
	return nil
}

// checkBrowserURL judges a URL that only the signer's browser opens: any host and port, but https
// only, and no script.
func checkBrowserURL(text string, policy safehttp.Policy) error {
	u, err := url.Parse(text)
	switch {
	case text == "":
		return errMissing
	case err != nil:
		return errors.New("it cannot be parsed")
	case u.Scheme != "https" && (u.Scheme != "http" || !policy.AllowPrivate):
		return errors.New("the scheme is not https")
	case u.Opaque != "" || u.Hostname() == "":
		return errors.New("there is no host")
	case u.User != nil:
		return errors.New("it holds user information")
	case u.Fragment != "":
		return errors.New("it holds a fragment")
	case strings.ContainsFunc(u.RawQuery, encoded):
		return errors.New("its query holds a character that must be percent-encoded")
	}
	return nil
}

// encoded reports whether a character cannot be in a query (RFC 3986, section 3.4). Browsers and
// servers would encode it, and the relying party would get a different query.
func encoded(c rune) bool { return c <= ' ' || c > '~' || strings.ContainsRune("\"<>\\^`{|}", c) }

// ValidClientID reports whether id has the form of a client id (docs/contract.md, 1.1.3).
func ValidClientID(id string) bool {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."
	// "." and ".." would be lost in a path.
	return len(id) <= maxClientID && strings.Trim(id, alphabet) == "" && strings.Trim(id, ".") != ""
}

// ErrUnknown means that no party is registered under a client id.
var ErrUnknown = errors.New("no relying party has this client id")

// Parties finds relying parties. It is asked for every call of every relying party, so it must be
// fast, and it must be safe for concurrent use.
type Parties interface {
	// Party returns the party with exactly this client id. The caller must not change it. The error
	// is ErrUnknown when there is none; any other error means that the answer is not known now.
	Party(ctx context.Context, clientID string) (*Party, error)
}

// ErrDisabled is the cause of a refusal: an operator has closed the door for the party.
var ErrDisabled = errors.New("an operator has disabled this relying party")

// ShownText is a text for people's eyes that may quote URLs, as errors of net/http do: each is what
// [ShownURL] makes of it.
func ShownText(text string) string { return quotedURL.ReplaceAllStringFunc(text, ShownURL) }

var quotedURL = regexp.MustCompile(`https?://[^\s"'<>]+`)

// ShownURL is a URL for people's eyes, without what may be secret in it: the query's values, and
// user information.
func ShownURL(text string) string {
	if text == "" {
		return ""
	}
	u, err := url.Parse(text)
	if err != nil {
		return "(not a URL)"
	}
	secret := u.RawQuery != ""
	u.User, u.RawQuery, u.ForceQuery, u.Fragment = nil, "", false, ""
	if secret {
		return u.String() + "?…"
	}
	return u.String()
}
