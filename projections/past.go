package projections

import (
	"errors"
	"fmt"
	"sync"
)

// past is what a projection has written into pieces. After the first piece that cannot be
// written, that is not what was written, or that an event needed and could not read, the
// projection cannot answer any more, and err says why. An answer that could not read a piece
// for the moment is an error, and the next one may be none.
type past struct {
	pieces Pieces
	mu     sync.Mutex // readers of the same state share it
	err    error
}

// ErrUnread reports that what is old could not be read, so there is no answer.
var ErrUnread = errors.New("what is old cannot be read")

func pastIn(p Pieces) past {
	if p == nil {
		p = &PiecesInMemory{}
	}
	return past{pieces: p}
}

// Err returns why nothing can be answered any more, or nil.
func (p *past) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// fail notes a reason, the first of several, and returns it.
func (p *past) fail(err error) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = err
	}
	return p.err
}

func (p *past) write(piece []byte) (Piece, error) {
	at, err := p.pieces.Append(piece)
	if err != nil {
		return Piece{}, p.fail(fmt.Errorf("what is old cannot be written: %w", err))
	}
	return at, nil
}

func (p *past) read(at Piece) ([]byte, error) {
	if err := p.Err(); err != nil {
		return nil, err
	}
	piece, err := p.pieces.Read(at)
	if err != nil {
		err = fmt.Errorf("%w: %w", ErrUnread, err)
	}
	if errors.Is(err, ErrPiece) {
		return nil, p.fail(err)
	}
	return piece, err
}

// damaged notes that a piece does not decode, although its checksum is right.
func (p *past) damaged(at Piece) error {
	return p.fail(fmt.Errorf("%w: %w: that at byte %d does not decode", ErrUnread, ErrPiece, at.At))
}

// place writes where a piece is.
func (e *encoder) place(at Piece) {
	e.uint(at.At)
	e.uint(uint64(at.Length))
	e.uint(uint64(at.Sum))
}

func (d *decoder) place() Piece {
	return Piece{At: d.uint(), Length: uint32(d.count(1<<32 - 1)), Sum: uint32(d.count(1<<32 - 1))} //nolint:gosec // they are bounded
}
