package commands

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// index remembers, for every command that was accepted, where its records are
// and what was asked: it is folded from the metadata of the stream, so it
// survives restarts and is the same on every server.
type index map[uuid.UUID]indexEntry

// indexEntry is kept small: there is one for every command there ever was.
type indexEntry struct {
	first uint64 // revision of its first record
	count uint32
	hash  requestDigest
}

// requestDigest is the SHA-256 of a request.
type requestDigest [sha256.Size]byte

// apply notes one stored record.
func (x index) apply(rec eventstore.Record) error {
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return err
	}
	id, err := uuid.Parse(m.CommandID)
	if err != nil {
		return fmt.Errorf("metadata has no valid command_id")
	}
	e, ok := x[id]
	if !ok {
		e.first = rec.Revision
		if n, err := hex.Decode(e.hash[:], []byte(m.RequestHash)); err != nil || n != len(e.hash) || len(m.RequestHash) != 2*n {
			return fmt.Errorf("metadata has no valid request_hash")
		}
	}
	e.count++
	x[id] = e
	return nil
}

// A snapshot of the index is indexHeader and indexEntryBytes for each command:
// id, first, count, hash. Another shape needs another header.
const (
	indexHeader     = "pets commands 1\n"
	indexEntryBytes = 16 + 8 + 4 + sha256.Size
)

func (x index) marshal() []byte {
	b := make([]byte, 0, len(indexHeader)+len(x)*indexEntryBytes)
	b = append(b, indexHeader...)
	for id, e := range x {
		b = append(b, id[:]...)
		b = binary.BigEndian.AppendUint64(b, e.first)
		b = binary.BigEndian.AppendUint32(b, e.count)
		b = append(b, e.hash[:]...)
	}
	return b
}

// unmarshalIndex reads a snapshot; any doubt is an error.
func unmarshalIndex(b []byte) (index, error) {
	b, ok := bytes.CutPrefix(b, []byte(indexHeader))
	if !ok || len(b)%indexEntryBytes != 0 {
		return nil, fmt.Errorf("commands: this is no snapshot of a command index")
	}
	x := make(index, len(b)/indexEntryBytes)
	for ; len(b) > 0; b = b[indexEntryBytes:] {
		e := indexEntry{first: binary.BigEndian.Uint64(b[16:]), count: binary.BigEndian.Uint32(b[24:])}
		copy(e.hash[:], b[28:])
		x[uuid.UUID(b[:16])] = e
	}
	return x, nil
}
