package tsa

import (
	"bytes"
	"crypto"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/pades/cms"
)

// Errors of [Token.Check].
var (
	ErrMalformed = errors.New("tsa: malformed timestamp")
	ErrImprint   = errors.New("tsa: the timestamp is not over this data")
	ErrUntrusted = errors.New("tsa: the time-stamping certificate is not trusted")
	ErrPurpose   = errors.New("tsa: the certificate is not for timestamps alone")
)

// Token is a parsed TimeStampToken.
type Token struct {
	Time     time.Time // genTime, UTC
	Accuracy time.Duration
	Serial   *big.Int
	Policy   x509.OID
	Nonce    *big.Int    // nil if absent
	Hash     crypto.Hash // of the imprint
	Imprint  []byte
	// Issuers are certificates from elsewhere through which Check looks for a chain, beside those
	// in the token.
	Issuers []*x509.Certificate

	message *cms.SignedData
}

// Certificates returns the certificates in the token, in its order.
func (t *Token) Certificates() []*x509.Certificate { return t.message.Certificates }

// Unit returns the certificate of the time-stamping unit that the token names.
func (t *Token) Unit() (*x509.Certificate, error) { return t.message.SignerCertificate() }

// Parse decodes a token. It checks form only; see [Token.Check].
func Parse(der []byte) (*Token, error) {
	sd, err := cms.Parse(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !sd.ContentType.Equal(cms.OIDTSTInfo) || sd.Content == nil {
		return nil, fmt.Errorf("%w: no TSTInfo", ErrMalformed)
	}
	t := &Token{message: sd}
	return t, t.parseInfo(sd.Content)
}

func (t *Token) parseInfo(der []byte) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
	in := cryptobyte.String(der)
	var info, policy cryptobyte.String
	var version int64
	if !in.ReadASN1(&info, cbasn1.SEQUENCE) || !in.Empty() || !info.ReadASN1Integer(&version) ||
		version != 1 {
		return bad("version")
	}
	if !info.ReadASN1(&policy, cbasn1.OBJECT_IDENTIFIER) ||
		t.Policy.UnmarshalBinary(policy) != nil {
		return bad("policy")
	}
	var err error
	if t.Hash, t.Imprint, err = readImprint(&info); err != nil {
		return err
	}
	t.Serial = new(big.Int)
	if !info.ReadASN1Integer(t.Serial) {
		return bad("serial number")
	}
	var gen cryptobyte.String
	if !info.ReadASN1(&gen, cbasn1.GeneralizedTime) {
		return bad("genTime")
	}
	if t.Time, err = parseGenTime(string(gen)); err != nil {
		return err
	}
	if info.PeekASN1Tag(cbasn1.SEQUENCE) {
		if t.Accuracy, err = readAccuracy(&info); err != nil {
			return err
		}
	}
	if info.PeekASN1Tag(cbasn1.BOOLEAN) {
		var ordering bool
		if !info.ReadASN1Boolean(&ordering) {
			return bad("ordering")
		}
	}
	if info.PeekASN1Tag(cbasn1.INTEGER) {
		t.Nonce = new(big.Int)
		if !info.ReadASN1Integer(t.Nonce) {
			return bad("nonce")
		}
	}
	var tsa, extensions cryptobyte.String
	var has bool
	if !info.ReadOptionalASN1(&tsa, &has, cbasn1.Tag(0).Constructed().ContextSpecific()) ||
		!info.ReadOptionalASN1(&extensions, &has, cbasn1.Tag(1).Constructed().ContextSpecific()) ||
		!info.Empty() {
		return bad("end of TSTInfo")
	}
	return checkExtensions(extensions)
}

// checkExtensions refuses a critical extension (RFC 3161, 2.4.2), because this package knows none.
func checkExtensions(in cryptobyte.String) error {
	bad := fmt.Errorf("%w: extensions", ErrMalformed)
	for !in.Empty() {
		var x, oid cryptobyte.String
		var critical bool
		if !in.ReadASN1(&x, cbasn1.SEQUENCE) || !x.ReadASN1(&oid, cbasn1.OBJECT_IDENTIFIER) {
			return bad
		}
		if x.PeekASN1Tag(cbasn1.BOOLEAN) && !x.ReadASN1Boolean(&critical) || critical {
			return bad
		}
	}
	return nil
}

// readImprint reads MessageImprint.
func readImprint(in *cryptobyte.String) (crypto.Hash, []byte, error) {
	var seq, alg, sum cryptobyte.String
	var oid asn1.ObjectIdentifier
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) || !seq.ReadASN1(&alg, cbasn1.SEQUENCE) ||
		!alg.ReadASN1ObjectIdentifier(&oid) ||
		!seq.ReadASN1(&sum, cbasn1.OCTET_STRING) ||
		!seq.Empty() {
		return 0, nil, fmt.Errorf("%w: imprint", ErrMalformed)
	}
	h, ok := cms.HashByOID(oid)
	if !ok {
		return 0, nil, fmt.Errorf("%w: imprint algorithm %s", errAlgorithm, oid)
	}
	if len(sum) != h.Size() {
		return 0, nil, fmt.Errorf("%w: imprint of %d bytes", ErrMalformed, len(sum))
	}
	return h, bytes.Clone(sum), nil
}

