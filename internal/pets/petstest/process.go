package petstest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
)

// AdminKey is the admin key of every test server.
const AdminKey = "pets_T3stK9vQ2mXw7RzL4bNcY8hJ6fDsA1gPuE5oWiVkZq0"

// Process is a pets serve on a folder, in a separate process.
type Process struct {
	T    *testing.T
	Cmd  *exec.Cmd
	URL  string
	Out  *clitest.Buffer
	Errs *clitest.Buffer
}

// Client returns a client of the server with a key.
func (p *Process) Client(key string) *client.Client {
	p.T.Helper()
	c, err := client.New(client.Options{URL: p.URL, Key: key})
	require.NoError(p.T, err)
	return c
}

// Pets runs the command line against the folder and the server.
func (p *Process) Pets(folder, key string, args ...string) Ran {
	p.T.Helper()
	var out, errs bytes.Buffer
	a := &cli.App{Place: open.Place{Err: &errs}, Out: &out, Environ: []string{"PETS_STORE=embedded:" + folder, "PETS_SERVER=" + p.URL, "PETS_KEY=" + key}, Dir: p.T.TempDir()}
	code := pets.Run(p.T.Context(), a, args)
	return Ran{code, out.String(), errs.String()}
}

// Says waits until the server's log has the words. The log comes through a pipe, so it may
// be read after the answer, or the file, that the server wrote later.
func (p *Process) Says(words string) {
	p.T.Helper()
	require.Eventually(p.T, func() bool { return strings.Contains(p.Errs.String(), words) }, 20*time.Second, 5*time.Millisecond, "%q in %s", words, p.Errs)
}

// SecretPattern matches an API key.
var SecretPattern = regexp.MustCompile(`pets_[A-Za-z0-9_-]{43}`)

// ServeAt starts a server at an address, such as the one of a killed server.
func ServeAt(t *testing.T, address, folder string, env ...string) *Process {
	t.Helper()
	return ServeIn(t, t.TempDir(), address, folder, env...) // without a .env file
}

// ServeFlagged starts a server with extra flags in a working folder.
func ServeFlagged(t *testing.T, flags []string, dir, address, folder string, env ...string) *Process {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	p := &Process{T: t, Out: &clitest.Buffer{}, Errs: &clitest.Buffer{}}
	store := "embedded:" + folder
	if strings.Contains(folder, "://") { // a database
		store = folder
	}
	p.Cmd = exec.Command(self, append([]string{"serve", "--store", store, "--listen", address, "--metrics-listen", "127.0.0.1:0"}, flags...)...)
	p.Cmd.Dir = dir
	p.Cmd.Env = append(os.Environ(), AsCommand+"=1", EndsAtOnce, "PETS_ADMIN_KEY="+AdminKey)
	p.Cmd.Env = append(p.Cmd.Env, env...)
	p.Cmd.Stdout, p.Cmd.Stderr = p.Out, p.Errs
	require.NoError(t, p.Cmd.Start())
	t.Cleanup(func() { _ = p.Cmd.Process.Kill(); _, _ = p.Cmd.Process.Wait() })
	p.awaitReady()
	return p
}

// awaitReady waits until the server says that it is ready. One that folds a long history says
// how far it is, so it fails only after a minute in which nothing is said.
func (p *Process) awaitReady() {
	p.T.Helper()
	said, since := 0, time.Now()
	for p.URL == "" {
		time.Sleep(5 * time.Millisecond)
		log := p.Errs.String()
		if len(log) > said {
			said, since = len(log), time.Now()
		}
		require.Less(p.T, time.Since(since), time.Minute, "%s", log)
		lines := bufio.NewScanner(strings.NewReader(log))
		for lines.Scan() {
			var l struct{ Msg, Address string }
			if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
				p.URL = l.Address
			}
		}
	}
}

// ServeFolder starts a server and waits until it is ready.
func ServeFolder(t *testing.T, folder string, env ...string) *Process {
	t.Helper()
	return ServeAt(t, "127.0.0.1:0", folder, env...)
}

// ServeIn starts a server in a working folder, which may have a .env file.
func ServeIn(t *testing.T, dir, address, folder string, env ...string) *Process {
	t.Helper()
	return ServeFlagged(t, nil, dir, address, folder, env...)
}

// Freeze stops the process and waits until it has stopped; otherwise it could answer once
// more on a busy machine.
func (p *Process) Freeze() {
	p.T.Helper()
	require.NoError(p.T, p.Cmd.Process.Signal(syscall.SIGSTOP))
	var status syscall.WaitStatus
	_, err := syscall.Wait4(p.Cmd.Process.Pid, &status, syscall.WUNTRACED, nil)
	require.NoError(p.T, err)
	require.True(p.T, status.Stopped())
}
