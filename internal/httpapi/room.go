package httpapi

import (
	"context"
	"sync"
	"time"

	"pets/commands"
	"pets/domain"
)

// Memory that requests may hold at a time, for bodies being read and answers
// being written. A client that reads slowly, or not at all, holds its answer.
// Without a common limit a few dozen such clients would hold gigabytes.
const (
	roomInAll   = 64 << 20
	roomForKey  = 16 << 20 // of one key: its own flood does not delay others
	roomPeople  = 16 << 20 // reserved for people who may have to act
	roomFacts   = 4 << 20  // more than all of it, for facts, which are small
	roomFactKey = 1 << 20  // more than a key's, for its facts
	roomWithin  = 5 * time.Second
	answerRoom  = maxAnswer // reserved before an answer of unknown length is made
	maxAnswer   = 4 << 20   // the most that one answer holds; lists continue on the next page
	smallAnswer = 64 << 10  // written in one go
)

// room hands out bytes of memory. A caller that finds none waits for a while.
type room struct {
	mu    sync.Mutex
	used  int64
	byKey map[string]int64
	freed chan struct{} // closed when something is released; nil while no request waits for that
	// most is the maximum of used; for tests.
	most int64
}

func newRoom() *room { return &room{byKey: map[string]int64{}} }

// lease is what a request holds of a room. A nil lease is none.
type lease struct {
	room  *room
	key   string
	bytes int64
}

// take waits until so many bytes are free.
func (r *room) take(ctx context.Context, k key, class commands.Class, bytes int64) (*lease, error) {
	l, freed := r.try(k, class, bytes)
	if l != nil {
		return l, nil
	}
	ctx, cancel := context.WithTimeout(ctx, roomWithin)
	defer cancel()
	for l == nil {
		select {
		case <-freed:
			l, freed = r.try(k, class, bytes)
		case <-ctx.Done():
			return nil, domain.Errorf(domain.CodeUnavailable, "too many large requests are under way; send it again in a moment, with a smaller limit where the route has one")
		}
	}
	return l, nil
}

func (r *room) try(k key, class commands.Class, bytes int64) (*lease, <-chan struct{}) {
	most, mostOfKey := int64(roomInAll-roomPeople), int64(roomForKey)
	if k.person() {
		most = roomInAll
	}
	if class == commands.ClassFact {
		most += roomFacts
		mostOfKey += roomFactKey
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.used+bytes > most || r.byKey[k.id]+bytes > mostOfKey {
		if r.freed == nil {
			r.freed = make(chan struct{})
		}
		return nil, r.freed
	}
	r.used += bytes
	r.byKey[k.id] += bytes
	r.most = max(r.most, r.used)
	return &lease{r, k.id, bytes}, nil
}

// keep releases what is above so many bytes.
func (l *lease) keep(bytes int64) {
	if l == nil || bytes >= l.bytes {
		return
	}
	r := l.room
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= l.bytes - bytes
	if r.byKey[l.key] -= l.bytes - bytes; r.byKey[l.key] == 0 {
		delete(r.byKey, l.key)
	}
	l.bytes = bytes
	if r.freed != nil {
		close(r.freed)
		r.freed = nil
	}
}

// person reports whether a key belongs to a person who may have to act: to stop,
// to clear, to get money out. A part of every limit is reserved for them.
// Dashboards and feeds count as machines.
func (k key) person() bool {
	switch k.caller.Role {
	case domain.RoleOperator, domain.RoleApprover, domain.RoleAdmin:
		return true
	default:
		return false
	}
}

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
		return domain.Errorf(domain.CodeRateLimited, "the key already has %d such requests under way", perKey)
	case p.taken >= most:
		return domain.Errorf(domain.CodeRateLimited, "the server has too many such requests under way")
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
