package snapshot

import (
	"bytes"
	"errors"
	"log/slog"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestWhatMayBeWritten(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		free, reserve, size uint64
		may                 bool
	}{
		{free: 300, reserve: 100, size: 100, may: true},
		{free: 299, reserve: 100, size: 100},
		{free: 200, reserve: 100, size: 0, may: true},
		{free: 199, reserve: 100, size: 0},
		{free: 99, reserve: 100, size: 0},
		{free: 0, reserve: 0, size: 0, may: true},
		{free: 10, reserve: 0, size: 11},
		{free: math.MaxUint64, reserve: math.MaxUint64, size: 1},
		{free: math.MaxUint64, reserve: 1, size: math.MaxUint64},
	} {
		require.Equal(t, c.may, mayWrite(c.free, c.reserve, c.size), "%+v", c)
	}
}

// On a disk that is nearly full no checkpoint is written, and that is logged once. The ones
// before stay, and new ones are written as soon as there is space.
func TestNoCheckpointIsWrittenIntoTheReserve(t *testing.T) {
	t.Parallel()
	f := folder(t)
	var log bytes.Buffer
	f.log = slog.New(slog.NewTextHandler(&log, nil))
	const reserve = 1 << 20
	var free atomic.Uint64
	f.Leave(reserve, func(dir *os.File) (uint64, error) {
		info, err := dir.Stat()
		require.NoError(t, err)
		require.True(t, info.IsDir())
		return free.Load(), nil
	})
	free.Store(3 * reserve)
	f.save(State, stream, 3, data(3))
	require.True(t, f.HasRoom(0))
	requireLoad(t, f, newest, 3)
	before := files(t, f)

	free.Store(2*reserve + listRoom + uint64(len(data(5))) - 1)
	f.save(State, stream, 5, data(5))
	f.save(State, stream, 6, data(6))
	require.True(t, f.HasRoom(0), "there is room for less")
	free.Store(2 * reserve)
	require.False(t, f.HasRoom(0))
	f.save(State, stream, 6, data(6))
	require.Equal(t, before, files(t, f))
	requireLoad(t, f, newest, 3)

	free.Store(3 * reserve)
	f.save(State, stream, 7, data(7))
	requireLoad(t, f, newest, 7)
	f.save(State, stream, 8, data(8))
	require.Equal(t, 1, strings.Count(log.String(), "no checkpoints are written"), log.String())
	require.Equal(t, 1, strings.Count(log.String(), "checkpoints are written again"), log.String())
}

// If the free space is unknown, checkpoints are written.
func TestUnknownSpaceLimitsNothing(t *testing.T) {
	t.Parallel()
	f := folder(t)
	f.Leave(1<<40, func(*os.File) (uint64, error) { return 0, errors.ErrUnsupported })
	f.save(State, stream, 3, data(3))
	requireLoad(t, f, newest, 3)
}

// A checkpoint of which a part cannot be written leaves none of its files.
func TestNoPartStaysAlone(t *testing.T) {
	t.Parallel()
	f := folder(t)
	f.save(State, stream, 3, data(3))
	before := files(t, f)
	f.limit = 1000
	for _, kind := range []string{State, "other"} {
		f.Save(Checkpoint{
			Stream: stream, Size: 6, At: noon, Head: f.Want(stream, 6),
			Parts: []Part{{"commands", data(5)}, {kind, make([]byte, 2000)}},
		})
		f.Flush()
		require.Equal(t, before, files(t, f))
	}
	requireLoad(t, f, newest, 3)
}
