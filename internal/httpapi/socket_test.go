package httpapi

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// me is who this process is, as the stop socket records it.
func me(t *testing.T) string {
	t.Helper()
	u, err := user.Current()
	require.NoError(t, err)
	return "os:" + u.Username
}

// atSocket has an API answer at a stop socket in a folder, and returns a way to
// call it.
func atSocket(t *testing.T, a *API, dir string) func(method, path, body string) answered {
	t.Helper()
	s, err := ListenSocket(dir)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, a, slog.New(slog.DiscardHandler)) }()
	client := &http.Client{Timeout: closedWithin, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return DialSocket(ctx, dir) },
	}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		cancel()
		require.NoError(t, <-done)
	})
	return func(method, path, body string) answered {
		t.Helper()
		req, err := http.NewRequest(method, "http://stop"+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", uuid.NewString())
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		return answered{resp.StatusCode, resp.Header, string(b)}
	}
}

// "Stop routes and /livez also on PETS_DIR/stop.sock (0600; peer uid = owner or root
// needs no key and is recorded as os:<user>)", and nothing else.
func TestStopSocket(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	dir := t.TempDir()
	call := atSocket(t, r.api, dir)
	file, err := os.Lstat(filepath.Join(dir, SocketName))
	require.NoError(t, err)
	require.Equal(t, fs.ModeSocket|0o600, file.Mode())
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	require.Len(t, left, 1, "where it was made is gone")

	require.Equal(t, "alive\n", call("GET", "/livez", "").body)
	require.Equal(t, "ready\n", call("GET", "/readyz", "").body)
	for i := range table {
		row := &table[i]
		if !row.urgent {
			require.Equal(t, http.StatusNotFound, call(row.method, concrete(row.path), "{}").status, row.short())
		}
	}
	require.Equal(t, http.StatusMethodNotAllowed, call("GET", main+"/emergency-stop", "").status)
	a := call("POST", main+"/bots/alpha/stop", `{"reason":"odd fills"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Contains(t, a.body, `"recorded":true`)
	a = call("POST", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	a = call("POST", "/v1/emergency-stop", `{"kind":"security_breach","reason":"a key leaked"}`)
	require.Equal(t, http.StatusOK, a.status, a.body)
	require.Equal(t, domain.CodeInvalid, call("POST", "/v1/emergency-stop", `{"kind":"panic","reason":"x"}`).code(t))
	require.Equal(t, domain.CodeNotFound, call("POST", "/v1/portfolios/nobody/emergency-stop", `{"kind":"manual","reason":"x"}`).code(t))

	var by []string
	for _, rec := range r.records("portfolio-main") {
		if strings.HasPrefix(rec.Type, "bot.stopped") || strings.HasPrefix(rec.Type, "emergency_stop") {
			by = append(by, string(rec.Metadata))
		}
	}
	require.NotEmpty(t, by)
	for _, m := range by {
		require.Contains(t, m, fmt.Sprintf("%q", me(t)))
		require.Contains(t, m, `"operator"`)
	}
}

// Every route that stops something is there: who adds one, adds it at the socket.
func TestWhatStops(t *testing.T) {
	var names []string
	for i := range table {
		if table[i].urgent {
			names = append(names, table[i].name)
		}
	}
	require.ElementsMatch(t, []string{"engage_stop", "engage_stop_everywhere", "stop_bot"}, names)
}

// Who got to the socket and is none of those it knows needs a key as anywhere.
func TestStopSocketOfSomebodyElse(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	dir := t.TempDir()
	s, err := ListenSocket(dir)
	require.NoError(t, err)
	s.users = map[uint32]string{4_000_000: "os:eve"}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, r.api, slog.New(slog.DiscardHandler)) }()
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return DialSocket(ctx, dir) },
	}}
	send := func(key string) int {
		req, err := http.NewRequest("POST", "http://stop"+main+"/emergency-stop", strings.NewReader(`{"kind":"manual","reason":"smoke"}`))
		require.NoError(t, err)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", uuid.NewString())
		if key != "" {
			req.Header.Set("Authorization", "Bearer "+key)
		}
		resp, err := client.Do(req)
		require.NoError(t, err)
		defer resp.Body.Close()
		return resp.StatusCode
	}
	require.Equal(t, http.StatusUnauthorized, send(""))
	require.Equal(t, http.StatusForbidden, send(r.keys["alpha"]))
	require.Equal(t, http.StatusOK, send(r.keys["operator"]))
	client.CloseIdleConnections()
	cancel()
	require.NoError(t, <-done)
}

// A dead server's socket is replaced, another's file is left alone, and a graceful
// stop leaves nothing behind, least of all its successor's socket removed.
func TestStopSocketFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, SocketName)
	dead, err := ListenSocket(dir)
	require.NoError(t, err)
	require.NoError(t, dead.listener.Close()) // killed: the file stays
	alive, err := ListenSocket(dir)
	require.NoError(t, err)
	dead.remove()
	require.FileExists(t, path, "it is another one by now")
	require.NoError(t, alive.Close())
	require.NoFileExists(t, path)

	elsewhere := filepath.Join(t.TempDir(), "precious")
	require.NoError(t, os.WriteFile(elsewhere, []byte("x"), 0o600))
	for what, make := range map[string]func() error{
		"a file":   func() error { return os.WriteFile(path, []byte("x"), 0o600) },
		"a link":   func() error { return os.Symlink(elsewhere, path) },
		"a folder": func() error { return os.Mkdir(path, 0o700) },
	} {
		require.NoError(t, make(), what)
		_, err := ListenSocket(dir)
		require.ErrorContains(t, err, "is no socket, and the server needs that name", what)
		require.NoError(t, os.Remove(path))
	}
	require.FileExists(t, elsewhere)
	_, err = ListenSocket(filepath.Join(dir, "missing"))
	require.Error(t, err)
}

// The address of a Unix socket has room for about a hundred bytes; a folder may
// have a longer path.
func TestStopSocketOfALongPath(t *testing.T) {
	if _, err := os.Stat("/proc/self/fd"); err != nil {
		t.Skip("this system has no /proc: the server says so, and goes on without a socket")
	}
	r := newRig(t, rigged{}).opened()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 20), strings.Repeat("path", 20))
	require.NoError(t, os.MkdirAll(dir, 0o700))
	call := atSocket(t, r.api, dir)
	require.Equal(t, http.StatusOK, call("POST", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`).status)
}

