package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// sentAhead sends the same request many times over one connection, and returns the statuses
// it was answered with until the connection was closed.
func sentAhead(t *testing.T, address, request string, times int) []int {
	t.Helper()
	c, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(closedWithin))
	go func() { _, _ = io.WriteString(c, strings.Repeat(request, times)) }()
	var all []int
	in := bufio.NewReader(c)
	for {
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return all
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		all = append(all, resp.StatusCode)
		if resp.Close {
			return all // what was sent ahead may reset the connection
		}
	}
}

// "Strangers without a key delay every stop": a connection that has shown no valid key
// gets a handful of answers, whatever it asks for, and is closed.
func TestAStrangersConnectionGetsAHandfulOfAnswers(t *testing.T) {
	for request, status := range map[string]int{
		"GET /livez":              http.StatusOK,
		"GET /readyz":             http.StatusOK,
		"GET /nowhere":            http.StatusNotFound,
		"GET //livez":             http.StatusTemporaryRedirect,
		"PUT /v1/emergency-stop":  http.StatusMethodNotAllowed,
		"GET /v1/portfolios":      http.StatusUnauthorized,
		"POST /v1/emergency-stop": http.StatusUnauthorized,
	} {
		t.Run(request, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, rigged{})
			got := sentAhead(t, r.onTCP(ofListener), request+" HTTP/1.1\r\nHost: x\r\n\r\n", 40)
			require.Len(t, got, answersForStranger)
			require.Equal(t, status, got[0])
		})
	}
	r := newRig(t, rigged{})
	require.Equal(t, []int{http.StatusOK}, sentAhead(t, r.onTCP(ofListener), "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n", 40))
}

// Over all its connections a source is bounded, too: beyond that it is answered late, with
// 429 and the end of the connection; but never that the server is not alive.
func TestASourceThatAsksTooOften(t *testing.T) {
	t.Parallel()
	clock := newHands()
	r := newRig(t, rigged{now: clock.now})
	for range openBurst {
		require.Equal(t, http.StatusOK, r.get("", "/livez").status)
	}
	for _, path := range []string{"/readyz", "/openapi.json", "/nowhere"} {
		require.Equal(t, http.StatusTooManyRequests, r.get("", path).status, path)
	}
	began := time.Now()
	a := r.get("", "/livez")
	require.Equal(t, http.StatusOK, a.status)
	require.GreaterOrEqual(t, time.Since(began), lingerFor)
	require.Equal(t, http.StatusOK, r.get("auditor", "/v1/portfolios").status, "a key is asked nothing of this")
	clock.pass(time.Second)
	require.Equal(t, http.StatusOK, r.get("", "/readyz").status)
}

// A key that earns refusals faster than anybody needs them waits for each, and loses its
// connection.
func TestAKeyThatIsRefusedTooOften(t *testing.T) {
	t.Parallel()
	r := newRig(t, rigged{}).opened()
	request := fmt.Sprintf("POST /v1/emergency-stop HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\nContent-Length: 0\r\n\r\n", r.keys["alpha"])
	got := sentAhead(t, r.onTCP(ofListener), request, 5*refusalBurst)
	require.GreaterOrEqual(t, len(got), refusalBurst)
	require.Less(t, len(got), 5*refusalBurst)
	require.Equal(t, http.StatusForbidden, got[0])
	require.Equal(t, http.StatusOK, r.prompt(t, "operator", "POST", "/v1/emergency-stop", `{"kind":"manual","reason":"x"}`))
}

// The bound of a source holds although it opens no other connection.
func TestASweepClosesWhatIsTooMany(t *testing.T) {
	now := time.Now()
	c := newConns(nil, bounds{all: 20, source: 2, newcomers: 10, settle: time.Second, key: 2})
	c.now = func() time.Time { return now }
	for i := range 6 {
		_, ok := come(t, c, fmt.Sprintf("192.0.2.1:%d", i+1))
		require.True(t, ok)
	}
	c.sweep()
	require.Equal(t, 6, c.unknown.size("192.0.2.1"), "all of them are new")
	now = now.Add(2 * time.Second)
	c.sweep()
	require.Equal(t, 2, c.unknown.size("192.0.2.1"))
}
