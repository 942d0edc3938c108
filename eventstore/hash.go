package eventstore

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/bits"
	"sync"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Prefixes of RFC 6962, so that a leaf cannot be mistaken for a node or the
// reverse.
const (
	leafPrefix = 0x00
	nodePrefix = 0x01
)

// AppendLeaf appends the bytes whose SHA-256 is the leaf, and returns the longer
// slice:
//
//	0x00, then seven fields, each its length in bytes as 4 bytes big-endian
//	and then its bytes:
//
//	stream    as it is stored, UTF-8
//	revision  8 bytes, big-endian
//	id        the 16 bytes of the UUID
//	type      as it is stored, UTF-8
//	time      8 bytes, big-endian: nanoseconds since 1970-01-01T00:00:00Z, signed
//	metadata  as it is stored
//	data      as it is stored
//
// The position is not included: it differs between engines and adds nothing to
// the revision. Stored bytes are hashed, never re-encoded ones.
func AppendLeaf(b []byte, r *Record) []byte {
	b = append(b, leafPrefix)
	b = appendField(b, r.Stream)
	b = binary.BigEndian.AppendUint32(b, 8)
	b = binary.BigEndian.AppendUint64(b, r.Revision)
	b = appendField(b, r.ID[:])
	b = appendField(b, r.Type)
	b = binary.BigEndian.AppendUint32(b, 8)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Time.UnixNano()))
	b = appendField(b, r.Metadata)
	return appendField(b, r.Data)
}

func appendField[T string | []byte](b []byte, field T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(field))) //nolint:gosec // bounded by Check
	return append(b, field...)
}

// leaves holds buffers for LeafHash, which runs once for every record.
var leaves = sync.Pool{New: func() any { return new([]byte) }}

// LeafHash is the hash of one record, the leaf of its stream's tree; see
// [AppendLeaf] for what is hashed.
func LeafHash(r *Record) Hash {
	b, ok := leaves.Get().(*[]byte)
	if !ok {
		b = new([]byte)
	}
	*b = AppendLeaf((*b)[:0], r)
	h := sha256.Sum256(*b)
	leaves.Put(b)
	return h
}

// Frontier is the tree of RFC 6962 over the leaves of one stream, reduced to what
// is needed to extend it: the roots of its complete subtrees, the largest first.
// Its size is logarithmic in the length of the stream. The zero Frontier is the
// empty tree.
type Frontier struct {
	size  uint64
	nodes []Hash // one for each bit that is set in size
}

// Size is the number of leaves.
func (f *Frontier) Size() uint64 { return f.size }

// Append adds the next leaf.
func (f *Frontier) Append(leaf Hash) {
	for n := f.size; n&1 == 1; n >>= 1 {
		last := len(f.nodes) - 1
		leaf = node(&f.nodes[last], &leaf)
		f.nodes = f.nodes[:last]
	}
	f.nodes = append(f.nodes, leaf)
	f.size++
}

// Root returns the root of the tree. The root of the empty tree is the SHA-256 of
// no bytes.
func (f *Frontier) Root() Hash {
	if f.size == 0 {
		return sha256.Sum256(nil)
	}
	last := len(f.nodes) - 1
	root := f.nodes[last]
	for i := last - 1; i >= 0; i-- {
		root = node(&f.nodes[i], &root)
	}
	return root
}

func node(left, right *Hash) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = nodePrefix
	copy(b[1:], left[:])
	copy(b[1+sha256.Size:], right[:])
	return sha256.Sum256(b[:])
}

// Clone returns an independent copy.
func (f *Frontier) Clone() Frontier {
	return Frontier{f.size, append([]Hash(nil), f.nodes...)}
}

// AppendTo appends the frontier to b: the size in 8 bytes, big-endian, and the nodes.
func (f *Frontier) AppendTo(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, f.size)
	for i := range f.nodes {
		b = append(b, f.nodes[i][:]...)
	}
	return b
}

// CutFrontier decodes a frontier written by AppendTo from the beginning of b and
// returns the rest of b.
func CutFrontier(b []byte) (Frontier, []byte, error) {
	if len(b) < 8 {
		return Frontier{}, nil, fmt.Errorf("eventstore: a frontier of %d bytes is too short", len(b))
	}
	f := Frontier{size: binary.BigEndian.Uint64(b)}
	b = b[8:]
	n := bits.OnesCount64(f.size)
	if len(b) < n*sha256.Size {
		return Frontier{}, nil, fmt.Errorf("eventstore: a frontier of %d leaves has %d nodes, but only %d bytes", f.size, n, len(b))
	}
	for range n {
		f.nodes = append(f.nodes, Hash(b[:sha256.Size]))
		b = b[sha256.Size:]
	}
	return f, b, nil
}

// TreeHead describes a stream with Size records: the root over all of them and
// the leaf of the last, which is zero if there is none.
type TreeHead struct {
	Size       uint64
	Root, Leaf Hash
}
