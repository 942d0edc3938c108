package httpapi

import (
	"sync"

	"pets/domain"
)

// Bounds of what is under way at a time. A part of each is kept for people, so
// that the keys of machines can never take all of it.
const (
	maxInFlight       = 1_024
	maxInFlightPerKey = 32
	inFlightForPeople = 256

	maxStreams       = 512
	maxStreamsPerKey = 32
	streamsForPeople = 128
)

// places are what requests, or event streams, hold while they are under way.
type places struct {
	most, perKey, forPeople int

	mu    sync.Mutex
	taken int
	byKey map[string]int
}

func newPlaces(most, perKey, forPeople int) *places {
	return &places{most: most, perKey: perKey, forPeople: forPeople, byKey: map[string]int{}}
}

// take takes a place for a key, and says what is full where there is none.
func (p *places) take(k key) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	most := p.most
	if !isPerson(k.caller.Role) {
		most -= p.forPeople
	}
	switch {
	case p.byKey[k.id] >= p.perKey:
		return domain.Errorf(domain.CodeRateLimited, "the key has %d of them under way already", p.perKey)
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

// isPerson: roles of people who act. Dashboards and feeds are machines here.
func isPerson(r domain.Role) bool {
	return r == domain.RoleOperator || r == domain.RoleApprover || r == domain.RoleAdmin
}

// enter takes a request's place: its connection stays, and it counts, until
// [request.leave]. A route that stops something needs none.
func (q *request) enter() error {
	if q.row.urgent {
		return nil
	}
	if err := q.api.inFlight.take(q.key); err != nil {
		return err
	}
	q.placed = true
	q.conn().hold()
	return nil
}

// leave gives the place back; where there is none any more it does nothing.
func (q *request) leave() {
	if !q.placed {
		return
	}
	q.placed = false
	q.conn().release()
	q.api.inFlight.release(q.key)
}

func (q *request) conn() *conn { return connIn(q.r.Context()) }