var errAlgorithm = errors.New("tsa: algorithm not accepted")

// parseGenTime parses a GeneralizedTime in UTC, possibly with fractions of a second (RFC 3161,
// 2.4.2), which the rules for certificates forbid.
func parseGenTime(s string) (time.Time, error) {
	bad := fmt.Errorf("%w: genTime", ErrMalformed)
	whole, fraction, dotted := strings.Cut(strings.TrimSuffix(s, "Z"), ".")
	if !strings.HasSuffix(s, "Z") || len(whole) != 14 ||
		dotted && (fraction == "" || strings.HasSuffix(fraction, "0") || len(fraction) > 9) {
		return time.Time{}, bad
	}
	for _, r := range whole + fraction {
		if r < '0' || r > '9' {
			return time.Time{}, bad
		}
	}
	layout := "20060102150405"
	if dotted {
		layout += "."
	}
	t, err := time.Parse(layout+strings.Repeat("0", len(fraction)), strings.TrimSuffix(s, "Z"))
	if err != nil {
		return time.Time{}, bad
	}
	return t.UTC(), nil
}

// readAccuracy reads Accuracy: seconds, [0] millis, [1] micros.
func readAccuracy(in *cryptobyte.String) (time.Duration, error) {
	bad := fmt.Errorf("%w: accuracy", ErrMalformed)
	var seq cryptobyte.String
	if !in.ReadASN1(&seq, cbasn1.SEQUENCE) {
		return 0, bad
	}
	var seconds, millis, micros int64
	if seq.PeekASN1Tag(cbasn1.INTEGER) && !seq.ReadASN1Integer(&seconds) {
		return 0, bad
	}
	for _, f := range []struct {
		into *int64
		tag  cbasn1.Tag
	}{{&millis, cbasn1.Tag(0).ContextSpecific()}, {&micros, cbasn1.Tag(1).ContextSpecific()}} {
		if seq.PeekASN1Tag(f.tag) && !seq.ReadASN1Int64WithTag(f.into, f.tag) {
			return 0, bad
		}
	}
	if !seq.Empty() || seconds < 0 || seconds > 1<<31 || millis < 0 || millis > 999 || micros < 0 ||
		micros > 999 {
		return 0, bad
	}
	return time.Duration(seconds)*time.Second + time.Duration(
		millis,
	)*time.Millisecond + time.Duration(micros)*time.Microsecond, nil
}

// Check proves that the token is over the given data and was made by a time-stamping unit whose
// certificate chains to roots at the token's own time. It returns the chain, unit first, root last.
// data writes the stamped bytes into the hash. memo, which may be nil, caches units that were
// checked before.
func (t *Token) Check(
	data func(hash.Hash) error, roots *x509.CertPool, memo *cms.Memo,
) ([]*x509.Certificate, error) {
	h := t.Hash.New()
	if err := data(h); err != nil {
		return nil, err
	}
	return t.CheckImprint(t.Hash, h.Sum(nil), roots, memo)
}

// CheckImprint is [Token.Check] for data that is already hashed.
func (t *Token) CheckImprint(
	h crypto.Hash, imprint []byte, roots *x509.CertPool, memo *cms.Memo,
) ([]*x509.Certificate, error) {
	if h != t.Hash || !bytes.Equal(imprint, t.Imprint) {
		return nil, ErrImprint
	}
	unit, err := t.message.Verify(nil)
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	if !stampingOnly(unit) {
		return nil, ErrPurpose
	}
	if roots == nil {
		return nil, fmt.Errorf("%w: no roots given", ErrUntrusted)
	}
	chain, err := memo.Chain(
		unit, slices.Concat(t.Issuers, t.message.Certificates), roots, t.Time,
		x509.ExtKeyUsageTimeStamping,
	)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	return chain, nil
}

// stampingOnly reports whether the certificate has the extended key usage of RFC 3161, 2.3:
// critical, and timeStamping only; and a key usage, if it has any, with which it may sign.
func stampingOnly(c *x509.Certificate) bool {
	const signs = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	if c.KeyUsage != 0 && c.KeyUsage&signs == 0 {
		return false
	}
	if len(c.ExtKeyUsage) != 1 || c.ExtKeyUsage[0] != x509.ExtKeyUsageTimeStamping ||
		len(c.UnknownExtKeyUsage) > 0 {
		return false
	}
	for _, e := range c.Extensions {
		if e.Id.Equal(oidExtKeyUsage) {
			return e.Critical
		}
	}
	return false
}

var oidExtKeyUsage = asn1.ObjectIdentifier{2, 5, 29, 37}

// Verify checks a token over a SHA-256 imprint; see [Token.Check].
func Verify(token, imprint []byte, roots *x509.CertPool) (*Token, error) {
	t, err := Parse(token)
	if err != nil {
		return nil, err
	}
	if _, err := t.CheckImprint(crypto.SHA256, imprint, roots, nil); err != nil {
		return nil, err
	}
	return t, nil
}
