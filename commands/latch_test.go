//go:build unix

package commands

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/memory"
)

// two is a marker file and its copy in another folder, as a server keeps them.
type two struct{ one, other string }

func twoFolders(t *testing.T) two {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "dir"), 0o700))
	return two{filepath.Join(dir, "dir", "latch.json"), filepath.Join(dir, "copies", "latch.json")}
}

func (f two) file() *LatchFile {
	l := NewLatchFile(f.one)
	l.CopyTo(f.other)
	return l
}

func waiting(ids ...string) (all []PendingStop) {
	for _, id := range ids {
		all = append(all, PendingStop{Portfolio: id, Caller: olga, Key: "k", Kind: domain.StopManual, Reason: "smoke", At: noon})
	}
	return all
}

// poisonedWith is an engine whose store accepts nothing, and the failures that it
// reported.
func (e *engined) poisonedWith(l *LatchFile) (told func() string) {
	e.t.Helper()
	e.engine.Close()
	var mu sync.Mutex
	var all []string
	e.engine = NewEngine(e.store, EngineOptions{
		Options: Options{Now: newClock().Now}, Latch: l, LatchRoom: true,
		Failed: func(what string, err error) { mu.Lock(); defer mu.Unlock(); all = append(all, what+": "+err.Error()) },
	})
	e.t.Cleanup(e.engine.Close)
	require.NoError(e.t, e.engine.Load(e.t.Context(), nil))
	down := make([]fault, 99)
	for i := range down {
		down[i].err = errDown
	}
	e.store.plan(down...)
	e.engine.stops.poisonedBy(errDown)
	return func() string { mu.Lock(); defer mu.Unlock(); return strings.Join(all, "\n") }
}

func (e *engined) breach(id string) (kept bool) {
	e.t.Helper()
	answer, recorded, err := e.engine.Stop(e.t.Context(), id, Request{
		Caller: olga, Key: uuid.NewString(), Command: EngageStop{Kind: domain.StopSecurityBreach, Reason: "a key leaked"},
	})
	require.NoError(e.t, err)
	require.False(e.t, recorded)
	return answer.Kept
}

func holds(all []PendingStop, id, kind string) bool {
	for _, p := range all {
		if p.Portfolio == id && p.Kind == kind {
			return true
		}
	}
	return false
}

// "Acknowledged and then lost": whatever happens to the folder of the marker file, a stop
// that is answered as kept is there after a restart; and a folder that replaced it is
// left alone.
func TestAKeptStopIsThereAfterARestart(t *testing.T) {
	for name, harm := range map[string]func(t *testing.T, dir string){
		"moved":   func(t *testing.T, dir string) { require.NoError(t, os.Rename(dir, dir+".moved")) },
		"removed": func(t *testing.T, dir string) { require.NoError(t, os.RemoveAll(dir)) },
		"closed":  func(t *testing.T, dir string) { require.NoError(t, os.Chmod(dir, 0)) },
		"replaced": func(t *testing.T, dir string) {
			require.NoError(t, os.Rename(dir, dir+".moved"))
			require.NoError(t, os.Mkdir(dir, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := twoFolders(t)
			dir := filepath.Dir(f.one)
			t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
			e := newEngined(t).opened("main", "other")
			told := e.poisonedWith(f.file())
			harm(t, dir)
			require.True(t, e.breach("main"), "%s", told())
			require.Zero(t, e.engine.Health().UnkeptStops)
			if name == "replaced" {
				left, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, left, "nothing is written into what took its place")
			}
			// kill -9: nothing more is written
			_ = os.Chmod(dir, 0o700)
			all, err := f.file().Read()
			require.NoError(t, err)
			require.True(t, holds(all, "main", domain.StopSecurityBreach))
			require.True(t, holds(all, everywhere, domain.StopSystemError), "the server's own")
		})
	}
}

// limitFiles makes every write fail that would make a file longer, as a full disk does.
func limitFiles(t *testing.T, to uint64) (lift func()) {
	t.Helper()
	var before syscall.Rlimit
	require.NoError(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before))
	require.NoError(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: to, Max: before.Max}))
	lift = func() { _ = syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before) }
	t.Cleanup(lift)
	return lift
}

