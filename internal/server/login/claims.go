package login

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// person returns the signer whom the claims name.
func (l *Login) person(claims map[string]any) (p signer.Person, err error) {
	p = signer.Person{
		UIN:  signer.Normalize(text(claims, l.c.UINClaim)),
		Name: strings.TrimSpace(text(claims, l.c.NameClaim)),
	}
	if !signer.ValidUIN(p.UIN) || p.Name == "" {
		return signer.Person{}, fmt.Errorf(
			"the ID token lacks a valid %q or a %q", l.c.UINClaim, l.c.NameClaim,
		)
	}
	p.Auth, err = l.authentication(claims)
	return p, err
}

// text returns the claim at a path, "" if it is not there or no text. A path is the name of a
// claim, or names with dots between them that lead into objects, such as sub_attributes.uinfin.
// The last name may be one of a text of pairs: sub.s is S1234567D if sub is "s=S1234567D,u=5e1a".
func text(claims map[string]any, path string) string {
	if value, ok := claims[path]; ok { // a name may have dots itself
		text, _ := value.(string)
		return text
	}
	head, rest, more := strings.Cut(path, ".")
	if !more {
		return ""
	}
	switch value := claims[head].(type) {
	case map[string]any:
		return text(value, rest)
	case string:
		for pair := range strings.SplitSeq(value, ",") {
			if name, text, ok := strings.Cut(pair, "="); ok && name == rest {
				return text
			}
		}
	}
	return ""
}

// leeway is how much longer ago than MaxAge a person may have logged in, for the steps at the
// provider after the password, and for clocks.
const leeway = time.Minute

// authentication reads how the person logged in, and checks it. A provider need not do what
// acr_values and max_age ask for (OpenID Connect Core, section 3.1.3.7).
func (l *Login) authentication(claims map[string]any) (a signer.Authentication, _ error) {
	a.ACR, _ = claims["acr"].(string)
	methods, _ := claims["amr"].([]any)
	var amr []string
	for _, m := range methods {
		if m, ok := m.(string); ok {
			amr = append(amr, m)
		}
	}
	a.AMR = strings.Join(amr, " ")
	if at, ok := claims["auth_time"].(float64); ok {
		a.At = time.Unix(int64(at), 0).UTC()
	}
	if len(l.c.ACRValues) > 0 && !slices.Contains(l.c.ACRValues, a.ACR) {
		return a, fmt.Errorf("the ID token has the acr %q, which is not configured", a.ACR)
	}
	if l.c.MaxAge > 0 {
		age := l.c.Now().Sub(a.At)
		if a.At.IsZero() || age > l.c.MaxAge+leeway || age < -leeway {
			return a, fmt.Errorf(
				"the ID token has the auth_time %s, which is not within %s", a.At, l.c.MaxAge,
			)
		}
	}
	return a, nil
}
