package doctor

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/webhook"
)

// checkParties fetches the keys of each relying party, and posts a body without a token to its
// webhook.
func checkParties(ctx context.Context, s *Service) []Finding {
	configured, _, err := s.Config.Registered()
	if err != nil {
		return nil // as the configuration's check says
	}
	registry, err := party.NewRegistry(s.Config.Policy(0), configured...)
	if err == nil && s.Store != nil {
		err = registry.Open(ctx, s.Store)
	}
	if err != nil {
		return []Finding{faulty(err, databaseRemedy(err), "")}
	}
	parties := registry.All()
	found := make([][]Finding, len(parties))
	var all errgroup.Group
	all.SetLimit(8)
	for i, p := range parties {
		all.Go(func() error {
			found[i] = s.checkParty(ctx, p)
			return nil
		})
	}
	_ = all.Wait()
	if len(parties) == 0 && !s.away {
		return []Finding{warning("register one in the console or in parties", "there is none")}
	}
	return slices.Concat(found...)
}

func (s *Service) checkParty(ctx context.Context, p *party.Party) (list []Finding) {
	find := func(f Finding) {
		f.Check = "relying party " + p.ClientID
		list = append(list, f)
	}
	if p.Problem != nil {
		find(faulty(shown(p.Problem), "correct its registration: its calls are refused", ""))
		return list
	}
	if p.Disabled {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	d := party.Diagnoser{Policy: s.Config.Policy(callTimeout)}.Diagnose(ctx, p)
	s.checkAuthorities(p, find)
	if err := cmp.Or(d.KeysErr, noKey(d)); err != nil {
		find(faulty(
			fmt.Errorf("its JWKS: %w", shown(err)), networkRemedy(
				err,
				"correct jwks_url, or let the relying party publish its keys there: its calls are refused",
			), "",
		))
	}
	switch {
	case d.WebhookErr != nil:
		find(faulty(
			fmt.Errorf("its webhook: %w", shown(d.WebhookErr)), networkRemedy(d.WebhookErr,
				"correct webhook_url, or let the relying party start its receiver"), "",
		))
	case d.Webhook.TLS != "" && d.Webhook.NotAfter.Sub(s.Now()) < renewedSoon:
		find(warning(
			"let the relying party renew it", "the certificate of its webhook ends on %s",
			d.Webhook.NotAfter.UTC().Format(time.DateOnly),
		))
	}
	if p.WebhookURL != "" && d.WebhookErr == nil {
		if f := s.checkReceiver(ctx, p); f.Level != OK {
			find(f)
		}
	}
	if len(list) == 0 {
		find(ok("%d usable keys, and its webhook answers", len(d.Keys)))
	}
	return list
}

// checkReceiver posts a body without a token to a relying party's webhook. A receiver refuses it;
// what answers otherwise would not get webhooks either.
func (s *Service) checkReceiver(ctx context.Context, p *party.Party) Finding {
	const remedy = "correct webhook_url, or let the relying party receive POST requests there"
	answer, err := party.Diagnoser{Policy: s.Config.Policy(webhook.Timeout)}.Probe(ctx, p)
	if err != nil {
		return faulty(fmt.Errorf("its webhook: %w", shown(err)), remedy, "")
	}
	status := answer.StatusCode
	switch {
	case status >= 300 && status < 400:
		return faulty(
			fmt.Errorf("its webhook answers %d, and redirects are not followed", status),
			"set webhook_url to the URL to which it redirects", "",
		)
	case slices.Contains([]int{
		http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone,
		http.StatusNotImplemented,
	}, status):
		return faulty(
			fmt.Errorf("its webhook answers %d to a POST: no receiver is there", status), remedy, "",
		)
	case status == http.StatusUnauthorized && asksLogin(answer.Header):
		return faulty(
			errors.New("its webhook answers 401 and asks for a login, which webhooks do not have"),
			"let the relying party receive POST requests there without a login: their token proves "+
				"who sends them", "",
		)
	case status == http.StatusUnsupportedMediaType:
		return faulty(
			fmt.Errorf("its webhook answers %d: it takes no application/json", status), remedy, "",
		)
	case status >= 500:
		return warning(
			"let the relying party look at its log", "its webhook answers %d to a POST without a token",
			status,
		)
	}
	if ahead := s.ahead(answer.Header); ahead != 0 {
		return warning(
			"synchronise the clocks of this machine and of the relying party, as by chrony",
			"the clock of this machine is ahead of that of its receiver by %s: tokens are refused", ahead,
		)
	}
	return ok("its receiver answers")
}

// asksLogin reports whether an answer asks for a password or another login that is not a token.
func asksLogin(answer http.Header) bool {
	return slices.ContainsFunc(answer.Values("WWW-Authenticate"), func(challenge string) bool {
		scheme, _, _ := strings.Cut(challenge, " ")
		return slices.Contains(
			[]string{"basic", "digest", "negotiate", "ntlm"}, strings.ToLower(scheme),
		)
	})
}

// checkAuthorities looks when the authorities end that are trusted for a relying party's URLs.
func (s *Service) checkAuthorities(p *party.Party, find func(Finding)) {
	authorities, _ := p.Authorities() // the configuration and the console refuse others
	for _, c := range authorities {
		const remedy = "replace it by the present authority of the relying party"
		ends := c.NotAfter.UTC().Format(time.DateOnly)
		switch left := c.NotAfter.Sub(s.Now()); {
		case left < 0:
			find(faulty(fmt.Errorf("its ca_file: %s ended on %s", c.Subject, ends), remedy, ""))
		case left < renewedSoon:
			find(warning(remedy, "its ca_file: %s ends on %s", c.Subject, ends))
		}
	}
}

// networkRemedy returns the remedy for an error of a relying party's URL.
func networkRemedy(err error, remedy string) string {
	switch {
	case errors.Is(err, safehttp.ErrPrivate):
		return "correct the URL, or set allow_private of the relying party if it is on this network"
	case errors.As(err, new(x509.UnknownAuthorityError)):
		return remedy + "; if its authority is not a public one, set ca_file of the relying party"
	}
	return remedy
}

// noKey returns an error if a JWKS that was fetched has no key to verify a token with.
func noKey(d party.Diagnosis) error {
	if slices.ContainsFunc(d.Keys, func(k party.KeyInfo) bool { return !k.Twice }) {
		return nil
	}
	return errors.New("it has no usable key")
}
