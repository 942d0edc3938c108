package keys_test

import (
	"net/http"
	"net/http/httputil"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// "An empty secret says that it was lost with the first answer, and exits with 1": the first
// answer is cut off, and the client asks again under the same Idempotency-Key.
func TestASecretThatWasLostWithTheFirstAnswer(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	p := petstest.ServeFolder(t, s.Store())
	to, err := url.Parse(p.URL)
	require.NoError(t, err)
	proxy := httputil.NewSingleHostReverseProxy(to)
	var answers atomic.Int32
	proxy.ModifyResponse = func(r *http.Response) error {
		if r.Request.Method == http.MethodPost && answers.Add(1)%2 == 1 {
			_ = r.Body.Close()
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	l := petstest.NewListener(t)
	l.Config.Handler = proxy
	s.Env = append(s.Env, "PETS_SERVER="+l.URL, "PETS_KEY="+petstest.AdminKey)
	for _, more := range [][]string{nil, {"--json"}} {
		r := s.Run(append([]string{"apikey", "issue", "--user", "olga", "--role", "operator"}, more...)...)
		require.Equal(t, 1, r.Code, r.Out)
		require.Contains(t, r.Err, "is issued, and the secret was lost with the first answer: revoke it and issue another: pets apikey revoke k")
		require.NotContains(t, r.Out, "Shown once")
	}
	require.EqualValues(t, 4, answers.Load())
}
