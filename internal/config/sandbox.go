package config

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/server/control"
)

// Default addresses of a sandbox. The first is MockPass's, so that clients of MockPass work without
// changes.
const (
	SandboxListen  = "127.0.0.1:5156"
	SandboxControl = "127.0.0.1:5157"
)

// SandboxDefaults returns the default configuration of a sandbox, for Go programs: the defaults of
// the command line.
func SandboxDefaults() Config {
	return Config{
		Listen: SandboxListen, Control: SandboxControl,
		SessionLifetime: 180 * time.Second, UnauthorizedStatus: http.StatusBadRequest,
		SignatureLevel: "B-LTA", AuthorityName: "Signet", LogLevel: "info",
		UserVerification: "preferred",
	}
}

// CompleteSandbox reads the secrets, sets what a sandbox's configuration may lack and what a
// sandbox alone has, and refuses what a sandbox cannot do. getenv is os.Getenv.
func (c *Config) CompleteSandbox(getenv func(string) string) error {
	if err := c.ReadSecrets(); err != nil {
		return err
	}
	c.SetDefaults(true)
	c.Listen = sandboxListen(c.Listen, getenv)
	if c.PublicURL == "" {
		c.PublicURL = getenv("MOCKPASS_SERVER_HOST")
	}
	if c.Control == "" {
		c.Control = SandboxControl
	}
	if c.Documents != "" {
		return Mistake(
			errors.New("documents: a sandbox keeps them in its data folder, by its own clock"),
		)
	}
	if n := len(c.ControlToken); n > 0 && n < control.MinToken {
		return Mistake(
			fmt.Errorf("control_token: it must have at least %d bytes", control.MinToken),
		)
	}
	if c.ControlToken == "" {
		if err := loopback(c.Control); err != nil {
			return Mistake(err)
		}
	}
	c.AllowPrivate = true
	c.OIDCClientID, c.OIDCClientSecret = "signet", rand.Text()
	c.OIDCUINClaim, c.OIDCNameClaim = "uin", "name"
	return nil
}

// sandboxListen returns the address to listen on, of a configuration in which the address or its
// port may be missing.
func sandboxListen(addr string, getenv func(string) string) string {
	if strings.Contains(addr, ":") {
		return addr
	}
	host, port, _ := strings.Cut(SandboxListen, ":")
	return net.JoinHostPort(
		cmp.Or(addr, host), cmp.Or(getenv("MOCKPASS_PORT"), getenv("PORT"), port),
	)
}

// loopback returns an error unless only this machine can reach the address, because clients of the
// control listener may do anything.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("control %w", AddressError(addr))
	}
	if !IsLoopback(host) {
		return fmt.Errorf(
			"control %q: it must be a loopback address, such as 127.0.0.1:5157, unless control_token is set",
			addr,
		)
	}
	return nil
}

// Persona is a person of the sandbox, of whom the first one is the usual signer.
type Persona struct {
	UIN  string `yaml:"uin"`  // NRIC or FIN
	Name string `yaml:"name"` // for the certificate
	Note string `yaml:"note"` // for the page that asks which persona to be; may be empty

	// what an automatic signer does: approve (the default), reject, leave, wait, never-scan,
	// wrong-person, second-visitor, phone-offline, approve-after-cancel or revoked-certificate
	Behaviour string `yaml:"behaviour"`
}

// PersonaList is a type of its own so that the command line can tell how to read it; see
// [ParsePersonas].
type PersonaList []Persona

// ParsePersonas reads the list from a YAML file, or from YAML text.
func ParsePersonas(text string) (PersonaList, error) {
	file, err := os.ReadFile(text)
	switch {
	case err == nil:
		text = string(file)
	case !strings.ContainsAny(text, ":\n"), !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("personas: %w", err)
	}
	var list PersonaList
	if err := DecodeYAML([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("personas: %w", err)
	}
	return list, nil
}

// FaultList is a type of its own so that the command line can tell how to read it; see
// [ParseFaults].
type FaultList []fault.Rule

// ParseFaults reads the list from the YAML of one flag or environment variable.
func ParseFaults(text string) (FaultList, error) {
	var list FaultList
	if err := DecodeYAML([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("faults: %w", err)
	}
	for i, rule := range list { // a copy, whose defaults are not those of the configuration
		if err := rule.Check(); err != nil {
			return nil, fmt.Errorf("faults: number %d: %w", i+1, err)
		}
	}
	return list, nil
}
