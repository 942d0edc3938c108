package httpapi

import (
	"context"
	"errors"
	"iter"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
)

// "Ready means that commands work": each reason why they do not is a line of its
// own, and tells nothing of the machine.
func TestReadyMeansThatCommandsWork(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	var h Health
	r.api.config.Health = func() Health { return h }
	inside := errors.New("write /var/lib/pets/00000000000000000000.seg: input/output error")
	for want, is := range map[string]Health{
		"not ready: the store takes no more events: a write or a flush failed. Check the disk, then start the server again\n":                                                {Poisoned: inside},
		"not ready: the store is damaged; see the server's log, and docs/runbooks/store.md\n":                                                                                {Damaged: inside},
		"not ready: the database cannot be reached: it is down. It is tried again; look at the database and the network between. A stop is kept on this machine meanwhile\n": {Unreachable: "it is down"},
		"not ready: the index is being made\n": {NoHistory: "the index is being made"},
		"not ready: the disk has 9 bytes left, less than the 10 kept free; only stops and facts are accepted\n": {Free: 9, Reserve: 10},
		// "Below a quarter of the reserve facts wait, too, and only what stops something is taken."
		"not ready: the disk has 9 bytes left, less than the 40 kept free; only stops are accepted\n": {Free: 9, Reserve: 40},
	} {
		h = is
		a := r.call("", http.MethodGet, "/readyz", "", "")
		require.Equal(t, http.StatusServiceUnavailable, a.status)
		require.Equal(t, want, a.body)
		require.False(t, r.api.IsReady())
		require.Equal(t, http.StatusOK, r.call("", http.MethodGet, "/livez", "", "").status)
	}
	moved, damaged := ailing{inside, "moved"}, ailing{inside, "damaged"}
	for want, is := range map[string]Health{
		"not ready: the store takes no more events: it is moved. Mend what is moved\n":                                                                                        {Poisoned: moved},
		"not ready: the store takes no more events: it is damaged. Mend what is damaged\nnot ready: the store is damaged; see the server's log, and docs/runbooks/store.md\n": {Poisoned: inside, Damaged: damaged},
	} {
		h = is
		require.Equal(t, want, r.call("", http.MethodGet, "/readyz", "", "").body, "the advice is that of what is wrong")
	}
	h = Health{Poisoned: inside, Damaged: inside, Reserve: 1, PendingStops: 2, WitnessBehind: inside}
	a := r.call("", http.MethodGet, "/readyz", "", "")
	require.Regexp(t, `^(not ready: .+\n){3}warning: emergency stops .+: 2\nwarning: the witness .+\n$`, a.body)
	require.NotContains(t, a.body, "/var")

	for want, is := range map[string]Health{
		"ready\n": {Free: 10, Reserve: 10},
		"ready\nwarning: emergency stops that hold and are not recorded yet: 2\n":                                                                                                                                                                                           {PendingStops: 2},
		"ready\nwarning: emergency stops that hold and are not recorded yet: 2\nwarning: stops of bots that hold and are not recorded yet: 1\n":                                                                                                                             {PendingStops: 3, PendingBots: 1},
		"ready\nwarning: stops that hold in memory only, because they could not be written anywhere; a restart forgets them, so keep the server running and make room: 3\n":                                                                                                 {UnkeptStops: 3},
		"ready\nwarning: the stop socket or the lock in PETS_DIR is gone and cannot be made anew; pets stop on this machine needs a key. See the server's log\n":                                                                                                            {NoLocalStop: inside},
		"ready\nwarning: the index of the history cannot be written, because its disk is full: it is kept in memory, and the next start has to make it from the log; free some space\n":                                                                                     {HistoryInMemory: "its disk is full", HistoryRemedy: "free some space"},
		"ready\nwarning: the wall clock is 8760h0m0s behind the last record: in 2 portfolios nothing is started or opened before it has caught up, or two people accept it (pets override request clock, as an operator, with -p); look at what sets this machine's time\n": {ClockBehind: 365 * 24 * time.Hour, StandStill: 2},
		"ready\nwarning: the wall clock is 1h0m0s behind the last record: no portfolio stands still, as two people accepted the clock in each, or it has no record that is later; look at what sets this machine's time\n":                                                  {ClockBehind: time.Hour},
	} {
		h = is
		a := r.call("", http.MethodGet, "/readyz", "", "")
		require.Equal(t, http.StatusOK, a.status)
		require.Equal(t, want, a.body)
		require.True(t, r.api.IsReady())
	}
	h = Health{}
	r.api.config.Health = nil
	require.True(t, r.api.IsReady())
}

// ailing is an error that knows what is wrong with a store.
type ailing struct {
	error
	is string
}

func (t ailing) Trouble() eventstore.Trouble {
	return eventstore.Trouble{What: "it is " + t.is, Advice: "Mend what is " + t.is}
}

// A history that cannot be read is told as what it is, on each way to it, and names no file.
func TestAHistoryThatIsDamagedIsToldAsThat(t *testing.T) {
	store := &unread{Store: memory.New()}
	r := newRig(t, rigged{store: store}).opened()
	store.reads.Store(&eventstore.Unavailable{Cause: ailing{errors.New("/var/lib/pets/x.seg is damaged"), "damaged"}})
	for _, path := range []string{"/events", "/state?at=3", "/stats?at=3"} {
		a := r.get("operator", main+path)
		require.Equal(t, http.StatusServiceUnavailable, a.status, "%s: %s", path, a.body)
		require.Contains(t, a.body, "Mend what is damaged", path)
		require.NotContains(t, a.body, "/var", path)
		require.Equal(t, "60", a.header.Get("Retry-After"), "a command does not wait for it")
	}
}

// unread is a store whose streams cannot be read from some time on.
type unread struct {
	eventstore.Store
	reads atomic.Pointer[eventstore.Unavailable]
}

func (f *unread) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if err := f.reads.Load(); err != nil {
		return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, err) }
	}
	return f.Store.ReadStream(ctx, stream, from)
}
