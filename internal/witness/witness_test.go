package witness

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

const patience = 20 * time.Second

var id = uuid.MustParse("00112233-4455-6677-8899-aabbccddeeff")

// rig is a store, a folder for its witness, and what the keeper told.
type rig struct {
	t     *testing.T
	store eventstore.Store
	dir   string
	mu    sync.Mutex
	told  []string
}

func newRig(t *testing.T) *rig {
	t.Helper()
	return &rig{t: t, store: memory.New(), dir: filepath.Join(t.TempDir(), "witness")}
}

func (r *rig) options() Options {
	return Options{
		Dir: r.dir, Store: r.store, ID: id, Every: time.Hour, Soon: time.Millisecond,
		Urgent: func(eventType string) bool { return eventType == "test.tripped.v1" },
		Failed: func(what string, err error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.told = append(r.told, fmt.Sprint(what, ": ", err))
		},
	}
}

func (r *rig) failures() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

// grow appends n records to a stream.
func (r *rig) grow(stream string, n int) {
	r.t.Helper()
	from := 0
	expected := eventstore.NoStream
	if head, err := r.store.Head(r.t.Context(), stream); err == nil {
		from, expected = int(head)+1, eventstore.At(head)
	}
	storetest.Must(r.t, r.store, stream, expected, storetest.Propose(stream, from, n))
}

func (r *rig) urgent(stream string) {
	r.t.Helper()
	head, err := r.store.Head(r.t.Context(), stream)
	require.NoError(r.t, err)
	p := storetest.Propose(stream, int(head)+1, 1)
	p[0].Type = "test.tripped.v1"
	storetest.Must(r.t, r.store, stream, eventstore.At(head), p)
}

// open opens a keeper that has to be fine, and starts it.
func (r *rig) open() *Keeper {
	r.t.Helper()
	k, _, err := Open(r.t.Context(), r.options(), false)
	require.NoError(r.t, err)
	k.Start()
	return k
}

func (r *rig) close(k *Keeper) {
	r.t.Helper()
	require.NoError(r.t, k.Close(context.WithoutCancel(r.t.Context())))
}

// refused opens a keeper that has to be refused, and makes sure that nothing was written.
func (r *rig) refused(into any) {
	r.t.Helper()
	before, _ := os.ReadFile(r.file())
	_, _, err := Open(r.t.Context(), r.options(), false)
	require.ErrorAs(r.t, err, into)
	after, _ := os.ReadFile(r.file())
	require.Equal(r.t, before, after)
}

func (r *rig) file() string { return filepath.Join(r.dir, fileName) }

func (r *rig) book() *book {
	r.t.Helper()
	b, err := readBook(r.dir)
	require.NoError(r.t, err)
	require.NotNil(r.t, b)
	return b
}

// head hashes a stream from its beginning.
func head(t testing.TB, store eventstore.Store, stream string, size uint64) eventstore.TreeHead {
	t.Helper()
	var f eventstore.Frontier
	h := eventstore.TreeHead{Size: size}
	for rec, err := range store.ReadStream(t.Context(), stream, 0) {
		require.NoError(t, err)
		if f.Size() == size {
			break
		}
		h.Leaf = eventstore.LeafHash(&rec)
		f.Append(h.Leaf)
	}
	require.Equal(t, size, f.Size())
	h.Root = f.Root()
	return h
}

// "Each stream's head, root and last snapshot hash": what is written is what the log
// says, of every stream, and the next start goes on from there.
func TestTheWitnessSaysWhatTheLogSays(t *testing.T) {
	r := newRig(t)
	for round := range 4 {
		k := r.open()
		for i := range 3 {
			r.grow(fmt.Sprint("portfolio-", i), 1+round*i)
		}
		if round%2 == 1 {
			r.grow("system", 5)
		}
		r.close(k)
		b := r.book()
		require.Equal(t, id, b.store)
		names, err := r.store.Streams(t.Context())
		require.NoError(t, err)
		require.Equal(t, names, b.names())
		for _, name := range names {
			last, err := r.store.Head(t.Context(), name)
			require.NoError(t, err)
			e := b.entries[name]
			require.Equal(t, head(t, r.store, name, last+1), eventstore.TreeHead{Size: e.frontier.Size(), Root: e.frontier.Root(), Leaf: e.leaf})
		}
		again := r.open()
		require.Zero(t, again.Status().Records, "it goes on from what was written")
		r.close(again)
	}
	require.Zero(t, r.failures())
}

