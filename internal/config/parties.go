package config

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/signet-sign/signet/internal/party"
)

// Party is one relying party of the configuration (docs/contract.md, 1.1). Operators register
// others in the console. The console shows configured parties but does not change them. A
// configured party takes precedence over one in the console with the same client id.
type Party struct {
	ClientID string `yaml:"client_id"`
	Name     string `yaml:"name"`
	JWKSURL  string `yaml:"jwks_url"`
	// the keys themselves (RFC 7517), instead of a URL: {keys: [...]}
	JWKS        map[string]any `yaml:"jwks"`
	RedirectURL string         `yaml:"redirect_url"`
	WebhookURL  string         `yaml:"webhook_url"` // may be empty
	// Signers may save and print the document before they sign it.
	AllowDownload bool `yaml:"allow_download"`
	// Signers proceed to sign only when they have seen every page; the trail says so.
	RequireAllPages bool `yaml:"require_all_pages"`
	// Continue to send a failed webhook for two days, as webhook_ladder does for all parties.
	WebhookLadder bool `yaml:"webhook_ladder"`
	// Allow JWKS and webhook URLs with plain http, any port, and private addresses.
	AllowPrivate bool `yaml:"allow_private"`
	// PEM file of the authorities that are trusted for the JWKS and webhook URLs instead of the
	// system's; may be empty. It is read at the start and at each reload.
	CAFile string `yaml:"ca_file"`
	// PNG, JPEG or WebP file, shown to signers from this origin; may be empty
	Logo string `yaml:"logo"`
}

// PartyList is a type of its own so that the command line can parse it; see [ParseParties].
type PartyList []Party

// ParseParties parses the list from the YAML text of a flag or environment variable.
func ParseParties(text string) (PartyList, error) {
	var list PartyList
	if err := DecodeYAML([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("parties: %w", err)
	}
	return list, nil
}

// Registered returns the configured parties and the logos that they name.
func (c *Config) Registered() (parties []party.Party, logos []party.Logo, err error) {
	list := make([]party.Party, len(c.Parties))
	for i, p := range c.Parties {
		list[i] = party.Party{
			ClientID: p.ClientID, Name: p.Name,
			JWKSURL: p.JWKSURL, RedirectURL: p.RedirectURL, WebhookURL: p.WebhookURL,
			AllowDownload: p.AllowDownload, RequireAllPages: p.RequireAllPages,
			WebhookLadder: p.WebhookLadder, AllowPrivate: p.AllowPrivate,
		}
		if p.CAFile != "" {
			ca, err := os.ReadFile(p.CAFile)
			if err != nil {
				return nil, nil, fmt.Errorf("client %s: ca_file: %w", p.ClientID, err)
			}
			if list[i].CA = string(ca); list[i].CA == "" {
				return nil, nil, fmt.Errorf("client %s: ca_file %s is empty", p.ClientID, p.CAFile)
			}
		}
		if len(p.JWKS) > 0 {
			jwks, err := json.Marshal(p.JWKS)
			if err != nil {
				return nil, nil, fmt.Errorf("client %s: jwks: %w", p.ClientID, err)
			}
			list[i].JWKS = string(jwks)
		}
		if list[i].Name == "" {
			list[i].Name = p.ClientID
		}
		if p.Logo == "" {
			continue
		}
		file, err := os.ReadFile(p.Logo)
		if err != nil {
			return nil, nil, fmt.Errorf("client %s: logo: %w", p.ClientID, err)
		}
		logo, err := party.ReadLogo(file)
		if err != nil {
			return nil, nil, fmt.Errorf("client %s: logo %s: %w", p.ClientID, p.Logo, err)
		}
		list[i].Logo = logo.Name
		logos = append(logos, logo)
	}
	return list, logos, nil
}
