package projections

import (
	"errors"
	"fmt"
	"hash/crc32"
	"sync"
)

// Piece says where bytes are that a projection has written and seldom reads again, and what
// they are.
type Piece struct {
	At     uint64 // bytes before it
	Length uint32
	Sum    uint32 // CRC-32C
}

// Pieces holds such bytes, which are never changed. Any number of goroutines may read while
// one appends.
type Pieces interface {
	// Append adds a piece. The caller may use the slice again.
	Append(piece []byte) (Piece, error)
	// Read returns a piece, which must not be changed. An error that matches ErrPiece
	// means that it is not what was written, and that another reading does not mend that.
	// After any other error a later reading may succeed.
	Read(r Piece) ([]byte, error)
}

// ErrPiece reports a piece that is not what was written, or that does not exist.
var ErrPiece = errors.New("a piece is not what was written")

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// PiecesInMemory are Pieces in memory. The zero value is empty.
type PiecesInMemory struct {
	mu    sync.RWMutex
	bytes []byte
}

// Append implements [Pieces].
func (m *PiecesInMemory) Append(piece []byte) (Piece, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := Piece{At: uint64(len(m.bytes)), Length: uint32(len(piece)), Sum: crc32.Checksum(piece, castagnoli)} //nolint:gosec // a piece is small
	m.bytes = append(m.bytes, piece...)
	return r, nil
}

// Read implements [Pieces].
func (m *PiecesInMemory) Read(r Piece) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	end := r.At + uint64(r.Length)
	if end < r.At || end > uint64(len(m.bytes)) {
		return nil, fmt.Errorf("%w: it would end at byte %d of %d", ErrPiece, end, len(m.bytes))
	}
	piece := m.bytes[r.At:end:end]
	if crc32.Checksum(piece, castagnoli) != r.Sum {
		return nil, fmt.Errorf("%w: its checksum is another", ErrPiece)
	}
	return piece, nil
}
