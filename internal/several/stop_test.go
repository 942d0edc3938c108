package several_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/pets/petstest"
	"pets/internal/testenv"
)

// shown is what a server shows of the stop.
type shown struct {
	EmergencyStop struct{ Engaged bool } `json:"emergency_stop"`
}

// sees asks a server once whether the stop is engaged.
func (s *servers) sees(i int, within time.Duration) (engaged bool, err error) {
	c, err := client.New(client.Options{URL: s.url(i), Key: petstest.AdminKey, OwnKeys: true, Patience: time.Millisecond, Within: within})
	if err != nil {
		return false, err
	}
	var v shown
	err = c.Get(s.t.Context(), "/v1/portfolios/"+portfolio+"/state", &v)
	return v.EmergencyStop.Engaged, err
}

// showsStop waits until a server shows the stop.
func (s *servers) showsStop(i int) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		engaged, err := s.sees(i, 10*time.Second)
		return err == nil && engaged
	}, time.Minute, time.Millisecond)
}

// asked is one small question and its answer.
type asked struct {
	server  int
	called  time.Time
	allowed bool
	err     error
}

// askers ask every server for small permits, again and again, each time for a new one.
type askers struct {
	*servers
	key  string
	stop context.CancelFunc
	all  sync.WaitGroup

	mu    sync.Mutex
	asked []asked
}

func (s *servers) startAskers(key string) *askers {
	ctx, cancel := context.WithCancel(s.t.Context())
	a := &askers{servers: s, key: key, stop: cancel}
	for i := range s.urls {
		for range 2 {
			a.all.Go(func() {
				for ctx.Err() == nil {
					a.once(ctx, i, time.Second)
				}
			})
		}
	}
	return a
}

func (a *askers) end() {
	a.stop()
	a.all.Wait()
}

// once asks a server in one attempt.
func (a *askers) once(ctx context.Context, i int, within time.Duration) asked {
	q := asked{server: i, called: time.Now()}
	q.allowed, q.err = a.small(ctx, i, a.key, uuid.NewString(), within)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, q)
	return q
}

// granted counts the permits that a server has granted.
func (a *askers) granted(i int) (n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, q := range a.asked {
		if q.server == i && q.allowed {
			n++
		}
	}
	return n
}

// small asks for a permit of 0.05, in one attempt.
func (s *servers) small(ctx context.Context, i int, key, reference string, within time.Duration) (allowed bool, err error) {
	c, err := client.New(client.Options{URL: s.url(i), Key: key, OwnKeys: true, Patience: time.Millisecond, Within: within})
	if err != nil {
		return false, err
	}
	defer func() { _ = c.Close() }()
	var v answer
	order := map[string]any{"bot": "a", "market": "m", "outcome": "YES", "side": "buy", "quantity": "0.1", "limit_price": "0.5"}
	err = c.Send(ctx, http.MethodPost, "/v1/portfolios/"+portfolio+"/permits", reference, order, &v)
	return v.Allowed, err
}

// While bots ask at all servers, one is paused, one is cut off from the database, and a stop is
// posted at the third. From its acknowledgement on nothing is granted anywhere: not by the paused
// one when it wakes up with what it had decided, and not by the one that cannot know, which does
// not repeat what it granted before either.
func TestAStopHoldsAtServersThatSleepOrAreCutOff(t *testing.T) {
	t.Parallel()
	s := serve(t, 3)
	key := s.opened("1000")
	const sleeps, far = 1, 2
	earlier := uuid.NewString()
	allowed, err := s.small(t.Context(), far, key, earlier, time.Minute)
	require.NoError(t, err)
	require.True(t, allowed)
	a := s.startAskers(key)
	defer a.end()
	for i := range s.all {
		require.Eventually(t, func() bool { return a.granted(i) > 3 }, time.Minute, time.Millisecond)
	}

	s.all[sleeps].Freeze()
	s.proxies[far].set(wayHang)
	s.here(0, "/emergency-stop", map[string]string{"kind": "manual", "reason": "test"})
	stopped := time.Now()
	for n := range 3 {
		allowed, err := s.small(t.Context(), far, key, uuid.NewString(), 300*time.Millisecond)
		require.False(t, allowed, "%d: %v", n, err)
		allowed, err = s.small(t.Context(), far, key, earlier, 300*time.Millisecond)
		require.False(t, allowed, "%d, repeated: %v", n, err)
		engaged, err := s.sees(far, 300*time.Millisecond)
		require.True(t, engaged || err != nil, "it shows what it cannot know")
	}
	s.wake(sleeps)
	woken := time.Now()
	s.showsStop(sleeps)
	t.Logf("paused: it showed the stop %s after it woke up", time.Since(woken).Round(100*time.Microsecond))
	s.proxies[far].set(wayOpen)
	reached := time.Now()
	s.showsStop(far)
	t.Logf("cut off: it showed the stop %s after it reached the database", time.Since(reached).Round(100*time.Microsecond))
	for i := range s.all {
		q := a.once(t.Context(), i, time.Minute)
		require.NoError(t, q.err)
		require.False(t, q.allowed)
	}
	a.end()
	for _, q := range a.asked {
		require.False(t, q.allowed && q.called.After(stopped), "server %d granted a permit after the stop was acknowledged", q.server)
	}
	s.nothingGrantedAfterTheStop()
	s.agree()
}

func (s *servers) nothingGrantedAfterTheStop() {
	s.t.Helper()
	engaged, before := false, 0
	for _, r := range s.history() {
		switch r.Type {
		case domain.EmergencyStopEngagedType:
			engaged = true
		case domain.PermitGrantedType:
			require.False(s.t, engaged, "revision %d", r.Revision)
			before++
		}
	}
	require.True(s.t, engaged)
	require.Positive(s.t, before)
}

// A stop posted at the server that is cut off holds there at once, and everywhere once it
// reaches the database.
func TestAStopAtAServerThatIsCutOff(t *testing.T) {
	t.Parallel()
	testenv.OnlyLong(t, "it waits until the server gives up to record the stop")
	s := serve(t, 2)
	key := s.opened("1000")
	s.proxies[1].set(wayCut)
	began := time.Now()
	var answer struct {
		Recorded bool
		Kept     *bool
	}
	s.post(1, "/v1/portfolios/"+portfolio+"/emergency-stop", map[string]string{"kind": "manual", "reason": "test"}, &answer)
	t.Logf("it was acknowledged after %s", time.Since(began).Round(time.Millisecond))
	require.False(t, answer.Recorded)
	require.NotNil(t, answer.Kept)
	require.True(t, *answer.Kept)
	allowed, err := s.small(t.Context(), 1, key, uuid.NewString(), time.Second)
	require.False(t, allowed, "%v", err)
	allowed, err = s.small(t.Context(), 0, key, uuid.NewString(), time.Minute)
	require.NoError(t, err)
	require.True(t, allowed, "the other cannot know")
	s.proxies[1].set(wayOpen)
	reached := time.Now()
	for i := range s.all {
		s.showsStop(i)
		t.Logf("server %d showed it %s after it could be recorded", i, time.Since(reached).Round(time.Millisecond))
	}
	for i := range s.all {
		allowed, err := s.small(t.Context(), i, key, uuid.NewString(), time.Minute)
		require.NoError(t, err)
		require.False(t, allowed)
	}
	s.nothingGrantedAfterTheStop()
	s.agree()
}