// "After each stop, trip, revocation": at once, without waiting for the minute, and with
// everything else that moved.
func TestUrgentEventsAreWrittenAtOnce(t *testing.T) {
	r := newRig(t)
	k := r.open()
	defer r.close(k)
	r.grow("portfolio-a", 3)
	r.grow("portfolio-b", 3)
	require.Eventually(t, func() bool { b, err := readBook(r.dir); return err == nil && b != nil }, patience, time.Millisecond)
	r.urgent("portfolio-a")
	require.Eventually(t, func() bool {
		b, err := readBook(r.dir)
		return err == nil && b.entries["portfolio-a"] != nil && b.entries["portfolio-a"].frontier.Size() == 4 && b.entries["portfolio-b"] != nil
	}, patience, time.Millisecond)
}

// "… and each minute": here, each ten milliseconds.
func TestWhatMovedIsWrittenNowAndThen(t *testing.T) {
	r := newRig(t)
	o := r.options()
	o.Every = 10 * time.Millisecond
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	defer r.close(k)
	for n := range uint64(3) {
		r.grow("portfolio-a", 1)
		require.Eventually(t, func() bool {
			b, err := readBook(r.dir)
			return err == nil && b != nil && b.entries["portfolio-a"] != nil && b.entries["portfolio-a"].frontier.Size() == n+1
		}, patience, time.Millisecond)
	}
}

// rolled has a witness of 10 records of a stream and 4 of another, and returns a store
// with fewer of the first, which goes on in its own way.
func rolled(t *testing.T, left int, others ...eventstore.Proposed) *rig {
	t.Helper()
	r := newRig(t)
	k := r.open()
	r.grow("portfolio-a", 10)
	r.grow("portfolio-b", 4)
	r.close(k)
	r.store = memory.New()
	if left > 0 {
		r.grow("portfolio-a", min(left, 10))
	}
	r.grow("portfolio-b", 4)
	if left > 10 {
		r.grow("portfolio-a", left-10)
	}
	if len(others) > 0 {
		storetest.Must(t, r.store, "portfolio-a", eventstore.At(uint64(left-1)), others)
	}
	return r
}

// "A start below it is refused": whatever is missing, also all of a stream, and the error
// says which streams and by how much. What is longer is fine.
func TestAStartBelowTheWitnessIsRefused(t *testing.T) {
	for left := range 12 {
		t.Run(fmt.Sprint(left), func(t *testing.T) {
			r := rolled(t, left)
			if left >= 10 {
				r.close(r.open())
				return
			}
			var back *RolledBackError
			r.refused(&back)
			require.Equal(t, []Difference{{"portfolio-a", 10, uint64(left)}}, back.Differences)
			require.Contains(t, back.Error(), fmt.Sprintf("portfolio-a: 10 records were there, %d are left", left))
			r.refused(&back) // and again
		})
	}
}

// "… and the leaf at the witnessed head equals": rolled back and then grown beyond the
// head with other events.
func TestAnotherHistoryIsRefused(t *testing.T) {
	for _, n := range []int{4, 5, 40} {
		r := rolled(t, 6, storetest.Propose("other", 6, n)...)
		var back *RolledBackError
		r.refused(&back)
		require.Equal(t, []Difference{{"portfolio-a", 10, uint64(6 + n)}}, back.Differences)
		require.Contains(t, back.Error(), "record 9 is not the one that was there")
	}
}

// "Until a person says": with accept it goes on, hides nothing of what it accepted,
// believes no snapshot of before, and is fine from then on.
func TestARollbackCanBeAccepted(t *testing.T) {
	r := rolled(t, 6)
	k, opened, err := Open(t.Context(), r.options(), true)
	require.NoError(t, err)
	require.True(t, opened.Accepted())
	require.Equal(t, []Difference{{"portfolio-a", 10, 6}}, opened.Differences)
	k.Abandon() // it could not be recorded: nothing was written, and it is refused again
	var back *RolledBackError
	r.refused(&back)

	k, _, err = Open(t.Context(), r.options(), true)
	require.NoError(t, err)
	_, _, known := k.Newest("state", "portfolio-b", 4)
	require.False(t, known)
	k.Start()
	r.close(k)
	r.close(r.open())
	require.EqualValues(t, 6, r.book().entries["portfolio-a"].frontier.Size())
}

