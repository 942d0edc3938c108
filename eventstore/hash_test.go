package eventstore_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"golang.org/x/mod/sumdb/tlog"

	"pets/eventstore"
)

func sample() eventstore.Record {
	return eventstore.Record{
		Stream: "portfolio-main", Revision: 7, Position: eventstore.Position{Commit: 9, Prepare: 9},
		ID: uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff"), Type: "fill.recorded.v1",
		Time: time.Unix(0, 1_700_000_000_123_456_789).UTC(), Metadata: []byte(`{"actor":"a"}`), Data: []byte(`{"n":"1"}`),
	}
}

// "Leaf = SHA-256(0x00 ‖ framing of stream, revision, id, type, time, metadata, data,
// each length-prefixed), as stored": every byte of one leaf, written out by hand, so
// that no later build can mean something else by it.
func TestTheFramingOfALeaf(t *testing.T) {
	want := "00" +
		"0000000e" + hex.EncodeToString([]byte("portfolio-main")) +
		"00000008" + "0000000000000007" +
		"00000010" + "00112233445566778899aabbccddeeff" +
		"00000010" + hex.EncodeToString([]byte("fill.recorded.v1")) +
		"00000008" + "17979cfe3d85cd15" +
		"0000000d" + hex.EncodeToString([]byte(`{"actor":"a"}`)) +
		"00000009" + hex.EncodeToString([]byte(`{"n":"1"}`))
	r := sample()
	require.Equal(t, want, hex.EncodeToString(eventstore.AppendLeaf(nil, &r)))
	raw, err := hex.DecodeString(want)
	require.NoError(t, err)
	require.Equal(t, eventstore.Hash(sha256.Sum256(raw)), eventstore.LeafHash(&r))
	require.Equal(t, eventstore.Hash(tlog.RecordHash(raw[1:])), eventstore.LeafHash(&r), "the leaf of the tree of RFC 6962 over the framing")
}

// Every field counts, also where only the border between two fields moves. The
// position does not: it differs between engines.
func TestEveryFieldOfALeafCounts(t *testing.T) {
	base := sample()
	changes := map[string]func(*eventstore.Record){
		"stream":   func(r *eventstore.Record) { r.Stream = "portfolio-mair" },
		"revision": func(r *eventstore.Record) { r.Revision++ },
		"id":       func(r *eventstore.Record) { r.ID[15]++ },
		"type":     func(r *eventstore.Record) { r.Type = "fill.recorded.v2" },
		"time":     func(r *eventstore.Record) { r.Time = r.Time.Add(1) },
		"metadata": func(r *eventstore.Record) { r.Metadata = nil },
		"data":     func(r *eventstore.Record) { r.Data = []byte(`{"n":"2"}`) },
		"a border": func(r *eventstore.Record) {
			r.Metadata, r.Data = append(append([]byte(nil), r.Metadata...), r.Data[0]), r.Data[1:]
		},
	}
	for name, change := range changes {
		r := sample()
		change(&r)
		require.NotEqual(t, eventstore.LeafHash(&base), eventstore.LeafHash(&r), name)
	}
	elsewhere := sample()
	elsewhere.Position = eventstore.Position{}
	elsewhere.Time = elsewhere.Time.In(time.FixedZone("", 3600))
	require.Equal(t, eventstore.LeafHash(&base), eventstore.LeafHash(&elsewhere))
}

// The vectors of RFC 6962 as certificate transparency publishes them: eight leaves
// and the roots of the trees over the first of them.
func TestVectorsOfRFC6962(t *testing.T) {
	leaves := []string{"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"}
	roots := []string{
		"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
		"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
		"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
		"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
		"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
		"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
		"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
		"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
	}
	var f eventstore.Frontier
	require.Equal(t, roots[0], f.Root().String())
	for i, leaf := range leaves {
		b, err := hex.DecodeString("00" + leaf)
		require.NoError(t, err)
		f.Append(sha256.Sum256(b))
		require.Equal(t, roots[i+1], f.Root().String(), "%d leaves", i+1)
	}
}

// "RFC 6962 frontier": the same roots as the tree of Go's checksum database, at every
// size, also when it goes on from what was stored.
func TestFrontierAgreesWithTlog(t *testing.T) {
	var f eventstore.Frontier
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		out := make([]tlog.Hash, len(indexes))
		for i, x := range indexes {
			out[i] = stored[x]
		}
		return out, nil
	})
	for n := range int64(300) {
		data := binary.BigEndian.AppendUint64(nil, uint64(n))
		hashes, err := tlog.StoredHashes(n, data, read)
		require.NoError(t, err)
		stored = append(stored, hashes...)
		want, err := tlog.TreeHash(n+1, read)
		require.NoError(t, err)

		before := f.Clone()
		f.Append(eventstore.Hash(tlog.RecordHash(data)))
		require.Equal(t, eventstore.Hash(want), f.Root(), "%d leaves", n+1)
		require.EqualValues(t, n+1, f.Size())

		again, rest, err := eventstore.CutFrontier(append(before.AppendTo(nil), "more"...))
		require.NoError(t, err)
		require.Equal(t, "more", string(rest))
		again.Append(eventstore.Hash(tlog.RecordHash(data)))
		require.Equal(t, f.Root(), again.Root(), "the clone was not changed by what it was taken from")
	}
}

// What is cut short is no frontier, at any length.
func TestAFrontierCutShort(t *testing.T) {
	var f eventstore.Frontier
	for i := range 7 {
		f.Append(sha256.Sum256(fmt.Append(nil, i)))
	}
	b := f.AppendTo(nil)
	require.Len(t, b, 8+3*32)
	for n := range b {
		_, _, err := eventstore.CutFrontier(b[:n])
		require.Error(t, err, n)
	}
	_, _, err := eventstore.CutFrontier(binary.BigEndian.AppendUint64(nil, math.MaxUint64))
	require.Error(t, err)
}

func BenchmarkLeaf(b *testing.B) {
	r := sample()
	r.Data = make([]byte, 300)
	var f eventstore.Frontier
	for b.Loop() {
		f.Append(eventstore.LeafHash(&r))
	}
}
