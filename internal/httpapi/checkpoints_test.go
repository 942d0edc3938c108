package httpapi

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
)

// checkpoint is the only one there is.
type checkpoint struct {
	revision uint64
	at       time.Time
	data     []byte
	used     int
}

func (c *checkpoint) Load(_, _ string, atMost uint64) (uint64, []byte) {
	return c.load(c.revision <= atMost)
}

func (c *checkpoint) LoadAsOf(_, _ string, t time.Time) (uint64, []byte) {
	return c.load(!c.at.After(t))
}

func (c *checkpoint) load(fits bool) (uint64, []byte) {
	if !fits {
		return 0, nil
	}
	c.used++
	return c.revision, c.data
}

// "?at=" answers alike from a checkpoint and from the beginning, at every revision and time.
func TestThePastFromACheckpoint(t *testing.T) {
	r := newRig(t, rigged{burst: 10_000, rate: 10_000}).opened()
	var times []time.Time
	var states [][]byte
	s := portfolio.New()
	for rec, err := range r.store.ReadStream(t.Context(), commands.Stream("main"), 0) {
		require.NoError(t, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		b, err := s.Snapshot()
		require.NoError(t, err)
		times, states = append(times, rec.Time), append(states, b)
	}
	middle := len(states) / 2
	require.Positive(t, middle)
	c := &checkpoint{revision: uint64(middle), at: times[middle], data: states[middle]}
	ask := func(path string) string {
		a := r.get("operator", main+path)
		require.Equal(t, http.StatusOK, a.status, "%s: %s", path, a.body)
		return a.body
	}
	for i, at := range times {
		for _, moment := range []string{fmt.Sprint(i), at.Format(time.RFC3339Nano)} {
			for _, view := range []string{"state", "positions", "balances"} {
				path := "/" + view + "?at=" + url.QueryEscape(moment)
				r.api.config.Checkpoints = nil
				want := ask(path)
				r.api.config.Checkpoints = c
				require.Equal(t, want, ask(path), path)
			}
		}
	}
	require.GreaterOrEqual(t, c.used, 6*(len(times)-middle))
}
