package index

import (
	"encoding/binary"
	"math/bits"
)

// A blocked Bloom filter: the bits of a key are in one block of 64 bytes, so that
// asking costs one access to memory. With 12 bits for each entry about 1 in 150
// keys that are not there looks as if it were, which costs a read.
const (
	bitsPerEntry    = 12
	filterBlockLen  = 64
	filterBlockBits = 8 * filterBlockLen
	filterProbes    = 8
)

// filterBlock returns the block of a key. Its keys are hashes, so their bytes are
// as good as any hash of them; keys in order fill the blocks in order.
func filterBlock(filter []byte, key *Key) []byte {
	blocks := uint64(len(filter) / filterBlockLen)
	n, _ := bits.Mul64(binary.BigEndian.Uint64(key[:8]), blocks)
	return filter[n*filterBlockLen:][:filterBlockLen]
}

// probe returns the first of the bits of a key, and what each further one adds,
// modulo 2^32. The upper nine bits of a sum are the number of a bit.
func probe(key *Key) (first, step uint32) {
	return binary.BigEndian.Uint32(key[8:]), binary.BigEndian.Uint32(key[12:]) | 1
}

func filterAdd(filter []byte, key *Key) {
	block := filterBlock(filter, key)
	at, step := probe(key)
	for range filterProbes {
		block[at>>26] |= 1 << (at >> 23 & 7)
		at += step
	}
}

func filterHas(filter []byte, key *Key) bool {
	block := filterBlock(filter, key)
	at, step := probe(key)
	for range filterProbes {
		if block[at>>26]&(1<<(at>>23&7)) == 0 {
			return false
		}
		at += step
	}
	return true
}
