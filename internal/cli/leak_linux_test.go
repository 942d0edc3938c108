package cli_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/pets/petstest"
)

// strangersServer is a running server whose store belongs to another user, as do its lock and
// everything else in it: its owner reads every request that it gets. dir is the folder that has
// the store in it, under the name that a command takes by default.
func strangersServer(t *testing.T, env ...string) (p *petstest.Process, dir, store string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	dir = filepath.Join(t.TempDir(), "mallory")
	store = filepath.Join(dir, "pets-data")
	require.NoError(t, os.Mkdir(dir, 0o755))
	p = petstest.ServeFolder(t, store, env...)
	require.NoError(t, os.Chmod(store, 0o755))
	ofStranger(t, dir)
	return p, dir, store
}

func ofStranger(t *testing.T, dir string) {
	t.Helper()
	const stranger = 65534
	require.NoError(t, filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		return os.Lchown(path, stranger, stranger)
	}))
}

// "A key and its target come from one source": a folder that neither the command nor the
// environment names leads the key of the environment to no server of another user, whether a .env
// names the folder or the command just runs beside it.
func TestAFolderOfAStrangerGetsNoKey(t *testing.T) {
	t.Parallel()
	_, dir, store := strangersServer(t)
	own := petstest.Small(t)
	withKey := []string{"PETS_KEY=" + petstest.AdminKey}
	led := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: withKey}
	led.File(".env", "PETS_STORE='embedded:"+store+"'")
	beside := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context(), Env: withKey}
	for name, s := range map[string]*petstest.Shell{"PETS_STORE of .env": led, "the working folder": beside} {
		out, err := s.Process("apikey", "list").CombinedOutput()
		require.Error(t, err, "%s: %s", name, out)
		require.Contains(t, words(string(out)), "PETS_KEY is not sent to the server that holds", name)
		require.NotContains(t, string(out), petstest.AdminKey, name)
	}
	ofStranger(t, dir)
	beside.File(".env", "PETS_PORTFOLIO=main")
	ofStranger(t, dir) // root reads a .env of the owner of the store
	out, err := beside.Process("apikey", "list").CombinedOutput()
	require.Error(t, err, "%s", out)
	require.Contains(t, words(string(out)), "PETS_KEY is not sent to the server that holds")

	// A folder that is typed, or that the environment names, is a person's own word.
	require.Equal(t, 0, as(own, withKey, "apikey", "list", "--store", "embedded:"+store).Code)
	require.Equal(t, 0, as(own, append(withKey, "PETS_STORE=embedded:"+store), "apikey", "list").Code)
}

// The same of PETS_DIR: a .env that names another user's one does not lead the key to the server
// that claims, in its lock, to hold the store of the environment.
func TestAPetsDirOfAStrangerGetsNoKey(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "dir")
	s := petstest.New(t)
	petstest.ServeFolder(t, s.Store(), "PETS_DIR="+dir)
	s.Env = append(s.Env, "PETS_KEY="+petstest.AdminKey)
	s.File(".env", "PETS_DIR='"+dir+"'")
	require.Equal(t, 0, s.Run("apikey", "list").Code, "a folder of this user")
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	ofStranger(t, dir)
	r := s.Run("apikey", "list")
	require.NotEqual(t, 0, r.Code, r.Out)
	require.Contains(t, words(r.Err), "PETS_KEY is not sent to the server that holds")
}

// "Nobody else can have read the secret of the lock": a lock that everybody can read came with
// files from elsewhere, and whoever locks it passes for the server that wrote it.
func TestALockThatEverybodyReadsGetsNoKey(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	petstest.ServeFolder(t, s.Store())
	s.Env = []string{"PETS_KEY=" + petstest.AdminKey}
	s.File(".env", "PETS_STORE='embedded:"+s.Store()+"'")
	require.Equal(t, 0, s.Run("apikey", "list").Code)
	require.NoError(t, os.Chmod(filepath.Join(s.Store(), "server.lock"), 0o644))
	r := s.Run("apikey", "list")
	require.NotEqual(t, 0, r.Code, r.Out)
	require.Contains(t, words(r.Err), "everybody can read it")
}

// "It is read only if nobody else can have written it": whoever may write to the folder gives the
// name .env to another file of this user.
func TestAnEnvFileInAFolderOfOthers(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root makes the folders of others")
	}
	url, keys := thief(t)
	for name, spoil := range map[string]func(dir, path string) error{
		"a folder for all":   func(dir, _ string) error { return os.Chmod(dir, 0o777) },
		"a folder of others": func(dir, _ string) error { return os.Chown(dir, 65534, 65534) },
		"a link into a folder for all": func(dir, path string) error {
			shared := filepath.Join(filepath.Dir(dir), "shared")
			require.NoError(t, os.Mkdir(shared, 0o777))
			require.NoError(t, os.Chmod(shared, 0o777))
			require.NoError(t, os.Rename(path, filepath.Join(shared, "staging.env")))
			return os.Symlink(filepath.Join(shared, "staging.env"), path)
		},
	} {
		dir := filepath.Join(t.TempDir(), "dir")
		require.NoError(t, os.Mkdir(dir, 0o755))
		s := &petstest.Shell{T: t, Dir: dir, Ctx: t.Context()}
		path := s.File(".env", "PETS_SERVER="+url, "PETS_KEY="+petstest.SomeKey)
		require.NoError(t, spoil(dir, path), name)
		r := s.Run("state")
		require.NotEqual(t, 0, r.Code, name)
		require.Contains(t, words(r.Err), ".env is not read, because others may have written it", name)
		require.Zero(t, keys.Load(), name)
	}
}

// "A stop takes its portfolio from where its server came from": a .env that names only a
// portfolio does not turn the stop of one server to a portfolio of another, and what it named is
// said not to be stopped.
func TestAStopTakesItsPortfolioFromWhereItsServerCameFrom(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	for _, id := range []string{"main", "m2"} {
		require.Equal(t, 0, as(s, []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}, "portfolio", "open", id).Code)
	}
	here := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + p.URL, "PETS_KEY=" + petstest.AdminKey}}
	here.File(".env", "PETS_PORTFOLIO='m2'")
	r := here.Run("stop", "--emergency", "--reason", "x")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Out, "EMERGENCY STOP engaged in main")
	require.Contains(t, words(r.Err), "the portfolio that was meant may be m2, which was NOT stopped")
	require.NotContains(t, here.Ok("breakers", "-p", "m2"), "EMERGENCY STOP")

	require.Contains(t, here.Ok("stop", "--emergency", "--reason", "x", "-p", "m2"), "EMERGENCY STOP engaged in m2")
	require.NoError(t, os.WriteFile(filepath.Join(here.Dir, ".env"), []byte(strings.Join([]string{"PETS_PORTFOLIO='m2'", "PETS_SERVER='" + p.URL + "'", ""}, "\n")), 0o600))
	require.Contains(t, here.Ok("stop", "--emergency", "--reason", "x"), "m2", "the .env leads to the same server")
}

// as runs a command with this environment.
func as(s *petstest.Shell, env []string, args ...string) petstest.Ran {
	return s.RunWith(func(a *cli.App) { a.Environ = env }, args...)
}
