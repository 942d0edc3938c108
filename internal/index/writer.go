package index

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
)

// chunkLen is how much is written at a time.
const chunkLen = 64 * blockLen

// runWriter writes the entries of a run, in order, to a temporary file.
type runWriter struct {
	file   file
	foot   footer
	schema *schema
	seed   uint32
	// wrote is called after each chunk. It may wait, and its error ends the run.
	wrote func(n int) error

	block  []byte // entries of the block that is being filled
	chunk  []byte
	fences []byte
	filter []byte
	last   []byte // what orders the last entry
	total  uint64 // bytes written
}

// writeRun writes the entries of a source, at most so many, as a run. foot says
// what it is; its counts are filled in. A crash leaves a temporary file, or the
// whole run, as far as this process can tell: nothing is flushed to disk, and what
// a power cut leaves of the run does not pass its checksums.
func writeRun(d folder, foot footer, atMost uint64, entries source, wrote func(int) error) (runName, error) {
	name := runName{foot.table, foot.from, foot.to}
	temp := name.String() + tempSuffix
	f, err := d.create(temp)
	if err != nil {
		return name, fmt.Errorf("index: %w", err)
	}
	s := &schemas[foot.table]
	w := &runWriter{
		file: f, foot: foot, schema: s, seed: foot.seed(), wrote: wrote,
		block: make([]byte, 0, blockLen), chunk: make([]byte, 0, chunkLen),
		filter: make([]byte, filtersFor(s, atMost)*filterBlockLen),
	}
	err = w.writeAll(entries)
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.rename(temp, name.String())
	}
	if err != nil {
		_ = d.remove(temp) // the next opening removes it otherwise
		return name, fmt.Errorf("index: writing %s: %w", name, err)
	}
	return name, nil
}

func (w *runWriter) writeAll(entries source) error {
	for {
		e, err := entries.next()
		if err != nil {
			return err
		}
		if e == nil {
			return w.finish()
		}
		if err := w.add(e); err != nil {
			return err
		}
	}
}

func (w *runWriter) add(entry []byte) error {
	key := Key(entry[:keyLen])
	order := entry[:w.schema.order()]
	if w.foot.count > 0 && bytes.Compare(order, w.last) <= 0 {
		return fmt.Errorf("entries are out of order at %x", key)
	}
	if len(w.block) == 0 {
		w.fences = append(w.fences, key[:]...)
	}
	w.block = append(w.block, entry...)
	if w.schema.filter {
		filterAdd(w.filter, &key)
	}
	w.last = append(w.last[:0], order...)
	w.foot.count++
	if len(w.block)+w.schema.width() > blockPayload {
		return w.endBlock()
	}
	return nil
}

// endBlock pads the block, numbers it and adds its checksum.
func (w *runWriter) endBlock() error {
	b := w.block[:blockLen]
	clear(b[len(w.block):])
	le.PutUint32(b[blockPayload:], w.foot.blocks)
	le.PutUint32(b[blockLen-4:], crc32.Update(w.seed, castagnoli, b[:blockLen-4]))
	w.foot.blocks++
	w.block = w.block[:0]
	return w.write(b)
}

// write collects bytes to chunks.
func (w *runWriter) write(b []byte) error {
	for len(b) > 0 {
		n := copy(w.chunk[len(w.chunk):cap(w.chunk)], b)
		w.chunk, b = w.chunk[:len(w.chunk)+n], b[n:]
		if len(w.chunk) == cap(w.chunk) {
			if err := w.flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *runWriter) flush() error {
	n, err := w.file.Write(w.chunk)
	if err != nil {
		return err
	}
	w.total += uint64(n) //nolint:gosec // a count
	w.chunk = w.chunk[:0]
	return w.wrote(n)
}

func (w *runWriter) finish() error {
	if len(w.block) > 0 {
		if err := w.endBlock(); err != nil {
			return err
		}
	}
	if w.foot.count == 0 {
		w.filter = nil
	}
	w.foot.filters = uint32(len(w.filter) / filterBlockLen) //nolint:gosec // below maxCount
	w.foot.meta = crc32.Update(crc32.Checksum(w.fences, castagnoli), castagnoli, w.filter)
	w.foot.written += uint64(w.foot.fileLen()) //nolint:gosec // a length
	for _, b := range [][]byte{w.fences, w.filter, w.foot.encode()} {
		if err := w.write(b); err != nil {
			return err
		}
	}
	return w.flush()
}
