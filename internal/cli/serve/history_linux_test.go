package serve_test

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// filled is a folder in which a server has booked fills: the first under key 0 with trade id 0,
// and so on.
type filled struct {
	*traded
	fills int
}

func newFilled(t *testing.T, fills int) *filled {
	t.Helper()
	f := &filled{traded: newTraded(t)}
	f.fill(fills)
	return f
}

func (f *filled) index() string { return filepath.Join(f.folder, open.IndexDir) }

// batchResult is the answer to one command of a batch.
type batchResult struct {
	Status   int
	Replayed bool
	Problem  struct{ Detail string }
}

// batch sends fills of 1 at 0.01 under keys, 100 at a time.
func (f *filled) batch(from, to int, quantity string, key func(n int) string) (all []batchResult) {
	f.t.Helper()
	for ; from < to; from += 100 {
		var commands []map[string]any
		for n := from; n < min(from+100, to); n++ {
			commands = append(commands, map[string]any{"idempotency_key": key(n), "command": "record_fill", "body": map[string]any{
				"bot": "alpha", "venue": "v", "trade_id": fmt.Sprint("f", n), "market": "m", "outcome": "YES", "side": "buy", "quantity": quantity, "price": "0.01",
			}})
		}
		var answer struct{ Results []batchResult }
		require.NoError(f.t, f.main.Post(f.t.Context(), "/batch", uuid.NewString(), map[string]any{"commands": commands}, &answer))
		require.Len(f.t, answer.Results, len(commands))
		all = append(all, answer.Results...)
	}
	return all
}

func keyOf(n int) string { return uuid.NewSHA1(uuid.Nil, fmt.Append(nil, n)).String() }

func anyKey(int) string { return uuid.NewString() }

// fill books fills until there are so many.
func (f *filled) fill(to int) {
	f.t.Helper()
	for _, r := range f.batch(f.fills, to, "1", keyOf) {
		require.Equal(f.t, 200, r.Status, "%+v", r)
		require.False(f.t, r.Replayed)
	}
	f.fills = to
}

// onlyOnce sends every fill again, under its own key, under another one, and with other content,
// and makes sure that nothing is booked.
func (f *filled) onlyOnce(what string) {
	f.t.Helper()
	f.holds(what)
	for _, r := range f.batch(0, f.fills, "1", keyOf) {
		require.Equal(f.t, 200, r.Status, "%s: %+v", what, r)
		require.True(f.t, r.Replayed, "%s: the command is known", what)
	}
	for _, r := range f.batch(0, f.fills, "1", anyKey) {
		require.Equal(f.t, 200, r.Status, "%s: %+v", what, r)
	}
	for _, r := range f.batch(0, min(f.fills, 200), "2", anyKey) {
		require.Equal(f.t, 409, r.Status, "%s: %+v", what, r)
		require.Contains(f.t, r.Problem.Detail, "different content", what)
	}
	f.holds(what)
}

// holds: the bot holds one share for each fill.
func (f *filled) holds(what string) {
	f.t.Helper()
	var positions struct {
		Positions []struct{ Quantity string }
	}
	require.NoError(f.t, f.main.Get(f.t.Context(), "/positions", &positions))
	require.Len(f.t, positions.Positions, 1)
	require.Equal(f.t, fmt.Sprint(f.fills), positions.Positions[0].Quantity, what)
}

func (f *filled) kill() {
	f.t.Helper()
	require.NoError(f.t, f.server.Cmd.Process.Signal(syscall.SIGKILL))
	_, _ = f.server.Cmd.Process.Wait()
}

// Fills and commands are booked once: over an end, a kill, and whatever happens to the index
// while no server runs.
func TestFillsAreBookedOnceWhateverBecomesOfTheIndex(t *testing.T) {
	t.Parallel()
	f := newFilled(t, 700)
	f.onlyOnce("at once")
	f.stop()
	early := filepath.Join(t.TempDir(), "index")
	require.NoError(t, os.CopyFS(early, os.DirFS(f.index())))
	names, err := os.ReadDir(early)
	require.NoError(t, err)
	require.NotEmpty(t, names, "the index was written at the end")
	f.start()
	f.fill(1300)
	another := newFilled(t, 600)
	another.stop()

	use := func(other string) func() {
		return func() {
			require.NoError(t, os.RemoveAll(f.index()))
			if other != "" {
				require.NoError(t, os.CopyFS(f.index(), os.DirFS(other)))
			}
		}
	}
	runs := func(change func(b []byte) []byte) func() {
		return func() {
			all, err := filepath.Glob(filepath.Join(f.index(), "ids-*.run"))
			require.NoError(t, err)
			require.NotEmpty(t, all)
			for _, name := range all {
				b, err := os.ReadFile(name)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(name, change(b), 0o600))
			}
		}
	}
	for _, c := range []struct {
		name   string
		end    func()
		change func()
	}{
		{"as it was", f.stop, func() {}},
		{"as it was after a kill", f.kill, func() {}},
		{"without one", f.stop, use("")},
		{"without one after a kill", f.kill, use("")},
		{"from an earlier moment", f.stop, use(early)},
		{"of another folder", f.kill, use(another.index())},
		{"cut", f.stop, runs(func(b []byte) []byte { return b[:len(b)/2] })},
		{"without an end", f.stop, runs(func(b []byte) []byte { b[len(b)-1] ^= 1; return b })},
	} {
		c.end()
		c.change()
		f.start()
		f.onlyOnce(c.name)
	}
	f.stop()
	ran := f.server.Pets(f.folder, "", "verify")
	require.Zero(t, ran.Code, "%s%s", ran.Out, ran.Err)
	require.Contains(t, ran.Out, "it agrees with the log")
}

