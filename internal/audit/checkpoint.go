package audit

import (
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// Signer signs checkpoints.
type Signer struct {
	signer note.Signer
	key    string
}

// NewSigner returns the signer of the log with a name (C2SP: origin), such as
// "sign.example.com/audit". seed is the private Ed25519 key (RFC 8032), 32 bytes.
func NewSigner(origin string, seed []byte) (*Signer, error) {
	private := ed25519.NewKeyFromSeed(seed)
	key, err := note.NewEd25519VerifierKey(origin, private.Public().(ed25519.PublicKey))
	if err != nil {
		return nil, fmt.Errorf("the log's key: %w", err)
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return nil, fmt.Errorf("the log's key: %w", err)
	}
	const algEd25519 = 1
	s, err := note.NewSigner(fmt.Sprintf(
		"PRIVATE+KEY+%s+%08x+%s", origin, verifier.KeyHash(),
		base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, seed...)),
	))
	if err != nil {
		return nil, errors.New("the log's key cannot be used") // err may contain the key
	}
	return &Signer{s, key}, nil
}

// Key returns the public key in the form of C2SP signed-note, a line of text.
func (s *Signer) Key() string { return s.key }

// Checkpoint returns the signed checkpoint of a tree.
func (s *Signer) Checkpoint(t tlog.Tree) (string, error) {
	msg, err := note.Sign(&note.Note{
		Text: fmt.Sprintf("%s\n%d\n%s\n", s.signer.Name(), t.N, t.Hash),
	}, s.signer)
	if err != nil {
		return "", fmt.Errorf("signing a checkpoint: %w", err)
	}
	return string(msg), nil
}

// Check returns an error unless the signer's key has signed a checkpoint.
func (s *Signer) Check(checkpoint string) error {
	key, err := parseKey(s.key)
	if err != nil {
		return err
	}
	_, err = openCheckpoint(checkpoint, key)
	return err
}

// openCheckpoint returns the tree of a checkpoint that the key has signed.
func openCheckpoint(msg string, key note.Verifier) (tlog.Tree, error) {
	n, err := note.Open([]byte(msg), note.VerifierList(key))
	if err != nil {
		return tlog.Tree{}, err
	}
	for _, s := range n.Sigs {
		// note.Open ignores the unused bits of the last character
		if _, err := base64.StdEncoding.Strict().DecodeString(s.Base64); err != nil {
			return tlog.Tree{}, fmt.Errorf("its signature: %w", err)
		}
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 || lines[0] != key.Name() { // extensions may follow
		return tlog.Tree{}, errors.New("it is not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil || size < 0 {
		return tlog.Tree{}, fmt.Errorf("its size is %q", lines[1])
	}
	root, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: root}, err
}