// "No witness at all": it is made anew, and says so. "Crash between log flush and witness
// write": a log that is ahead is fine.
func TestNoWitnessAndAnOldOne(t *testing.T) {
	r := newRig(t)
	r.grow("portfolio-a", 10)
	k, opened, err := Open(t.Context(), r.options(), false)
	require.NoError(t, err)
	require.True(t, opened.New)
	k.Start()
	r.close(k)
	r.grow("portfolio-a", 10)
	r.grow("portfolio-new", 1)
	k, opened, err = Open(t.Context(), r.options(), false)
	require.NoError(t, err)
	require.Equal(t, Opened{}, opened)
	k.Start()
	r.close(k)
	require.EqualValues(t, 20, r.book().entries["portfolio-a"].frontier.Size())
	require.EqualValues(t, 1, r.book().entries["portfolio-new"].frontier.Size())
}

// "A witness of another store at the same path: refused", and with accept gone on without;
// the file is kept, for it may be needed.
func TestTheWitnessOfAnotherStore(t *testing.T) {
	r := rolled(t, 10)
	o := r.options()
	o.ID = uuid.New()
	before, err := os.ReadFile(r.file())
	require.NoError(t, err)
	_, _, err = Open(t.Context(), o, false)
	var other *OtherStoreError
	require.ErrorAs(t, err, &other)
	require.Equal(t, id, other.Theirs)
	require.Contains(t, other.Error(), "--accept-rollback")
	_, _, ok := Read(r.dir, o.ID).Newest("state", "portfolio-a", 99)
	require.False(t, ok)

	k, opened, err := Open(t.Context(), o, true)
	require.NoError(t, err)
	require.True(t, opened.Accepted())
	require.ErrorContains(t, opened.Damage, "belongs to another store")
	require.Equal(t, before, r.read(fileName), "nothing is written before what is accepted is recorded")
	k.Start()
	r.close(k)
	require.Equal(t, o.ID, r.book().store)
	require.Equal(t, before, r.read(r.kept()))
	k, opened, err = Open(t.Context(), o, false)
	require.NoError(t, err)
	require.Equal(t, Opened{}, opened)
	k.Abandon()
}

func (r *rig) read(name string) []byte {
	r.t.Helper()
	b, err := os.ReadFile(filepath.Join(r.dir, name))
	require.NoError(r.t, err)
	return b
}

// kept is the name of the file that was kept aside.
func (r *rig) kept() string {
	r.t.Helper()
	found, err := filepath.Glob(r.file() + ".until-*")
	require.NoError(r.t, err)
	require.Len(r.t, found, 1)
	return filepath.Base(found[0])
}

// "No witness though the store has events" is accepted only if that is asked for, and then
// it is something that is accepted. A store without events has none.
func TestNoWitnessIsAccepted(t *testing.T) {
	r := newRig(t)
	k, opened, err := Open(t.Context(), r.options(), true)
	require.NoError(t, err)
	require.False(t, opened.Accepted(), "there is nothing")
	k.Abandon()
	r.grow("portfolio-a", 3)
	k, opened, err = Open(t.Context(), r.options(), false)
	require.NoError(t, err)
	require.Equal(t, Opened{New: true}, opened)
	k.Abandon()
	k, opened, err = Open(t.Context(), r.options(), true)
	require.NoError(t, err)
	require.True(t, opened.Accepted())
	require.ErrorContains(t, opened.Damage, "although the store has events")
	k.Abandon()
}

// "Must be a regular file, bounded": what lies in the place of the witness is neither
// followed nor waited for nor read for ever, and is kept aside when that is accepted.
func TestWhatIsNoPlainFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"a link":     func(path string) error { return os.Symlink("/dev/zero", path) },
		"a loop":     func(path string) error { return os.Symlink(path, path) },
		"a pipe":     func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"a folder":   func(path string) error { return os.Mkdir(path, 0o700) },
		"a terabyte": func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<40)) },
	} {
		r := newRig(t)
		r.grow("portfolio-a", 3)
		require.NoError(t, os.MkdirAll(r.dir, 0o700))
		require.NoError(t, put(r.file()), name)
		var damaged *DamagedError
		_, _, err := Open(t.Context(), r.options(), false)
		require.ErrorAs(t, err, &damaged, name)
		require.True(t, There(r.dir))
		require.Empty(t, Read(r.dir, id).entries)
		k, opened, err := Open(t.Context(), r.options(), true)
		require.NoError(t, err, name)
		require.Error(t, opened.Damage, name)
		k.Start()
		r.close(k)
		r.kept()
		r.close(r.open())
	}
}

