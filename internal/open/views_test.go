package open

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/config"
	"pets/internal/live"
	"pets/projections"
)

var (
	opened  = &domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)}
	deposit = &domain.DepositRecorded{Wallet: domain.WalletHot, Amount: domain.MustDecimal("1")}
)

// types is a reader that can be kept. It writes the type of every event to its pieces.
type types struct {
	pieces projections.Pieces
	refs   []projections.Piece
	seen   int // events since it was made or restored
}

func (r *types) Apply(rec eventstore.Record, _ domain.Event, _ *portfolio.State) {
	p, err := r.pieces.Append([]byte(rec.Type))
	if err != nil {
		panic(err)
	}
	r.refs, r.seen = append(r.refs, p), r.seen+1
}

func (r *types) Keep() ([]byte, error)  { return json.Marshal(r.refs) }
func (r *types) Restore(b []byte) error { return json.Unmarshal(b, &r.refs) }
func (r *types) Err() error             { return nil }

// visit is a server at a place: a store with its witness, and what follows it.
type visit struct {
	t     *testing.T
	place *Place
	store *writing
	watch *Watch
	live  *live.Followers
	types *live.Attachment[*types]
	said  bytes.Buffer // by the log
	warns bytes.Buffer // for a person
}

// visits starts a server that makes a checkpoint after every few events.
func visits(t *testing.T, dir string) *visit {
	t.Helper()
	v := &visit{t: t}
	v.place = &Place{Config: config.Config{Store: "embedded:" + dir, Witness: dir + "-witness", DiskReserve: 1 << 10}, Err: &v.warns}
	log := slog.New(slog.NewTextHandler(&v.said, nil))
	var err error
	v.store, err = v.place.OpenWriter(Opening{Making: true})
	require.NoError(t, err)
	v.watch, err = v.place.OpenWatch(t.Context(), v.store.Store, Watching{Warn: v.place.Caution, Log: log})
	require.NoError(t, err)
	v.watch.Start()
	v.live = live.New(v.store, live.Options{Prefix: commands.Stream(""), Checkpoints: v.watch, CheckpointEvery: 500, CheckpointIdle: time.Hour, Views: v.watch.Views(), Log: log})
	v.types = live.Attach(v.live, "the types", func(_ string, p projections.Pieces) *types { return &types{pieces: p} })
	return v
}

func (v *visit) leave() {
	v.live.Close()
	found := v.place.LookAtViews(v.store.Store)
	require.True(v.t, found.There && found.Files == 1, "%+v", found)
	require.Equal(v.t, strings.Contains(v.warns.String(), "Read models stay in memory"), len(found.Problems) > 0, "%+v", found)
	v.watch.Close()
	require.NoError(v.t, v.store.Close())
}

func (v *visit) append(events ...domain.Event) {
	v.t.Helper()
	expected := eventstore.NoStream
	if head, err := v.store.Head(v.t.Context(), commands.Stream("main")); err == nil {
		expected = eventstore.Expected(head)
	}
	proposed := make([]eventstore.Proposed, len(events))
	for i, e := range events {
		data, err := domain.Encode(e)
		require.NoError(v.t, err)
		proposed[i] = eventstore.Proposed{ID: uuid.New(), Type: e.EventType(), Time: time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), Metadata: []byte(`{}`), Data: data}
	}
	_, err := v.store.Append(v.t.Context(), commands.Stream("main"), expected, proposed)
	require.NoError(v.t, err)
}

// read returns how many events the reader knows, and how many of them it has seen since the start.
func (v *visit) read() (known, seen int) {
	v.t.Helper()
	p, err := v.live.Open(v.t.Context(), "main")
	require.NoError(v.t, err)
	require.NoError(v.t, p.Reach(v.t.Context(), 0))
	require.NoError(v.t, p.Read(func(*portfolio.State) error {
		r, err := v.types.Of(p)
		require.NoError(v.t, err)
		for n, ref := range r.refs {
			b, err := r.pieces.Read(ref)
			require.NoError(v.t, err)
			require.Equal(v.t, map[bool]string{true: "portfolio.opened.v1", false: "deposit.recorded.v1"}[n == 0], string(b))
		}
		known, seen = len(r.refs), r.seen
		return nil
	}))
	return known, seen
}

