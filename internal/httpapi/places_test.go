package httpapi

import (
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/work"
)

// While every place is taken by others, a batch, a page of events and a look at the past wait for
// one. A stop, and what needs no long computation, are answered.
func TestWhatIsShortWaitsForNoPlace(t *testing.T) {
	r := newRig(t, rigged{}).opened()
	held := r.work.Take(work.Past)
	waiting := make(chan answered, 3)
	go func() { waiting <- r.post("alpha", main+"/batch", longBatch()) }()
	go func() { waiting <- r.get("operator", main+"/state?at=1") }()
	go func() { waiting <- r.get("auditor", main+"/events") }()
	stopped := r.post("operator", main+"/bots/alpha/stop", `{"reason":"smoke"}`)
	require.Equal(t, http.StatusOK, stopped.status, stopped.body)
	require.Contains(t, stopped.body, `"recorded":true`)
	stopped = r.post("operator", main+"/emergency-stop", `{"kind":"manual","reason":"smoke"}`)
	require.Equal(t, http.StatusOK, stopped.status, stopped.body)
	require.Contains(t, stopped.body, `"recorded":true`)
	require.Equal(t, http.StatusOK, r.get("operator", main+"/state").status)
	require.Empty(t, waiting)
	held.Leave()
	for range 3 {
		a := <-waiting
		require.Equal(t, http.StatusOK, a.status, a.body)
	}
	r.work.Take(work.Past).Leave() // all are back
}

// late is a body of which each piece takes a while.
type late time.Duration

func (l late) Read(b []byte) (int, error) {
	time.Sleep(time.Duration(l))
	b[0] = ' '
	return 1, nil
}

// The time in which a batch waits for a place is not its sender's: the rest of its body may arrive
// as late as that of any other.
func TestWaitingForAPlaceIsNotTheSendersTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		places := work.New(1)
		busy := func(after, during time.Duration) {
			time.Sleep(after)
			places.Do(work.Past, func() { time.Sleep(during) })
		}
		go busy(0, time.Minute)
		synctest.Wait()
		var until time.Time
		body := &parted{in: late(time.Second), work: places, until: func(at time.Time) { until = at }}
		require.NoError(t, body.read(func(in io.Reader) error {
			require.Equal(t, time.Now().Add(ofServer.request), until)
			go busy(time.Second/2, 10*time.Second) // in the place that is free while it is read
			_, err := in.Read(make([]byte, 1))
			require.Equal(t, time.Now().Add(ofServer.request-time.Second), until, "what was read took a second")
			before := until
			if err == nil {
				_, err = in.Read(make([]byte, 1))
			}
			require.Equal(t, before, until, "it waited for nobody")
			return err
		}))
	})
}
