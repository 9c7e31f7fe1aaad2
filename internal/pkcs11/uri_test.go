package pkcs11

import "testing"

func TestParse(t *testing.T) {
	for uri, want := range map[string]token{
		"pkcs11:token=signet?module-path=/usr/lib/softhsm/libsofthsm2.so": {
			"/usr/lib/softhsm/libsofthsm2.so", "signet", "",
		},
		"pkcs11:serial=12ab?module-path=/a%20b.so":  {"/a b.so", "", "12ab"},
		"pkcs11:token=a%3Bb;?module-path=/m.so":     {"/m.so", "a;b", ""},
		"pkcs11:token=a":                            {},
		"pkcs11:?module-path=/m.so":                 {},
		"pkcs11:token=a;serial=b?module-path=/m":    {},
		"pkcs11:token=a?module-path=/m&pin-value=1": {},
		"pkcs11:token=%zz?module-path=/m":           {},
		"awskms:key-id=1":                           {},
	} {
		got, err := parse(uri)
		if got.library == "" || err != nil {
			got = token{}
		}
		if got != want || (err == nil) != (want != token{}) {
			t.Errorf("parse(%q) = %+v, %v; want %+v", uri, got, err, want)
		}
	}
}
