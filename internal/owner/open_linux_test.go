package owner_test

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/owner"
)

// service is a folder of somebody else, who puts something into it, and a folder of root.
func service(t *testing.T) (root *os.Root, dir, elsewhere string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes files in the folders of others")
	}
	above := t.TempDir()
	dir, elsewhere = filepath.Join(above, "service"), filepath.Join(above, "root")
	require.NoError(t, os.Mkdir(dir, 0o700))
	require.NoError(t, os.Mkdir(elsewhere, 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(elsewhere, "file"), []byte("mine"), 0o600))
	require.NoError(t, os.Chown(dir, 4711, 4712))
	root, err := owner.OpenRoot(dir)
	require.NoError(t, err)
	t.Cleanup(func() { _ = root.Close() })
	return root, dir, elsewhere
}

// Nothing but a plain file is opened, and none that has a second name elsewhere is written to.
func TestOpenOnlyPlainFiles(t *testing.T) {
	root, dir, elsewhere := service(t)
	mine := filepath.Join(elsewhere, "file")
	for name, plant := range map[string]func(at string) error{
		"link":        func(at string) error { return os.Symlink(mine, at) },
		"link inside": func(at string) error { return os.Symlink("plain", at) },
		"dangling":    func(at string) error { return os.Symlink(filepath.Join(elsewhere, "new"), at) },
		"hard link":   func(at string) error { return os.Link(mine, at) },
		"pipe":        func(at string) error { return syscall.Mkfifo(at, 0o600) },
		"folder":      func(at string) error { return os.Mkdir(at, 0o700) },
		"device":      func(at string) error { return syscall.Mknod(at, syscall.S_IFCHR|0o600, 1<<8|3) },
	} {
		require.NoError(t, plant(filepath.Join(dir, name)))
		for _, flag := range []int{os.O_RDWR, os.O_RDWR | os.O_CREATE, os.O_RDWR | os.O_CREATE | os.O_TRUNC} {
			_, err := owner.Open(root, name, flag)
			var is *owner.NotPlainError
			require.ErrorAs(t, err, &is, name)
			require.Equal(t, filepath.Join(dir, name), is.Path)
		}
		err := owner.Replace(root, name, []byte("new"))
		if name == "folder" {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err, name)
		b, err := owner.ReadFile(root, name)
		require.NoError(t, err)
		require.Equal(t, "new", string(b))
		uid, _ := ids(t, filepath.Join(dir, name))
		require.Equal(t, uint32(4711), uid)
	}
	b, err := os.ReadFile(mine)
	require.NoError(t, err)
	require.Equal(t, "mine", string(b))
	uid, _ := ids(t, mine)
	require.Zero(t, uid)
	require.NoFileExists(t, filepath.Join(elsewhere, "new"))
}

// A file of root with something in it may be one that the owner of the folder has renamed:
// it stays root's. One that a crash left empty is the service's.
func TestOpenGivesAwayNothingThatWasThere(t *testing.T) {
	root, dir, _ := service(t)
	for name, content := range map[string]string{"full": "a secret", "empty": ""} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		f, err := owner.Open(root, name, os.O_RDWR|os.O_CREATE)
		require.NoError(t, err)
		require.NoError(t, f.Close())
	}
	uid, _ := ids(t, filepath.Join(dir, "full"))
	require.Zero(t, uid)
	uid, _ = ids(t, filepath.Join(dir, "empty"))
	require.Equal(t, uint32(4711), uid)
}

// The owner of a folder that nobody else can write to may have a second name for a file of
// his own, such as that of a copy.
func TestOpenAFileWithASecondNameOfItsOwner(t *testing.T) {
	root, dir, _ := service(t)
	one := filepath.Join(dir, "one")
	require.NoError(t, os.WriteFile(one, nil, 0o600))
	require.NoError(t, os.Chown(one, 4711, 4712))
	require.NoError(t, os.Link(one, filepath.Join(dir, "two")))
	f, err := owner.Open(root, "one", os.O_RDWR)
	require.NoError(t, err)
	require.NoError(t, f.Close())
	require.NoError(t, os.Chmod(dir, 0o770))
	_, err = owner.Open(root, "one", os.O_RDWR)
	require.ErrorContains(t, err, "a second name elsewhere")
}

// Root follows a link of his own, and one that leads to a folder of whoever made it; no
// other, wherever on the way it stands.
func TestOpenRootByLinks(t *testing.T) {
	_, dir, elsewhere := service(t)
	require.NoError(t, os.Mkdir(filepath.Join(elsewhere, "below"), 0o700))
	for i, c := range []struct {
		by     int
		to     string
		below  string
		opened bool
	}{
		{0, elsewhere, "", true},
		{0, dir, "", true},
		{4711, dir, "", true},
		{4711, "../" + filepath.Base(filepath.Dir(dir)) + "/service", "", true},
		{4711, elsewhere, "", false},
		{4711, elsewhere, "below", false},
		{4711, "root", "", false},
		{99, dir, "", false},
	} {
		link := filepath.Join(filepath.Dir(dir), "link"+string(rune('a'+i)))
		require.NoError(t, os.Symlink(c.to, link))
		require.NoError(t, os.Lchown(link, c.by, c.by))
		root, err := owner.OpenRoot(filepath.Join(link, c.below))
		if !c.opened {
			require.ErrorContains(t, err, "a link made by user", c)
			require.ErrorContains(t, owner.MkdirAll(filepath.Join(link, c.below, "new")), "a link made by user", c)
			continue
		}
		require.NoError(t, err, c)
		require.NoError(t, root.Close())
	}
	require.NoDirExists(t, filepath.Join(elsewhere, "new"))
	// A folder is not made, nor entered, by a link in its place.
	root, err := owner.OpenRoot(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, root.Close()) }()
	require.NoError(t, os.Symlink(elsewhere, filepath.Join(dir, "out")))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "in"), 0o700))
	require.NoError(t, os.Symlink("in", filepath.Join(dir, "inside")))
	for _, name := range []string{"out", "inside"} {
		_, err = owner.Mkdir(root, name)
		require.Error(t, err, name)
	}
}
