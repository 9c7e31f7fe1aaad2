package party

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/safehttp"
)

// maxJWKS is the size limit of a JWKS in bytes. Two keys take about 500.
const maxJWKS = 64 << 10

// errFinal is an error that another try would not change.
type errFinal struct{ error }

func (e errFinal) Unwrap() error { return e.error }

// fetch gets the JWKS of a party and returns the number of tries. Its errors are causes and contain
// no URL.
func (k *Keys) fetch(ctx context.Context, p *Party) (set *keySet, tries int, err error) {
	for {
		tries++
		set, err = k.try(ctx, p)
		if err == nil || tries == k.config.Tries || errors.As(err, new(errFinal)) {
			return set, tries, err
		}
		time.Sleep(k.config.Pause) // the context does not end; see current
	}
}

// try gets the JWKS of a party once. The timeout covers everything from the DNS lookup to the last
// byte.
func (k *Keys) try(ctx context.Context, p *Party) (*keySet, error) {
	if p.JWKS != "" {
		return parseKeySet([]byte(p.JWKS), k.config.RequireUse)
	}
	ctx, cancel := context.WithTimeout(ctx, k.config.Timeout)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, p.JWKSURL, nil)
	if err != nil {
		return nil, errFinal{errors.New("JWKS: the registered URL cannot be requested")}
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	r.Header.Set("User-Agent", "signet")
	answer, err := k.config.Clients.Of(p).Do(r)
	if err != nil {
		return nil, transportError(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		return nil, statusError(answer.StatusCode)
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxJWKS+1))
	if err != nil {
		return nil, transportError(err)
	}
	if len(text) > maxJWKS {
		return nil, errFinal{fmt.Errorf("JWKS: larger than %d bytes", maxJWKS)}
	}
	set, err := parseKeySet(text, k.config.RequireUse)
	if err != nil {
		return nil, errFinal{err}
	}
	return set, nil
}

// transportError removes the URL, which may be secret, from an error of net/http.
func transportError(err error) error {
	if with := (*url.Error)(nil); errors.As(err, &with) {
		err = with.Err
	}
	err = fmt.Errorf("JWKS: %w", err)
	for _, refused := range []error{safehttp.ErrURL, safehttp.ErrAddress, safehttp.ErrTooLarge} {
		if errors.Is(err, refused) {
			return errFinal{err}
		}
	}
	return err
}

func statusError(status int) error {
	switch {
	case status >= 300 && status < 400:
		return errFinal{fmt.Errorf("JWKS: answered %d, redirects are not followed", status)}
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusRequestTimeout:
		return fmt.Errorf("JWKS: answered %d", status)
	default:
		return errFinal{fmt.Errorf("JWKS: answered %d", status)}
	}
}
