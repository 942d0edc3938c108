package cli_test

import (
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// thief is a server that counts the keys it gets.
func thief(t *testing.T) (url string, keys *atomic.Int32) {
	t.Helper()
	l, keys := petstest.NewListener(t), &atomic.Int32{}
	l.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			keys.Add(1)
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"type":"urn:pets:problem:conflict","detail":"not now"}`))
	})
	return l.URL, keys
}

func words(text string) string { return strings.Join(strings.Fields(text), " ") }

// "PETS_SERVER never from the folder when the key comes from elsewhere": a planted .env leads
// the key of the environment nowhere, with no command that asks a server, and with no stop.
func TestAPlantedEnvFileGetsNoKey(t *testing.T) {
	url, keys := thief(t)
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_KEY=" + petstest.SomeKey}}
	s.File(".env", "PETS_SERVER="+url)
	for _, row := range petstest.Reached {
		if row.How != petstest.Through && row.How != petstest.Peeks {
			continue
		}
		r := s.Run(s.Line(row.Command, row.More)...)
		require.NotEqual(t, 0, r.Code, row.Command)
		require.Zero(t, keys.Load(), row.Command)
	}
	r := s.Run("deposit", "1")
	require.Equal(t, 2, r.Code)
	require.Contains(t, words(r.Err), "PETS_SERVER stands in .env and PETS_KEY does not")
	require.NotContains(t, r.Err, petstest.SomeKey)
	r = s.Run("stop", "--emergency")
	require.Contains(t, words(r.Err), "NOT stopped")
	require.Contains(t, words(r.Err), "PETS_SERVER stands in .env and PETS_KEY does not")
	require.Zero(t, keys.Load())

	// A server that is typed, or that the environment names, is a person's own word.
	s.Run("deposit", "1", "--server", url)
	require.EqualValues(t, 1, keys.Load())
	s.SetEnv("PETS_SERVER", url)
	s.Run("deposit", "1")
	require.EqualValues(t, 2, keys.Load())
}

// "No plaintext beyond loopback", whoever names the server: nothing is sent, and a stop says
// that nothing was stopped, and what to do.
func TestNoKeyLeavesThisMachineInClear(t *testing.T) {
	const far = "http://192.0.2.7:7433" // an address for documentation, which leads nowhere
	for name, s := range map[string]*petstest.Shell{
		"the environment": {Env: []string{"PETS_SERVER=" + far, "PETS_KEY=" + petstest.SomeKey}},
		"both in .env":    {},
	} {
		s.T, s.Dir, s.Ctx = t, t.TempDir(), t.Context()
		if s.Env == nil {
			s.File(".env", "PETS_SERVER="+far, "PETS_KEY="+petstest.SomeKey)
		}
		for _, args := range [][]string{{"state"}, {"deposit", "1"}, {"apikey", "list"}, {"stop", "--emergency"}} {
			r := s.Run(args...)
			require.NotEqual(t, 0, r.Code, "%s %v", name, args)
			require.Contains(t, words(r.Err), "PETS_SERVER is an http:// address of another machine", "%s %v", name, args)
			require.NotContains(t, r.Err, petstest.SomeKey)
		}
		require.Contains(t, words(s.Run("deposit", "1", "--server", "http://pets.example.com").Err), "--server is an http:// address of another machine", name)
	}
}

// A key of .env goes nowhere else than that .env leads: not to the server that holds the store
// of the environment, either.
func TestTheKeyOfEnvStaysWithItsStore(t *testing.T) {
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	require.NotEmpty(t, p.URL)
	s.File(".env", "PETS_KEY="+petstest.AdminKey)
	r := s.Run("portfolio", "open", "main")
	require.NotEqual(t, 0, r.Code)
	require.Contains(t, words(r.Err), "PETS_KEY stands in .env and PETS_STORE does not")
	r = s.Run("portfolio", "open", "main", "--store", "embedded:"+s.Store())
	require.Equal(t, 0, r.Code, r.Err)
	require.NoError(t, os.WriteFile(filepath.Join(s.Dir, ".env"), []byte("PETS_KEY="+petstest.AdminKey+"\nPETS_STORE=embedded:"+s.Store()+"\n"), 0o600))
	s.Ok("portfolio", "open", "second")
}

// A certificate that .env trusts vouches for no server that gets a key of elsewhere.
func TestACertificateOfTheFolderGetsNoKey(t *testing.T) {
	var keys atomic.Int32
	impostor := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { keys.Add(1) }))
	t.Cleanup(impostor.Close)
	s := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + impostor.URL, "PETS_KEY=" + petstest.SomeKey}}
	ca := filepath.Join(s.Dir, "ca.pem")
	require.NoError(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: impostor.Certificate().Raw}), 0o600))
	s.File(".env", "PETS_CA='"+ca+"'")
	require.Contains(t, words(s.Run("deposit", "1").Err), "PETS_CA stands in .env and PETS_KEY does not")
	require.Zero(t, keys.Load())
	s.SetEnv("PETS_CA", ca)
	s.Run("deposit", "1")
	require.EqualValues(t, 1, keys.Load(), "a person's own word")
}

// "A .env that belongs to neither the user nor (for root) the store's owner, or is writable by
// others, is refused": a stop goes on without it.
func TestAnEnvFileThatOthersWrote(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root makes the files of others")
	}
	const nobody = 65534
	url, keys := thief(t)
	for name, spoil := range map[string]func(path string) error{
		"of another user": func(path string) error { return os.Chown(path, nobody, nobody) },
		"by a link of another user": func(path string) error {
			return errors.Join(os.Rename(path, path+"-elsewhere"), os.Symlink(path+"-elsewhere", path), os.Lchown(path, nobody, nobody))
		},
		"open to its group": func(path string) error { return os.Chmod(path, 0o660) },
		"open to all":       func(path string) error { return os.Chmod(path, 0o666) },
	} {
		s := petstest.New(t)
		petstest.LiveStore(t, s.Store())
		path := s.File(".env", "PETS_SERVER="+url, "PETS_KEY="+petstest.SomeKey)
		require.NoError(t, spoil(path))
		r := s.Run("state")
		require.NotEqual(t, 0, r.Code, name)
		require.Contains(t, words(r.Err), ".env is not read, because others may have written it", name)
		r = s.Run("stop", "--emergency", "-p", "main", "--store", "embedded:"+s.Store())
		require.Equal(t, 0, r.Code, "%s: %s", name, r.Err)
		require.Contains(t, words(r.Err), "ignoring what cannot be read: .env is not read", name)
		require.Zero(t, keys.Load(), name)
		require.NoError(t, os.Lchown(path, 0, 0))
		require.NoError(t, os.Chmod(path, 0o640)) // readable is another matter
		require.NotContains(t, s.Run("state", "--store", "embedded:"+s.Store()).Err, ".env", name)
	}

	// Root works on the store of a service, and so with its settings.
	s := petstest.Small(t)
	require.NoError(t, filepath.WalkDir(s.Store(), func(path string, _ os.DirEntry, err error) error {
		return os.Lchown(path, nobody, nobody)
	}))
	path := s.File(".env", "PETS_PORTFOLIO=main")
	require.NoError(t, os.Chown(path, nobody, nobody))
	require.NotContains(t, s.Run("state").Err, ".env")
	require.NotContains(t, (&petstest.Shell{T: t, Dir: s.Dir, Ctx: t.Context()}).Run("state", "--store", "embedded:"+s.Store()).Err, ".env")
}
