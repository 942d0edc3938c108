package client

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Look asks once, and does not ask again": a server that is not ready says why in words,
// and any other status is a problem.
func TestLookAsksOnce(t *testing.T) {
	t.Parallel()
	asked, status, body := 0, http.StatusOK, "ready\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		require.Equal(t, "Bearer k", r.Header.Get("Authorization"))
		w.Header().Set("Pets-Version", "v1")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	defer server.Close()
	c, err := New(Options{URL: server.URL, Key: "k", Within: time.Minute})
	require.NoError(t, err)
	raw, err := c.Look(t.Context(), "/readyz")
	require.NoError(t, err)
	require.Equal(t, "v1", raw.Header.Get("Pets-Version"))
	require.Equal(t, "ready\n", string(raw.Body))
	status, body = http.StatusServiceUnavailable, "not ready: the history is still being folded\n"
	raw, err = c.Look(t.Context(), "/readyz")
	require.NoError(t, err)
	require.Equal(t, status, raw.Status)
	for _, other := range []struct {
		status int
		body   string
		code   domain.Code
	}{
		{http.StatusServiceUnavailable, "busy", domain.CodeUnavailable},
		{http.StatusUnauthorized, `{"type":"urn:pets:problem:unauthenticated","status":401}`, domain.CodeUnauthenticated},
		{http.StatusNotFound, "404 page not found", CodeForeign},
	} {
		status, body = other.status, other.body
		_, err = c.Look(t.Context(), "/readyz")
		require.Equal(t, other.code, CodeOf(err), other.body)
	}
	require.Equal(t, 5, asked)
}

// A server that accepts the request and does not answer is waited for within the limit
// only.
func TestLookIsBounded(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	defer server.Close()
	defer close(release)
	c, err := New(Options{URL: server.URL, Within: 50 * time.Millisecond})
	require.NoError(t, err)
	_, err = c.Look(t.Context(), "/livez")
	require.ErrorIs(t, err, ErrNoAnswer)
	require.ErrorContains(t, err, "no answer within 50ms")
}
