package bench

import (
	"bufio"
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// Environment variables for the process that floods.
const (
	floodAddress = "PETS_TEST_FLOOD_ADDRESS"
	floodRequest = "PETS_TEST_FLOOD_REQUEST"
)

// TestFlood is the flood itself, run in a separate process with low priority, because real
// attackers have machines of their own. Run directly, it does nothing.
func TestFlood(t *testing.T) {
	address := os.Getenv(floodAddress)
	if address == "" {
		t.Skip("is run by the tests of floods")
	}
	require.NoError(t, syscall.Setpriority(syscall.PRIO_PGRP, 0, 10))
	ahead := []byte(strings.Repeat(os.Getenv(floodRequest), 40))
	for range 1_000 {
		go func() {
			for {
				floodOnce(address, ahead)
			}
		}()
	}
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent closes the pipe
}

// floodOnce keeps one connection full of requests, and reads the answers, until it is closed.
func floodOnce(address string, ahead []byte) {
	c, err := net.DialTimeout("tcp", address, 5*time.Second)
	if err != nil {
		time.Sleep(10 * time.Millisecond)
		return
	}
	defer func() { _ = c.Close() }()
	go func() {
		for err := error(nil); err == nil; {
			_, err = c.Write(ahead)
		}
	}()
	_, _ = io.Copy(io.Discard, bufio.NewReaderSize(c, 4<<10))
}

// flood runs the flood until the test ends.
func (v *attacked) flood(request string) {
	v.t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestFlood$")
	c.Env = append(os.Environ(), floodAddress+"="+strings.TrimPrefix(v.server.url, "http://"), floodRequest+"="+request)
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := c.StdinPipe()
	require.NoError(v.t, err)
	require.NoError(v.t, c.Start())
	v.t.Cleanup(func() { _ = in.Close(); stop(); _ = c.Wait() })
	time.Sleep(3 * time.Second)
}

// A thousand connections from one address, full of requests that need no key or are refused, do
// not delay a stop. A test run tries two kinds of requests at random; a long run tries all.
func TestRequestsSentAheadHoldUpNoStop(t *testing.T) {
	kinds := testenv.Rounds(1, 2, 6)
	for name, head := range map[string]string{
		"livez":    "GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"readyz":   "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"openapi":  "GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n",
		"no key":   "POST /v1/emergency-stop HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}",
		"a bot's":  "POST /v1/emergency-stop HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer KEY\r\nContent-Length: 2\r\n\r\n{}",
		"no route": "GET /v2 HTTP/1.1\r\nHost: localhost\r\n\r\n",
	} {
		if kinds--; kinds < 0 {
			break
		}
		t.Run(name, func(t *testing.T) {
			v := attackFolder(t, func(s *seeder) error { return s.open(t.Context(), "other", "bot") })
			v.flood(strings.ReplaceAll(head, "KEY", v.bot.Key))
			for range 3 {
				v.stopsWithin(v.way("tcp"), "other")
				v.stopsWithin(v.way("socket"), "main")
			}
		})
	}
}
