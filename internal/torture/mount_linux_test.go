package torture

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"pets/internal/testenv"
)

// disk is a file system in a file.
type disk struct {
	t     *testing.T
	kind  string // ext4 or xfs
	image string
	point string // where it is mounted
}

// newDisk makes a file system of some size and mounts it until the test ends.
// The image is in memory where possible: what matters is what the file system
// has handed down when it is cut off, and not where the image lies.
func newDisk(t *testing.T, kind string, bytes int64) *disk {
	t.Helper()
	testenv.Need(t, "mkfs."+kind, "mount", "umount")
	requireMounts(t)
	dir := imageDir(t)
	d := &disk{t: t, kind: kind, image: filepath.Join(dir, kind), point: filepath.Join(dir, "mnt")}
	require.NoError(t, os.Mkdir(d.point, 0o700))
	require.NoError(t, makeImage(d.image, kind, bytes))
	t.Cleanup(d.unmount)
	d.mount()
	return d
}

func imageDir(t *testing.T) string {
	t.Helper()
	var fs unix.Statfs_t
	if unix.Statfs("/dev/shm", &fs) == nil && fs.Bavail*uint64(fs.Bsize) > 1<<30 {
		if dir, err := os.MkdirTemp("/dev/shm", "pets-torture-"); err == nil {
			t.Cleanup(func() { require.NoError(t, os.RemoveAll(dir)) })
			return dir
		}
	}
	return t.TempDir()
}

func makeImage(path, kind string, bytes int64) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	if err := os.Truncate(path, bytes); err != nil {
		return err
	}
	return run("mkfs."+kind, "-q", path)
}

func run(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// mountsForbidden tries once whether this machine lets anybody mount.
var mountsForbidden = sync.OnceValue(func() error {
	dir, err := os.MkdirTemp("", "pets-torture-")
	if err != nil {
		return err
	}
	image := filepath.Join(dir, "image")
	err = makeImage(image, "ext4", 8<<20)
	if err == nil {
		if err = run("mount", "-o", "loop", image, dir); err == nil {
			err = run("umount", dir)
		}
	}
	return errors.Join(err, os.RemoveAll(dir))
})

// requireMounts skips where the kernel forbids loop mounts, even in CI: no
// package can change that.
func requireMounts(t *testing.T) {
	t.Helper()
	testenv.Need(t, "mkfs.ext4")
	if err := mountsForbidden(); err != nil {
		fmt.Println("LOOP MOUNTS NOT PERMITTED HERE")
		t.Skipf("LOOP MOUNTS NOT PERMITTED HERE: %v", err)
	}
}

func (d *disk) mount() {
	d.t.Helper()
	require.NoError(d.t, run("mount", "-o", "loop", d.image, d.point))
}

func (d *disk) unmount() {
	err := unix.Unmount(d.point, 0)
	if errors.Is(err, unix.EBUSY) { // somebody is still in there: let them keep what they see
		err = unix.Unmount(d.point, unix.MNT_DETACH)
	}
	if err != nil && !errors.Is(err, unix.EINVAL) { // which says that it is not mounted
		d.t.Errorf("unmount %s: %v", d.point, err)
	}
}

// Both file systems know this call of XFS, which xfs_io -x -c shutdown makes:
// stop at once, write nothing down any more, not even the journal.
const (
	goingDown      = 0x8004587d
	withoutJournal = 2
)

// cut takes the power from the file system. Whatever it has not handed down to
// its disk by now is gone.
func (d *disk) cut() {
	d.t.Helper()
	root, err := os.Open(d.point)
	require.NoError(d.t, err)
	defer root.Close()
	require.NoError(d.t, unix.IoctlSetPointerInt(int(root.Fd()), goingDown, withoutJournal))
}

// restore mounts the file system again, as after a power cut.
func (d *disk) restore() {
	d.t.Helper()
	require.NoError(d.t, unix.Unmount(d.point, 0), "a dead writer holds no file")
	d.mount()
}
