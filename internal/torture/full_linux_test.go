package torture

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
	"pets/internal/testenv"
)

// TestFullDisk: "disk full: reads, replay and export still work". Trades are
// booked on a small disk, which something else then fills while a writer is at
// work. The writer stops; looking at the books does not.
func TestFullDisk(t *testing.T) {
	d := newDisk(t, "ext4", 48<<20)
	testenv.Need(t, "go")
	folder := filepath.Join(d.point, "store")
	pets := petsOn(t, folder)
	examples, err := filepath.Abs(filepath.Join("..", "..", "docs", "examples", "import"))
	require.NoError(t, err)
	pets("import", "--capital", "1000", filepath.Join(examples, "fills.csv"), filepath.Join(examples, "settlements.csv"))
	before := map[string]string{}
	looks := [][]string{{"state"}, {"events"}, {"balances"}, {"state", "--json"}}
	for _, look := range looks {
		before[look[0]+look[len(look)-1]] = pets(look...)
	}

	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: 256 << 10})
	require.NoError(t, err)
	t.Cleanup(func() { _ = s.Close() })
	d.fill()
	acked := appendUntilFull(t, s)
	requireAll := func(s *embedded.Store, when string) {
		t.Helper()
		require.NoError(t, acked.missing(t.Context(), s), when)
		require.NotEmpty(t, storetest.All(t, s.ReadStream(t.Context(), "portfolio-demo", 0)), when)
		_, err := s.Verify(t.Context(), nil)
		require.NoError(t, err, when)
	}
	lookAgain := func(when string) {
		t.Helper()
		for _, look := range looks {
			require.Equal(t, before[look[0]+look[len(look)-1]], pets(look...), "%s: pets %v", when, look)
		}
		pets("verify")
	}
	requireAll(s, "in the writer")
	lookAgain("beside the writer")
	_ = s.Close() // it may report the error once more
	lookAgain("after the writer")

	s, err = embedded.Open(folder, embedded.Options{})
	t.Logf("%d records until the disk was full; opened again for writing on the full disk: %v", acked.total(), err)
	if err == nil {
		requireAll(s, "on the full disk")
		_ = s.Close() // see above
	}
	require.NoError(t, os.Remove(filepath.Join(d.point, "filler")))
	s, err = embedded.Open(folder, embedded.Options{})
	require.NoError(t, err, "with room again")
	requireAll(s, "with room again")
	storetest.Must(t, s, "s1", eventstore.NoStream, storetest.Propose("s1", 0, 3))
	require.NoError(t, s.Close())
	lookAgain("with room again")
}

// built is the product; every test uses the same one.
var built struct {
	sync.Once
	path string
}

// product returns the path of the product, which is built for the first test that needs it.
func product(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "pets-torture-")
		require.NoError(t, err)
		afterAll = func() { _ = os.RemoveAll(dir) }
		path := filepath.Join(dir, "pets")
		require.NoError(t, run("go", "build", "-ldflags=-s -w", "-o", path, "pets/cmd/pets"))
		built.path = path
	})
	require.NotEmpty(t, built.path, "the product was not built")
	return built.path
}

// petsOn returns a way to run the product on a folder.
func petsOn(t *testing.T, folder string) func(args ...string) string {
	t.Helper()
	binary := product(t)
	return func(args ...string) string {
		t.Helper()
		c := exec.Command(binary, append(args, "--store", "embedded:"+folder, "-p", "demo")...)
		c.Dir = t.TempDir() // without an .env
		var failure bytes.Buffer
		c.Stderr = &failure
		out, err := c.Output()
		require.NoError(t, err, "pets %v: %s", args, failure.String())
		require.NotEmpty(t, out, "pets %v", args)
		return string(out)
	}
}

// fill takes all but a little of the room on a disk.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(filepath.Join(d.point, "filler"))
	require.NoError(d.t, err)
	defer f.Close()
	block := bytes.Repeat([]byte("full"), 1<<14)
	written := int64(0)
	for {
		n, err := f.Write(block)
		written += int64(n)
		if errors.Is(err, unix.ENOSPC) {
			break
		}
		require.NoError(d.t, err)
	}
	require.NoError(d.t, f.Truncate(max(0, written-128<<10)))
	require.NoError(d.t, f.Sync())
}

// appendUntilFull appends until the store refuses, which it must do as after any
// write error.
func appendUntilFull(t *testing.T, s *embedded.Store) *ledger {
	t.Helper()
	acked := newLedger()
	for n := 0; n < 1_000_000; n += 20 {
		_, err := s.Append(t.Context(), "s0", eventstore.Expected(n-1), storetest.Propose("s0", n, 20))
		if err == nil {
			acked.atLeast("s0", n+20)
			continue
		}
		var unavailable *eventstore.Unavailable
		require.ErrorAs(t, err, &unavailable)
		require.True(t, unavailable.Poisoned, err)
		require.ErrorIs(t, err, unix.ENOSPC)
		_, err = s.Append(t.Context(), "s1", eventstore.NoStream, storetest.Propose("s1", 0, 1))
		require.ErrorAs(t, err, &unavailable, "poisoned until it is opened again")
		return acked
	}
	t.Fatal("the disk does not get full")
	return nil
}
