package commands

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A marker file has room for two lists, its slots, each a header and JSON, filled up with
// blanks. The older one is overwritten in place: a stop needs no room on the disk, and a
// write that is cut short leaves the other one whole.
const (
	slotBytes  = 64 << 10 // of each of the two, at the least
	slotMagic  = "pets-stops 1 "
	slotFormat = slotMagic + "%016x %016x %016x %08x\n" // size of a slot, sequence, bytes of the list, checksum
	slotHead   = len(slotMagic) + 3*17 + 9
	maxSlot    = 1 << 30
)

// slot is what a header says.
type slot struct {
	size, seq, length uint64
	sum               uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// start begins the checksum with what the header says.
func (s slot) start() uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%x %x %x\n", s.size, s.seq, s.length), castagnoli)
}

// newestSlot returns the newer of the lists in a file. ok is false where the file is none
// with slots.
func newestSlot(f *os.File) (list io.Reader, ok bool, err error) {
	info, err := f.Stat()
	if err != nil {
		return nil, false, err
	}
	size := info.Size() / 2
	var newest slot
	for at := range int64(2) {
		s, is, sound := readSlot(f, at*size, size)
		ok = ok || is
		if sound && (list == nil || s.seq > newest.seq) {
			newest, list = s, io.NewSectionReader(f, at*size+int64(slotHead), int64(s.length)) //nolint:gosec // checked
		}
	}
	if ok && list == nil {
		return nil, true, errors.New("neither of its two lists is whole")
	}
	return list, ok, nil
}

// readSlot reads one slot: is it one, and is it sound?
func readSlot(f *os.File, at, size int64) (s slot, is, sound bool) {
	head := make([]byte, slotHead)
	if _, err := f.ReadAt(head, at); err != nil || !bytes.HasPrefix(head, []byte(slotMagic)) {
		return s, false, false
	}
	if _, err := fmt.Sscanf(string(head), slotFormat, &s.size, &s.seq, &s.length, &s.sum); err != nil {
		return s, true, false
	}
	if s.size != uint64(size) || size > maxSlot || s.length > s.size-uint64(slotHead) { //nolint:gosec // not negative
		return s, true, false
	}
	sum := s.start()
	b := make([]byte, 64<<10)
	for r := io.NewSectionReader(f, at+int64(slotHead), int64(s.length)); ; { //nolint:gosec // checked
		n, err := r.Read(b)
		sum = crc32.Update(sum, castagnoli, b[:n])
		if err != nil {
			return s, true, errors.Is(err, io.EOF) && sum == s.sum
		}
	}
}

// fitsSlot reports whether a list has room in a file.
func fitsSlot(f *os.File, length int) bool {
	info, err := f.Stat()
	return err == nil && int64(slotHead+length) <= info.Size()/2
}

// writeSlot puts a list in the place of the older one, durably.
func writeSlot(f *os.File, text []byte) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size, at, seq := info.Size()/2, int64(0), uint64(0)
	first, _, soundFirst := readSlot(f, 0, size)
	second, _, soundSecond := readSlot(f, size, size)
	if soundFirst && (!soundSecond || first.seq > second.seq) {
		at, seq = size, first.seq
	} else if soundSecond {
		seq = second.seq
	}
	if _, err := f.WriteAt(fillSlot(size, seq+1, text), at); err != nil {
		return err
	}
	return f.Sync()
}

// makeSlots fills a new file: one list, and room for another.
func makeSlots(f *os.File, text []byte) error {
	size := int64(slotBytes)
	for size < int64(slotHead+len(text)) {
		size *= 2
	}
	if _, err := f.WriteAt(fillSlot(size, 1, text), 0); err != nil {
		return err
	}
	if _, err := f.WriteAt(bytes.Repeat([]byte{' '}, int(size)), size); err != nil {
		return err
	}
	return f.Sync()
}

func fillSlot(size int64, seq uint64, text []byte) []byte {
	s := slot{size: uint64(size), seq: seq, length: uint64(len(text))} //nolint:gosec // not negative
	s.sum = crc32.Update(s.start(), castagnoli, text)
	b := make([]byte, 0, size)
	b = fmt.Appendf(b, slotFormat, s.size, s.seq, s.length, s.sum)
	b = append(b, text...)
	return append(b, bytes.Repeat([]byte{' '}, int(size)-len(b))...)
}