// A flipped bit is met by the look-up that reads it: nothing is decided on it, the index is made
// again, and then everything is answered.
func TestAFlippedBitOfTheIndexDecidesNothing(t *testing.T) {
	t.Parallel()
	f := newFilled(t, 700)
	f.stop()
	all, err := filepath.Glob(filepath.Join(f.index(), "ids-*.run"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, name := range all {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		for block := 0; block+4096 < len(b)-4096; block += 4096 {
			b[block+1000] ^= 16
		}
		require.NoError(t, os.WriteFile(name, b, 0o600))
	}
	ran := f.server.Pets(f.folder, "", "verify")
	require.Equal(t, 1, ran.Code, ran.Out)
	require.Contains(t, ran.Out, "CANNOT BE USED")
	require.Contains(t, ran.Err, "No event is lost")
	f.start()
	refused := 0
	require.Eventually(t, func() bool {
		again := 0
		for _, r := range f.batch(0, f.fills, "1", anyKey) {
			switch r.Status {
			case 200:
			case 503:
				again++
			default:
				require.Fail(t, "answered otherwise", "%+v", r)
			}
		}
		refused += again
		return again == 0
	}, time.Minute, 10*time.Millisecond)
	require.Positive(t, refused, "no look-up met a flipped bit")
	f.server.Says("it is opened, or made from the log, again")
	f.onlyOnce("after it was made again")
}

// An older copy of the folder is put back, with the index of the newer one: what was lost is not
// known, and is booked again, once.
func TestAnOlderCopyWithANewerIndex(t *testing.T) {
	t.Parallel()
	f := newFilled(t, 600)
	f.stop()
	older, newer := filepath.Join(t.TempDir(), "older"), filepath.Join(t.TempDir(), "index")
	f.copy(older)
	f.start()
	f.fill(1300)
	f.stop()
	require.NoError(t, os.CopyFS(newer, os.DirFS(f.index())))
	f.putBack(older)
	require.NoError(t, os.RemoveAll(f.index()))
	require.NoError(t, os.CopyFS(f.index(), os.DirFS(newer)))
	f.server = petstest.ServeFlagged(t, []string{"--accept-rollback", "the disk was lost"}, t.TempDir(), "127.0.0.1:0", f.folder)
	f.connect()
	f.fills = 600
	f.onlyOnce("after the restore")
	f.fill(1300)
	f.onlyOnce("after it was reported again")
	f.kill()
	f.start()
	f.onlyOnce("after a kill")
}

// ready returns what /readyz says.
func (f *filled) ready() string {
	f.t.Helper()
	resp, err := http.Get(f.server.URL + "/readyz")
	require.NoError(f.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	require.NoError(f.t, err)
	return string(b)
}

// A cache stops nothing: whatever is in the place of the index, the server starts, knows every fill,
// says what is wrong, and ends well. Once the folder can be used, it is.
func TestAFolderOfTheIndexThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	f := newFilled(t, 300)
	for _, c := range []struct {
		name  string
		place func()
	}{
		{"a file", func() { require.NoError(t, os.WriteFile(f.index(), nil, 0o600)) }},
		{"a dangling link", func() { require.NoError(t, os.Symlink("/nowhere/at/all", f.index())) }},
		{"a folder that is named as a run", func() {
			require.NoError(t, os.MkdirAll(filepath.Join(f.index(), "ids-00000000000000000000-00000000000000001000.run", "in it"), 0o700))
		}},
	} {
		f.stop()
		require.NoError(t, os.RemoveAll(f.index()))
		c.place()
		f.start()
		f.onlyOnce(c.name)
		if ready := f.ready(); ready != "ready\n" {
			require.Contains(t, ready, "ready\nwarning: the index of the history cannot be written", c.name)
			require.NotContains(t, ready, f.folder)
		}
		f.stop()
		require.Zero(t, f.server.Cmd.ProcessState.ExitCode(), c.name)
		f.start()
		f.onlyOnce(c.name)
	}
	require.NoError(t, os.RemoveAll(f.index()))
	require.Eventually(t, func() bool { return f.ready() == "ready\n" }, time.Minute, 10*time.Millisecond)
}

// What is damaged at the end of a run keeps all of it from counting: a verification says so, also
// that the log is sound, and says what to do.
func TestVerifyNamesARunThatDoesNotCount(t *testing.T) {
	t.Parallel()
	f := newFilled(t, 700)
	f.stop()
	all, err := filepath.Glob(filepath.Join(f.index(), "ids-*.run"))
	require.NoError(t, err)
	require.NotEmpty(t, all)
	for _, name := range all {
		b, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(name, b[:len(b)-100], 0o600))
	}
	for _, place := range []func(){
		func() {},
		func() {
			require.NoError(t, os.RemoveAll(f.index()))
			require.NoError(t, os.WriteFile(f.index(), nil, 0o600))
		},
	} {
		place()
		ran := f.server.Pets(f.folder, "", "verify")
		require.Equal(t, 1, ran.Code, ran.Out)
		require.Contains(t, strings.Join(strings.Fields(ran.Out), " "), "every checksum fits")
		require.Contains(t, ran.Out, "CANNOT BE USED")
		require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "No event is lost")
		require.Contains(t, strings.Join(strings.Fields(ran.Err), " "), "stop the server, move "+f.index()+" away, and start it")
		require.NotContains(t, ran.Err, "booked twice", "a checksum is no sign of that")
	}
}
