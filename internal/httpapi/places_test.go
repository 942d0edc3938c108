package httpapi

import (
	"net/http"
	"testing"

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
