package proof

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A proof holds for its secret, its challenge and its address only; none is given without a
// secret or a challenge, nor for one that is too long.
func TestProof(t *testing.T) {
	const address = "127.0.0.1:7433"
	secret, challenge := New(), New()
	require.NotEqual(t, secret, challenge)
	ask := func(secret, challenge string) string {
		at, err := net.ResolveTCPAddr("tcp", address)
		require.NoError(t, err)
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/livez", nil)
		r.Header.Set(Challenge, challenge)
		Give(w, r.WithContext(context.WithValue(t.Context(), http.LocalAddrContextKey, net.Addr(at))), secret)
		return w.Header().Get(Answer)
	}
	answer := ask(secret, challenge)
	require.True(t, Holds(secret, challenge, address, answer))
	require.False(t, Holds(secret, challenge, "172.17.0.2:7433", answer), "it was handed on")
	require.False(t, Holds(secret, New(), address, answer))
	require.False(t, Holds(New(), challenge, address, answer))
	require.False(t, Holds(secret, challenge, address, ""))
	require.False(t, Holds("", challenge, address, ask("", challenge)))
	require.Empty(t, ask("", challenge))
	require.Empty(t, ask(secret, ""))
	require.Empty(t, ask(secret, strings.Repeat("a", maxChallenge+1)))
	require.NotContains(t, answer, secret)
}
