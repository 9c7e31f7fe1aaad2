package party

import (
	"crypto/ecdsa"
	"slices"
	"strconv"
)

// Belongs says where a key is from that a token does not name.
type Belongs int

// The places.
const (
	SameSet    Belongs = iota // the party's present JWKS
	Withdrawn                 // an earlier JWKS of the party
	OtherParty                // the JWKS of another party
)

// OtherKey is a key that a token does not name.
type OtherKey struct {
	Belongs
	Name   string // its kid, quoted, or the other party's client id
	Public *ecdsa.PublicKey
}

// maxOthers is how many keys of each kind [Keys.Others] returns.
const maxOthers = 8

// Others returns cached keys that are not named, for the explanation of a signature: those that the
// party has, some that it had, and some of other parties.
func (k *Keys) Others(p *Party, named *ecdsa.PublicKey) (list []OtherKey) {
	from := sourceOf(p)
	k.mu.Lock()
	defer k.mu.Unlock()
	var strangers []OtherKey
	for s, e := range k.entries {
		switch {
		case !e.ended() || e.set == nil || k.stale(e):
		case s == from:
			for i, key := range slices.Concat(e.set.keys, e.set.withdrawn) {
				belongs := SameSet
				if i >= len(e.set.keys) {
					belongs = Withdrawn
				}
				if named == nil || !key.Public.Equal(named) {
					kid := strconv.QuoteToASCII(key.kid)
					list = append(list, OtherKey{belongs, kid, key.Public})
				}
			}
		case s.clientID != from.clientID:
			for _, key := range e.set.keys[:min(len(e.set.keys), maxOthers-len(strangers))] {
				if named == nil || !key.Public.Equal(named) {
					strangers = append(strangers, OtherKey{OtherParty, s.clientID, key.Public})
				}
			}
		}
	}
	return append(list[:min(len(list), 2*maxOthers)], strangers...)
}