// A stop is written into the room that was allocated at the start: it needs no new file,
// and no other process can take that room.
func TestAMarkerNeedsNoNewFile(t *testing.T) {
	f := twoFolders(t)
	e := newEngined(t).opened("main")
	e.poisonedWith(f.file())
	before, err := os.Stat(f.one)
	require.NoError(t, err)
	require.EqualValues(t, 2*slotBytes, before.Size())
	require.True(t, e.breach("main"))
	after, err := os.Stat(f.one)
	require.NoError(t, err)
	require.True(t, os.SameFile(before, after))
	require.Equal(t, before.Size(), after.Size())
	one, err := NewLatchFile(f.one).Read()
	require.NoError(t, err)
	other, err := NewLatchFile(f.other).Read()
	require.NoError(t, err)
	require.Equal(t, one, other)
	require.True(t, holds(one, "main", domain.StopSecurityBreach))
}

// Stops that do not fit on a full disk become one stop of everything.
func TestMoreStopsThanThereIsRoomFor(t *testing.T) {
	f := twoFolders(t)
	file := f.file()
	require.NoError(t, file.Write(nil))
	all := waiting("main")
	for range 1000 {
		all = append(all, waiting("p"+uuid.NewString())...)
	}
	limitFiles(t, 2*slotBytes)
	require.NoError(t, file.Write(all))
	got, err := f.file().Read()
	require.NoError(t, err)
	require.NotEmpty(t, got)
	require.True(t, holds(got, everywhere, domain.StopSystemError))
	for i := range got {
		require.NoError(t, got[i].checkEntry())
	}
}

// "A write that failed is retried each second until the marker is durable", and until then
// the answer says that a restart forgets the stop.
func TestAMarkerIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f := two{filepath.Join(dir, "one", "latch.json"), filepath.Join(dir, "file", "latch.json")}
	require.NoError(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600)) // no folder can be created there
	e := newEngined(t).opened("main")
	told := e.poisonedWith(f.file())
	require.False(t, e.breach("main"))
	require.Equal(t, 2, e.engine.Health().UnkeptStops)
	all, err := e.engine.StopAll(t.Context(), Request{Caller: olga, Key: uuid.NewString(), Command: manual()})
	require.NoError(t, err)
	require.False(t, *all[0].Kept)
	_, err = e.do("main", olga, manual())
	requireCode(t, domain.CodeUnavailable, err)
	require.ErrorContains(t, err, "in memory only")
	require.Equal(t, 1, strings.Count(told(), "a restart forgets it"), "told once")

	require.NoError(t, os.Mkdir(filepath.Join(dir, "one"), 0o700))
	e.eventually(func() bool { return e.engine.Health().UnkeptStops == 0 }, "one place is enough")
	e.eventually(func() bool { return strings.Contains(told(), "cannot be written in both its folders") }, "which is told")
	require.NoError(t, os.Remove(filepath.Join(dir, "file")))
	e.eventually(func() bool {
		got, err := NewLatchFile(f.other).Read()
		return err == nil && holds(got, "main", domain.StopSecurityBreach)
	}, "the copy is made up for")
}

// "Read from both at start (union), removed from both when recorded."
func TestBothPlacesAreReadAndEmptied(t *testing.T) {
	f := twoFolders(t)
	require.NoError(t, NewLatchFile(f.one).Write(waiting("main")))
	require.NoError(t, os.Mkdir(filepath.Dir(f.other), 0o700))
	require.NoError(t, NewLatchFile(f.other).Write(waiting("main", "other")))
	e := newEngined(t).opened("main", "other")
	e.engine.Close()
	e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}, Latch: f.file()})
	t.Cleanup(e.engine.Close)
	require.Equal(t, 2, e.engine.Health().PendingStops)
	require.NoError(t, e.engine.Load(t.Context(), nil))
	for _, path := range []string{f.one, f.other} {
		e.eventually(func() bool {
			all, err := NewLatchFile(path).Read()
			return err == nil && len(all) == 0
		}, path)
	}
	require.Equal(t, []string{domain.StopManual}, e.engaged("main"))
	require.Equal(t, []string{domain.StopManual}, e.engaged("other"))
}

// An interrupted write, at any point, leaves the earlier list; and a file without an
// intact list does not count as empty.
func TestAMarkerWriteThatIsCutShort(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latch.json")
	file := NewLatchFile(path)
	require.NoError(t, file.Write(waiting("main")))
	before, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, file.Write(waiting("main", "other")))
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before[:slotBytes], after[:slotBytes], "the other slot")
	end := bytes.LastIndexByte(after, '\n')
	for cut := slotBytes; cut <= end; cut++ {
		torn := append(bytes.Clone(after[:cut]), before[cut:]...)
		require.NoError(t, os.WriteFile(path, torn, 0o600))
		got, err := NewLatchFile(path).Read()
		require.NoError(t, err)
		require.Equal(t, waiting("main"), got, "cut at %d", cut)
	}
	for name, harmed := range map[string][]byte{
		"shorter": after[:len(after)-1], "half": after[:slotBytes], "flipped": bytes.ReplaceAll(after, []byte("smoke"), []byte("smokf")),
	} {
		require.NoError(t, os.WriteFile(path, harmed, 0o600))
		_, err := NewLatchFile(path).Read()
		require.Error(t, err, name)
	}
}

