package bench

import (
	"context"
	"net/http"
	"sync"
	"time"

	"pets/internal/bench"
)

// floorEvery is the pause between two requests of a floor, which must be no load of their own.
const floorEvery = 50 * time.Millisecond

// floors are requests that do nothing, sent beside stops, each over a connection of its own. They
// tell apart what the machine takes, what the server takes for any request, and what a stop
// takes beyond.
type floors []*floor

type floor struct {
	what string
	door door
	took []bench.Outcome
}

// newFloors returns what is asked beside stops on a way; end closes the server that belongs to it.
func newFloors(w stopWay) (all floors, end func() error, err error) {
	url, bare, err := listening(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }))
	if err != nil {
		return nil, nil, err
	}
	client := &http.Client{Timeout: stopWithin, Transport: &http.Transport{DisableKeepAlives: true}}
	return floors{
		{what: "GET /livez on the same way", door: door{w.client, w.base, ""}},
		{what: "a server that does nothing", door: door{client, url, ""}},
	}, bare.Close, nil
}

// ask asks until it is ended.
func (all floors) ask(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	for _, f := range all {
		group.Go(func() {
			for ctx.Err() == nil {
				began := time.Now()
				if _, err := f.door.must(ctx, http.MethodGet, "/livez", ""); ctx.Err() == nil {
					f.took = append(f.took, bench.Outcome{Took: time.Since(began), Err: err})
				}
				pause(ctx, floorEvery)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
	}
}

func (all floors) latencies() []bench.Latency {
	out := make([]bench.Latency, len(all))
	for i, f := range all {
		out[i] = bench.Latencies(f.what, f.took)
	}
	return out
}
