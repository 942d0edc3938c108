package views

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"sync"
	"syscall"

	"pets/internal/owner"
	"pets/projections"
)

// writeAt is how many bytes wait in memory before they are written.
const writeAt = 64 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// File has the pieces of one reader of one stream. It implements [projections.Pieces]. It keeps
// no file open, because a server may have many thousands of them.
type File struct {
	folder   *Folder
	name, id string
	header   []byte
	writing  sync.Mutex // held by the one who writes

	mu      sync.RWMutex
	written uint64 // bytes of pieces in the file
	tail    []byte // the pieces after them
	waits   bool   // the last write failed; Append tries none
}

// ID names the file among those of its stream and reader, for [Folder.Open].
func (f *File) ID() string { return f.id }

// Length is the bytes of all pieces. Those that were appended before are in the file after
// [File.Flush].
func (f *File) Length() uint64 {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.written + uint64(len(f.tail))
}

// end is where the file ends with so many bytes of pieces.
func (f *File) end(length uint64) int64 {
	n := uint64(len(f.header)) + length
	if n < length || n > math.MaxInt64 {
		return math.MaxInt64 // longer than any file
	}
	return int64(n)
}

// Append implements [projections.Pieces]. What cannot be written stays in memory.
func (f *File) Append(piece []byte) (projections.Piece, error) {
	if uint64(len(piece)) > math.MaxUint32 {
		return projections.Piece{}, fmt.Errorf("a piece of %d bytes is too long", len(piece))
	}
	f.mu.Lock()
	r := projections.Piece{At: f.written + uint64(len(f.tail)), Length: uint32(len(piece)), Sum: crc32.Checksum(piece, castagnoli)} //nolint:gosec // it was checked
	f.tail = append(f.tail, piece...)
	due := len(f.tail) >= writeAt && !f.waits
	f.mu.Unlock()
	if due {
		_ = f.Flush() // it was logged, and the piece can be read
	}
	return r, nil
}

// Flush writes what was appended to the file, for the next start. After an error all of it is
// still in memory.
func (f *File) Flush() error {
	f.writing.Lock()
	defer f.writing.Unlock()
	f.mu.RLock()
	at, tail := f.written, f.tail // appending does not change these bytes
	f.mu.RUnlock()
	if len(tail) == 0 {
		return nil
	}
	err := f.folder.write(f, at, tail)
	f.folder.tell(err)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.waits = err != nil; err != nil {
		return err
	}
	f.written += uint64(len(tail))
	f.tail = append([]byte(nil), f.tail[len(tail):]...) // readers may hold the old bytes
	return nil
}

// Remove removes the file, when no one reads it any more.
func (f *File) Remove() {
	f.writing.Lock()
	defer f.writing.Unlock()
	if root, err := f.folder.enter(false); err == nil {
		_ = root.Remove(f.name) // it may not have been written
	}
}

// write writes pieces after the first bytes of them.
func (f *Folder) write(file *File, at uint64, pieces []byte) (err error) {
	root, err := f.enter(true)
	if err != nil {
		return err
	}
	if err := f.hasRoom(root, uint64(len(pieces))); err != nil {
		return err
	}
	of, err := f.forWriting(root, file, at)
	if err != nil {
		return err
	}
	_, err = of.WriteAt(pieces, file.end(at))
	return errors.Join(err, of.Close())
}

// forWriting opens a file that has the first bytes, or makes it.
func (f *Folder) forWriting(root *os.Root, file *File, at uint64) (*os.File, error) {
	if at == 0 {
		of, err := owner.Create(root, file.name)
		if err != nil {
			return nil, err
		}
		if _, err := of.Write(file.header); err != nil {
			return nil, errors.Join(err, of.Close())
		}
		return of, nil
	}
	of, err := owner.Open(root, file.name, os.O_RDWR)
	if err != nil {
		return nil, err
	}
	info, err := of.Stat()
	if err == nil && info.Size() < file.end(at) {
		err = errShort
	}
	if err != nil {
		return nil, errors.Join(err, of.Close())
	}
	return of, nil
}

// Read implements [projections.Pieces].
func (f *File) Read(r projections.Piece) ([]byte, error) {
	f.mu.RLock()
	written, tail := f.written, f.tail
	f.mu.RUnlock()
	end := r.At + uint64(r.Length)
	if end < r.At || end > written+uint64(len(tail)) || r.At < written && end > written {
		return nil, fmt.Errorf("%w: it would end at byte %d of %d", projections.ErrPiece, end, written+uint64(len(tail)))
	}
	var piece []byte
	if r.At >= written {
		piece = tail[r.At-written : end-written : end-written]
	} else {
		var err error
		if piece, err = f.folder.read(f, r); err != nil {
			return nil, err
		}
	}
	if crc32.Checksum(piece, castagnoli) != r.Sum {
		return nil, fmt.Errorf("%w: its checksum is another", projections.ErrPiece)
	}
	return piece, nil
}

// read reads a piece from its file.
func (f *Folder) read(file *File, r projections.Piece) ([]byte, error) {
	root, err := f.enter(false)
	if err != nil {
		return nil, unreadable(err)
	}
	of, err := owner.Open(root, file.name, os.O_RDONLY)
	if err != nil {
		return nil, unreadable(err)
	}
	defer of.Close() //nolint:errcheck // it was only read
	piece := make([]byte, r.Length)
	if _, err := of.ReadAt(piece, file.end(r.At)); err != nil {
		return nil, unreadable(err)
	}
	return piece, nil
}

// unreadable tells a piece that is gone from one that can be read later.
func unreadable(err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, io.EOF) || errors.Is(err, syscall.EIO) || errors.As(err, new(*owner.NotPlainError)) {
		return fmt.Errorf("%w: %w", projections.ErrPiece, err)
	}
	return err
}
