package console

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/signet-sign/signet/internal/rp"
	"github.com/signet-sign/signet/internal/server/web"
)

// parties lists the relying parties.
func (c *Console) parties(w http.ResponseWriter, r *http.Request) error {
	c.renderParties(w, r, "", nil)
	return nil
}

// test tries one party's URLs.
func (c *Console) test(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, 4<<10)
	p, err := c.Parties.Party(r.Context(), r.PostFormValue("client_id"))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	c.renderParties(w, r, p.ClientID, c.checks(p, c.Diagnose.Diagnose(ctx, p)))
	return nil
}

func (c *Console) renderParties(w http.ResponseWriter, r *http.Request, tested string, checks []web.ConsoleCheck) {
	var page web.ConsoleParties
	for _, p := range c.sortedParties() {
		view := web.ConsoleParty{
			Party: web.Party{Name: p.Name}, ClientID: p.ClientID,
			JWKSURL: rp.ShownURL(p.JWKSURL), RedirectURL: rp.ShownURL(p.RedirectURL), WebhookURL: rp.ShownURL(p.WebhookURL),
		}
		if p.ClientID == tested {
			view.Checks = checks
		}
		page.Parties = append(page.Parties, view)
	}
	c.render(w, r, http.StatusOK, page)
}

// checks puts a diagnosis into words.
func (c *Console) checks(p *rp.Party, d rp.Diagnosis) []web.ConsoleCheck {
	checks := []web.ConsoleCheck{keyCheck(d), {Name: "redirect", Tone: "good", Text: "The form is right. Only browsers go there, so it was not called."}}
	if d.RedirectErr != nil {
		checks[1] = web.ConsoleCheck{Name: "redirect", Tone: "bad", Text: d.RedirectErr.Error()}
	}
	if p.WebhookURL != "" {
		checks = append(checks, c.webhookCheck(d))
	}
	return checks
}

func keyCheck(d rp.Diagnosis) web.ConsoleCheck {
	check := web.ConsoleCheck{Name: "jwks", Tone: "good"}
	if d.KeysErr != nil {
		check.Tone, check.Text = "bad", scrub(d.KeysErr.Error())
		return check
	}
	usable := 0
	for _, k := range d.Keys {
		line := fmt.Sprintf("kid %s: %s", k.Kid, k.Curve)
		if k.Alg != "" {
			line += ", " + k.Alg
		}
		if k.Twice {
			line += ": not usable, another key has the same kid"
		} else {
			usable++
		}
		check.More = append(check.More, line)
	}
	for _, why := range d.Ignored {
		check.More = append(check.More, "not usable: "+why)
	}
	check.Text = fmt.Sprintf("%d usable keys, fetched in %s", usable, web.Took(max(d.KeysIn, time.Millisecond)))
	switch {
	case usable == 1:
		check.Text = "1 usable key, fetched in " + web.Took(max(d.KeysIn, time.Millisecond))
	case usable == 0:
		check.Tone = "bad"
	}
	if usable > 0 && usable < len(check.More) {
		check.Tone = "warn"
	}
	return check
}

// expiring is when a certificate's end is worth a warning.
const expiring = 14 * 24 * time.Hour

func (c *Console) webhookCheck(d rp.Diagnosis) web.ConsoleCheck {
	check := web.ConsoleCheck{Name: "webhook", Tone: "good"}
	if d.WebhookErr != nil {
		check.Tone, check.Text = "bad", scrub(d.WebhookErr.Error())
		if d.Webhook.Addr != "" {
			check.More = []string{"connected to " + d.Webhook.Addr + "; the TLS handshake failed"}
		}
		return check
	}
	check.Text = "Connected to " + d.Webhook.Addr + "; nothing was sent."
	if d.Webhook.TLS == "" {
		check.Tone = "warn"
		check.More = []string{"plain http: the webhook travels unencrypted"}
		return check
	}
	check.More = []string{fmt.Sprintf("%s, certificate of %s until %s", d.Webhook.TLS, d.Webhook.Subject, d.Webhook.NotAfter.UTC().Format(time.DateOnly))}
	if d.Webhook.NotAfter.Before(c.Now().Add(expiring)) {
		check.Tone = "warn"
		check.More = append(check.More, "the certificate ends soon")
	}
	return check
}
