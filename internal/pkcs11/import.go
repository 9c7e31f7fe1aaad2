//go:build pkcs11

package pkcs11

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"

	"github.com/ThalesGroup/crypto11"
	"github.com/miekg/pkcs11"
)

// curves are the object identifiers of curves (RFC 5480).
var curves = map[elliptic.Curve]asn1.ObjectIdentifier{
	elliptic.P256(): {1, 2, 840, 10045, 3, 1, 7}, elliptic.P384(): {1, 3, 132, 0, 34},
}

// Import implements [keydir.Importer]. crypto11 imports no keys, so that it uses the C library
// below it, in which the process is logged in already.
func (m *module) Import(key *ecdsa.PrivateKey) (id []byte, err error) {
	if id, err = newID(); err != nil {
		return nil, err
	}
	private, public, err := objects(id, key)
	if err != nil {
		return nil, err
	}
	library := pkcs11.New(m.config.Path)
	if library == nil {
		return nil, fmt.Errorf("%s cannot be loaded", m.config.Path)
	}
	defer library.Destroy()
	err = m.use(func(*crypto11.Context) error {
		slot, err := m.slot(library)
		if err != nil {
			return err
		}
		session, err := library.OpenSession(slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
		if err != nil {
			return err
		}
		defer func() { _ = library.CloseSession(session) }()
		handle, err := library.CreateObject(session, private)
		if err != nil {
			return fmt.Errorf("the token does not import private keys: %w", err)
		}
		if _, err = library.CreateObject(session, public); err != nil {
			err = errors.Join(err, library.DestroyObject(session, handle))
		}
		return err
	})
	return id, err
}

// slot returns the slot of the token.
func (m *module) slot(library *pkcs11.Ctx) (uint, error) {
	slots, err := library.GetSlotList(true)
	if err != nil {
		return 0, err
	}
	for _, slot := range slots {
		t, err := library.GetTokenInfo(slot)
		serial := strings.TrimRight(t.SerialNumber, " \x00")
		if err == nil && (t.Label == m.config.TokenLabel && t.Label != "" ||
			serial == m.config.TokenSerial && serial != "") {
			return slot, nil
		}
	}
	return 0, ErrAway
}

// objects returns the attributes of the two objects of a key pair.
func objects(id []byte, key *ecdsa.PrivateKey) (private, public []*pkcs11.Attribute, err error) {
	curve, err := asn1.Marshal(curves[key.Curve])
	if err != nil {
		return nil, nil, err
	}
	scalar, err := key.Bytes()
	if err != nil {
		return nil, nil, err
	}
	encoded, err := key.PublicKey.Bytes()
	if err != nil {
		return nil, nil, err
	}
	point, err := asn1.Marshal(encoded)
	if err != nil {
		return nil, nil, err
	}
	common := []*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_EC),
		pkcs11.NewAttribute(pkcs11.CKA_TOKEN, true), pkcs11.NewAttribute(pkcs11.CKA_ID, id),
		pkcs11.NewAttribute(pkcs11.CKA_LABEL, label),
		pkcs11.NewAttribute(pkcs11.CKA_EC_PARAMS, curve),
	}
	private = append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PRIVATE_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_PRIVATE, true),
		pkcs11.NewAttribute(pkcs11.CKA_SENSITIVE, true),
		pkcs11.NewAttribute(pkcs11.CKA_EXTRACTABLE, false),
		pkcs11.NewAttribute(pkcs11.CKA_SIGN, true), pkcs11.NewAttribute(pkcs11.CKA_VALUE, scalar),
	}, common...)
	public = append([]*pkcs11.Attribute{
		pkcs11.NewAttribute(pkcs11.CKA_CLASS, pkcs11.CKO_PUBLIC_KEY),
		pkcs11.NewAttribute(pkcs11.CKA_VERIFY, true),
		pkcs11.NewAttribute(pkcs11.CKA_EC_POINT, point),
	}, common...)
	return private, public, nil
}
