package commands

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// A marker file has two slots. Each holds one list: a header and JSON, padded with blanks.
// A write overwrites the older slot in place, so that a stop needs no free disk space, and
// an interrupted write leaves the other slot intact.
const (
	slotBytes  = 64 << 10 // least size of a slot
	slotMagic  = "pets-stops 1 "
	slotFormat = slotMagic + "%016x %016x %016x %08x\n" // size of a slot, sequence, bytes of the list, checksum
	slotHead   = len(slotMagic) + 3*17 + 9
	maxSlot    = 1 << 30
)

// slot is the header of a slot.
type slot struct {
	size, seq, length uint64
	sum               uint32
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// start returns the checksum of the header's fields, which that of the list continues.
func (s slot) start() uint32 {
	return crc32.Checksum(fmt.Appendf(nil, "%x %x %x\n", s.size, s.seq, s.length), castagnoli)
}

// newestSlot returns the newer of the two lists in a file. ok is false if the file has no
// slots.
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
		return nil, true, errors.New("both of its lists are damaged")
	}
	return list, ok, nil
}

// readSlot reads one slot. is reports that it has a slot's header, sound that its
// checksum is right.
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

// fitsSlot reports whether a list fits a slot of a file.
func fitsSlot(f *os.File, length int) bool {
	info, err := f.Stat()
	return err == nil && int64(slotHead+length) <= info.Size()/2
}

// writeSlot durably overwrites the older list.
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

// makeSlots fills a new file with one list and an empty second slot.
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
