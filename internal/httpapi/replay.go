package httpapi

import (
	"context"
	"errors"
	"time"

	"pets/commands"
	"pets/eventstore"
)

// Replays read old records one by one, because a stream begins far back, or
// because a filter passes over them. Reading costs the server the same whatever
// is sent, so it counts as a look at the past, like ?at=.
const (
	// shortReplay is how many records may be read without a place among those
	// looks, so that a short absence costs no waiting.
	shortReplay = 1_000
	// replayStep is how many are read between two rests.
	replayStep = 256
	// longestRest limits a rest: a slow reader causes rests anyway.
	longestRest = 100 * time.Millisecond
)

// pace makes a reader rest for as long as it worked, which leaves half of the
// processor to others.
type pace struct {
	read  int
	since time.Time
}

// step counts a record, and rests after each replayStep of them.
func (p *pace) step(ctx context.Context) (rested bool) {
	if !p.due() {
		return false
	}
	p.rest(ctx)
	return true
}

// due counts a record, and reports whether to rest after it.
func (p *pace) due() bool {
	if p.since.IsZero() {
		p.since = time.Now()
	}
	p.read++
	return p.read%replayStep == 0
}

func (p *pace) rest(ctx context.Context) {
	rest := time.NewTimer(min(time.Since(p.since), longestRest))
	defer rest.Stop()
	select {
	case <-rest.C:
	case <-ctx.Done():
	}
	p.since = time.Now()
}

// passedOver subtracts from its key's bytes what was read for a request and not
// sent.
func (q *request) passedOver(bytes int64) {
	q.api.budgets.spend(q.key.id, bytes, q.api.now())
}

// replay covers a stream from its reader's position to the end at its beginning.
// A nil replay is over.
type replay struct {
	q     *request
	until uint64
	leave func() // releases its place among the looks; nil for none
	ends  time.Time
	pace  pace
}

// replay begins a replay from a revision. It returns nil if nothing lies between,
// and an error if the key has used up its bytes. A stream of new events may
// always be opened and is never cut, because a bot has to hear that it must stop.
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

// end releases what a replay holds.
func (p *replay) end() {
	if p != nil && p.leave != nil {
		p.leave()
		p.leave = nil
	}
}

// errGoOn ends a stream whose reader has to reconnect and continue from its
// position.
var errGoOn = errors.New("the replay took too long, or too much")

// passed counts a record that was read, of which so many bytes were sent. over
// reports that it was the last. Above a small number the replay needs a place. It
// does not wait for one, so that a returning reader hears the current directives
// at once.
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

// try takes a place if one is free.
func (p *pastLooks) try(k key) (leave func(), ok bool) {
	now, cancel := context.WithCancel(context.Background())
	cancel() // it does not wait
	leave, err := p.take(now, k)
	return leave, err == nil
}
