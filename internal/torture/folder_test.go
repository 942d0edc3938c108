package torture

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFolder: "LOCK removed, renamed over, moved and copied, removed: no
// acknowledgement that is not there after a restart". A writer is treated so while
// it sleeps in the middle of its work, and a second one is started at the path.
func TestFolder(t *testing.T) {
	for name, c := range map[string]struct {
		change func(folder, elsewhere string) error
		// refused: the second writer does not start. kept: it finds all that was
		// acknowledged before; moved: all that was ever acknowledged is elsewhere.
		refused, kept, moved bool
	}{
		"LOCK removed": {refused: true, kept: true, change: func(folder, _ string) error {
			return os.Remove(filepath.Join(folder, "LOCK"))
		}},
		"LOCK and the mark removed": {refused: true, change: func(folder, _ string) error {
			if err := os.Remove(filepath.Join(folder, "LOCK")); err != nil {
				return err
			}
			return os.Remove(filepath.Join(folder, "durable"))
		}},
		"moved and copied": {kept: true, moved: true, change: func(folder, elsewhere string) error {
			if err := os.Rename(folder, elsewhere); err != nil {
				return err
			}
			return exec.Command("cp", "-a", elsewhere, folder).Run()
		}},
		"a backup renamed over": {kept: true, moved: true, change: func(folder, elsewhere string) error {
			if err := exec.Command("cp", "-a", folder, folder+".backup").Run(); err != nil {
				return err
			}
			if err := os.Rename(folder, elsewhere); err != nil {
				return err
			}
			return os.Rename(folder+".backup", folder)
		}},
		"removed": {change: removeFolder},
	} {
		t.Run(name, func(t *testing.T) {
			parent, acked := t.TempDir(), newLedger()
			folder, elsewhere := filepath.Join(parent, "store"), filepath.Join(parent, "elsewhere")
			first := start(t, folder, acked)
			first.waitUntil(200)
			first.signal(syscall.SIGSTOP)
			before := newLedger()
			for stream, n := range acked.copy() {
				before.atLeast(stream, n)
			}
			require.NoError(t, c.change(folder, elsewhere))
			second := start(t, folder, newLedger())
			if c.refused {
				require.Equal(t, 1, second.wait(), second.stderr.String())
				require.False(t, second.hasSaid(sayOpen))
			} else {
				second.waitFor("ack")
			}

			// The first one notices when it wakes up, and still reads.
			first.signal(syscall.SIGCONT)
			first.waitFor(sayReadable)
			require.Equal(t, 3, first.wait(), first.stderr.String())
			require.Contains(t, first.stderr.String(), folder+" was changed under this process")
			second.kill()
			if c.kept {
				before.requireKept(t, folder, "at the path")
			}
			if c.moved {
				acked.requireKept(t, elsewhere, "elsewhere")
			}
		})
	}
}

// removeFolder removes a folder to which a process that was told to stand still may write one
// more file.
func removeFolder(folder, _ string) (err error) {
	for range 100 {
		if err = os.RemoveAll(folder); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}
