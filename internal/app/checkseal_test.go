package app

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/internal/ca"
)

// sealMistakes are mistakes that concern signatures and timestamps.
var sealMistakes = []mistake{
	{
		"key of another authority", func(c *clinic) {
			from := filepath.Join(c.TempDir(), "authority")
			_, err := ca.Open(from, ca.Options{
				Name: "Signet", BaseURL: "https://sign.test", Now: time.Now, Rand: rand.Reader,
			})
			c.must(err)
			for _, name := range []string{"issuing.key", "issuing.crt"} {
				c.must(os.Rename(filepath.Join(from, name), c.data("authority", name)))
			}
		},
		Fault, "signature", "issuing was not issued by the authority beside it", "restore the folder",
	},
	{
		"certificate of the issuing CA cut", replaced("-----BEGIN CERT", "authority", "issuing.crt"),
		Fault, "signature", "issuing: not a PEM certificate", "restore the folder",
	},
	{
		"no timestamp authority", func(c *clinic) { c.stamps.Close() },
		Fault, "timestamps", "refuses the connection", "tsa_urls",
	},
	{
		"another root", func(c *clinic) {
			c.config.TSARoots = c.data("authority", "root.crt")
		},
		Fault, "timestamps", "127.0.0.1", "tsa_roots",
	},
	{
		"unknown policy", func(c *clinic) { c.config.TSAPolicy = "1.2.3.4" },
		Fault, "timestamps", "127.0.0.1", "tsa_policy",
	},
	{
		"one of two timestamp authorities", func(c *clinic) {
			c.config.TSAURLs = append(c.config.TSAURLs, "http://127.0.0.1:1/")
		},
		Warning, "timestamps", "127.0.0.1:1: The server refuses the connection", "tsa_urls",
	},
	{
		"clock far behind", func(c *clinic) {
			c.now = func() time.Time { return time.Now().AddDate(0, -1, 0) }
		},
		Fault, "timestamps", "differs from the local clock", "set the clock of this machine",
	},
	{
		"keys exchanged", func(c *clinic) {
			ocsp, tsa, next := c.data("authority", "ocsp.key"), c.data("authority", "tsa.key"),
				c.data("authority", "next")
			c.must(os.Rename(ocsp, next))
			c.must(os.Rename(tsa, ocsp))
			c.must(os.Rename(next, tsa))
		},
		Fault, "signature", "ocsp: certificate and key do not belong together", "restore the folder",
	},
	{
		"roots of no timestamp authority", func(c *clinic) { c.config.TSAURLs = nil },
		Warning, "timestamps", "because tsa_urls is empty", "set tsa_urls, or remove tsa_roots",
	},
	{
		"renewal before the timestamp", func(c *clinic) { c.config.RenewBefore = 40 * 8760 * time.Hour },
		Warning, "signature", "within renew_before", "set renew_before to less",
	},
	{
		"root is no certificate",
		func(c *clinic) { c.config.TSARoots = write(c.T, "none", 0o600) },
		Fault, "configuration", "tsa_roots", "correct the key",
	},
}
