package config

import (
	"cmp"
	"errors"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
)

// CompleteService reads the secrets, sets defaults, and refuses a configuration that lacks what a
// service needs or that is not safe. It logs the risks that Unsafe allows.
func (c *Config) CompleteService(log *slog.Logger) error {
	if err := c.ReadSecrets(); err != nil {
		return err
	}
	c.SetDefaults(false)
	if err := c.CheckData(); err != nil {
		return err
	}
	if c.PublicURL == "" {
		return Mistake(
			errors.New("public_url: it is needed, because it stands in links and certificates"),
		)
	}
	if c.TLS {
		return Mistake(errors.New(
			"tls: it is for the sandbox; a service needs tls_certificate or acme_directory",
		))
	}
	if c.Listen == "" {
		return Mistake(errors.New("listen: an address is needed, such as 127.0.0.1:8080"))
	}
	return Mistake(c.refuseRisks(log))
}

// CompleteCommand completes the configuration of a command that works on what a deployment has
// stored. The error is an [Error].
func (c *Config) CompleteCommand() error {
	if err := c.ReadSecrets(); err != nil {
		return err
	}
	return c.CheckData()
}

// SetDefaults sets the keys whose default is not the same in a sandbox and in a service.
func (c *Config) SetDefaults(sandbox bool) {
	phoneDelay, phoneLimit, ratePerPerson, failedLogins := 24*time.Hour, 3, 20, 30
	recordCalls := calllog.Refused
	if sandbox {
		phoneDelay, phoneLimit, ratePerPerson, failedLogins = 0, 0, 0, 0
		recordCalls = calllog.All
	}
	c.PhoneDelay = cmp.Or(c.PhoneDelay, &phoneDelay)
	c.PhoneLimit = cmp.Or(c.PhoneLimit, &phoneLimit)
	c.RatePerPerson = cmp.Or(c.RatePerPerson, &ratePerPerson)
	c.FailedLoginsPerAddress = cmp.Or(c.FailedLoginsPerAddress, &failedLogins)
	c.RecordCalls = cmp.Or(c.RecordCalls, string(recordCalls))
}
