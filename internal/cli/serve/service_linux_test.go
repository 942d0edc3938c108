package serve_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets/petstest"
)

// service runs pets like a service: as a user other than root, in a folder below one that only root
// may write to.
type service struct {
	t    *testing.T
	home string // owned by root, readable by all
	self string // this binary, where the user may run it
}

const (
	serviceID    = 4711
	serviceGroup = 4712
)

func newService(t *testing.T) *service {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root becomes somebody else")
	}
	home, err := os.MkdirTemp("", "service")
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(home)) })
	require.NoError(t, os.Chmod(home, 0o755))
	s := &service{t: t, home: home, self: filepath.Join(home, "pets")}
	self, err := os.Executable()
	require.NoError(t, err)
	from, err := os.Open(self)
	require.NoError(t, err)
	defer func() { require.NoError(t, from.Close()) }()
	to, err := os.OpenFile(s.self, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(to, from)
	require.NoError(t, errors.Join(err, to.Close()))
	require.NoError(t, os.Chmod(s.self, 0o755))
	return s
}

// folder creates a folder with an owner and exactly this mode.
func (s *service) folder(name string, uid, gid int, mode os.FileMode) string {
	s.t.Helper()
	dir := filepath.Join(s.home, name)
	require.NoError(s.t, os.Mkdir(dir, 0o700))
	require.NoError(s.t, os.Chown(dir, uid, gid))
	require.NoError(s.t, os.Chmod(dir, mode))
	return dir
}

func (s *service) command(uid uint32, env []string, args ...string) *exec.Cmd {
	c := exec.Command(s.self, args...)
	c.Dir = s.home
	c.Env = append([]string{petstest.AsCommand + "=1", petstest.EndsAtOnce, "PETS_ADMIN_KEY=" + petstest.AdminKey, "PATH=" + os.Getenv("PATH")}, env...)
	if uid != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{serviceGroup}}}
	}
	return c
}

// start starts a server and waits until it is ready.
func (s *service) start(uid uint32, store string, env ...string) *petstest.Process {
	s.t.Helper()
	p := &petstest.Process{T: s.t, Out: &clitest.Buffer{}, Errs: &clitest.Buffer{}}
	p.Cmd = s.command(uid, env, "serve", "--store", "embedded:"+store, "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	p.Cmd.Stdout, p.Cmd.Stderr = p.Out, p.Errs
	require.NoError(s.t, p.Cmd.Start())
	s.t.Cleanup(func() { _ = p.Cmd.Process.Kill(); _, _ = p.Cmd.Process.Wait() })
	require.Eventually(s.t, func() bool {
		lines := bufio.NewScanner(strings.NewReader(p.Errs.String()))
		for lines.Scan() {
			var l struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				p.URL = l.Address
			}
		}
		return p.URL != ""
	}, 20*time.Second, 5*time.Millisecond, "%s", p.Errs)
	return p
}

func (s *service) end(p *petstest.Process) {
	s.t.Helper()
	require.NoError(s.t, p.Cmd.Process.Signal(os.Interrupt))
	require.NoError(s.t, p.Cmd.Wait(), "%s", p.Errs)
}

// A folder below that cannot be read is no store: "refuse beats guess" is for what is there,
// and a volume that was just made has root's lost+found in it.
func TestAFreshVolumeIsAPlaceForAStore(t *testing.T) {
	t.Parallel()
	s := newService(t)
	store := s.folder("mnt", serviceID, serviceID, 0o755)
	require.NoError(t, os.Mkdir(filepath.Join(store, "lost+found"), 0o700))
	s.end(s.start(serviceID, store))
	s.end(s.start(serviceID, store)) // and again, now with a store

	fresh := s.folder("import", serviceID, serviceID, 0o755)
	require.NoError(t, os.Mkdir(filepath.Join(fresh, "lost+found"), 0o700))
	rows := filepath.Join(s.home, "rows.csv")
	require.NoError(t, os.WriteFile(rows, []byte("time,bot,market,pnl,fee,trade_id\n2026-03-01T00:00:00Z,a,m,1,0,t1\n"), 0o644))
	out, err := s.command(serviceID, nil, "import", rows, "--store", "embedded:"+fresh, "-p", "x", "--capital", "100").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, open.HasStore(fresh), "%s", out)
}

