package index

import (
	"bytes"
	"context"
	"errors"
	"hash/crc32"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Verify agrees with a right index, wherever its tables are.
func TestVerify(t *testing.T) {
	h := newHistory(40, 400)
	d := newMemFolder()
	x := openMem(t, d)
	require.NoError(t, x.Verify(ctx, h.all()), "empty")
	for chunk := range slices.Chunk(h.log[:300], 30) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	require.NoError(t, x.mergeAll(ctx))
	add(t, x, h.log[300:])
	require.NoError(t, x.flush(ctx, Closed))
	require.NoError(t, x.Verify(ctx, h.all()))
	r, err := openReader(d, testStore, rootAt)
	require.NoError(t, err)
	require.NoError(t, r.Verify(ctx, h.all()), "behind the log")

	ended, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, x.Verify(ended, h.all()), context.Canceled)
	boom := errors.New("the log cannot be read")
	require.ErrorIs(t, x.Verify(ctx, func(yield func(Addition, error) bool) { yield(Addition{}, boom) }), boom)
	require.NoError(t, x.Err())
}

// Verify says what differs first: an entry that is missing, one too many, another
// value. In the files everything else is right.
func TestVerifyFindsTheFirstDifference(t *testing.T) {
	h := newHistory(41, 200)
	key := IDKey("fill", "main", "extra")
	for _, c := range []struct {
		says   string
		change func(*Addition)
		lacks  bool
	}{
		{"it lacks the key", func(a *Addition) { a.Entries = nil }, true},
		{"entries, and the log has", func(a *Addition) {
			a.Entries = append(slices.Clone(a.Entries), Entry{IDs, key, make([]byte, IDs.ValueLen())})
		}, false},
		{"and the log says", func(a *Addition) {
			a.Entries = slices.Clone(a.Entries)
			a.Entries[0].Value = bytes.Clone(a.Entries[0].Value)
			a.Entries[0].Value[revisionLen]++
		}, true},
	} {
		wrong := slices.Clone(h.log)
		i := 100
		for len(wrong[i].Entries) == 0 || wrong[i].Entries[0].Table != IDs {
			i++
		}
		c.change(&wrong[i])
		x := openMem(t, newMemFolder())
		add(t, x, wrong)
		require.NoError(t, x.Flush(ctx))
		err := x.Verify(ctx, h.all())
		require.ErrorIs(t, err, ErrDiffers)
		require.ErrorIs(t, err, ErrRebuild)
		require.ErrorContains(t, err, c.says)
		require.Equal(t, c.lacks, errors.Is(err, ErrLacks))
		require.ErrorIs(t, x.Err(), ErrDiffers)
		require.NoError(t, x.Rebuild(ctx, h.all(), nil))
		require.NoError(t, x.Err())
		require.NoError(t, x.Verify(ctx, h.all()))
	}
}

// A filter that lacks a key would be a wrong "not there", with every checksum right.
func TestVerifyFindsAFilterThatLacksAKey(t *testing.T) {
	h := newHistory(42, 100)
	d := newMemFolder()
	x := openMem(t, d)
	add(t, x, h.log)
	require.NoError(t, x.Flush(ctx))
	name := x.tables[IDs].list.runs[0].name.String()
	b := d.files[name].content
	foot := b[len(b)-footerLen:]
	blocks := int(le.Uint32(foot[128:]))
	meta := b[blocks*blockLen : len(b)-footerLen]
	clear(meta[blocks*keyLen:])
	le.PutUint32(foot[136:], crc32.Checksum(meta, castagnoli))
	le.PutUint32(foot[156:], crc32.Checksum(foot[:156], castagnoli))
	x = openMem(t, d.restart())
	require.Equal(t, h.end(), x.Position(), "nothing is wrong with it at first sight")
	err := x.Verify(ctx, h.all())
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "its filter lacks the key")
}

// A look-up of many entries at once, of keys with values in several blocks and in several runs,
// and of a record that names one key twice.
func TestVerifyKeysWithManyValues(t *testing.T) {
	x := openMem(t, newMemFolder())
	many, few := IDKey("fill", "main", "many"), IDKey("fill", "main", "few")
	value := func(n int, mark byte) []byte {
		v := make([]byte, IDs.ValueLen())
		v[5], v[6], v[7], v[8] = byte(n>>16), byte(n>>8), byte(n), mark
		return v
	}
	var log []Addition
	for n := range 2*verifyStep + 10 {
		a := Addition{At: Position(n + 1), Entries: []Entry{{IDs, many, value(n, 1)}, {IDs, many, value(n, 2)}}}
		if n%1000 == 0 {
			a.Entries = append(a.Entries, Entry{IDs, few, value(n, 3)})
		}
		log = append(log, a)
	}
	for chunk := range slices.Chunk(log, verifyStep/2+1) {
		add(t, x, chunk)
		require.NoError(t, x.Flush(ctx))
	}
	all := func(log []Addition) func(func(Addition, error) bool) {
		return func(yield func(Addition, error) bool) {
			for _, a := range log {
				if !yield(a, nil) {
					return
				}
			}
		}
	}
	require.NoError(t, x.Verify(ctx, all(log)))
	other := slices.Clone(log)
	other[verifyStep+7].Entries = []Entry{{IDs, many, value(verifyStep+7, 1)}} // the first of the two
	require.ErrorIs(t, x.Verify(ctx, all(other)), ErrLacks)
	other[verifyStep+7].Entries = nil
	require.ErrorContains(t, x.Verify(ctx, all(other)), "entries, and the log has")
}
