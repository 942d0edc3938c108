package index

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// Table is one kind of entry. Each table has runs of its own, and its entries have
// one width, so that one mechanism serves all.
type Table uint8

// The tables. Their numbers are stored.
const (
	// IDs finds what was identified before: [IDKey] → revision (8 bytes, big-endian) and
	// 16 bytes that mark the record or the request. A key may have several values: one
	// for each revision.
	IDs Table = iota
	// Closed lists the trades that a bot closed: prefix of (stream, bot) and the
	// revision. The key is all there is to know.
	Closed
	// Equity has one entry for each step of a series: prefix of (stream, series,
	// resolution) and the time → low, high, last and flows (16 bytes each) and the
	// number of trips (8 bytes). A later entry of the same time replaces it.
	Equity
	// Live finds the checkpoints of the live state: prefix of the stream and the
	// revision → SHA-256 of the file.
	Live

	tables = 4
)

// schema is the form of a table.
type schema struct {
	name   string
	value  int  // bytes of a value
	filter bool // looked up by whole keys, which are hashes; otherwise by range only
	// many: a key may have several values, which differ in their first revisionLen bytes
	// and are ordered by them.
	many bool
}

var schemas = [tables]schema{
	IDs:    {name: "ids", value: 24, filter: true, many: true},
	Closed: {name: "closed", value: 0},
	Equity: {name: "equity", value: 72},
	Live:   {name: "live", value: 32},
}

// flushOrder has IDs last: the position of the index is the least of its tables,
// so identities count as known only when everything else of them is known.
var flushOrder = [tables]Table{Closed, Equity, Live, IDs}

func (s *schema) width() int { return keyLen + s.value }

// order is how many bytes of an entry say where it belongs. No two entries agree in them.
func (s *schema) order() int {
	if s.many {
		return keyLen + revisionLen
	}
	return keyLen
}

func (s *schema) perBlock() int { return blockPayload / s.width() }

// String returns the name of a table in file names and messages.
func (t Table) String() string {
	if t < tables {
		return schemas[t].name
	}
	return fmt.Sprintf("table %d", uint8(t))
}

// ValueLen returns how many bytes a value of the table has.
func (t Table) ValueLen() int { return schemas[t].value }

// Position is a place in the log. The index is at a position when it has the
// entries of every record before it.
type Position uint64

const (
	keyLen = 16
	// revisionLen is how many bytes of a value tell values of one key apart.
	revisionLen = 8
)

// Key is the key of an entry. Keys are ordered as bytes.
type Key [keyLen]byte

// Entry is one fact about the log.
type Entry struct {
	Table Table
	Key   Key
	Value []byte // as long as its table says
}

// Addition is what one record adds to the index; most records add a few entries,
// some none.
type Addition struct {
	At      Position // of the record
	Entries []Entry
}

// IDKey is the key of an identity in [IDs]: the first half of a SHA-256.
func IDKey[T string | []byte](kind, stream string, id T) Key {
	var room [256]byte
	sum := sha256.Sum256(appendField(appendField(appendField(room[:0], kind), stream), id))
	return Key(sum[:keyLen])
}

// Prefix is the first half of the keys of a table that is read by range.
type Prefix [8]byte

// PrefixOf returns the prefix for what the entries belong to, such as a stream and
// a bot. It has 64 bits, so others may share it.
func PrefixOf(fields ...string) Prefix {
	sum := hash(fields...)
	return Prefix(sum[:8])
}

// At returns the key of a revision, or of a time, under a prefix.
func (p Prefix) At(n uint64) Key {
	k := Key(append(p[:len(p):len(p)], make([]byte, 8)...))
	binary.BigEndian.PutUint64(k[8:], n)
	return k
}

// Prefix returns the first half of a key, and N the revision or time in it.
func (k *Key) Prefix() Prefix { return Prefix(k[:8]) }

// N returns the revision, or the time, of a key made by [Prefix.At].
func (k *Key) N() uint64 { return binary.BigEndian.Uint64(k[8:]) }

// hash frames each field with its length, so that no two lists of fields are alike.
func hash(fields ...string) [sha256.Size]byte {
	b := make([]byte, 0, 256)
	for _, f := range fields {
		b = appendField(b, f)
	}
	return sha256.Sum256(b)
}

func appendField[T string | []byte](b []byte, field T) []byte {
	return append(binary.BigEndian.AppendUint64(b, uint64(len(field))), field...)
}
