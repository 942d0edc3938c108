package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// service is pets as a service runs it: as a user who is not root, in a folder above which
// only root may write.
type service struct {
	t    *testing.T
	home string // of root, open to be read
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

// folder makes one of somebody, with exactly this mode.
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
	c.Env = append([]string{asCommand + "=1", "PETS_ADMIN_KEY=" + adminKey, "PATH=" + os.Getenv("PATH")}, env...)
	if uid != 0 {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{serviceGroup}}}
	}
	return c
}

// start starts a server and waits until it is ready.
func (s *service) start(uid uint32, store string, env ...string) *process {
	s.t.Helper()
	p := &process{t: s.t, out: &lockedBuffer{}, errs: &lockedBuffer{}}
	p.cmd = s.command(uid, env, "serve", "--store", "embedded:"+store, "--listen", "127.0.0.1:0", "--metrics-listen", "off")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	require.NoError(s.t, p.cmd.Start())
	s.t.Cleanup(func() { _ = p.cmd.Process.Kill(); _, _ = p.cmd.Process.Wait() })
	require.Eventually(s.t, func() bool {
		lines := bufio.NewScanner(strings.NewReader(p.errs.String()))
		for lines.Scan() {
			var l struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				p.url = l.Address
			}
		}
		return p.url != ""
	}, 20*time.Second, 5*time.Millisecond, "%s", p.errs)
	return p
}

func (s *service) end(p *process) {
	s.t.Helper()
	require.NoError(s.t, p.cmd.Process.Signal(os.Interrupt))
	require.NoError(s.t, p.cmd.Wait(), "%s", p.errs)
}

// A folder below that cannot be read is no store: "refuse beats guess" is for what is there,
// and a volume that was just made has root's lost+found in it.
func TestAFreshVolumeIsAPlaceForAStore(t *testing.T) {
	s := newService(t)
	store := s.folder("mnt", serviceID, serviceID, 0o755)
	require.NoError(t, os.Mkdir(filepath.Join(store, "lost+found"), 0o700))
	s.end(s.start(serviceID, store))
	s.end(s.start(serviceID, store)) // and again, with a store in it

	fresh := s.folder("import", serviceID, serviceID, 0o755)
	require.NoError(t, os.Mkdir(filepath.Join(fresh, "lost+found"), 0o700))
	rows := filepath.Join(s.home, "rows.csv")
	require.NoError(t, os.WriteFile(rows, []byte("time,bot,market,pnl,fee,trade_id\n2026-03-01T00:00:00Z,a,m,1,0,t1\n"), 0o644))
	out, err := s.command(serviceID, nil, "import", rows, "--store", "embedded:"+fresh, "-p", "x", "--capital", "100").CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.True(t, hasStore(fresh), "%s", out)
}