// "A way in that cannot be filled": strangers fill the address, bots all places, and
// programs of one's own the socket, and a stop is answered there.
func TestStopSocketWhileAllElseIsFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	r.api.inFlight = newPlaces(0, 0, 0)
	dir := t.TempDir()
	call := atSocket(t, r.api, dir)
	address := r.onTCP(bounds{source: 1, newcomers: 1, key: 1}) // as full as it can be
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(closedWithin))
	_, err = c.Read(make([]byte, 1))
	require.Error(t, err, "nobody gets in there")
	for range 3 * boundsOfSocket.all {
		c, err := DialSocket(t.Context(), dir)
		require.NoError(t, err)
		defer c.Close()
		_, _ = io.WriteString(c, "POST /v1/emergency-stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	}
	require.Equal(t, "alive\n", call("GET", "/livez", "").body)
	require.Equal(t, http.StatusOK, call("POST", "/v1/emergency-stop", `{"kind":"manual","reason":"smoke"}`).status)
}

// "0600; peer uid = owner or root": started by root, the socket is the folder
// owner's, who needs no key either.
func TestStopSocketBelongsToTheFoldersOwner(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file away")
	}
	const owner = 54_321
	dir := t.TempDir()
	require.NoError(t, os.Chown(dir, owner, owner))
	s, err := ListenSocket(dir)
	require.NoError(t, err)
	defer s.Close()
	file, err := os.Lstat(s.path)
	require.NoError(t, err)
	of, ok := file.Sys().(*syscall.Stat_t)
	require.True(t, ok)
	require.EqualValues(t, owner, of.Uid)
	require.EqualValues(t, owner, of.Gid)
	require.Equal(t, fs.ModeSocket|0o600, file.Mode())
	require.Equal(t, map[uint32]string{0: "os:root", owner: "os:54321"}, s.users)
}

// A socket that somebody else put there is not believed.
func TestStopSocketOfAStranger(t *testing.T) {
	dir := t.TempDir()
	s, err := ListenSocket(dir)
	require.NoError(t, err)
	defer s.Close()
	c, err := DialSocket(t.Context(), dir)
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, trusted(c, []uint32{4_000_000, uint32(os.Geteuid())}))
	err = trusted(c, []uint32{4_000_000})
	require.Equal(t, domain.CodeDenied, domain.CodeOf(err))
	folder, err := os.Stat(dir)
	require.NoError(t, err)
	require.Contains(t, owners(folder), uint32(0))
	require.Contains(t, owners(folder), uint32(os.Geteuid()))
}
