package vault

import (
	"crypto/rand"
	"fmt"
	"io"

	"filippo.io/age"
)

// encrypting is the ciphertext of a document.
type encrypting struct {
	plain *counter
	// saves the file key under an id, which the header names
	save func(id string, fileKey []byte) error
	r    io.Reader // after the first Read
}

// counter counts the bytes that were read or written.
type counter struct {
	io.Reader
	io.Writer
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.Writer.Write(p)
	c.n += int64(n)
	return n, err
}

// Wrap implements age.Recipient.
func (e *encrypting) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	id := rand.Text()
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

// piece is how much WriteTo reads at once. It writes whole pieces, with which the bytes.Buffer of
// age grows from 9 KiB by doubling to the 80 KiB that it needs at least; pieces of a power of two
// would make it 128 KiB.
const piece = 9 << 10

// WriteTo implements io.WriterTo. It takes less memory than Read, for which age holds a chunk of
// 64 KiB in a buffer of 128 KiB and the caller needs another one.
func (e *encrypting) WriteTo(w io.Writer) (int64, error) {
	to := &counter{Writer: w}
	encrypted, err := age.Encrypt(to, e)
	if err != nil {
		return to.n, fmt.Errorf("encrypting a document: %w", err)
	}
	buf := make([]byte, piece)
	for err == nil {
		var n int
		n, err = fill(buf, e.plain)
		if _, failed := encrypted.Write(buf[:n]); failed != nil {
			return to.n, failed
		}
	}
	if err != io.EOF { //nolint:errorlint // io.Reader
		return to.n, err
	}
	err = encrypted.Close()
	return to.n, err
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