// "The folder of the witness and PETS_DIR, and what lies directly in them, have to belong to
// the server's user, to root, or to the owner of the store's folder; no link of anybody else
// may lead to them": also where somebody makes one under a running server. It is told, no
// warning is missing, and nothing is written there, until it was moved away.
func TestAStrangersFolderUnderARunningServer(t *testing.T) {
	t.Parallel()
	const stranger = 4999
	s := newService(t)
	require.NoError(t, os.Chmod(s.home, 0o1777)) // sticky, as /tmp is
	s.folder("own", serviceID, serviceID, 0o700)
	plants := map[string]func(dir string) error{
		"a folder": func(dir string) error {
			return errors.Join(os.Mkdir(dir, 0o700), os.Chmod(dir, 0o777), os.Chown(dir, stranger, stranger))
		},
		"a link to a folder of the server's user": func(dir string) error {
			return errors.Join(os.Symlink(filepath.Join(s.home, "own"), dir), os.Lchown(dir, stranger, stranger))
		},
	}
	for _, uid := range []uint32{0, serviceID} {
		for what, plant := range plants {
			store := filepath.Join(s.home, "store")
			server := s.start(uid, store)
			witness := store + "-witness"
			require.FileExists(t, filepath.Join(witness, open.LatchName))
			require.NotContains(t, server.Readyz(), "witness")
			r := server.Pets(store, petstest.AdminKey, "apikey", "issue", "--user", "olga", "--role", "operator")
			require.Equal(t, 0, r.Code, r.Err)
			operator := petstest.SecretPattern.FindString(r.Out)
			open := map[string]any{"id": "main", "mode": "paper"}
			require.NoError(t, server.Client(operator).Send(t.Context(), http.MethodPost, "/v1/portfolios", "open", open, nil))
			planted := filepath.Join(s.home, "planted")
			require.NoError(t, plant(planted))
			require.NoError(t, os.RemoveAll(witness))
			// Be faster than the server, which recreates it within a second.
			if err := os.Rename(planted, witness); err != nil {
				require.NoError(t, os.RemoveAll(witness))
				require.NoError(t, os.Rename(planted, witness))
			}
			warned := func() bool { return strings.Contains(server.Readyz(), "warning: the witness") }
			require.Eventually(t, warned, 10*time.Second, 20*time.Millisecond, what)
			// A write in flight while the folder was exchanged fails first, with a different error.
			told := func() bool { return strings.Contains(server.Errs.String(), "user 4999") }
			require.Eventually(t, told, 10*time.Second, 20*time.Millisecond, what)
			// A stop holds all the same, and leaves nothing there.
			r = server.Pets(store, operator, "stop", "--emergency", "-p", "main", "--reason", "drill")
			require.Equal(t, 0, r.Code, r.Err)
			files, err := os.ReadDir(witness)
			require.NoError(t, err)
			require.Empty(t, files, what)

			require.NoError(t, os.RemoveAll(witness))
			written := func() bool {
				_, err := os.Stat(filepath.Join(witness, "witness"))
				return err == nil && !warned()
			}
			require.Eventually(t, written, 10*time.Second, 20*time.Millisecond, what)
			s.end(server)
			require.NoError(t, os.RemoveAll(store))
			require.NoError(t, os.RemoveAll(witness))
		}
	}
}

// The same for a separate PETS_DIR, which the server recreates if it was removed.
func TestAStrangersPetsDirUnderARunningServer(t *testing.T) {
	t.Parallel()
	const stranger = 4999
	s := newService(t)
	require.NoError(t, os.Chmod(s.home, 0o1777))
	store := s.folder("store", serviceID, serviceID, 0o700)
	s.folder("witness", serviceID, serviceID, 0o700)
	dir := s.folder("dir", serviceID, serviceID, 0o700)
	server := s.start(serviceID, store, "PETS_DIR="+dir, "PETS_WITNESS="+filepath.Join(s.home, "witness"))
	planted := s.folder("planted", stranger, stranger, 0o777)
	require.NoError(t, os.RemoveAll(dir))
	if err := os.Rename(planted, dir); err != nil {
		require.NoError(t, os.RemoveAll(dir))
		require.NoError(t, os.Rename(planted, dir))
	}
	require.Eventually(t, func() bool { return strings.Contains(server.Readyz(), "warning: the stop socket") }, 10*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return strings.Contains(server.Errs.String(), "user 4999 owns it") }, 10*time.Second, 20*time.Millisecond)
	files, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Empty(t, files)
	require.NoError(t, os.RemoveAll(dir))
	require.Eventually(t, func() bool { return !strings.Contains(server.Readyz(), "warning: the stop socket") }, 10*time.Second, 20*time.Millisecond)
	s.end(server)
}

