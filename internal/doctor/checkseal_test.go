package doctor_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/doctor"
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
		doctor.Fault, "signature", "issuing was not issued by the authority beside it", "restore the folder",
	},
	{
		"certificate of the issuing CA cut", replaced("-----BEGIN CERT", "authority", "issuing.crt"),
		doctor.Fault, "signature", "issuing: not a PEM certificate", "restore the folder",
	},
	{
		"no timestamp authority", func(c *clinic) { c.stamps.Close() },
		doctor.Fault, "timestamps", "refuses the connection", "tsa_urls",
	},
	{
		"another root", func(c *clinic) {
			c.config.TSARoots = c.data("authority", "root.crt")
		},
		doctor.Fault, "timestamps", "127.0.0.1", "tsa_roots",
	},
	{
		"unknown policy", func(c *clinic) { c.config.TSAPolicy = "1.2.3.4" },
		doctor.Fault, "timestamps", "127.0.0.1", "tsa_policy",
	},
	{
		"one of two timestamp authorities", func(c *clinic) {
			c.config.TSAURLs = append(c.config.TSAURLs, "http://127.0.0.1:1/")
		},
		doctor.Warning, "timestamps", "127.0.0.1:1: The server refuses the connection", "tsa_urls",
	},
	{
		"clock far behind", func(c *clinic) {
			c.now = func() time.Time { return time.Now().AddDate(0, -1, 0) }
		},
		doctor.Fault, "timestamps", "differs from the local clock", "set the clock of this machine",
	},
	{
		"keys exchanged", func(c *clinic) {
			ocsp, tsa, next := c.data("authority", "ocsp.key"), c.data("authority", "tsa.key"),
				c.data("authority", "next")
			c.must(os.Rename(ocsp, next))
			c.must(os.Rename(tsa, ocsp))
			c.must(os.Rename(next, tsa))
		},
		doctor.Fault, "signature", "ocsp: certificate and key do not belong together", "restore the folder",
	},
	{
		"roots of no timestamp authority", func(c *clinic) { c.config.TSAURLs = nil },
		doctor.Warning, "timestamps", "because tsa_urls is empty", "set tsa_urls, or remove tsa_roots",
	},
	{
		"renewal before the timestamp", func(c *clinic) { c.config.RenewBefore = 40 * 8760 * time.Hour },
		doctor.Warning, "signature", "within renew_before", "set renew_before to less",
	},
	{
		"root is no certificate",
		func(c *clinic) { c.config.TSARoots = write(c.T, "none", 0o600) },
		doctor.Fault, "configuration", "tsa_roots", "correct the key",
	},
}
