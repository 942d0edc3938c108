package index

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/google/uuid"

	"pets/eventstore"
)

// # A run on disk, version 3
//
// The version also stands for what the entries of the tables are: a change of how a key or a
// value is made raises it, so that what an older build wrote is made again.
//
// All integers are little-endian, except in keys. All checksums are CRC-32C.
//
// A run holds the entries of one table from the records of a range of the log, in
// the order of their keys; of the table ids, those of one key are in the order of the
// revision that begins their values. Its name is <table>-<from>-<to>.run, both positions in
// 20 decimal digits; from is included, to is not. It is written as <name>.tmp and
// renamed, and never changed after that. Runs that follow one another from 0 on
// count; where several begin at one position, the longest does.
//
// A run is blocks, fences, filter and footer, without gaps.
//
// A block has 4096 bytes:
//
//	   0      entries: a key (16 bytes) and a value (as long as the table says) each
//	          zeros
//	4088   4  number of the block, from 0
//	4092   4  checksum of the seed of the run and bytes 0 to 4092
//
// Every block but the last is full. The seed is bytes 12 to 48 of the footer: a
// block of another run has the wrong checksum.
//
// Fences: the first key of each block. A key with several values may begin several.
//
// Filter, of a table whose keys are hashes: blocks of 64 bytes, 12 bits for each
// entry or some more. The first 8 bytes of a key select the block, the others 8 bits in it.
//
// Footer, 160 bytes. Its length, and the places of magic, version and checksum, are
// the same in every later version:
//
//	  0  8  magic "PETSRUN\n"
//	  8  4  format version
//	 12  2  number of the table
//	 14  2  length of a value
//	 16 16  store uuid
//	 32  8  from
//	 40  8  to
//	 48  8  number of entries
//	 56  8  bytes written to make this run, those of the runs it was merged from included
//	 64 32  root of the log at from; zeros at 0
//	 96 32  root of the log at to
//	128  4  number of blocks
//	132  4  number of blocks of the filter
//	136  4  checksum of fences and filter
//	140 16  zero
//	156  4  checksum of bytes 0 to 156
const (
	formatVersion = 3
	footerMagic   = "PETSRUN\n"
	footerLen     = 160

	blockLen     = 4096
	blockPayload = blockLen - 8
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
	le         = binary.LittleEndian
)

// footer says what a run is.
type footer struct {
	table            Table
	store            uuid.UUID
	from, to         Position
	count            uint64
	written          uint64
	rootFrom, rootTo eventstore.Hash
	blocks, filters  uint32
	meta             uint32
}

func (f *footer) encode() []byte {
	b := make([]byte, footerLen)
	copy(b, footerMagic)
	le.PutUint32(b[8:], formatVersion)
	le.PutUint16(b[12:], uint16(f.table))
	le.PutUint16(b[14:], uint16(schemas[f.table].value)) //nolint:gosec // a constant of the table
	copy(b[16:], f.store[:])
	le.PutUint64(b[32:], uint64(f.from))
	le.PutUint64(b[40:], uint64(f.to))
	le.PutUint64(b[48:], f.count)
	le.PutUint64(b[56:], f.written)
	copy(b[64:], f.rootFrom[:])
	copy(b[96:], f.rootTo[:])
	le.PutUint32(b[128:], f.blocks)
	le.PutUint32(b[132:], f.filters)
	le.PutUint32(b[136:], f.meta)
	le.PutUint32(b[156:], crc32.Checksum(b[:156], castagnoli))
	return b
}

// seed begins the checksum of each block of the run.
func (f *footer) seed() uint32 { return crc32.Checksum(f.encode()[12:48], castagnoli) }

// decodeFooter reads the footer of a file of that name, which belongs to a store.
// No field is used before the checksum was found right, and none is believed that
// contradicts the name, the table or another field.
func decodeFooter(b []byte, name runName, store uuid.UUID) (footer, error) {
	file := name.String()
	if string(b[:8]) != footerMagic {
		return footer{}, damaged(file, "it does not end in a footer", nil)
	}
	if crc32.Checksum(b[:156], castagnoli) != le.Uint32(b[156:]) {
		return footer{}, damaged(file, "the checksum of its footer is wrong", nil)
	}
	if v := le.Uint32(b[8:]); v != formatVersion {
		return footer{}, &UnusableError{File: file, Kind: ErrVersion, Reason: fmt.Sprintf("it has format version %d, this program knows %d", v, formatVersion)}
	}
	if found := uuid.UUID(b[16:32]); found != store {
		return footer{}, &UnusableError{File: file, Kind: ErrStore, Reason: fmt.Sprintf("it belongs to store %s, not to %s", found, store)}
	}
	f := footer{
		table: name.table, store: store,
		from: Position(le.Uint64(b[32:])), to: Position(le.Uint64(b[40:])),
		count: le.Uint64(b[48:]), written: le.Uint64(b[56:]),
		rootFrom: eventstore.Hash(b[64:96]), rootTo: eventstore.Hash(b[96:128]),
		blocks: le.Uint32(b[128:]), filters: le.Uint32(b[132:]), meta: le.Uint32(b[136:]),
	}
	s := &schemas[name.table]
	switch {
	case le.Uint16(b[12:]) != uint16(name.table) || int(le.Uint16(b[14:])) != s.value:
		return footer{}, damaged(file, "its footer is that of another table", nil)
	case f.from != name.from || f.to != name.to || f.from >= f.to:
		return footer{}, damaged(file, fmt.Sprintf("its footer says it holds %d to %d", f.from, f.to), nil)
	case f.count > maxCount || uint64(f.blocks) != blocksFor(s, f.count) || !s.filter && f.filters > 0 || uint64(f.filters) < filtersFor(s, f.count):
		return footer{}, damaged(file, "the numbers in its footer contradict each other", nil)
	}
	return f, nil
}

// maxCount is far above what a run may hold; it bounds what a footer can make a
// reader allocate, together with the size of the file.
const maxCount = 1 << 31

func blocksFor(s *schema, count uint64) uint64 {
	per := uint64(s.perBlock()) //nolint:gosec // positive
	return (count + per - 1) / per
}

func filtersFor(s *schema, count uint64) uint64 {
	if !s.filter {
		return 0
	}
	return (count*bitsPerEntry + filterBlockBits - 1) / filterBlockBits
}

// metaLen is the length of fences and filter, fileLen that of the whole run.
func (f *footer) metaLen() int64 {
	return int64(f.blocks)*keyLen + int64(f.filters)*filterBlockLen
}

func (f *footer) fileLen() int64 { return int64(f.blocks)*blockLen + f.metaLen() + footerLen }