// "The server takes the right to write from the group of a folder of its own user": a volume
// that is given to a group at each mount (chgrp -R, chmod -R g+rwX, g+s), and a backup that
// was restored with a umask of 002, are started on as they are.
func TestAVolumeOfAGroup(t *testing.T) {
	t.Parallel()
	s := newService(t)
	volume := s.folder("volume", 0, serviceGroup, os.ModeSetgid|0o775)
	store, witness := filepath.Join(volume, "pets"), filepath.Join(volume, "pets-witness")
	mount := func() { // as the kubelet does it
		require.NoError(t, filepath.WalkDir(volume, func(path string, d os.DirEntry, err error) error {
			require.NoError(t, err)
			info, err := d.Info()
			require.NoError(t, err)
			mode := info.Mode() | 0o060
			if d.IsDir() {
				mode |= os.ModeSetgid | 0o010
			}
			return errors.Join(os.Lchown(path, -1, serviceGroup), os.Chmod(path, mode))
		}))
	}
	for n := range 3 {
		mount()
		server := s.start(serviceID, store)
		if n > 0 {
			server.Says("the group of " + store + " could write to it (its mode was 0770); that was taken away")
			server.Says("the group of " + witness + " could write to it")
		}
		require.NotContains(t, server.Readyz(), "warning")
		for _, dir := range []string{store, witness} {
			require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				require.NoError(t, err)
				if info, err := d.Info(); err == nil && filepath.Dir(path) != filepath.Join(store, open.CheckpointDir) && d.Name() != open.CheckpointDir {
					require.Zero(t, info.Mode().Perm()&0o022, path)
				}
				return nil
			}))
		}
		s.end(server)
	}
	// As the page on backups says, with a umask of 002.
	restore := exec.Command("sh", "-c", `umask 002; mv pets pets.old; mkdir pets; cp pets.old/durable pets/; cp pets.old/*.seg pets/; cp pets.old/emergency-stop.json pets/`)
	restore.Dir = volume
	restore.SysProcAttr = s.command(serviceID, nil).SysProcAttr
	out, err := restore.CombinedOutput()
	require.NoError(t, err, "%s", out)
	s.end(s.start(serviceID, store))
}

// A folder that everyone may write to is refused as before; so is one that a foreign group may write
// to, and one that is not the server's own.
func TestAFolderOfOthersStaysRefused(t *testing.T) {
	t.Parallel()
	s := newService(t)
	for name, dir := range map[string]string{
		"everybody":           s.folder("everybody", serviceID, serviceGroup, 0o777),
		"a group of others":   s.folder("group", serviceID, 4799, 0o770),
		"root's, for a group": s.folder("roots", 0, serviceGroup, os.ModeSetgid|0o775),
	} {
		before, err := os.Stat(dir)
		require.NoError(t, err)
		out, err := s.command(serviceID, nil, "serve", "--store", "embedded:"+dir, "--listen", "127.0.0.1:0", "--metrics-listen", "off").CombinedOutput()
		require.Error(t, err, name)
		require.Contains(t, string(out), "chmod go-w", name)
		after, err := os.Stat(dir)
		require.NoError(t, err)
		require.Equal(t, before.Mode(), after.Mode(), name)
	}
}

// "If the service may not make a folder there, the server runs without; the log and /readyz
// say why and what to do": the store of a service lies in a folder of root's.
func TestAWitnessThatMayNotBeMadeSaysWhatToDo(t *testing.T) {
	t.Parallel()
	s := newService(t)
	store := s.folder("x", serviceID, serviceID, 0o700)
	server := s.start(serviceID, store)
	for _, text := range []string{server.Readyz(), server.Errs.String()} {
		require.Contains(t, text, "the server's user may not create or write its folder")
		require.Contains(t, text, "name another folder with PETS_WITNESS")
	}
	require.NotContains(t, server.Readyz(), s.home, "what is told to everybody names no file")
	s.folder("x-witness", serviceID, serviceID, 0o700)
	require.Eventually(t, func() bool { return !strings.Contains(server.Readyz(), "witness") }, 10*time.Second, 20*time.Millisecond)
	s.end(server)
	s.end(s.start(serviceID, store, "PETS_WITNESS="+s.folder("named", serviceID, serviceID, 0o700)))
}
