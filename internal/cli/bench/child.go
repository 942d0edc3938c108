package bench

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// benchPatience is how long a server may take to start before the measurement gives up.
const benchPatience = 10 * time.Minute

// childCommand runs this program again, in a separate folder and without the user's settings,
// because limits in the environment would change the result.
func (a *app) childCommand(ctx context.Context, dir string, args ...string) (*exec.Cmd, error) {
	self := a.Binary
	if self == "" {
		var err error
		if self, err = os.Executable(); err != nil {
			return nil, err
		}
	}
	c := exec.CommandContext(ctx, self, args...) //nolint:gosec // this very binary
	c.Dir = dir
	for _, name := range []string{"PATH", "HOME", "TMPDIR", "GOMAXPROCS", "GOGC", "GOMEMLIMIT", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			c.Env = append(c.Env, name+"="+v)
		}
	}
	c.WaitDelay = 5 * time.Second
	return c, nil
}

// childServer is a pets serve in a separate process.
type childServer struct {
	cmd   *exec.Cmd
	ended chan error // receives the result of its process
	url   string
	// took is the time from the start of the process to its ready line.
	took time.Duration
	// audited is closed when it has compared the history with what it decides on, and made the
	// checkpoints that its folder lacked.
	audited chan struct{}
	// dir is its PETS_DIR: the store's folder.
	dir string
}

// startServer runs pets serve on a folder, at a free port, and waits until it is ready.
func (a *app) startServer(ctx context.Context, dir, store string, flags ...string) (*childServer, error) {
	args := []string{"serve", "--store", "embedded:" + store, "--listen", "127.0.0.1:0"}
	if !slices.Contains(flags, "--metrics-listen") {
		args = append(args, "--metrics-listen", "off")
	}
	c, err := a.childCommand(ctx, dir, append(args, flags...)...)
	if err != nil {
		return nil, err
	}
	errs, err := c.StderrPipe()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	if err := c.Start(); err != nil {
		return nil, err
	}
	s := &childServer{cmd: c, ended: make(chan error, 1), audited: make(chan struct{}), dir: store}
	ready, last := make(chan string, 1), make(chan string, 1)
	go func() {
		last <- readyLine(errs, ready, s.audited)
		s.ended <- c.Wait()
	}()
	select {
	case s.url = <-ready:
		s.took = time.Since(began)
		return s, nil
	case text := <-last:
		return nil, fmt.Errorf("pets serve ended before it was ready: %s", text)
	case <-time.After(benchPatience):
		return nil, errors.Join(fmt.Errorf("pets serve is not ready after %s", benchPatience), s.kill())
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), s.kill())
	}
}

// readyLine reads the log of a server to its end, sends the address at which it is ready, tells
// when it has audited the history, and returns the last lines.
func readyLine(log io.Reader, ready chan<- string, audited chan<- struct{}) string {
	var tail []string
	var first sync.Once
	lines := bufio.NewScanner(log)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var l struct{ Msg, Address string }
		if json.Unmarshal(lines.Bytes(), &l) == nil && l.Msg == "ready" {
			ready <- l.Address
		}
		if strings.HasPrefix(l.Msg, "the history was compared") {
			first.Do(func() { close(audited) })
		}
		if tail = append(tail, lines.Text()); len(tail) > 5 {
			tail = slices.Clone(tail[1:])
		}
	}
	_, _ = io.Copy(io.Discard, log) // a line too long to read must not block the server
	return strings.Join(tail, "\n")
}

// socket returns the path of the stop socket; "" if the server has none.
func (s *childServer) socket() string {
	path := filepath.Join(s.dir, "stop.sock")
	if info, err := os.Stat(path); err != nil || info.Mode()&os.ModeSocket == 0 {
		return ""
	}
	return path
}

// shut ends the server as a service manager does, with SIGTERM and, after a while, SIGKILL. It
// returns how long that took.
func (s *childServer) shut(within time.Duration) (time.Duration, error) {
	began := time.Now()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return 0, err
	}
	select {
	case err := <-s.ended:
		return time.Since(began), err
	case <-time.After(within):
		return time.Since(began), errors.Join(fmt.Errorf("pets serve did not end within %s and was killed", within), s.kill())
	}
}

// kill kills the process.
func (s *childServer) kill() error {
	if err := s.cmd.Process.Kill(); err != nil {
		return err
	}
	var killed *exec.ExitError
	if err := <-s.ended; !errors.As(err, &killed) {
		return err
	}
	return nil
}

// childLoad is the process that creates the load.
type childLoad struct {
	cmd    *exec.Cmd
	mu     sync.Mutex // guards orders
	orders io.WriteCloser
	lines  *bufio.Scanner
	errs   bytes.Buffer
}

// startLoad runs a load in a separate process. The plan goes through a pipe, because it holds
// keys.
func (a *app) startLoad(ctx context.Context, dir string, plan *loadPlan) (*childLoad, error) {
	c, err := a.childCommand(ctx, dir, "bench", loadName)
	if err != nil {
		return nil, err
	}
	l := &childLoad{cmd: c}
	c.Stderr = &l.errs
	if l.orders, err = c.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	l.lines = bufio.NewScanner(out)
	l.lines.Buffer(nil, 1<<20)
	if err := c.Start(); err != nil {
		return nil, err
	}
	return l, l.send(plan)
}

func (l *childLoad) send(v any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return json.NewEncoder(l.orders).Encode(v)
}

// report asks for what was done so far.
func (l *childLoad) report() (r loadReport, err error) {
	if err := l.send(loadOrder{Report: true}); err != nil {
		return r, fmt.Errorf("the load ended: %w: %s", err, bytes.TrimSpace(l.errs.Bytes()))
	}
	if !l.lines.Scan() {
		return r, errors.Join(errors.New("the load ended"), l.lines.Err())
	}
	return r, json.Unmarshal(l.lines.Bytes(), &r)
}

// end stops the load and waits for its process.
func (l *childLoad) end() error {
	if err := errors.Join(l.orders.Close(), l.cmd.Wait()); err != nil {
		return fmt.Errorf("the load failed: %w: %s", err, bytes.TrimSpace(l.errs.Bytes()))
	}
	return nil
}
