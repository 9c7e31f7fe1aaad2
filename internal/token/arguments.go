package token

import (
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
)

// The arguments of a call are the claims that do not authenticate. Each breach has its answer in
// docs/contract.md, 14.7 and 14.25, with a description that names the claim and the rule. A claim
// that is null is not absent. Null usually means that a variable was empty by mistake, and if it
// counted as absent, a document for one person could be opened by any person.

// readDocument reads the arguments of initiate (docs/contract.md, 3.2).
func readDocument(c *Claims, o object) (err error) {
	if c.DocName, err = readDocName(o.get("doc_name")); err != nil {
		return err
	}
	if c.Locations, err = readLocations(o); err != nil {
		return err
	}
	c.SignerUINHash, err = readSignerUINHash(o.get("signer_uin_hash"))
	return err
}

// MaxDocName is the length limit of a document name in characters (docs/contract.md, 14.31).
const MaxDocName = 255

func readDocName(v Value) (string, error) {
	if v == nil {
		return "", api.ErrClientSide("doc_name is missing")
	}
	name, ok := v.Text()
	if !ok {
		return "", api.ErrClientSide("doc_name must be a string")
	}
	name = strings.TrimSpace(name)
	if err := party.CheckDisplayText(name, MaxDocName); err != nil {
		return "", api.ErrClientSide("doc_name " + err.Error())
	}
	return name, nil
}

// readLocations reads sign_locations (V3.2) or, if that claim is absent, the one location of x, y
// and page (V3.0).
func readLocations(o object) ([]api.Location, error) {
	list := o.get("sign_locations")
	if list == nil {
		if !o.has("x") && !o.has("y") && !o.has("page") {
			return nil, api.ErrClientSide("sign_locations is missing")
		}
		location, err := readLocation("", o)
		if err != nil {
			return nil, err
		}
		return []api.Location{location}, nil
	}
	if list.Kind() != '[' {
		return nil, api.ErrClientSide("sign_locations must be an array")
	}
	items := list.items()
	if len(items) < 1 || len(items) > api.MaxLocations {
		return nil, api.ErrClientSide(
			fmt.Sprintf("sign_locations must have 1 to %d entries", api.MaxLocations),
		)
	}
	locations := make([]api.Location, 0, len(items))
	for i, item := range items {
		where := "sign_locations[" + strconv.Itoa(i) + "]"
		if item.Kind() != '{' {
			return nil, api.ErrClientSide(where + " must be an object")
		}
		members, err := readObject(item)
		if err != nil { // cannot happen, because readObject has parsed it
			return nil, api.ErrClientSide(where + ": " + err.Error())
		}
		location, err := readLocation(where+".", members)
		if err != nil {
			return nil, err
		}
		for j, other := range locations {
			if location == other {
				return nil, api.ErrClientSide(
					fmt.Sprintf("%s is the same as sign_locations[%d]", where, j),
				)
			}
		}
		locations = append(locations, location)
	}
	return locations, nil
}

// readLocation reads one location. prefix says in errors whose members these are. It ignores other
// members: relying parties send width and height, but all boxes have one size (docs/contract.md,
// 3.2.4).
func readLocation(prefix string, o object) (l api.Location, err error) {
	if l.Page, err = readPage(prefix+"page", o.get("page")); err != nil {
		return api.Location{}, err
	}
	if l.X, err = readFraction(prefix+"x", o.get("x")); err != nil {
		return api.Location{}, err
	}
	l.Y, err = readFraction(prefix+"y", o.get("y"))
	return l, err
}

func readPage(claim string, v Value) (int, error) {
	const most = 9 // fits an int on every platform, and no document has so many pages
	if v == nil {
		return 0, api.ErrClientSide(claim + " is missing")
	}
	refused := api.ErrClientSide(claim + " must be an integer, counted from 1")
	if !v.isNumber() || v[0] == '-' {
		return 0, refused
	}
	digits, exponent := decimal(v) // accepts 1.0 and 1e0, which some libraries write for 1
	if digits == "" || exponent < 0 || len(digits)+exponent > most {
		return 0, refused
	}
	return strconv.Atoi(digits + strings.Repeat("0", exponent))
}

// readFraction reads a coordinate. It counts the decimals of the JSON text without trailing zeros,
// because the float64 of 0.1 has 55. It accepts every JSON form of a number, such as Java's 5.0E-4.
func readFraction(claim string, v Value) (float64, error) {
	if v == nil {
		return 0, api.ErrClientSide(claim + " is missing")
	}
	if !v.isNumber() {
		return 0, api.ErrClientSide(claim + " must be a number")
	}
	digits, exponent := decimal(v)
	switch {
	case digits == "": // zero, with any sign and exponent
		return 0, nil
	case v[0] == '-':
		return 0, api.ErrClientSide(claim + " must be at least 0")
	case len(digits)+exponent > 0: // at least one digit before the decimal point
		return 0, api.ErrClientSide(claim + " must be less than 1")
	case exponent < -maxDecimals:
		return 0, api.ErrClientSide(
			fmt.Sprintf("%s must have at most %d decimals", claim, maxDecimals),
		)
	}
	n, _ := strconv.Atoi(digits) // at most 4 digits
	return float64(n) * math.Pow10(exponent+maxDecimals) / 1e4, nil
}

// maxDecimals is the largest number of decimals of a coordinate (docs/contract.md, 3.2.6).
const maxDecimals = 4

// decimal splits a JSON number: its absolute value is digits times 10 to the exponent, and digits
// neither begins nor ends with a zero. Zero has no digits. Exponents beyond a million count as a
// million.
func decimal(v Value) (digits string, exponent int) {
	const huge = 1_000_000
	text := strings.TrimPrefix(string(v), "-")
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, _ := strconv.Atoi(text[i+1:]) // out of range it is the largest int, or the smallest
		exponent = min(max(e, -huge), huge)
		text = text[:i]
	}
	whole, fraction, _ := strings.Cut(text, ".")
	digits = strings.TrimLeft(whole+fraction, "0")
	exponent -= len(fraction)
	trimmed := strings.TrimRight(digits, "0")
	return trimmed, exponent + len(digits) - len(trimmed)
}

// readSignerUINHash reads the hash of the intended signer's NRIC: SHA-256 in hex (docs/contract.md,
// 14.11). If it is absent, the first person to open the document becomes its signer.
func readSignerUINHash(v Value) (string, error) {
	if v == nil {
		return "", nil
	}
	const hexDigits = 64
	hash, ok := v.Text()
	_, err := hex.DecodeString(hash)
	if !ok || err != nil || len(hash) != hexDigits {
		return "", api.ErrClientSide("signer_uin_hash must be a string of 64 hexadecimal digits")
	}
	return strings.ToLower(hash), nil
}

// readRequestID reads the argument of cancel. A text that cannot be an id has the answer of an
// unknown id.
func readRequestID(c *Claims, o object) error {
	id, ok := o.get("request_id").Text()
	if !o.has("request_id") {
		return api.ErrNoRecord.Because("claim request_id: missing")
	}
	if !ok || !couldBeID(id) {
		return api.ErrNoRecord.Because("claim request_id: it does not have the form of an id")
	}
	c.RequestID = id
	return nil
}