// "A first pass is renamed in whole": a file without a whole pass is no torn one.
func TestAFileWithoutAPassIsDamage(t *testing.T) {
	r, good, last := twoPasses(t)
	for n := range last {
		require.NoError(t, os.WriteFile(r.file(), good[:n], 0o600))
		_, err := readBook(r.dir)
		require.Error(t, err, "%d bytes", n)
	}
	require.NoError(t, os.WriteFile(r.file(), good[:last], 0o600))
	require.Len(t, r.book().entries, 1)
}

// "A lock": two processes with copies of one store do not share a witness.
func TestOnlyOneWritesIt(t *testing.T) {
	r := newRig(t)
	k := r.open()
	_, _, err := Open(t.Context(), r.options(), true)
	var used *InUseError
	require.ErrorAs(t, err, &used)
	r.close(k)
	r.close(r.open())
}

// "A torn tail of the witness after a crash is tolerated": the last pass, cut at every
// byte, or with any of its sectors still zero. Then the pass before it counts.
func TestATornTailIsTolerated(t *testing.T) {
	r, good, last := twoPasses(t)
	for n := last; n < len(good); n++ {
		b, err := parse(good[:n])
		require.NoError(t, err, n)
		require.EqualValues(t, 3, b.entries["portfolio-a"].frontier.Size())
		require.Equal(t, n-last, b.torn)
	}
	for at := last; at < len(good); at = (at/sectorLen + 1) * sectorLen {
		end := min(len(good), (at/sectorLen+1)*sectorLen)
		if end-at < 8 {
			continue
		}
		bad := bytes.Clone(good)
		clear(bad[at:end])
		b, err := parse(bad)
		require.NoError(t, err, at)
		require.EqualValues(t, 3, b.entries["portfolio-a"].frontier.Size())
	}
	require.NoError(t, os.WriteFile(r.file(), good[:len(good)-1], 0o600))
	k, opened, err := Open(t.Context(), r.options(), false)
	require.NoError(t, err)
	require.Positive(t, opened.Torn)
	k.Start()
	r.close(k)
	require.Zero(t, r.book().torn, "it is written anew")
	require.EqualValues(t, 40, r.book().entries["portfolio-a"].frontier.Size())
}

// "Damage inside → say so": every flipped bit is seen, and not taken for a torn end. With
// accept it is gone on, anew.
func TestDamageIsRefused(t *testing.T) {
	r, good, _ := twoPasses(t)
	for bit := range len(good) * 8 {
		bad := bytes.Clone(good)
		bad[bit/8] ^= 1 << (bit % 8)
		_, err := parse(bad)
		require.Error(t, err, "bit %d of byte %d", bit%8, bit/8)
	}
	blank := bytes.Clone(good)
	clear(blank[headerLen : headerLen+40])
	for name, b := range map[string][]byte{"blank before another pass": blank, "empty": {}, "garbage": []byte("what is this?"), "a longer garbage": bytes.Repeat([]byte("x"), 9000)} {
		require.NoError(t, os.WriteFile(r.file(), b, 0o600))
		var damaged *DamagedError
		r.refused(&damaged)
		require.Contains(t, damaged.Error(), "--accept-rollback", name)
	}
	k, opened, err := Open(t.Context(), r.options(), true)
	require.NoError(t, err)
	require.Error(t, opened.Damage)
	require.True(t, opened.Accepted())
	k.Start()
	r.close(k)
	r.close(r.open())
}

