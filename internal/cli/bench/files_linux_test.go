package bench

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/open"
)

// "A person can always stop": strangers who idle at the API and at the metrics, more of
// them than the process may open files, keep nobody from stopping, neither over TCP nor
// over the stop socket.
func TestStrangersTakeNoFiles(t *testing.T) {
	const files = 400
	v := attackFolder(t, func(s *seeder) error { return s.open(t.Context(), "other", "bot") })
	require.NoError(t, v.server.kill())
	free, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	metrics := free.Addr().String()
	require.NoError(t, free.Close())
	a := &app{App: &cli.App{Place: open.Place{Err: io.Discard}, Binary: withFiles(t, files)}}
	store := v.server.dir
	v.server, err = a.startServer(t.Context(), t.TempDir(), store, "--metrics-listen", metrics)
	require.NoError(t, err)

	for _, address := range []string{strings.TrimPrefix(v.server.url, "http://"), metrics} {
		for i := range files/2 + 400 {
			d := net.Dialer{Timeout: time.Second, LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(i))}}
			c, err := d.DialContext(t.Context(), "tcp", address)
			if err != nil {
				continue // the kernel queues some connections
			}
			t.Cleanup(func() { _ = c.Close() })
			_, _ = io.WriteString(c, "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n")
		}
	}
	v.stopsWithin(v.way("tcp"), "other")
	v.stopsWithin(v.way("socket"), "main")

	none := &app{App: &cli.App{Place: open.Place{Err: io.Discard}, Binary: withFiles(t, 100)}}
	require.NoError(t, v.server.kill())
	_, err = none.startServer(t.Context(), t.TempDir(), store)
	require.ErrorContains(t, err, "raise the limit", "too few to be of any use")
	v.server, err = a.startServer(t.Context(), t.TempDir(), store)
	require.NoError(t, err)
}

// withFiles runs pets with a limit on open files.
func withFiles(t *testing.T, files int) string {
	t.Helper()
	script := filepath.Join(t.TempDir(), "pets")
	text := fmt.Sprintf("#!/bin/sh\nulimit -n %d && exec %s \"$@\"\n", files, petsBinary(t))
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700))
	return script
}
