package esdbtest

import (
	"encoding/json"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	// noStream is the revision of a stream without events, as the server counts.
	noStream = -1
	// deleted is the revision of a tombstone, and the $tb of a stream that was deleted.
	deleted = math.MaxInt64
	// metaPrefix names the stream with the metadata of another.
	metaPrefix = "$$"
	jsonType   = "application/json"
)

// Event is one event as a client proposes it and as the server returns it.
type Event struct {
	ID          uuid.UUID
	Type        string
	ContentType string // application/json if empty
	Data        []byte
	Metadata    []byte // the custom metadata of the event
}

// Recorded is an event of the log. Its position is commit and prepare position alike, as it is
// for everything that clients of gRPC write.
type Recorded struct {
	Event
	Stream   string
	Revision int64
	Position uint64
	Created  time.Time

	index int // in the log
}

// database is the log of a cluster, in memory. Everything is in the order of the log, and a
// reader sees the first so many events of it.
type database struct {
	mu       sync.Mutex
	log      []*Recorded
	streams  map[string][]*Recorded
	byID     map[uuid.UUID]*Recorded
	position uint64
	changed  chan struct{} // closed when something changes, and replaced
}

func newDatabase() *database {
	return &database{
		streams: map[string][]*Recorded{}, byID: map[uuid.UUID]*Recorded{}, changed: make(chan struct{}),
	}
}

// wake tells those who wait that something changed. The caller has the lock.
func (d *database) wake() {
	close(d.changed)
	d.changed = make(chan struct{})
}

// add appends one event without any check. The caller has the lock.
func (d *database) add(stream string, revision int64, e Event) *Recorded {
	if e.ContentType == "" {
		e.ContentType = jsonType
	}
	// 100 nanoseconds are what the server counts in.
	now := time.Now().UTC().Truncate(100 * time.Nanosecond)
	r := &Recorded{Event: e, Stream: stream, Revision: revision, Position: d.position, Created: now, index: len(d.log)}
	// The log has a header for each record: positions have gaps, and none is a count.
	d.position += uint64(128 + len(stream) + 2*len(e.Type) + len(e.Data) + len(e.Metadata))
	d.log = append(d.log, r)
	d.streams[stream] = append(d.streams[stream], r)
	d.byID[e.ID] = r
	return r
}

// last is the revision of the last event of a stream: noStream, or deleted for a tombstone.
func (d *database) last(stream string) int64 {
	if original, ok := strings.CutPrefix(stream, metaPrefix); ok && d.last(original) == deleted {
		return deleted
	}
	events := d.streams[stream]
	if len(events) == 0 {
		return noStream
	}
	return events[len(events)-1].Revision
}

// streamMeta is what the server itself heeds of the metadata of a stream.
type streamMeta struct {
	TruncateBefore *int64 `json:"$tb,omitempty"`
	MaxCount       *int64 `json:"$maxCount,omitempty"`
	MaxAge         *int64 `json:"$maxAge,omitempty"` // seconds
}

// metadataOf reads the metadata of a stream, as far as the first `seen` events of the log tell.
func (d *database) metadataOf(stream string, seen int) (m streamMeta) {
	if strings.HasPrefix(stream, metaPrefix) {
		one := int64(1)
		return streamMeta{MaxCount: &one} // of a stream of metadata, the last event counts
	}
	events := before(d.streams[metaPrefix+stream], seen)
	if len(events) == 0 {
		return streamMeta{}
	}
	if json.Unmarshal(events[len(events)-1].Data, &m) != nil {
		return streamMeta{} // as the server does
	}
	return m
}

// softDeleted says whether a stream was deleted, and may be written again.
func (m streamMeta) softDeleted() bool {
	return m.TruncateBefore != nil && *m.TruncateBefore == deleted
}

// before cuts what a reader does not see yet.
func before(events []*Recorded, seen int) []*Recorded {
	n := len(events)
	for n > 0 && events[n-1].index >= seen {
		n--
	}
	return events[:n]
}

// state is what a read of a stream finds.
type state int

const (
	exists state = iota
	notFound
	tombstoned
)

// visible returns the events of a stream that a reader sees, oldest first.
func (d *database) visible(stream string, seen int) ([]*Recorded, state) {
	original, isMeta := strings.CutPrefix(stream, metaPrefix)
	if isMeta {
		if _, s := d.visible(original, seen); s == tombstoned {
			return nil, tombstoned
		}
	}
	events := before(d.streams[stream], seen)
	if len(events) == 0 {
		return nil, notFound
	}
	lastRevision := events[len(events)-1].Revision
	m := d.metadataOf(stream, seen)
	switch {
	case lastRevision == deleted:
		return nil, tombstoned
	case m.softDeleted():
		return nil, notFound
	}
	var first int64
	if m.TruncateBefore != nil {
		first = *m.TruncateBefore
	}
	if m.MaxCount != nil {
		first = max(first, lastRevision-*m.MaxCount+1)
	}
	for len(events) > 0 && (events[0].Revision < first || m.expired(events[0])) {
		events = events[1:]
	}
	return events, exists
}

func (m streamMeta) expired(r *Recorded) bool {
	return m.MaxAge != nil && time.Since(r.Created) > time.Duration(*m.MaxAge)*time.Second
}
