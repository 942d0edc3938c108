package index

import (
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// repaired makes the checksums of a file right, as far as its own numbers say where
// they are: so the fuzzer gets past them.
func repaired(b []byte, name runName) []byte {
	if len(b) < footerLen {
		return b
	}
	foot := b[len(b)-footerLen:]
	copy(foot, footerMagic)
	le.PutUint32(foot[8:], formatVersion)
	copy(foot[16:], testStore[:])
	le.PutUint64(foot[32:], uint64(name.from))
	le.PutUint64(foot[40:], uint64(name.to))
	blocks := int(le.Uint32(foot[128:]))
	if end := len(b) - footerLen; blocks <= end/blockLen {
		for n := range blocks {
			block := b[n*blockLen:][:blockLen]
			le.PutUint32(block[blockPayload:], uint32(n))
			sum := crc32.Update(crc32.Checksum(foot[12:48], castagnoli), castagnoli, block[:blockLen-4])
			le.PutUint32(block[blockLen-4:], sum)
		}
		le.PutUint32(foot[136:], crc32.Checksum(b[blocks*blockLen:end], castagnoli))
	}
	le.PutUint32(foot[156:], crc32.Checksum(foot[:156], castagnoli))
	return b
}

// FuzzRun reads any bytes as a run, with the checksums as they are, or made right.
// Nothing panics or reads for ever, and of a run that can be read to its end, in
// both directions, each key is found, too.
func FuzzRun(f *testing.F) {
	_, d := small(f)
	for name, file := range d.files {
		n, _ := parseName(name)
		f.Add(file.content, uint8(n.table), true)
		f.Add(file.content, uint8(n.table), false)
		f.Add(file.content[blockLen:], uint8(n.table), true)
	}
	f.Add([]byte{}, uint8(0), false)
	f.Fuzz(func(t *testing.T, b []byte, table uint8, repair bool) {
		name := runName{Table(table % tables), 0, 100}
		if repair {
			b = repaired(append([]byte{}, b...), name)
		}
		r, err := readRun(&memFile{d: newMemFolder(), content: b}, name, testStore)
		if err != nil {
			require.ErrorIs(t, err, ErrRebuild)
			return
		}
		require.EqualValues(t, len(b), r.fileLen())
		forward, err := readAll(t, r, false)
		if err != nil {
			return
		}
		backward, err := readAll(t, r, true)
		if err != nil {
			return
		}
		require.EqualValues(t, r.count, len(forward))
		require.Len(t, backward, len(forward))
		buf := new([blockLen]byte)
		for i, e := range forward {
			require.Equal(t, e, backward[len(backward)-1-i])
			key := Key(e[:keyLen])
			if r.schema.many {
				values, err := r.all(&key, buf, nil)
				require.NoError(t, err)
				require.Contains(t, slices.Collect(slices.Chunk(values, r.schema.value)), e[keyLen:])
				continue
			}
			value, found, err := r.get(&key, buf)
			require.NoError(t, err)
			require.True(t, found)
			require.Equal(t, e[keyLen:], value)
		}
	})
}

func readAll(t *testing.T, r *run, reverse bool) (out [][]byte, err error) {
	s := r.source(Key{}, lastKey, reverse)
	defer s.close()
	for {
		e, err := s.next()
		if err != nil {
			require.ErrorIs(t, err, ErrRebuild)
			return nil, err
		}
		if e == nil {
			return out, nil
		}
		out = append(out, append([]byte{}, e...))
		require.LessOrEqual(t, len(out), int(r.count))
	}
}
