package esdbtest

import (
	"math"
	"sort"
	"strconv"
	"strings"
)

// atEnd is the revision or position of the end.
const atEnd = math.MaxUint64

// page is what a read asks for.
type page struct {
	stream    string // empty for $all
	from      uint64 // revision or position, atEnd for the end
	backwards bool
	limit     uint64
	filter    *filter
}

// read returns the events of a page: forwards from the given one on, and backwards from the
// given revision, or from before the given position, down. seen is how many events of the log
// the reader sees.
func (d *database) read(p page, seen int) ([]*Recorded, state) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen = min(seen, len(d.log))
	if p.stream == "" {
		return p.of(d.log[:seen], func(r *Recorded) uint64 { return r.Position }, false), exists
	}
	events, s := d.visible(p.stream, seen)
	return p.of(events, func(r *Recorded) uint64 { return unsigned(r.Revision) }, true), s
}

// of cuts the page out of events that are in order of a key.
func (p page) of(events []*Recorded, key func(*Recorded) uint64, inclusive bool) (found []*Recorded) {
	if p.backwards {
		end := len(events)
		if p.from != atEnd {
			end = sort.Search(len(events), func(i int) bool {
				return key(events[i]) > p.from || !inclusive && key(events[i]) == p.from
			})
		}
		for i := end - 1; i >= 0 && uint64(len(found)) < p.limit; i-- {
			if p.filter.matches(events[i]) {
				found = append(found, events[i])
			}
		}
		return found
	}
	start := len(events)
	if p.from != atEnd {
		start = sort.Search(len(events), func(i int) bool { return key(events[i]) >= p.from })
	}
	for _, r := range events[start:] {
		if uint64(len(found)) == p.limit {
			break
		}
		if p.filter.matches(r) {
			found = append(found, r)
		}
	}
	return found
}

// follow returns what a subscriber has to be told next: the events with an index of at least
// `from`, that it sees, and a channel that is closed when that may be different.
func (d *database) follow(stream string, from, seen int) (events []*Recorded, s state, changed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen = min(seen, len(d.log))
	all, s := d.log[:seen], exists
	if stream != "" {
		all, s = d.visible(stream, seen)
	}
	start := sort.Search(len(all), func(i int) bool { return all[i].index >= from })
	return all[start:len(all):len(all)], s, d.changed
}

// after is the index in the log that follows a revision of a stream or a position of $all.
func (d *database) after(stream string, at uint64, seen int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen = min(seen, len(d.log))
	if at == atEnd {
		return seen
	}
	if stream == "" {
		return sort.Search(seen, func(i int) bool { return d.log[i].Position > at })
	}
	events := d.streams[stream]
	if i := sort.Search(len(events), func(i int) bool { return unsigned(events[i].Revision) > at }); i < len(events) {
		return events[i].index
	}
	// Beyond the end: what comes before that revision is skipped, too.
	return len(d.log)
}

// head is the last revision of a stream.
func (d *database) head(stream string) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.last(stream)
}

// target is the event that a link leads to ("3@stream"), or nil.
func (d *database) target(link *Recorded) *Recorded {
	number, stream, found := strings.Cut(string(link.Data), "@")
	revision, err := strconv.ParseInt(number, 10, 64)
	if !found || err != nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	events, s := d.visible(stream, len(d.log))
	i := sort.Search(len(events), func(i int) bool { return events[i].Revision >= revision })
	if s != exists || i == len(events) || events[i].Revision != revision {
		return nil
	}
	return events[i]
}
