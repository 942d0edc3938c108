package look_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// "Commands that only read open the store read-only, beside a running server":
// while another process writes, every reading command answers, and each answer
// lies at or after the one before.
func TestReadersBesideAWriter(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	writer := s.Process("import", "--capital", "1000", s.ManyFills(testenv.Rounds(2_000, 5_000, 20_000)))
	var errs strings.Builder
	writer.Stderr = &errs
	require.NoError(t, writer.Start())
	done := make(chan error, 1)
	go func() { done <- writer.Wait() }()
	require.Eventually(t, func() bool { return s.Run("state").Code == 0 }, 10*time.Second, time.Millisecond)
	last, looks := 0, 0
	for running := true; running; looks++ {
		select {
		case err := <-done:
			require.NoError(t, err, errs.String())
			running = false
		default:
		}
		var v petstest.StateJSON
		s.JSON(&v, "state")
		require.GreaterOrEqual(t, v.Revision, last)
		last = v.Revision
		s.Ok([]string{"stats", "events", "verify"}[looks%3], "--json")
	}
	require.Len(t, s.Events(), last+1)
	t.Logf("%d looks while %d events were written", looks, last+1)
}

// "events --follow": events that another process appends are seen as they come,
// each once and in order, until it is interrupted, which is how it ends well.
func TestFollow(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out, errs clitest.Buffer
	a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: s.Env, Dir: s.Dir}
	ended := make(chan int, 1)
	go func() { ended <- pets.Run(ctx, a, []string{"events", "--follow", "--json"}) }()
	lines := func() int { return strings.Count(out.String(), "\n") }
	require.Eventually(t, func() bool { return lines() == 20 }, 5*time.Second, time.Millisecond, "first what is there")

	for i := range 3 {
		file := s.File("more"+strconv.Itoa(i)+".csv", petstest.FillsHeader, "2026-04-0"+strconv.Itoa(i+1)+"T00:00:00Z,alpha,m9,YES,buy,1,0.5,0,f"+strconv.Itoa(i))
		out, err := s.Process("import", file).CombinedOutput()
		require.NoError(t, err, string(out))
		want := 20 + 2*(i+1) // day.opened and the fill
		require.Eventually(t, func() bool { return lines() == want }, 5*time.Second, time.Millisecond)
	}
	stop()
	require.Equal(t, 0, <-ended)
	require.Empty(t, errs.String())
	require.Equal(t, s.Ok("events", "--json"), out.String())

	// It ends by itself at --limit, and at a future revision given with --at.
	require.Len(t, s.Events("--follow", "--limit", "2"), 2)
	require.Len(t, s.Events("--follow", "--at", "5", "--limit", "6"), 6)
}

// "one writer per folder with a lock that names the holder's pid"
func TestSecondWriterIsRefused(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	files := s.SmallFiles()
	store, err := embedded.Open(s.Store(), embedded.Options{})
	require.NoError(t, err)
	s.Fails(1, []string{"locked by pid " + strconv.Itoa(os.Getpid())}, "import", files[0])
	s.Ok("state")
	s.Ok("verify")
	require.NoError(t, store.Close())
	s.Ok("import", files[0])
}

func TestVerify(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	out := s.Ok("verify")
	require.Contains(t, out, "20 records")
	require.Contains(t, out, "adds up")
	var v struct {
		OK         bool
		Store      map[string]json.Number
		Portfolios []struct {
			Portfolio string
			Events    int
			Trades    int
			StateHash string `json:"state_hash"`
			Problems  []any
		}
	}
	s.JSON(&v, "verify")
	require.True(t, v.OK)
	require.Equal(t, "20", v.Store["records"].String())
	require.Len(t, v.Portfolios, 1)
	require.Equal(t, 3, v.Portfolios[0].Trades)
	require.NotNil(t, v.Portfolios[0].Problems)
}

