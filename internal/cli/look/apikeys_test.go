package look_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "Warning at 30 days in pets status": all keys for those who may list them, and the own one
// for everybody else.
func TestStatusSaysWhichKeysExpire(t *testing.T) {
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	issue := func(args ...string) string {
		r := p.Pets(s.Store(), petstest.AdminKey, append([]string{"apikey", "issue"}, args...)...)
		require.Equal(t, 0, r.Code, r.Err)
		return petstest.SecretPattern.FindString(r.Out)
	}
	operator := issue("--user", "olga", "--role", "operator", "--days", "10")
	auditor := issue("--user", "rita", "--role", "auditor")
	issue("--user", "feed", "--role", "feed", "--days", "5")
	status := func(key string) string {
		r := p.Pets(s.Store(), key, "status")
		require.Equal(t, 1, r.Code, r.Out)
		return strings.Join(strings.Fields(r.Out), " ")
	}
	out := status(auditor)
	require.Contains(t, out, "the API key k1 of olga, role operator, expires at ")
	require.Contains(t, out, "pets apikey rotate k1")
	require.Contains(t, out, "the API key k3 of feed, role feed, expires at ")
	require.NotContains(t, out, "rita")
	out = status(operator)
	require.Contains(t, out, "PETS_KEY expires at ")
	require.NotContains(t, out, "feed")
	require.Equal(t, 0, p.Pets(s.Store(), petstest.AdminKey, "apikey", "rotate", "k1").Code)
	out = status(auditor)
	require.NotContains(t, out, "API key k1", "what was replaced needs nobody")
	require.Contains(t, out, "API key k3")
}
