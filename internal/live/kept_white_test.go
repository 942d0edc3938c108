package live

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/eventstore"
)

// The part of a checkpoint that has the readers comes back as it was written; cut anywhere, with
// something behind it, or of another version, it is refused.
func TestTheKeptPartComesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &kept{leaf: eventstore.Hash(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "leaf"))}
		for range rapid.IntRange(0, 20).Draw(t, "records") {
			k.folded.Append(k.leaf)
		}
		for range rapid.IntRange(0, 3).Draw(t, "readers") {
			k.readers = append(k.readers, keptReader{
				name: rapid.String().Draw(t, "name"), id: rapid.String().Draw(t, "id"), length: rapid.Uint64().Draw(t, "length"),
				data: rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
			})
		}
		b := k.marshal()
		got, err := parseKept(b)
		require.NoError(t, err)
		require.Equal(t, k.folded.Root(), got.folded.Root())
		require.Equal(t, b, got.marshal())
		require.Len(t, got.readers, len(k.readers))
		for i := range k.readers {
			require.Equal(t, k.readers[i].name, got.readers[i].name)
			require.Equal(t, k.readers[i].length, got.readers[i].length)
		}
		for n := range b {
			_, err := parseKept(b[:n])
			require.Error(t, err, "%d of %d bytes", n, len(b))
		}
		_, err = parseKept(append(b[:len(b):len(b)], 0))
		require.Error(t, err)
		b[0]++
		_, err = parseKept(b)
		require.ErrorIs(t, err, errKeptVersion)
	})
}

// Any bytes are refused or read, without a panic and without more memory than they have.
func FuzzParseKept(f *testing.F) {
	f.Add((&kept{}).marshal())
	f.Add((&kept{readers: []keptReader{{name: "a", id: "b", length: 3, data: []byte("c")}}}).marshal())
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := parseKept(b); err == nil {
			_, err := parseKept(k.marshal())
			require.NoError(t, err)
		}
	})
}
