package index

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
)

// run is an open run. Fences and filter are in memory; each look-up of a key that
// the filter does not exclude reads one block.
type run struct {
	footer
	name   runName
	schema *schema
	file   file
	seed   uint32
	fences []byte
	filter []byte
	refs   atomic.Int32 // lists that have it; the file is closed after the last
}

// openRun opens a run and checks everything but its blocks.
func openRun(d folder, name runName, store uuid.UUID) (*run, error) {
	f, err := d.open(name.String())
	if err != nil {
		return nil, fmt.Errorf("index: %w", err)
	}
	r, err := readRun(f, name, store)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return r, nil
}

func readRun(f file, name runName, store uuid.UUID) (*run, error) {
	size, err := f.size()
	if err != nil {
		return nil, damaged(name.String(), "it cannot be read", err)
	}
	if size < footerLen {
		return nil, damaged(name.String(), fmt.Sprintf("it has %d bytes, too few for a footer", size), nil)
	}
	b := make([]byte, footerLen)
	if err := readFull(f, b, size-footerLen); err != nil {
		return nil, damaged(name.String(), "its footer cannot be read", err)
	}
	foot, err := decodeFooter(b, name, store)
	if err != nil {
		return nil, err
	}
	if size != foot.fileLen() {
		return nil, damaged(name.String(), fmt.Sprintf("it has %d bytes instead of %d", size, foot.fileLen()), nil)
	}
	meta := make([]byte, foot.metaLen())
	if err := readFull(f, meta, int64(foot.blocks)*blockLen); err != nil {
		return nil, damaged(name.String(), "its fences and filter cannot be read", err)
	}
	if crc32.Checksum(meta, castagnoli) != foot.meta {
		return nil, damaged(name.String(), "the checksum of its fences and filter is wrong", nil)
	}
	fences := int(foot.blocks) * keyLen
	return &run{
		footer: foot, name: name, schema: &schemas[name.table], file: f, seed: foot.seed(),
		fences: meta[:fences:fences], filter: meta[fences:],
	}, nil
}

// readFull treats the end of a file inside of what is to be read as an error.
func readFull(f io.ReaderAt, b []byte, at int64) error {
	n, err := f.ReadAt(b, at)
	switch {
	case n == len(b):
		return nil
	case err == nil:
		return io.ErrUnexpectedEOF
	}
	return err
}

// buffers are blocks for look-ups.
var buffers = sync.Pool{New: func() any { return new([blockLen]byte) }}

// get returns the value of a key, which aliases the buffer.
func (r *run) get(key *Key, buf *[blockLen]byte) (value []byte, found bool, err error) {
	if r.count == 0 || r.schema.filter && !filterHas(r.filter, key) {
		return nil, false, nil
	}
	n := r.blockOf(key)
	if n < 0 {
		return nil, false, nil
	}
	entries, err := r.block(n, buf)
	if err != nil {
		return nil, false, err
	}
	width := r.schema.width()
	i := lowerBound(entries, width, key)
	if i*width == len(entries) || Key(entries[i*width:][:keyLen]) != *key {
		return nil, false, nil
	}
	return entries[i*width+keyLen:][:r.schema.value], true, nil
}

// all appends every value of a key.
func (r *run) all(key *Key, buf *[blockLen]byte, into []byte) ([]byte, error) {
	if r.count == 0 || !filterHas(r.filter, key) {
		return into, nil
	}
	// The first block that may have it is the last one that begins before it.
	n := sort.Search(int(r.blocks), func(i int) bool { return bytes.Compare(r.fence(i), key[:]) >= 0 })
	width := r.schema.width()
	for n = max(n-1, 0); n < int(r.blocks) && bytes.Compare(r.fence(n), key[:]) <= 0; n++ {
		entries, err := r.block(n, buf)
		if err != nil {
			return nil, err
		}
		for at := lowerBound(entries, width, key) * width; at < len(entries); at += width {
			if Key(entries[at:][:keyLen]) != *key {
				return into, nil
			}
			into = append(into, entries[at+keyLen:][:r.schema.value]...)
		}
	}
	return into, nil
}

// blockOf returns the only block that can hold a key, or -1 if all keys are larger.
func (r *run) blockOf(key *Key) int {
	return sort.Search(int(r.blocks), func(i int) bool { return bytes.Compare(r.fence(i), key[:]) > 0 }) - 1
}

func (r *run) fence(i int) []byte { return r.fences[i*keyLen:][:keyLen] }

// block reads a block and returns its entries, which are in the buffer.
func (r *run) block(n int, buf *[blockLen]byte) ([]byte, error) {
	b := buf[:]
	if err := readFull(r.file, b, int64(n)*blockLen); err != nil {
		return nil, damaged(r.name.String(), fmt.Sprintf("block %d cannot be read", n), err)
	}
	if crc32.Update(r.seed, castagnoli, b[:blockLen-4]) != le.Uint32(b[blockLen-4:]) {
		return nil, damaged(r.name.String(), fmt.Sprintf("the checksum of block %d is wrong", n), nil)
	}
	if int(le.Uint32(b[blockPayload:])) != n || !bytes.Equal(b[:keyLen], r.fence(n)) {
		return nil, damaged(r.name.String(), fmt.Sprintf("block %d is another block", n), nil)
	}
	return b[:r.entriesIn(n)*r.schema.width()], nil
}

// entriesIn returns how many entries a block has: all but the last are full.
func (r *run) entriesIn(n int) int {
	per := r.schema.perBlock()
	if n+1 < int(r.blocks) {
		return per
	}
	return int(r.count) - n*per //nolint:gosec // below maxCount
}

// lowerBound returns the number of entries with a smaller key.
func lowerBound(entries []byte, width int, key *Key) int {
	return sort.Search(len(entries)/width, func(i int) bool { return bytes.Compare(entries[i*width:][:keyLen], key[:]) >= 0 })
}

// runList is the runs of a table at one moment, oldest first. It never changes;
// another one is published. With a reference its runs may be read, even if
// their files were removed since.
type runList struct {
	runs []*run
	refs atomic.Int32
}

// newRunList returns a list with one reference, that of the table.
func newRunList(runs ...*run) *runList {
	l := &runList{runs: runs}
	l.refs.Store(1)
	for _, r := range runs {
		r.refs.Add(1)
	}
	return l
}

func (l *runList) release() {
	if l.refs.Add(-1) > 0 {
		return
	}
	for _, r := range l.runs {
		if r.refs.Add(-1) == 0 {
			_ = r.file.Close() // opened for reading only
		}
	}
}