// twoPasses has a file of two passes over several sectors; last is where the second begins.
func twoPasses(t *testing.T) (r *rig, good []byte, last int) {
	t.Helper()
	r = newRig(t)
	r.grow("portfolio-a", 3)
	r.close(r.open())
	first, err := os.ReadFile(r.file())
	require.NoError(t, err)
	r.grow("portfolio-a", 37)
	for i := range 12 {
		r.grow(fmt.Sprint("portfolio-", i), 7)
	}
	// The second is appended by hand: a start writes a whole file.
	k, _, err := Open(t.Context(), r.options(), false)
	require.NoError(t, err)
	require.NoError(t, k.read(t.Context(), 0))
	k.disk.file, err = os.OpenFile(r.file(), os.O_RDWR, 0o600)
	require.NoError(t, err)
	k.disk.size = int64(len(first))
	k.disk.last = lastPass{headerLen, [passLen]byte(first[headerLen:])}
	k.write()
	require.NoError(t, k.Status().Err)
	k.Abandon()
	good, err = os.ReadFile(r.file())
	require.NoError(t, err)
	require.Equal(t, first, good[:len(first)], "it is appended to")
	require.Greater(t, len(good), len(first)+3*sectorLen)
	return r, good, len(first)
}

// "Compacted": it does not grow with time, and says the same.
func TestItIsCompacted(t *testing.T) {
	r := newRig(t)
	for i := range 200 {
		r.grow(fmt.Sprint("portfolio-", i), 3)
	}
	k := r.open()
	require.Eventually(t, func() bool { return k.Status().Records == 600 }, patience, time.Millisecond)
	k.cancel() // from here on by hand
	k.work.Wait()
	k.write()
	before, most := k.disk.least, int64(0)
	for round := range 150 {
		for i := range 200 {
			k.Keep("state", fmt.Sprint("portfolio-", i), 3, eventstore.Hash{byte(round)})
		}
		k.write()
		most = max(most, k.disk.size)
	}
	require.NoError(t, k.Status().Err)
	require.Less(t, most, int64(compactFrom+200*1000))
	require.Less(t, k.disk.least, 2*before)
	_, hash, ok := Read(r.dir, id).Newest("state", "portfolio-7", 3)
	require.True(t, ok)
	require.Equal(t, eventstore.Hash{149}, hash)
	r.close(k)
}

// "A witness that cannot be written: the server goes on, but says so", once, and it is
// written when it can be again, whole.
func TestAWitnessThatCannotBeWritten(t *testing.T) {
	r := newRig(t)
	require.NoError(t, os.WriteFile(r.dir, nil, 0o600)) // a file stands in the way of the folder
	o := r.options()
	o.Every = 5 * time.Millisecond
	_, _, err := Open(t.Context(), o, false)
	var damaged *DamagedError
	require.ErrorAs(t, err, &damaged, "whether there was one cannot be known")

	require.NoError(t, os.Remove(r.dir))
	r.told = nil
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	require.NoError(t, os.RemoveAll(r.dir))
	require.NoError(t, os.WriteFile(r.dir, nil, 0o600))
	k.Start()
	r.grow("portfolio-a", 3)
	require.Eventually(t, func() bool { return k.Status().Failures > 2 }, patience, time.Millisecond)
	require.Error(t, k.Status().Err)
	require.Equal(t, 1, r.failures(), "it is told once")
	got, err := k.Want("portfolio-a", 3)(t.Context())
	require.NoError(t, err)
	require.Equal(t, head(t, r.store, "portfolio-a", 3), got, "what it knows it goes on knowing")
	require.NoError(t, os.Remove(r.dir))
	require.Eventually(t, func() bool { return k.Status().Err == nil }, patience, time.Millisecond)
	r.close(k)
	require.EqualValues(t, 3, r.book().entries["portfolio-a"].frontier.Size())
}

// "Want asks for the head of a stream at a size": before the keeper is there, as it comes
// there, and after it has gone by.
func TestWantGivesTheHeadAtAnySize(t *testing.T) {
	r := newRig(t)
	r.grow("portfolio-a", 5)
	r.close(r.open())
	k := r.open()
	ahead := k.Want("portfolio-a", 9)
	for range 15 {
		r.grow("portfolio-a", 1)
	}
	got, err := ahead(t.Context())
	require.NoError(t, err)
	require.Equal(t, head(t, r.store, "portfolio-a", 9), got)
	for size := range uint64(20) {
		got, err := k.Want("portfolio-a", size+1)(t.Context())
		require.NoError(t, err)
		require.Equal(t, head(t, r.store, "portfolio-a", size+1), got)
	}
	soon, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	never := k.Want("portfolio-a", 999)
	_, err = never(soon)
	require.ErrorContains(t, err, "was not followed up to record 999")
	r.close(k)
	_, err = never(t.Context())
	require.Error(t, err, "the end of the keeper ends the wait")
}

