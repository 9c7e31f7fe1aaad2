package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/signer"
)

// checkLogin checks the login of signers, and the profiles of both logins.
func (c *Config) checkLogin() error {
	if c.OIDCIssuer != "" {
		if err := checkIssuer("oidc_issuer", c.OIDCIssuer); err != nil {
			return err
		}
	}
	if signer.Verification(c.UserVerification) == signer.VerificationRequired {
		if _, err := signer.NewVerifier(c.PublicURL); err != nil {
			return fmt.Errorf("user_verification: public_url needs a host name: %w", err)
		}
	}
	if _, err := Transport("oidc_roots", c.OIDCRoots); err != nil {
		return err
	}
	return c.checkProfiles()
}

// checkIssuer returns an error for a text that cannot be the issuer of a key.
func checkIssuer(key, text string) error {
	if !isIssuer(text) {
		return fmt.Errorf(
			"%s %q: it must be an https URL without user, query and fragment, "+
				"such as https://login.example.com", key, text,
		)
	}
	const discovery = "/.well-known/openid-configuration" // OpenID Connect Discovery 1.0, section 4
	if issuer, ok := strings.CutSuffix(strings.TrimRight(text, "/"), discovery); ok {
		return fmt.Errorf("%s %q: leave out %s: the issuer is %s", key, text, discovery, issuer)
	}
	return nil
}

// checkProfiles finds a client secret beside a profile that takes none.
func (c *Config) checkProfiles() error {
	for _, at := range []struct{ prefix, profile, secret string }{
		{"oidc", c.OIDCProfile, c.OIDCClientSecret},
		{"console_oidc", c.ConsoleOIDCProfile, c.ConsoleOIDCClientSecret},
	} {
		if at.profile == string(login.ProfileFAPI2) && at.secret != "" {
			return fmt.Errorf(
				"%[1]s_profile fapi2: the client authenticates by its key; remove %[1]s_client_secret",
				at.prefix,
			)
		}
	}
	return nil
}

func (c *Config) checkConsole() error {
	if n := len(c.ConsolePassword); n > 0 && n < console.MinPassword {
		return fmt.Errorf("console_password: it must have at least %d bytes", console.MinPassword)
	}
	if _, err := Transport("console_oidc_roots", c.ConsoleOIDCRoots); err != nil {
		return err
	}
	if c.ConsoleOIDCIssuer != "" || c.ConsoleURL != "" {
		if err := CheckBase(c.ConsoleURL); err != nil {
			return fmt.Errorf("console_url %q: %w", c.ConsoleURL, err)
		}
	}
	if c.ConsoleOIDCIssuer != "" {
		if err := c.checkConsoleLogin(); err != nil {
			return err
		}
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
	return nil
}

// checkConsoleLogin finds what the login of operators lacks.
func (c *Config) checkConsoleLogin() error {
	switch {
	case c.Control == "":
		return errors.New(
			"console_oidc_issuer: the console is on the control listener, and there is none (control)",
		)
	case c.ConsoleOIDCClientID == "":
		return errors.New("console_oidc_client_id: it is needed with console_oidc_issuer")
	}
	if err := checkIssuer("console_oidc_issuer", c.ConsoleOIDCIssuer); err != nil {
		return err
	}
	_, err := c.ParseConsoleRoles()
	return err
}

// ParseConsoleRoles returns the role that each value of ConsoleRoleClaim gives.
func (c *Config) ParseConsoleRoles() (map[string]console.Role, error) {
	roles := map[string]console.Role{}
	for _, text := range c.ConsoleRoles {
		i := strings.LastIndexByte(text, '=')
		if i < 1 || console.ParseRole(text[i+1:]) == console.NoRole {
			return nil, fmt.Errorf(
				"console_roles %q: it must be a value of the claim, = and viewer, operator or admin",
				text,
			)
		}
		roles[text[:i]] = console.ParseRole(text[i+1:])
	}
	if len(roles) == 0 {
		return nil, errors.New(
			"console_roles: it is needed with console_oidc_issuer: without it no operator has a role",
		)
	}
	return roles, nil
}
