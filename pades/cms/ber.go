package cms

import (
	"bytes"
	"encoding/binary"
	"slices"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// maxDepth bounds nested elements of indefinite length; a message has about six.
const maxDepth = 16

// DER converts the BER element at the start of b, whose length may be indefinite (ITU-T X.690,
// 8.1.3.6), to definite lengths. It also returns the size of the element in b. Elements of definite
// length are copied unchanged, because signatures cover the bytes of some of them. BouncyCastle
// writes CMS messages with indefinite lengths.
func DER(b []byte) (der []byte, n int, err error) {
	if len(b) < 2 || b[0] != 0x30 {
		return nil, 0, malformed("not a SEQUENCE")
	}
	der, rest, err := definite(b, maxDepth)
	return der, len(b) - len(rest), err
}

// definite converts the first element of b.
func definite(b []byte, depth int) (der, rest []byte, err error) {
	if len(b) < 2 || b[0]&0x1f == 0x1f {
		return nil, nil, malformed("BER tag")
	}
	if b[1] != 0x80 {
		n, err := definiteLength(b)
		if err != nil {
			return nil, nil, err
		}
		return b[:n], b[n:], nil
	}
	if depth == 0 || b[0]&0x20 == 0 {
		return nil, nil, malformed("BER nesting")
	}
	tag, rest := b[0], b[2:]
	var parts [][]byte
	for !bytes.HasPrefix(rest, []byte{0, 0}) {
		var part []byte
		if part, rest, err = definite(rest, depth-1); err != nil {
			return nil, nil, err
		}
		if tag == byte(cbasn1.OCTET_STRING)|0x20 { // joins a string in pieces
			piece := cryptobyte.String(part)
			var content cryptobyte.String
			if !piece.ReadASN1(&content, cbasn1.OCTET_STRING) {
				return nil, nil, malformed("BER string")
			}
			part = content
		}
		parts = append(parts, part)
	}
	if tag == byte(cbasn1.OCTET_STRING)|0x20 {
		tag = byte(cbasn1.OCTET_STRING)
	}
	var out cryptobyte.Builder
	out.AddASN1(
		cbasn1.Tag(tag), func(c *cryptobyte.Builder) { c.AddBytes(slices.Concat(parts...)) },
	)
	der, err = out.Bytes()
	return der, rest[2:], err
}

// definiteLength returns the length of the element at the start of b with its header.
func definiteLength(b []byte) (int, error) {
	n, head := int(b[1]), 2
	if b[1] > 0x80 {
		octets := int(b[1] & 0x7f)
		if octets > 4 || len(b) < 2+octets {
			return 0, malformed("length")
		}
		var v [4]byte
		copy(v[4-octets:], b[2:2+octets])
		n, head = int(binary.BigEndian.Uint32(v[:])), 2+octets
	}
	if n > len(b)-head {
		return 0, malformed("length")
	}
	return head + n, nil
}
