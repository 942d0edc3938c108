package history

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/index"
)

// blocked stops the writer and puts a file in the place of the index.
func (p *place) blocked() {
	p.t.Helper()
	p.stop()
	require.NoError(p.t, os.RemoveAll(p.indexDir()))
	require.NoError(p.t, os.WriteFile(p.indexDir(), nil, 0o600))
}

// A folder that cannot be used stops nothing: everything recorded is known, from memory. Once the
// folder can be used, the index is written there, and the next start need not make it again.
func TestAFolderThatCannotBeUsed(t *testing.T) {
	const fills = 20
	p := newPlace(t)
	p.fills(0, fills)
	p.blocked()
	p.start()
	p.repeats(fills)
	require.ErrorContains(t, p.k.Unwritten(), "not a folder")
	require.NoError(t, os.Remove(p.indexDir()))
	require.Eventually(t, func() bool { return p.k.Unwritten() == nil }, 30*time.Second, time.Millisecond)
	p.repeats(fills)
	require.NoError(t, p.k.Verify(context.Background(), nil))
	p.stop()
	p.start()
	p.repeats(fills)
	require.Zero(t, p.k.Rebuilt())
}

// More than may be in memory, and no folder: a server waits, says why, and goes on once the folder
// can be used. Whatever gives up is told.
func TestTooMuchForTheMemory(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 20)
	p.blocked()
	p.k = New(p.store, Options{Dir: p.indexDir(), MostInMemory: 10})
	crowded := (*crowdedError)(nil)
	require.ErrorAs(t, p.k.Ready(context.Background()), &crowded)
	require.NoError(t, p.k.Close())
	p.k = New(p.store, Options{Dir: p.indexDir(), MostInMemory: 10, Patient: true})
	p.w = commands.NewWriter(p.store, "main", commands.Options{History: p.k})
	require.Eventually(t, func() bool { return errors.As(p.k.Err(), &crowded) }, 30*time.Second, time.Millisecond)
	require.LessOrEqual(t, crowded.entries, uint64(13), "it ends as soon as there are too many")
	for _, words := range []string{"cannot be written", "too large to be kept in memory"} {
		require.Contains(t, Reason(p.k.Err()), words)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, p.k.Ready(ended), context.Canceled)
	_, err := p.do("k", fillOf(1))
	refused := (*domain.Error)(nil)
	require.ErrorAs(t, err, &refused)
	require.Equal(t, domain.CodeUnavailable, refused.Code)
	require.Equal(t, domain.Lasting, refused.After, "somebody has to mend it first")
	require.NoError(t, os.Remove(p.indexDir()))
	p.repeats(20)
}

// After a failure it is not tried to write again with every record: each try sorts all there is.
func TestWritingIsTriedAgainLater(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 12)
	p.blocked()
	x, err := index.InMemory(p.indexDir(), p.store.UUID(), RootOf(p.store))
	require.NoError(t, err)
	p.k = New(p.store, Options{Dir: p.indexDir(), CatchUpFlush: 1})
	f := &follower{Keeper: p.k, x: x, ids: commands.NewIdentities(p.store), attempts: attempts{first: time.Hour, most: time.Hour}}
	for rec, err := range p.store.ReadAll(context.Background(), eventstore.Position{}) {
		require.NoError(t, err)
		require.NoError(t, f.add(context.Background(), &rec))
		require.NoError(t, f.makeRoom(context.Background()))
	}
	require.Equal(t, 1, f.times)
	require.NoError(t, x.Close())

	a := attempts{first: time.Second, most: time.Minute}
	require.True(t, a.due())
	var told []int
	for n := 1; n <= 20; n++ {
		if a.fail() {
			told = append(told, n)
		}
		require.False(t, a.due())
		require.LessOrEqual(t, time.Until(a.next), time.Minute)
	}
	require.Equal(t, []int{1, 2, 4, 8, 16}, told)
	require.Greater(t, time.Until(a.next), 30*time.Second)
}

// What a person is told names no file.
func TestReasons(t *testing.T) {
	require.Empty(t, Reason(nil))
	path := &fs.PathError{Op: "write", Path: "/secret/place", Err: syscall.ENOSPC}
	for _, c := range []struct {
		err  error
		says string
	}{
		{errCatchingUp, "is being made from the log"},
		{&crowdedError{5_000_000, path}, "its disk is full"},
		{&crowdedError{5_000_000, &fs.PathError{Op: "mkdir", Path: "/secret/place", Err: syscall.EACCES}}, "this user may not write"},
		{&crowdedError{5_000_000, syscall.EMFILE}, "too many files are open"},
		{&crowdedError{5_000_000, syscall.EROFS}, "read-only"},
		{unread(path), "a record of the log cannot be read"},
		{unread(&eventstore.Unavailable{Cause: path}), "a record of the log cannot be read"},
		{unread(&eventstore.Unavailable{Away: true, Cause: path}), "does not answer"},
		{index.ErrRebuild, "made from the log again"},
	} {
		require.Contains(t, Reason(c.err), c.says)
		require.NotContains(t, Reason(c.err), "/secret")
	}
}

