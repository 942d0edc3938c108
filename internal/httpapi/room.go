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
	freed chan struct{} // closed when something was released, and then replaced
	// most is the maximum of used; for tests.
	most int64
}

func newRoom() *room { return &room{byKey: map[string]int64{}, freed: make(chan struct{})} }

// lease is what a request holds of a room. A nil lease is none.
type lease struct {
	room  *room
	key   string
	bytes int64
}

// take waits until so many bytes are free.
func (r *room) take(ctx context.Context, k key, class commands.Class, bytes int64) (*lease, error) {
	ctx, cancel := context.WithTimeout(ctx, roomWithin)
	defer cancel()
	for {
		l, freed := r.try(k, class, bytes)
		if l != nil {
			return l, nil
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return nil, domain.Errorf(domain.CodeUnavailable, "too many large requests are under way; send it again in a moment, with a smaller limit where the route has one")
		}
	}
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
	close(r.freed)
	r.freed = make(chan struct{})
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
