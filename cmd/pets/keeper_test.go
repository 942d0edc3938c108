package main

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
)

// openMain opens the portfolio main at a server.
func (p *process) openMain() {
	p.t.Helper()
	require.NoError(p.t, p.client(adminKey).Send(p.t.Context(), http.MethodPost, "/v1/portfolios", "open", map[string]any{"id": "main", "mode": "paper"}, nil))
}

// "--server, --store and -p leave no doubt": the server that holds the store is found by the
// store alone, wherever its PETS_DIR is and whatever PETS_DIR says here; no other server is
// asked, also with that one's key.
func TestTheServerOfAStoreIsFoundByTheStore(t *testing.T) {
	for _, own := range []bool{false, true} {
		dir := t.TempDir()
		one, other := filepath.Join(dir, "one"), filepath.Join(dir, "other")
		var env []string
		if own {
			env = append(env, "PETS_DIR="+filepath.Join(dir, "run"))
		}
		p, q := serveFolder(t, one, env...), serveFolder(t, other)
		p.openMain()
		q.openMain()
		for _, petsDir := range []string{"", filepath.Join(dir, "stale"), other} {
			s := &shell{t: t, dir: t.TempDir(), ctx: t.Context(), env: []string{"PETS_DIR=" + petsDir}}
			r := s.run("stop", "--emergency", "--reason", "x", "--store", "embedded:"+one)
			require.Equal(t, 0, r.code, r.err)
			require.Contains(t, r.err, "pets: acting on the server that holds "+one+", by its stop socket")
			s.env = append(s.env, "PETS_KEY="+adminKey)
			r = s.run("apikey", "issue", "--user", "olga", "--role", "operator", "--store", "embedded:"+one)
			require.Equal(t, 0, r.code, r.err)
			require.Contains(t, r.err, "pets: acting on server "+p.url)
		}
		there := func(p *process) string { return p.pets(dir, adminKey, "breakers").out }
		require.Contains(t, there(p), "EMERGENCY STOP  manual")
		require.NotContains(t, there(q), "EMERGENCY STOP  manual")

		// What says so is made anew where somebody removed it.
		require.NoError(t, os.Remove(filepath.Join(one, lockName)))
		require.Eventually(t, func() bool { _, held := holderOf(one); return held }, 10*time.Second, 50*time.Millisecond)
		require.NoError(t, p.cmd.Process.Signal(os.Interrupt))
		require.NoError(t, p.cmd.Wait())
		s := &shell{t: t, dir: t.TempDir(), ctx: t.Context()}
		r := s.run("stop", "--emergency", "--store", "embedded:"+one)
		require.Equal(t, 0, r.code, r.err)
		require.Contains(t, r.err, "acting on the folder "+one)
	}
}

// A store's folder in which another store's server keeps its files: that server is not the
// one that holds this store.
func TestAFolderThatIsPetsDirOfAnotherStore(t *testing.T) {
	s := newShell(t)
	liveStore(t, s.store())
	other := filepath.Join(s.dir, "other")
	q := serveFolder(t, other, "PETS_DIR="+s.store())
	q.openMain()
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(t, err)
	s.env = append(s.env, "PETS_KEY="+adminKey)
	s.fails(1, []string{"NOT stopped", "says where a server of this store answers"}, "stop", "--emergency")
	s.fails(1, []string{"says where a server of this store answers"}, "apikey", "list")
	require.NoError(t, store.Close())
	// Nobody serves it: it is stopped, and the marker of the other one is left alone.
	r := s.run("stop", "--emergency", "--store", "embedded:"+s.store())
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "(PETS_DIR): locked by pid")
	require.NotContains(t, q.pets(other, adminKey, "breakers").out, "EMERGENCY STOP  manual")
}

// "A person can always stop", also while the server starts: a command that holds the folder
// for a moment ends no start, and a server that is not to be reached yet no stop.
func TestAStartAndACommandWaitForEachOther(t *testing.T) {
	for _, own := range []bool{false, true} {
		s := newShell(t)
		liveStore(t, s.store())
		var env []string
		if own {
			env = append(env, "PETS_DIR="+filepath.Join(s.dir, "run"))
		}
		store, err := embedded.Open(s.store(), embedded.Options{})
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			time.Sleep(1500 * time.Millisecond)
			done <- store.Close()
		}()
		p := serveFolder(t, s.store(), env...)
		require.NoError(t, <-done)
		require.Contains(t, p.errs.String(), "pets: waiting up to 10s: the folder of the store or PETS_DIR is held: ")

		// Another server is not waited for.
		s.env = append(s.env, env...)
		begin := time.Now()
		s.fails(1, []string{"locked by pid"}, "serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off")
		require.Less(t, time.Since(begin), folderPatience)
	}
	s := newShell(t)
	liveStore(t, s.store())
	store, err := embedded.Open(s.store(), embedded.Options{})
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() {
		time.Sleep(1500 * time.Millisecond)
		done <- store.Close()
	}()
	r := s.run("-p", "real", "stop", "--emergency")
	require.NoError(t, <-done)
	require.Equal(t, 0, r.code, r.err)
	require.Contains(t, r.err, "pets: waiting up to 4s: whoever holds it is no server, or not one yet")
	require.Contains(t, r.out, "engaged in real")
}
