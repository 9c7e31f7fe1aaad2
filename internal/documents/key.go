package documents

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
)

// ErrKey is the error for a key that is not "<request id>/<name>", each of 1 to 128 letters,
// digits, '-' or '_', and in the name also '.', but not as its first character.
var ErrKey = errors.New("invalid document key")

// split splits a key.
func split(key string) (id, name string, err error) {
	id, name, ok := strings.Cut(key, "/")
	if !ok || !validID(id) || !plain(name, ".") || name[0] == '.' {
		return "", "", fmt.Errorf("%w: %.200q", ErrKey, key)
	}
	return id, name, nil
}

func validID(id string) bool { return plain(id, "") }

// plain reports whether s is safe as a file name on every system and in an object's key.
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

// folder returns the folder of a request's documents.
func folder(id string) string { return shard(id) + "/" + id }

// shard distributes requests over 256 folders. It uses a hash, because ids begin with the time.
func shard(id string) string {
	sum := sha256.Sum256([]byte(id))
	return hex.EncodeToString(sum[:1])
}
