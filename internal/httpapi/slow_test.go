package httpapi

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// served is an API behind a server with every limit set, as pets serve has it.
func served(t *testing.T) (*rig, string) {
	t.Helper()
	r := newRig(t, rigged{}).opened()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- r.api.config.Files.Serve(ctx, NewServer(r.api, slog.New(slog.DiscardHandler), nil), l, r.api.EndStreams)
	}()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	r.base = "http://" + l.Addr().String()
	return r, l.Addr().String()
}

// "Slow, oversized, malformed HTTP: closed ≤ 5 s; 413; 400 with no echo": header
// and body that never end.
func TestSlowClientsAreCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for time-outs")
	}
	t.Parallel()
	r, address := served(t)
	var clients sync.WaitGroup
	for name, start := range map[string]string{
		"silent":      "",
		"slow header": "GET /v1/portfolios HTTP/1.1\r\nHost: x\r\nX-",
		"slow body": "POST " + main + "/deposits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + r.keys["operator"] +
			"\r\nIdempotency-Key: 6f1c1b1e-8a51-4a3b-9d3c-1f0f4f0d2a11\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		clients.Go(func() {
			c, err := net.Dial("tcp", address)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			began := time.Now()
			_, _ = io.WriteString(c, start)
			_ = c.SetReadDeadline(began.Add(ofServer.request + 5*time.Second))
			b, err := io.ReadAll(bufio.NewReader(c))
			took := time.Since(began)
			if err != nil || took > ofServer.request+time.Second {
				t.Errorf("%s: closed only after %s: %v", name, took, err)
			}
			if strings.Contains(string(b), "200 OK") {
				t.Errorf("%s: answered %s", name, b)
			}
		})
	}
	clients.Wait()
	require.Equal(t, http.StatusOK, r.get("operator", main+"/state").status, "others are answered meanwhile")
}

func TestOversizedHeaders(t *testing.T) {
	_, address := served(t)
	req, err := http.NewRequest(http.MethodGet, "http://"+address+"/v1/portfolios", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("X-Filler", strings.Repeat("x", 3*maxHeader))
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, http.StatusRequestHeaderFieldsTooLarge, resp.StatusCode)
}

// slowhttptest from Debian holds 300 connections open in both of its ways; the
// service has to stay available.
func TestSlowHTTPTest(t *testing.T) {
	tool := testenv.Need(t, "slowhttptest")
	t.Parallel()
	r, address := served(t)
	for _, mode := range []string{"-H", "-B"} {
		ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
		out, err := exec.CommandContext(ctx, tool, mode, "-c", "300", "-r", "150", "-i", "2", "-l", "12", "-p", "3", "-x", "20",
			"-u", "http://"+address+main+"/state").CombinedOutput()
		cancel()
		text := string(out)
		require.NoError(t, err, text)
		require.NotContains(t, text, "service available:   NO", mode)
		require.Contains(t, text, "YES", mode)
		require.Equal(t, http.StatusOK, r.get("operator", main+"/state").status, fmt.Sprint("after ", mode))
	}
}

// An answer may take longer than a request may: who waits for a revision that
// does not come is told so, and is not cut off before.
func TestALongAnswerIsNotCutOff(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for a time-out")
	}
	t.Parallel()
	r, _ := served(t)
	a := r.get("operator", main+"/state?min_revision=9999")
	require.Equal(t, http.StatusServiceUnavailable, a.status)
	require.Contains(t, a.body, "revision 9999 was not recorded within 5s")

	// A stream outlives the deadline of its request.
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 2*ofServer.request)
	defer cancel()
	messages, resp := r.listen(ctx, "operator", "", "")
	require.Equal(t, http.StatusOK, resp.StatusCode)
	next(t, messages)
	time.Sleep(ofServer.request + 500*time.Millisecond)
	r.must("operator", main+"/deposits", `{"wallet":"hot","amount":"1"}`)
	require.Equal(t, "event", next(t, messages).event, "the stream lives after %s", time.Since(began))
}
