package vault

import (
	"bytes"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"
)

// encrypting is the ciphertext of a document.
type encrypting struct {
	plain *counter
	// saves the file key under an id, which the header names
	save    func(id string, fileKey []byte) error
	fileKey []byte
	r       io.Reader // after the first Read
}

// counter counts the bytes that were read.
type counter struct {
	io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

// Wrap implements age.Recipient.
func (e *encrypting) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	id := rand.Text()
	e.fileKey = bytes.Clone(fileKey)
	return []*age.Stanza{{Type: stanza, Args: []string{id}}}, e.save(id, fileKey)
}

// Read implements io.Reader.
func (e *encrypting) Read(p []byte) (n int, err error) {
	if e.r == nil {
		if e.r, err = age.EncryptReader(e.plain, e); err != nil {
			return 0, fmt.Errorf("encrypting a document: %w", err)
		}
	}
	return e.r.Read(p)
}

const (
	page      = 4 << 10 // of a file; writing whole ones takes less time
	nonceSize = 16      // of the nonce at the end of age's header
)

// room is for a chunk, its authenticator, and a part of a page before them.
type room [page + chunk + chacha20poly1305.Overhead]byte

var rooms = sync.Pool{New: func() any { return new(room) }}

// WriteTo implements io.WriterTo. The header and the keys are those of age's library. The chunks
// are made here (age-encryption.org/v1, "Payload"), because the library's writer copies what it
// gets into a buffer of its own, which grows. With one buffer, in which a chunk is read, encrypted
// and written in whole pages, an upload of 1 MB takes 12 % less processor time, and a third less
// memory. The library decrypts all documents.
func (e *encrypting) WriteTo(w io.Writer) (written int64, err error) {
	var head bytes.Buffer
	if _, err := age.Encrypt(&head, e); err != nil { // which has written no chunk
		return 0, fmt.Errorf("encrypting a document: %w", err)
	}
	key, err := hkdf.Key(
		sha256.New, e.fileKey, head.Bytes()[head.Len()-nonceSize:], "payload",
		chacha20poly1305.KeySize,
	)
	if err != nil {
		return 0, fmt.Errorf("encrypting a document: %w", err)
	}
	aead, err := chacha20poly1305.New(key)
	if err != nil {
		return 0, fmt.Errorf("encrypting a document: %w", err)
	}
	buf := rooms.Get().(*room) //nolint:forcetypeassert // the pool has one type only
	defer rooms.Put(buf)
	begin := copy(buf[:page], head.Bytes()) // what waits to be written
	// A chunk is the last one if no byte follows it. That byte is read with it.
	var after []byte
	var nonce [chacha20poly1305.NonceSize]byte // 11 bytes that count, and 1 for the last chunk
	for i := uint64(0); ; i++ {
		text := buf[begin : begin+chunk+1]
		n := copy(text, after)
		m, err := fill(text[n:], e.plain)
		n += m
		last := err == io.EOF //nolint:errorlint // io.Reader
		switch {
		case err != nil && !last:
			return written, err
		case n <= chunk:
			nonce[len(nonce)-1] = 1
		default:
			last = false
			after, n = []byte{text[chunk]}, chunk
		}
		binary.BigEndian.PutUint64(nonce[3:], i)
		end := begin + len(aead.Seal(text[:0], nonce[:], text[:n], nil))
		ready := end
		if !last {
			ready -= end % page
		}
		m, err = w.Write(buf[:ready])
		written += int64(m)
		if err != nil || last {
			return written, err
		}
		begin = copy(buf[:], buf[ready:end])
	}
}

// fill reads until buf is full. Its error is io.EOF at the end of r alone: that of io.ReadFull,
// which is io.ErrUnexpectedEOF there, is also that of an upload that was cut.
func fill(buf []byte, r io.Reader) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
	}
	return n, err
}