// "The last snapshot hash": the newest two of each kind are known, here and to a reader,
// also after a start.
func TestSnapshotsAreKnown(t *testing.T) {
	r := newRig(t)
	r.grow("portfolio-a", 9)
	k := r.open()
	require.Empty(t, k.Keep("state", "portfolio-a", 3, eventstore.Hash{3}))
	require.Empty(t, k.Keep("commands", "portfolio-a", 3, eventstore.Hash{33}))
	require.Empty(t, k.Keep("state", "portfolio-a", 5, eventstore.Hash{5}))
	require.Equal(t, []uint64{3}, k.Keep("state", "portfolio-a", 9, eventstore.Hash{9}))
	r.close(k)
	again := r.open()
	defer r.close(again)
	for _, from := range []interface {
		Newest(kind, stream string, atMost uint64) (uint64, eventstore.Hash, bool)
	}{again, Read(r.dir, id)} {
		for atMost, want := range map[uint64]byte{99: 9, 9: 9, 8: 5, 5: 5} {
			size, hash, ok := from.Newest("state", "portfolio-a", atMost)
			require.True(t, ok)
			require.EqualValues(t, want, size)
			require.Equal(t, eventstore.Hash{want}, hash)
		}
		_, _, ok := from.Newest("state", "portfolio-a", 4)
		require.False(t, ok)
		_, _, ok = from.Newest("state", "portfolio-b", 99)
		require.False(t, ok)
		_, hash, ok := from.Newest("commands", "portfolio-a", 99)
		require.True(t, ok)
		require.Equal(t, eventstore.Hash{33}, hash)
	}
}

// gap is a store whose reading of everything leaves a record out.
type gap struct{ eventstore.Store }

func (g gap) ReadAll(ctx context.Context, after eventstore.Position) iter.Seq2[eventstore.Record, error] {
	return func(yield func(eventstore.Record, error) bool) {
		for rec, err := range g.Store.ReadAll(ctx, after) {
			if err == nil && rec.Revision == 4 {
				continue
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// A log that does not go on where the witness left off is not followed, and that is said.
func TestAGapIsNoticed(t *testing.T) {
	r := newRig(t)
	r.grow("portfolio-a", 9)
	o := r.options()
	o.Store = gap{r.store}
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	require.Eventually(t, func() bool {
		var mismatch *MismatchError
		return errors.As(k.Status().Err, &mismatch)
	}, patience, time.Millisecond)
	require.Eventually(t, func() bool { return r.failures() == 1 }, patience, time.Millisecond, "and said, a moment later")
	_, err = k.Want("portfolio-a", 9)(t.Context())
	require.Error(t, err)
	require.Error(t, k.Close(t.Context()))
}

// "Always after the log's flush, so never ahead of it": while many write, whatever the
// file says at any moment is there for a second reader of the folder, with that leaf.
func TestTheWitnessIsNeverAhead(t *testing.T) {
	folder := t.TempDir()
	store, err := embedded.Open(folder, embedded.Options{SegmentBytes: 64 << 10})
	require.NoError(t, err)
	defer store.Close()
	r := newRig(t)
	r.store = store
	o := r.options()
	o.ID, o.Every = store.UUID(), time.Millisecond
	k, _, err := Open(t.Context(), o, false)
	require.NoError(t, err)
	k.Start()
	var stop atomic.Bool
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n += 3 {
				storetest.Must(t, store, fmt.Sprint("portfolio-", i), eventstore.Expected(n-1), storetest.Propose(fmt.Sprint(i), n, 3))
			}
		})
	}
	looked := 0
	for looked < 60 {
		b, err := readBook(r.dir)
		require.NoError(t, err)
		if b == nil || len(b.entries) == 0 {
			continue
		}
		reader, err := embedded.OpenReadOnly(folder, embedded.Options{})
		require.NoError(t, err)
		found, err := differences(t.Context(), reader, b)
		require.NoError(t, err)
		require.Empty(t, found)
		require.NoError(t, reader.Close())
		looked++
	}
	stop.Store(true)
	wg.Wait()
	require.NoError(t, k.Close(t.Context()))
	require.Zero(t, r.failures())
}