// Data after the list is not ignored, and a pipe does not block.
func TestWhatIsNoMarkerFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "latch.json")
	for _, text := range []string{`[] [{"portfolio":"main"}]`, `null []`, `[]x`, `[]` + "\x00"} {
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		_, err := NewLatchFile(path).Read()
		require.Error(t, err, text)
	}
	require.NoError(t, os.Remove(path))
	require.NoError(t, syscall.Mkfifo(path, 0o600))
	done := make(chan error, 1)
	go func() { _, err := NewLatchFile(path).Read(); done <- err }()
	select {
	case err := <-done:
		require.ErrorContains(t, err, "not a regular file")
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for somebody to write to the pipe")
	}
}

// A former file is read like the others, and removed once its stops are stored elsewhere.
func TestAFormerMarkerFile(t *testing.T) {
	for name, text := range map[string]string{
		"sound": `[{"portfolio":"main","caller":{"User":"olga","Role":"operator"},"key":"k","kind":"manual","reason":"smoke","at":"2026-03-10T12:00:00Z"}]`, "half": `[{"portf`,
	} {
		t.Run(name, func(t *testing.T) {
			f := twoFolders(t)
			former := filepath.Join(t.TempDir(), "former.json")
			require.NoError(t, os.WriteFile(former, []byte(text), 0o600))
			e := newEngined(t).opened("main")
			e.engine.Close()
			file := f.file()
			file.Former(former)
			e.engine = NewEngine(e.store, EngineOptions{Options: Options{Now: newClock().Now}, Latch: file})
			t.Cleanup(e.engine.Close)
			require.Equal(t, 1, e.engine.Health().PendingStops)
			_, err := os.Stat(former)
			require.True(t, errors.Is(err, os.ErrNotExist))
			all, err := NewLatchFile(f.one).Read()
			require.NoError(t, err)
			require.Len(t, all, 1)
			aside, err := filepath.Glob(former + ".unreadable-*")
			require.NoError(t, err)
			require.Equal(t, name == "half", len(aside) == 1)
		})
	}
}

// "The hourly audit … drops an open clear request": finding the same difference again
// changes nothing while our stop is engaged.
func TestTheSameFindingAgain(t *testing.T) {
	e := newEngined(t).opened("main")
	say := func(revision string) {
		e.engine.SystemErrorAll(t.Context(), []string{"main"}, "the state at revision "+revision+" is not what its history folds to")
	}
	say("7")
	require.Equal(t, []string{domain.StopSystemError}, e.engaged("main"))
	a := e.must("main", olga, RequestClear{Reason: "looked at"})
	say("9")
	require.Equal(t, []string{domain.StopSystemError}, e.engaged("main"))
	e.must("main", domain.Caller{User: "ann", Role: domain.RoleApprover}, ConfirmClear{Request: a.ID})
	say("9")
	require.Len(t, e.engaged("main"), 2, "after it was cleared it stops again")
}

// "The log, /readyz and the commands give the same advice, by what has poisoned it."
func TestAPoisonedStoreIsToldByWhatIsWrong(t *testing.T) {
	for advice, cause := range map[string]error{"Check the disk, then start the server again": errDown, "Find the other folder": elsewhere{}} {
		poison := &eventstore.Unavailable{Poisoned: true, Cause: cause}
		answer := asUnavailable(poison)
		require.Equal(t, domain.CodeUnavailable, domain.CodeOf(answer))
		require.Contains(t, answer.Error(), advice)

		logged := ""
		e := NewEngine(memory.New(), EngineOptions{Failed: func(what string, _ error) { logged += what }})
		e.stops.poisonedBy(poison)
		e.Close()
		require.Contains(t, logged, advice)
	}
}

// elsewhere is an error that describes what is wrong with a store.
type elsewhere struct{}

func (elsewhere) Error() string { return "/var/lib/pets was moved" }

func (elsewhere) Trouble() eventstore.Trouble {
	return eventstore.Trouble{What: "its folder was moved", Advice: "Find the other folder"}
}
