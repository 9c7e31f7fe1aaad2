package documents

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrKey is the refusal of a key that is not "<request id>/<name>", each 1 to 128 letters, digits,
// '-' or '_', and in the name also '.', but not as its first character.
var ErrKey = errors.New("invalid document key")

// split takes a key apart.
func split(key string) (id, name string, err error) {
	id, name, ok := strings.Cut(key, "/")
	if !ok || !validID(id) || !plain(name, ".") || name[0] == '.' {
		return "", "", fmt.Errorf("%w: %.200q", ErrKey, key)
	}
	return id, name, nil
}

func validID(id string) bool { return plain(id, "") }

// plain reports whether s is safe as a file's name on every system, and in an object's key.
func plain(s, also string) bool {
	if s == "" || len(s) > 128 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
		case strings.IndexByte(also, c) >= 0:
		default:
			return false
		}
	}
	return true
}

// folder is where a request's documents are.
func folder(id string) string { return shard(id) + "/" + id }

// shard spreads requests over 256 folders. Ids begin with the time, so that their own beginning
// would not.
func shard(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:1])
}
