package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/client"
)

const adminKey = "test-admin-key-0123456789-0123456789-0123456789"

// lockedBuffer collects what another goroutine writes.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// process is a pets serve in a process of its own, on a folder.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	url  string
	out  *lockedBuffer
	errs *lockedBuffer
}

func (p *process) client(key string) *client.Client {
	p.t.Helper()
	c, err := client.New(client.Options{URL: p.url, Key: key})
	require.NoError(p.t, err)
	return c
}

// pets runs the command line against the folder and the server.
func (p *process) pets(folder, key string, args ...string) ran {
	p.t.Helper()
	var out, errs bytes.Buffer
	a := &app{place: place{err: &errs}, out: &out, environ: []string{"PETS_STORE=embedded:" + folder, "PETS_SERVER=" + p.url, "PETS_KEY=" + key}, dir: p.t.TempDir()}
	code := run(p.t.Context(), a, args)
	return ran{code, out.String(), errs.String()}
}

var secretPattern = regexp.MustCompile(`pets_[A-Za-z0-9_-]{43}`)

// serveAt starts it at an address, such as that of one which was killed.
func serveAt(t *testing.T, address, folder string, env ...string) *process {
	t.Helper()
	return serveIn(t, t.TempDir(), address, folder, env...) // without an .env
}

func serveFlagged(t *testing.T, flags []string, dir, address, folder string, env ...string) *process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &process{t: t, out: &lockedBuffer{}, errs: &lockedBuffer{}}
	p.cmd = exec.Command(self, append([]string{"serve", "--store", "embedded:" + folder, "--listen", address, "--metrics-listen", "127.0.0.1:0"}, flags...)...)
	p.cmd.Dir = dir
	p.cmd.Env = append(os.Environ(), asCommand+"=1", "PETS_ADMIN_KEY="+adminKey)
	p.cmd.Env = append(p.cmd.Env, env...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); _, _ = p.cmd.Process.Wait() })
	require.Eventually(t, func() bool {
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

// serveFolder starts a server and waits until it is ready.
func serveFolder(t *testing.T, folder string, env ...string) *process {
	t.Helper()
	return serveAt(t, "127.0.0.1:0", folder, env...)
}

// serveIn starts it in a working folder, where an .env may be.
func serveIn(t *testing.T, dir, address, folder string, env ...string) *process {
	t.Helper()
	return serveFlagged(t, nil, dir, address, folder, env...)
}
