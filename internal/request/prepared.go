package request

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/signet-sign/signet/pades"
)

// preparedFile is the stored form of a [pades.Prepared]. It is read until the request is sealed,
// possibly by a program of another release, so a member is never renamed, removed or given another
// type. Files without a version have version 1.
type preparedFile struct {
	V int `json:"v,omitempty"`
	preparedMembers
}

type preparedMembers struct {
	Size        int64    `json:"size"`
	SHA256      [32]byte `json:"sha256"`
	Before      []byte   `json:"before"`
	After       []byte   `json:"after"`
	Hole        int64    `json:"hole"`
	ByteRange   [4]int64 `json:"byte_range"`
	Digest      [32]byte `json:"digest"`
	Appearances int      `json:"appearances"`
}

// preparedVersion is the version of the form that this program writes, and the newest that it
// reads.
const preparedVersion = 1

func encodePrepared(p *pades.Prepared) ([]byte, error) {
	return json.Marshal(preparedFile{preparedVersion, preparedMembers(*p)})
}

// decodePrepared decodes the result of encodePrepared.
func decodePrepared(r io.Reader) (*pades.Prepared, error) {
	var f preparedFile
	if err := json.NewDecoder(r).Decode(&f); err != nil {
		return nil, fmt.Errorf("decoding a prepared signature: %w", err)
	}
	if f.V > preparedVersion {
		return nil, fmt.Errorf(
			"decoding a prepared signature: its version is %d, this program knows %d",
			f.V, preparedVersion,
		)
	}
	p := pades.Prepared(f.preparedMembers)
	return &p, nil
}

// prepared reads what prepare stored.
func (s *Service) prepared(ctx context.Context, rec *Prepared) (*pades.Prepared, error) {
	b, err := s.Documents.Open(ctx, rec.Key)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	p, err := decodePrepared(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(p.Digest[:], rec.Digest) {
		return nil, errors.New("the prepared signature is not the one on record")
	}
	return p, nil
}