// What a verification finds is about the index that it read, and not about one that was made
// meanwhile.
func TestAFindingAboutAnIndexThatWasReplaced(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 5)
	p.stop()
	p.wrongRevisions()
	p.start()
	p.ready()
	once := false
	err := p.k.Verify(context.Background(), func(context.Context) error {
		if !once {
			once = true
			p.k.Doubt(errors.New("a look-up met it first"))
			p.ready()
		}
		return nil
	})
	require.ErrorIs(t, err, index.ErrDiffers)
	require.NoError(t, p.k.Err())
	require.EqualValues(t, 1, p.k.Rebuilt())
	p.repeats(5)
}

// Waiting for records ends with the context.
func TestAwait(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 2)
	stream := commands.Stream("main")
	require.NoError(t, p.k.Await(context.Background(), stream, 2))
	require.ErrorContains(t, p.k.Await(context.Background(), stream, 1000), "not yet those before 1000")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, p.k.Await(ctx, stream, 1000), context.Canceled)
	require.LessOrEqual(t, awaitFor, time.Second, "stops wait behind it")
}

// What is kept for stops and facts is not written to: the index stays in memory until there is
// room.
func TestWithoutRoom(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 20)
	p.stop()
	require.NoError(t, index.Clear(p.indexDir()))
	var room atomic.Bool
	p.k = New(p.store, Options{Dir: p.indexDir(), Idle: time.Millisecond, Least: 1, Retry: time.Millisecond, Room: func(uint64) error {
		if room.Load() {
			return nil
		}
		return ErrNoRoom
	}})
	p.w = commands.NewWriter(p.store, "main", commands.Options{History: p.k})
	p.repeats(20)
	require.Eventually(t, func() bool { return p.k.Unwritten() != nil }, 30*time.Second, time.Millisecond)
	require.Positive(t, p.k.InMemory())
	files, err := os.ReadDir(p.indexDir())
	require.NoError(t, err)
	require.Empty(t, files)
	room.Store(true)
	require.Eventually(t, func() bool { return p.k.Unwritten() == nil }, 30*time.Second, time.Millisecond)
	require.Zero(t, p.k.InMemory())
	p.repeats(20)
}

// A folder that is removed under a running server is made again by the next writing, with what was
// in it: nothing is made from the log again, and nothing gathers in memory.
func TestAFolderThatIsRemovedMeanwhile(t *testing.T) {
	p := newPlace(t)
	p.stop()
	var said bytes.Buffer
	p.k = New(p.store, Options{Dir: p.indexDir(), Idle: time.Millisecond, Least: 1, Retry: time.Millisecond, Log: slog.New(slog.NewTextHandler(&said, nil))})
	p.w = commands.NewWriter(p.store, "main", commands.Options{History: p.k})
	onDisk := func() bool {
		head, err := p.store.Head(t.Context(), commands.Stream("main"))
		require.NoError(t, err)
		require.NoError(t, p.k.Await(t.Context(), commands.Stream("main"), head+1))
		s, ok := p.k.Stats()
		return ok && s.Flushed == s.Position
	}
	fills := 0
	for range 3 {
		p.fills(fills, fills+5)
		fills += 5
		require.Eventually(t, onDisk, 30*time.Second, time.Millisecond)
		require.Eventually(t, func() bool { return os.RemoveAll(p.indexDir()) == nil }, 30*time.Second, time.Millisecond, "a file may be made meanwhile")
	}
	p.fills(fills, fills+5)
	fills += 5
	require.Eventually(t, onDisk, 30*time.Second, time.Millisecond)
	require.Eventually(t, func() bool { return p.k.Unwritten() == nil }, 30*time.Second, time.Millisecond)
	require.Zero(t, p.k.Rebuilt())
	p.repeats(fills)
	p.stop()
	require.Equal(t, 3, strings.Count(said.String(), "it was made again"), said.String())
	p.start()
	p.repeats(fills)
	require.Zero(t, p.k.Rebuilt())
	s, ok := p.k.Stats()
	require.True(t, ok)
	require.Positive(t, s.Flushed, "the next start goes on from what was written")
}