// It says how large the files of read models are, and names one that no start uses. That is no
// damage of the store.
func TestVerifyLooksAtViews(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	dir := filepath.Join(s.Store(), open.ViewsDir)
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.Contains(t, s.Ok("verify"), "views      0 files, 0 bytes: of this store, checked when read")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "61@62@0011223344556677"), []byte("pets views 1 of another store"), 0o600))
	out := s.Ok("verify")
	require.Contains(t, out, "views      1 files, 29 bytes; some cannot be used and are made again")
	require.Contains(t, out, "61@62@0011223344556677: it belongs to another store, stream or")
	var v struct {
		Views struct{ Problems []string }
	}
	s.JSON(&v, "verify")
	require.Len(t, v.Views.Problems, 1)
	s.Ok("verify", "--store", "embedded:"+s.Store())
}

// One flipped bit anywhere in the log: exit 1, with the file and the byte. (The
// last byte of the file header is as good as any in the frames.)
func TestVerifyFindsDamage(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	segment := filepath.Join(s.Store(), "00000000000000000000.seg")
	whole, err := os.ReadFile(segment)
	require.NoError(t, err)
	used := len(bytes.TrimRight(whole, "\x00")) // preallocated space is zeros
	for _, at := range []int{0, 20, 63, 64, 70, 100, used / 2, used - 600} {
		damaged := bytes.Clone(whole)
		damaged[at] ^= 1
		require.NoError(t, os.WriteFile(segment, damaged, 0o600))
		s.Fails(1, []string{segment, "is damaged at byte "}, "verify")
		s.Fails(1, []string{segment}, "state")
		s.Fails(1, []string{segment}, "import", s.SmallFiles()[0])
		found, err := os.ReadFile(segment)
		require.NoError(t, err)
		require.Equal(t, damaged, found, "nothing was changed")
	}
	require.NoError(t, os.WriteFile(segment, whole, 0o600))
	s.Ok("verify")
}

// "Snapshots as disposable caches": deleted, damaged, swapped or made up, the
// answers stay.
func TestSnapshotsAreDisposable(t *testing.T) {
	t.Parallel()
	s := petstest.Small(t)
	dir := filepath.Join(s.Store(), "snapshots")
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2, "the import left one of the state, and a list")
	answers := func() string {
		return s.Ok("state", "--json") + s.Ok("state", "--json", "--at", "19") + s.Ok("stats", "--json") + s.Ok("balances", "--json")
	}
	want := answers()
	saved := map[string][]byte{}
	for _, f := range files {
		saved[f], err = os.ReadFile(f)
		require.NoError(t, err)
	}
	spoil := func(name string, with func(f string, b []byte)) {
		for f, b := range saved {
			with(f, bytes.Clone(b))
		}
		require.Equal(t, want, answers(), name)
		var v petstest.SummaryJSON
		s.JSON(&v, append([]string{"import"}, s.SmallFiles()...)...)
		require.Equal(t, 7, v.Known, name)
		require.Zero(t, v.Events, name)
	}
	write := func(f string, b []byte) { require.NoError(t, os.WriteFile(f, b, 0o600)) }
	for _, part := range []int{0, 20, 60, 100, 200, 1000} {
		spoil("a bit at "+strconv.Itoa(part), func(f string, b []byte) {
			b[min(part, len(b)-1)] ^= 4
			write(f, b)
		})
	}
	spoil("cut short", func(f string, b []byte) { write(f, b[:len(b)/2]) })
	spoil("empty", func(f string, _ []byte) { write(f, nil) })
	spoil("a revision that is not there", func(f string, b []byte) { write(strings.Replace(f, "@19", "@99", 1), b) })
	spoil("an earlier revision", func(f string, b []byte) { write(strings.Replace(f, "@19", "@18", 1), b) })
	spoil("a folder", func(f string, _ []byte) {
		require.NoError(t, os.RemoveAll(f))
		require.NoError(t, os.MkdirAll(f, 0o700))
	})
	require.NoError(t, os.RemoveAll(dir))
	spoil("another portfolio's", func(f string, _ []byte) {
		other := petstest.New(t)
		other.Ok("import", "--capital", "77", other.SmallFiles()[0])
		taken, err := filepath.Glob(filepath.Join(other.Store(), "snapshots", "*"))
		require.NoError(t, err)
		b, err := os.ReadFile(taken[0])
		require.NoError(t, err)
		require.NoError(t, os.MkdirAll(dir, 0o700))
		write(f, b)
	})
	require.NoError(t, os.RemoveAll(dir))
	require.Equal(t, want, answers(), "deleted")
}
