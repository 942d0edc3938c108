package cli_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// "--server, --store and -p leave no doubt": the server that holds the store is found by the
// store alone, wherever its PETS_DIR is and whatever PETS_DIR says here; no other server is
// asked, also with that one's key.
func TestTheServerOfAStoreIsFoundByTheStore(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		dir := t.TempDir()
		one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
		var env []string
		if own {
			env = append(env, "PETS_DIR="+filepath.Join(dir, "run"))
		}
		p, q := petstest.ServeFolder(t, one, env...), petstest.ServeFolder(t, other)
		p.OpenMain()
		q.OpenMain()
		for _, petsDir := range []string{"", filepath.Join(dir, "stale"), other} {
			s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_DIR=" + petsDir}}
			r := s.Run("stop", "--emergency", "--reason", "x", "--store", "embedded:"+one)
			require.Equal(t, 0, r.Code, r.Err)
			require.Contains(t, r.Err, "pets: acting on the server that holds "+one+", by its stop socket")
			s.Env = append(s.Env, "PETS_KEY="+petstest.AdminKey)
			r = s.Run("apikey", "issue", "--user", "olga", "--role", "operator", "--store", "embedded:"+one)
			require.Equal(t, 0, r.Code, r.Err)
			require.Contains(t, r.Err, "pets: acting on server "+p.URL)
		}
		there := func(p *petstest.Process) string { return p.Pets(dir, petstest.AdminKey, "breakers").Out }
		require.Contains(t, there(p), "EMERGENCY STOP  manual")
		require.NotContains(t, there(q), "EMERGENCY STOP  manual")

		// A removed lock file is recreated.
		require.NoError(t, os.Remove(filepath.Join(one, open.LockName)))
		require.Eventually(t, func() bool { _, held := open.HolderOf(one); return held }, 10*time.Second, 50*time.Millisecond)
		require.NoError(t, p.Cmd.Process.Signal(os.Interrupt))
		require.NoError(t, p.Cmd.Wait())
		s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context()}
		r := s.Run("stop", "--emergency", "--store", "embedded:"+one)
		require.Equal(t, 0, r.Code, r.Err)
		require.Contains(t, r.Err, "acting on the folder "+one)
	}
}

// In a store's folder in which another store's server keeps its files, that server is not the one
// that holds this store.
func TestAFolderThatIsPetsDirOfAnotherStore(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	petstest.LiveStore(t, s.Store())
	other := filepath.Join(s.Dir, "other")
	q := petstest.ServeFolder(t, other, "PETS_DIR="+s.Store())
	q.OpenMain()
	store, err := embedded.Open(s.Store(), embedded.Options{})
	require.NoError(t, err)
	s.Env = append(s.Env, "PETS_KEY="+petstest.AdminKey)
	s.Fails(1, []string{"NOT stopped", "says where a server of this store answers"}, "stop", "--emergency")
	s.Fails(1, []string{"says where a server of this store answers"}, "apikey", "list")
	require.NoError(t, store.Close())
	// No server holds it: the stop goes into the folder, and the other store's marker is not touched.
	r := s.Run("stop", "--emergency", "--store", "embedded:"+s.Store())
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "(PETS_DIR): locked by pid")
	require.NotContains(t, q.Pets(other, petstest.AdminKey, "breakers").Out, "EMERGENCY STOP  manual")
}

// "A person can always stop", even while the server starts: a command that holds the folder for a
// moment does not make a start fail, and a server that is not ready does not make a stop fail.
func TestAStartAndACommandWaitForEachOther(t *testing.T) {
	t.Parallel()
	for _, own := range []bool{false, true} {
		s := petstest.New(t)
		petstest.LiveStore(t, s.Store())
		var env []string
		if own {
			env = append(env, "PETS_DIR="+filepath.Join(s.Dir, "run"))
		}
		store, err := embedded.Open(s.Store(), embedded.Options{})
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			time.Sleep(5 * time.Second)
			done <- store.Close()
		}()
		p := petstest.ServeFolder(t, s.Store(), env...)
		require.NoError(t, <-done)
		p.Says("pets: waiting up to 10s: the folder of the store or PETS_DIR is held: ")

		// It does not wait for another server.
		s.Env = append(s.Env, env...)
		begin := time.Now()
		s.Fails(1, []string{"locked by pid"}, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off")
		require.Less(t, time.Since(begin), open.FolderPatience)
	}
	s := petstest.New(t)
	petstest.LiveStore(t, s.Store())
	store, err := embedded.Open(s.Store(), embedded.Options{})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		time.Sleep(1500 * time.Millisecond)
		done <- store.Close()
	}()
	r := s.Run("-p", "real", "stop", "--emergency")
	require.NoError(t, <-done)
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Err, "pets: waiting up to 4s: its holder is not a server, or not ready yet")
	require.Contains(t, r.Out, "engaged in real")
}