// Through the real files, lists and witness: a start goes on from the last one's readers; without
// the checkpoints, or without the files, or if others can have written them, it folds the history from
// its first record.
func TestReadersGoOnFromCheckpoints(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pets")
	v := visits(t, dir)
	v.append(opened)
	total := 1
	for step, c := range []struct {
		name   string
		before func()
		folds  bool
	}{
		{"the first start", func() {}, true},
		{"a second start", func() {}, false},
		{"a third start", func() {}, false},
		{"the files are gone", func() { require.NoError(t, os.RemoveAll(filepath.Join(dir, ViewsDir))) }, true},
		{"and are there again", func() {}, false},
		{"the checkpoints are gone", func() { require.NoError(t, os.RemoveAll(filepath.Join(dir, CheckpointDir))) }, true},
		{"and are there again", func() {}, false},
		{"others may write to the files", func() { require.NoError(t, os.Chmod(filepath.Join(dir, ViewsDir), 0o777)) }, true},
		{"they may not any more", func() { require.NoError(t, os.Chmod(filepath.Join(dir, ViewsDir), 0o700)) }, false},
	} {
		if step > 0 {
			c.before()
			v = visits(t, dir)
		}
		before := total
		if c.name == "they may not any more" { // the last start could keep nothing
			before -= 3
		}
		for range 3 {
			v.append(deposit)
			total++
		}
		known, seen := v.read()
		require.Equal(t, total, known, c.name)
		want := total - before
		if c.folds {
			want = total
		}
		require.Equal(t, want, seen, "%s\n%s%s", c.name, v.said.String(), v.warns.String())
		require.Equal(t, c.name == "others may write to the files", strings.Contains(v.warns.String(), "Read models stay in memory"))
		v.leave()
	}
}

// A server that was killed at any moment leaves checkpoints, files and a witness as they were then.
// The next start goes on from them, and knows every event once.
func TestReadersGoOnAfterAKill(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pets")
	v := visits(t, dir)
	v.append(opened)
	total, restored := 1, 0
	for range 12 {
		for range 8 {
			events := make([]domain.Event, 100)
			for i := range events {
				events[i] = deposit
			}
			v.append(events...)
			total += len(events)
		}
		known, _ := v.read()
		require.Equal(t, total, known)
		killed := filepath.Join(t.TempDir(), "pets")
		copyFolder(t, dir, killed) // nothing is appended meanwhile, so the witness does not know more
		copyFolder(t, dir+"-witness", killed+"-witness")
		next := visits(t, killed)
		known, seen := next.read()
		require.GreaterOrEqual(t, known, total)
		if seen < known {
			restored++
		}
		next.leave()
	}
	v.leave()
	require.NotZero(t, restored, "no start went on from a checkpoint")
}

// copyFolder copies a folder while it is used. Files may come and go meanwhile.
func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		below, err := filepath.Rel(from, path)
		require.NoError(t, err)
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(to, below), 0o700)
		}
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		require.NoError(t, err)
		return os.WriteFile(filepath.Join(to, below), b, 0o600)
	}))
}

// A file in the place of the folder is said, with what to do, and costs this start what is kept
// there. Once it is moved away, the running server writes there, and the next start goes on.
func TestAFileInThePlaceOfTheViews(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "pets")
	v := visits(t, dir)
	v.append(opened)
	v.read()
	v.leave()
	views := filepath.Join(dir, ViewsDir)
	require.NoError(t, os.RemoveAll(views))
	require.NoError(t, os.WriteFile(views, nil, 0o600))

	v = visits(t, dir)
	require.Contains(t, v.warns.String(), views+" is not a folder. Move it away")
	v.append(deposit, deposit)
	known, seen := v.read()
	require.Equal(t, [2]int{3, 3}, [2]int{known, seen})
	require.NoError(t, os.Remove(views))
	v.leave()

	v = visits(t, dir)
	require.Empty(t, v.warns.String())
	v.append(deposit)
	known, seen = v.read()
	require.Equal(t, [2]int{4, 1}, [2]int{known, seen})
	v.leave()
}

// What keeps PETS_DIR from being used is said with its name, the reason, and what to do.
func TestAPetsDirThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err := LockDir(filepath.Join(file, "new"), t.TempDir(), uuid.New())
	require.EqualError(t, err, "make PETS_DIR: "+file+" is not a folder, but a file, so it is not used; find out who put it there, and move it away")
	for cause, says := range map[error]string{
		syscall.EACCES: "give the folder to the user of pets, or set PETS_DIR to",
		syscall.EPERM:  "give the folder to the user of pets, or set PETS_DIR to",
		syscall.EROFS:  "mount its disk for writing, or set PETS_DIR to",
		syscall.ENOSPC: "free some space on its disk, or set PETS_DIR to",
		syscall.ELOOP:  "see to it that the folder can be written to, or set PETS_DIR to",
	} {
		err := unusable("make", "/a/new", &fs.PathError{Op: "mkdirat", Path: "new", Err: cause})
		require.ErrorIs(t, err, cause)
		require.ErrorContains(t, err, "make PETS_DIR (/a/new): mkdirat new: "+cause.Error()+"; "+says)
	}
}
