package httpapi

import (
	"sync"

	"pets/commands"
	"pets/domain"
)

// Limits of what is under way at a time. A part is reserved for people, so that
// the keys of machines can never take all of it, and a part of the requests, of
// each key and of all, is reserved for facts, so that a key's reads never keep it
// from reporting.
const (
	maxInFlight            = 1_024
	maxInFlightPerKey      = 32
	inFlightForPeople      = 256
	inFlightForFacts       = 128
	inFlightForFactsPerKey = 8

	maxStreams       = 512
	maxStreamsPerKey = 32
	streamsForPeople = 128
)

// places are the slots that requests, or event streams, hold while they are under
// way.
type places struct {
	most, perKey, forPeople  int
	forFacts, forFactsPerKey int

	mu    sync.Mutex
	taken int
	byKey map[string]int
}

func newPlaces(most, perKey, forPeople int) *places {
	return &places{most: most, perKey: perKey, forPeople: forPeople, byKey: map[string]int{}}
}

// keeping reserves some of all places, and of each key's, for facts.
func (p *places) keeping(ofAll, ofKey int) *places {
	p.forFacts, p.forFactsPerKey = ofAll, ofKey
	return p
}

// take takes a place for a key, or returns what is full.
func (p *places) take(k key, class commands.Class) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	most, perKey := p.most, p.perKey
	if !k.person() {
		most -= p.forPeople
	}
	if class != commands.ClassFact {
		most -= p.forFacts
		perKey -= p.forFactsPerKey
	}
	switch {
	case p.byKey[k.id] >= perKey:
		return domain.Errorf(domain.CodeRateLimited, "the key has %d of them under way already", perKey)
	case p.taken >= most:
		return domain.Errorf(domain.CodeRateLimited, "the server has as many of them under way as it takes")
	}
	p.taken++
	p.byKey[k.id]++
	return nil
}

// release gives a place back.
func (p *places) release(k key) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.byKey[k.id]--; p.byKey[k.id] == 0 {
		delete(p.byKey, k.id)
	}
}

// enter takes a request's place: its connection is kept open and counts as busy
// until [request.leave]. A route that stops something needs none.
func (q *request) enter() error {
	class := q.row.class()
	if class == commands.ClassStop {
		return nil
	}
	if err := q.api.inFlight.take(q.key, class); err != nil {
		return err
	}
	q.placed = true
	q.conn().hold()
	return nil
}

// leave releases the place, if the request has one.
func (q *request) leave() {
	if !q.placed {
		return
	}
	q.placed = false
	q.conn().release()
	q.api.inFlight.release(q.key)
}

func (q *request) conn() *conn { return connIn(q.r.Context()) }
