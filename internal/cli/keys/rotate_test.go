package keys_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "`apikey rotate KEY --overlap 24h`: secret shown once as on create", and the list says when
// each key ends.
func TestRotateAKey(t *testing.T) {
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	s.Env = append(s.Env, "PETS_KEY="+petstest.AdminKey)
	out := s.Ok("apikey", "issue", "--user", "olga", "--role", "operator", "--days", "90")
	require.Contains(t, out, "It expires at "+time.Now().Add(90*24*time.Hour).UTC().Format("2006-01-02"))
	s.Fails(2, []string{"--days must be from 1 to 730"}, "apikey", "issue", "--user", "olga", "--role", "operator", "--days", "0")
	former := petstest.SecretPattern.FindString(out)

	out = s.Ok("apikey", "rotate", "k1", "--overlap", "1h")
	require.Contains(t, out, "k2 takes the place of k1, which ends in 1h0m0s at the latest")
	secret := petstest.SecretPattern.FindString(out)
	require.NotEmpty(t, secret)
	require.NotEqual(t, former, secret)
	r := s.Run("apikey", "list")
	require.Equal(t, 0, r.Code, r.Err)
	require.Contains(t, r.Out, "in less than a day")
	require.NotContains(t, r.Err, "rotate KEY", "what was rotated needs nobody")
	for _, key := range []string{former, secret} {
		require.Equal(t, 0, p.Pets(s.Store(), key, "portfolio", "list").Code)
		require.NotContains(t, r.Out, key)
	}
	s.Fails(1, []string{"rotated already, to k2"}, "apikey", "rotate", "k1")

	// Without an overlap the former one ends at once, and what refuses it says what to do.
	s.Ok("apikey", "rotate", "k2", "--overlap", "0s")
	r = p.Pets(s.Store(), secret, "portfolio", "list")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, "the API key k2 expired")
	require.Contains(t, r.Err, "replaced by k3")
	require.Contains(t, s.Ok("apikey", "list"), "EXPIRED")
	s.Ok("apikey", "issue", "--user", "feed", "--role", "feed", "--days", "10")
	require.Contains(t, s.Run("apikey", "list").Err, "1 of these keys end within 30 days: replace each with pets apikey rotate KEY")
}

// "Same care for lost answers": a rotated key whose secret nobody saw is rotated again.
func TestARotatedSecretThatWasLost(t *testing.T) {
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	to, err := url.Parse(p.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	var answers atomic.Int32
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodPost && answers.Add(1) == 1 {
			_ = r.Body.Close()
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	l := petstest.NewListener(t)
	l.Config.Handler = proxy
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.AdminKey)
	r := s.Run("apikey", "rotate", "k0")
	require.Equal(t, 1, r.Code, r.Out)
	require.Contains(t, r.Err, "k1 is issued, and the secret was lost with the first answer: rotate that one: pets apikey rotate k1 --overlap 0s")
	require.NotContains(t, r.Out, "Shown once")
	out := s.Ok(strings.Fields("apikey rotate k1 --overlap 0s")...)
	require.NotEmpty(t, petstest.SecretPattern.FindString(out))
}
