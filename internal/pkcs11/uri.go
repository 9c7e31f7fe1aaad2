// Package pkcs11 keeps private keys, and the key under which secrets are encrypted, in a token with
// a PKCS #11 interface, such as a hardware security module. [Open] returns it as a
// [keydir.Module].
//
// The interface is a C library, so that the package needs cgo. A program built without the tag
// pkcs11 has neither; its Open returns [ErrAbsent].
package pkcs11

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrAbsent is the error of [Open] in a program that was built without the tag pkcs11.
var ErrAbsent = errors.New("this program was built without PKCS #11: build it with -tags pkcs11")

// Check returns an error for a URI that [Open] would refuse, without a look at the token.
func Check(uri string) error {
	_, err := parse(uri)
	if err == nil && !built {
		err = ErrAbsent
	}
	return err
}

// token is the token that a URI names.
type token struct {
	library       string // path of the C library
	label, serial string // one of them is set
}

// parse reads a URI of RFC 7512 with the attributes token or serial, and module-path:
// "pkcs11:token=signet?module-path=/usr/lib/softhsm/libsofthsm2.so". It refuses others, since a PIN
// in a URI would be logged, and the service names its objects itself.
func parse(uri string) (t token, err error) {
	rest, ok := strings.CutPrefix(uri, "pkcs11:")
	if !ok {
		return t, errors.New("it must have the scheme pkcs11")
	}
	path, query, _ := strings.Cut(rest, "?")
	attributes := append(strings.Split(path, ";"), strings.Split(query, "&")...)
	for _, attribute := range attributes {
		if attribute == "" {
			continue
		}
		name, text, _ := strings.Cut(attribute, "=")
		value, err := url.PathUnescape(text)
		if err != nil {
			return t, fmt.Errorf("attribute %s: %w", name, err)
		}
		switch name {
		case "token":
			t.label = value
		case "serial":
			t.serial = value
		case "module-path":
			t.library = value
		default:
			return t, fmt.Errorf(
				"attribute %q: only token, serial and module-path are supported; the PIN is keys_password",
				name,
			)
		}
	}
	switch {
	case t.library == "":
		return t, errors.New("module-path is needed: the path of the token's C library")
	case (t.label == "") == (t.serial == ""):
		return t, errors.New("either token or serial is needed")
	}
	return t, nil
}
