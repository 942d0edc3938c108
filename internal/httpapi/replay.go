package httpapi

import (
	"context"
	"errors"
	"time"

	"pets/commands"
	"pets/eventstore"
)

// Old records that are read again, one by one, because a stream begins far back, or
// because a filter passes over them. That costs the server what is read, whatever is
// sent of it: it is a look at the past, like ?at=.
const (
	// shortReplay is how many records may be read without a place among those looks: who
	// was away for a moment is not kept waiting.
	shortReplay = 1_000
	// replayStep is how many are read between two rests.
	replayStep = 256
	// longestRest bounds a rest: a reader that is slow has rested already.
	longestRest = 100 * time.Millisecond
)

// pace has a reader rest for as long as it worked: others get half of the processor.
type pace struct {
	read  int
	since time.Time
}

// step counts a record, and rests after each replayStep of them.
func (p *pace) step(ctx context.Context) (rested bool) {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	if p.read++; p.read%replayStep != 0 {
		return false
	}
	rest := time.NewTimer(min(time.Since(p.since), longestRest))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
	p.since = time.Now()
	return true
}

// passedOver takes from its key's bytes what was read for a request and not sent.
func (q *request) passedOver(bytes int64) {
	q.api.budgets.spend(q.key.id, bytes, q.api.now())
}

// replay is the way of a stream from where its reader was to what was the end when it
// began. A nil replay is over.
type replay struct {
	q     *request
	until uint64
	leave func() // gives its place among the looks back; nil for none
	ends  time.Time
	pace  pace
}

// replay begins a replay from a revision; nil where nothing lies between. It is refused
// to a key that has used up its bytes. A stream of what is still to come may always be
// opened, and is never cut: a bot has to hear that it must stop.
func (q *request) replay(from uint64) (*replay, error) {
	head, err := q.api.config.Store.Head(q.r.Context(), commands.Stream(q.portfolio()))
	if err != nil {
		return nil, unavailable(err)
	}
	if from > head {
		return nil, nil
	}
	return &replay{q: q, until: head}, q.withinBudget()
}

// end gives back what a replay holds.
func (p *replay) end() {
	if p != nil && p.leave != nil {
		p.leave()
		p.leave = nil
	}
}

// errGoOn ends a stream whose reader has to come again, and to go on where it is.
var errGoOn = errors.New("the replay took too long, or too much")

// passed counts a record that was read, of which so many bytes were sent. over: it was
// the last of them. Beyond a few it needs a place. It does not wait for one: nobody who
// comes back is kept from hearing what stands now.
func (p *replay) passed(ctx context.Context, rec *eventstore.Record, sent int64) (over bool, err error) {
	p.q.passedOver(int64(len(rec.Data)+len(rec.Metadata)) - sent)
	if rec.Revision >= p.until {
		p.end()
		return true, nil
	}
	rested := p.pace.step(ctx)
	switch {
	case rested && p.q.overspent(), p.leave != nil && time.Now().After(p.ends):
		return false, errGoOn
	case p.leave == nil && p.pace.read >= shortReplay:
		var ok bool
		if p.leave, ok = p.q.api.pasts.try(p.q.key); !ok {
			return false, errGoOn
		}
		p.ends = time.Now().Add(pastWithin)
	}
	return false, nil
}

// try takes a place if there is one now.
func (p *pastLooks) try(k key) (leave func(), ok bool) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // it waits for none
	leave, err := p.take(now, k)
	return leave, err == nil
}
