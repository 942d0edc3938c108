package esdbtest

import (
	"encoding/json"

	"github.com/google/uuid"
)

// expected is the revision that a writer expects: one of a stream, or one of these.
type expected int64

const (
	expectNoStream     expected = -1
	expectAny          expected = -2
	expectStreamExists expected = -4
)

// decision is what the server makes of a write.
type decision int

const (
	ok decision = iota
	idempotent
	wrongVersion
	streamDeleted
)

// verdict is the answer to a write.
type verdict struct {
	decision decision
	current  int64 // the last revision of the stream; of an idempotent write, of its last event
	last     *Recorded
	undelete bool
}

// check decides a write as the server's index does. An explicit revision that is the stream's own
// is not searched for duplicates; below it, the same ids at the same revisions were written
// already, and anything else is a conflict. The caller has the lock.
func (d *database) check(stream string, want expected, ids []uuid.UUID) verdict {
	current := d.last(stream)
	if current == deleted {
		return verdict{decision: streamDeleted}
	}
	soft := d.metadataOf(stream, len(d.log)).softDeleted()
	switch {
	case want == expectStreamExists && soft:
		return verdict{decision: streamDeleted}
	case want == expectStreamExists && current < 0 && d.last(metaPrefix+stream) < 0:
		return verdict{decision: wrongVersion, current: current}
	case want == expectAny || want == expectStreamExists:
		return d.checkAny(stream, current, soft, ids)
	case int64(want) > current:
		return verdict{decision: wrongVersion, current: current}
	case int64(want) == current:
		return verdict{decision: ok, current: current, undelete: soft}
	}
	return d.checkBelow(stream, want, current, soft, ids)
}

func (d *database) checkAny(stream string, current int64, soft bool, ids []uuid.UUID) verdict {
	var last *Recorded
	for i, id := range ids {
		r := d.byID[id]
		if r == nil || r.Stream != stream {
			if i > 0 {
				return verdict{decision: wrongVersion, current: current}
			}
			return verdict{decision: ok, current: current, undelete: soft}
		}
		last = r
	}
	if last == nil {
		return verdict{decision: ok, current: current, undelete: soft}
	}
	return verdict{decision: idempotent, current: last.Revision, last: last}
}

func (d *database) checkBelow(stream string, want expected, current int64, soft bool, ids []uuid.UUID) verdict {
	events := d.streams[stream]
	var last *Recorded
	for i, id := range ids {
		at := int64(want) + 1 + int64(i)
		if at < int64(len(events)) && events[at].ID == id {
			last = events[at]
			continue
		}
		if i == 0 && want == expectNoStream && soft {
			return verdict{decision: ok, current: current, undelete: true}
		}
		return verdict{decision: wrongVersion, current: current}
	}
	if last == nil {
		return verdict{decision: wrongVersion, current: current}
	}
	return verdict{decision: idempotent, current: last.Revision, last: last}
}

// append decides and writes. What was written is in the verdict.
func (d *database) append(stream string, want expected, events []Event) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	ids := make([]uuid.UUID, len(events))
	for i, e := range events {
		ids[i] = e.ID
	}
	v := d.check(stream, want, ids)
	if v.decision != ok {
		return v
	}
	for _, e := range events {
		v.current++
		v.last = d.add(stream, v.current, e)
	}
	if v.undelete && len(events) > 0 {
		d.setTruncateBefore(stream, v.current-int64(len(events))+1)
	}
	d.wake()
	return v
}

// setTruncateBefore writes the metadata that hides what is older.
func (d *database) setTruncateBefore(stream string, revision int64) *Recorded {
	data, err := json.Marshal(streamMeta{TruncateBefore: &revision})
	if err != nil {
		panic(err) // three numbers
	}
	meta := metaPrefix + stream
	return d.add(meta, d.last(meta)+1, Event{ID: uuid.New(), Type: "$metadata", Data: data})
}

// delete hides everything of a stream, which may be written again.
func (d *database) delete(stream string, want expected) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.check(stream, want, []uuid.UUID{uuid.New()})
	if v.decision == ok {
		v.last = d.setTruncateBefore(stream, deleted)
		d.wake()
	}
	return v
}

// tombstone ends a stream for good.
func (d *database) tombstone(stream string, want expected) verdict {
	d.mu.Lock()
	defer d.mu.Unlock()
	v := d.check(stream, want, []uuid.UUID{uuid.New()})
	if v.decision == ok {
		v.last = d.add(stream, deleted, Event{ID: uuid.New(), Type: "$streamDeleted"})
		d.wake()
	}
	return v
}

// addSystemEvents writes what a new server has in its log before a client writes anything.
func (d *database) addSystemEvents() {
	d.mu.Lock()
	defer d.mu.Unlock()
	user := func(name string) []byte { return []byte(`{"loginName":"` + name + `","disabled":false}`) }
	d.add("$users", 0, Event{ID: uuid.New(), Type: "$User", Data: []byte(`"admin"`)})
	d.add("$$$user-admin", 0, Event{ID: uuid.New(), Type: "$metadata", Data: []byte(`{"$acl":{"$r":"$admins"}}`)})
	d.add("$user-admin", 0, Event{ID: uuid.New(), Type: "$UserCreated", Data: user("admin")})
	d.add("$$$user-ops", 0, Event{ID: uuid.New(), Type: "$metadata", Data: []byte(`{"$acl":{"$r":"$admins"}}`)})
	d.add("$user-ops", 0, Event{ID: uuid.New(), Type: "$UserCreated", Data: user("ops")})
	d.add("$users", 1, Event{ID: uuid.New(), Type: "$User", Data: []byte(`"ops"`)})
	d.wake()
}
