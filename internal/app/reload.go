package app

import (
	"slices"

	"github.com/signet-sign/signet/internal/config"
)

// reloadable are the keys of [config.Config] that may change while the service runs. The caller of
// [App.Reload] applies log_level, because it owns the logger.
var reloadable = []string{"parties", "log_level"}

// Reload applies a configuration that was read again: the relying parties, with their logos. It
// logs what it changed, and which other keys differ and take effect at the next start. After an
// error nothing has changed. Calls must not overlap.
func (a *App) Reload(c config.Config) error {
	if err := c.ReadSecrets(); err != nil {
		return err
	}
	c.SetDefaults(a.wall != nil)
	next := c
	if err := next.Check(); err != nil {
		return err
	}
	parties, logos, err := next.Registered()
	if err != nil {
		return err
	}
	// A start refuses the calls of such a party. A reload keeps the old one instead.
	for _, p := range parties {
		if err := p.Validate(a.Config.Policy(0)); err != nil {
			return err
		}
	}
	if err := a.parties.Replace(a.Config.Policy(0), parties...); err != nil {
		return err
	}
	for _, l := range logos {
		a.parties.AddLogo(l)
	}
	var applied, postponed []string
	for _, key := range config.Changed(a.loaded, c) {
		if slices.Contains(reloadable, key) {
			applied = append(applied, key)
		} else {
			postponed = append(postponed, key)
		}
	}
	// Other keys keep their old values here, so that the next reload reports them again.
	a.loaded.Parties, a.loaded.LogLevel = c.Parties, c.LogLevel
	a.log.Info("reloaded the configuration", "changed", applied, "parties", len(parties))
	if len(postponed) > 0 {
		a.log.Warn("changed keys take effect at the next start", "keys", postponed)
	}
	return nil
}
