package commands

import (
	"context"
	"slices"

	"github.com/google/uuid"

	"pets/domain"
	"pets/eventstore"
)

// ahead is what was looked up for the requests of one call in the goroutine of its caller,
// before they were queued: for most commands, that nothing is there. It is not changed
// afterwards.
type ahead struct {
	// What was found counts as long as the writer has all later records in memory, and the
	// History has not been doubted since.
	epoch, asOf uint64
	keys        []HistoryKey
	found       [][]HistoryHit     // of the keys
	places      map[HistoryKey]int // of the keys; it is nil if they are few
	// What was read stays true: a record of the log never changes.
	records  map[uint64]pastRecord
	commands map[uuid.UUID]acceptedCommand
}

// Limits of what is looked up ahead. The writer looks up the rest.
const (
	aheadKeys    = 512     // asked for at once
	aheadFew     = 16      // keys that are found without a map
	aheadHits    = 32      // of one key
	aheadRecords = 8192    // of one call
	aheadBytes   = 4 << 20 // of those records
	// nearby is how many records are skipped before a record is read by itself. A frame of the
	// store has some hundreds, and is read whole.
	nearby = 256
	// keysOfOne is how many keys most requests have at most.
	keysOfOne = 8
)

// usable reports that what was found counts: every record before a revision was known, and
// the History is still sure of it.
func (a *ahead) usable(h History, before uint64) bool {
	return a != nil && a.asOf >= before && a.epoch == h.Epoch()
}

// of returns what was found of a key.
func (a *ahead) of(key HistoryKey) (hits []HistoryHit, known bool) {
	if a == nil {
		return nil, false
	}
	var at int
	if a.places != nil {
		at, known = a.places[key]
	} else {
		at = slices.Index(a.keys, key)
		known = at >= 0
	}
	if !known || len(a.found[at]) > aheadHits {
		return nil, false
	}
	return a.found[at], true
}

func (a *ahead) record(revision uint64) (r pastRecord, known bool) {
	if a == nil {
		return r, false
	}
	r, known = a.records[revision]
	return r, known
}

func (a *ahead) command(id uuid.UUID) (c acceptedCommand, known bool) {
	if a == nil {
		return c, false
	}
	c, known = a.commands[id]
	return c, known
}

// lookAhead looks up what requests name, and reads the records that are found. What it cannot
// look up, the writer tries itself, and says why.
func (p *past) lookAhead(ctx context.Context, requests []Request, ids []identity) {
	if p == nil {
		return
	}
	keys := make([]HistoryKey, 0, keysOfOne*len(requests))
	for i := range requests {
		keys = appendKeys(keys, p.stream, &requests[i], &ids[i])
	}
	if len(keys) == 0 {
		return
	}
	if len(requests) > 1 { // those of one request differ
		keys = distinct(keys)
	}
	a := &ahead{epoch: p.history.Epoch(), asOf: ^uint64(0), keys: keys}
	if len(keys) > aheadFew {
		a.places = make(map[HistoryKey]int, len(keys))
		for i, key := range keys {
			a.places[key] = i
		}
	}
	for some := range slices.Chunk(keys, aheadKeys) {
		if !a.find(p, some) {
			return
		}
	}
	for i := range ids {
		ids[i].ahead = a
	}
	a.read(ctx, p, requests, ids)
}

// find looks up some of the keys.
func (a *ahead) find(p *past, keys []HistoryKey) bool {
	found, asOf, err := p.history.Find(p.stream, keys)
	if err != nil {
		return false
	}
	a.asOf = min(a.asOf, asOf)
	if a.found == nil {
		a.found = found
	} else {
		a.found = append(a.found, found...)
	}
	return true
}

func distinct(keys []HistoryKey) []HistoryKey {
	seen := make(map[HistoryKey]bool, len(keys))
	return slices.DeleteFunc(keys, func(key HistoryKey) bool {
		again := seen[key]
		seen[key] = true
		return again
	})
}

// read reads the records that were found, and are not in the memory of the writer, in the order
// of the log.
func (a *ahead) read(ctx context.Context, p *past, requests []Request, ids []identity) {
	if !slices.ContainsFunc(a.found, func(hits []HistoryHit) bool { return len(hits) > 0 }) {
		return
	}
	memory := p.memory.Load()
	r := &aheadReader{ahead: a, commands: map[uint64]uuid.UUID{}}
	for i := range requests {
		for _, id := range ids[i].all {
			hits, _ := a.of(keyOfCommand(p.stream, id))
			for _, hit := range earlier(hits, memory) {
				r.commands[hit.Revision] = id
			}
		}
	}
	for _, hits := range a.found {
		if len(hits) > aheadHits {
			continue
		}
		for _, hit := range earlier(hits, memory) {
			r.wanted = append(r.wanted, hit.Revision)
		}
	}
	if len(r.wanted) == 0 {
		return
	}
	slices.Sort(r.wanted)
	r.wanted = slices.Compact(r.wanted)
	r.wanted = r.wanted[:min(len(r.wanted), aheadRecords)]
	a.records, a.commands = map[uint64]pastRecord{}, map[uuid.UUID]acceptedCommand{}
	for len(r.wanted) > 0 && r.from(ctx, p) {
		continue
	}
}

// aheadReader reads records in the order of the log.
type aheadReader struct {
	*ahead
	decoder  domain.Decoder
	wanted   []uint64             // still to be read
	commands map[uint64]uuid.UUID // of which the first record is wanted, by its revision
	current  uuid.UUID            // the command whose records are being read
	one      acceptedMap          // what is known of it
	bytes    int
}

// from reads the next wanted record, and those near it. It returns false if there is nothing
// more to be read ahead.
func (r *aheadReader) from(ctx context.Context, p *past) bool {
	for rec, err := range p.store.ReadStream(ctx, p.stream, r.wanted[0]) {
		if err != nil || !r.take(&rec) {
			return false
		}
		if r.bytes > aheadBytes {
			return false
		}
		if r.current == uuid.Nil && (len(r.wanted) == 0 || r.wanted[0] > rec.Revision+nearby) {
			return true
		}
	}
	r.end()
	return false // the stream has ended
}

// take keeps a record that is wanted. False: it cannot be read as what it should be.
func (r *aheadReader) take(rec *eventstore.Record) bool {
	id, first := r.commands[rec.Revision]
	if r.current != uuid.Nil || first {
		m, err := r.decoder.Metadata(rec.Metadata)
		if err != nil {
			return false
		}
		if r.current != uuid.Nil && m.CommandID != r.current.String() {
			r.end()
		}
		if first {
			r.current, r.one = id, acceptedMap{}
		}
		if r.current != uuid.Nil && (m.CommandID != r.current.String() || r.one.noteRecord(rec.Revision, &m) != nil) {
			return false
		}
	}
	if len(r.wanted) == 0 || r.wanted[0] != rec.Revision {
		return true
	}
	r.wanted = r.wanted[1:]
	r.bytes += len(rec.Data)
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return false
	}
	r.records[rec.Revision] = pastRecord{rec.ID, domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e}
	return true
}

// end notes the command of which all records were read.
func (r *aheadReader) end() {
	if c, known := r.one[r.current]; known {
		r.ahead.commands[r.current] = c
	}
	r.current, r.one = uuid.Nil, nil
}

// appendKeys appends what a request is known by, and what its decision will ask.
func appendKeys(keys []HistoryKey, stream string, r *Request, id *identity) []HistoryKey {
	if r.Command == nil || id.body == nil {
		return keys
	}
	for _, command := range id.all {
		keys = append(keys, keyOfCommand(stream, command))
	}
	in := func(id domain.FillID, market string) {
		if market == "" {
			keys = append(keys, keyOfFact(stream, id))
			return
		}
		keys = append(keys, keyOfFactIn(stream, id, market), keyOfFactIn(stream, id, ""))
	}
	if c, is := as[AskPermit](r.Command); is {
		keys = append(keys, keyOfMarket(stream, c.Market))
	} else if c, is := as[MarkPrices](r.Command); is {
		for _, m := range c.Marks {
			if m.Market != "" {
				keys = append(keys, keyOfMarket(stream, m.Market))
			}
		}
	} else if c, is := as[RecordFill](r.Command); is {
		keys = append(keys, keyOfMarket(stream, c.Market))
		in(c.FillID, c.Market)
		in(domain.FillID{Bot: c.Bot, TradeID: c.TradeID, Leg: domain.ReportedLeg}, c.Market)
		if c.Venue != "" {
			keys = append(keys, keyOfFillAt(stream, c.FillID, c.Market))
		}
	} else if c, is := as[ConfirmFill](r.Command); is {
		in(c.FillID, c.Market)
	} else if c, is := as[VoidFill](r.Command); is {
		in(c.FillID, c.Market)
	} else if c, is := as[RecordTrade](r.Command); is {
		in(domain.FillID{Bot: c.Bot, TradeID: c.TradeID, Leg: domain.ReportedLeg}, c.Market)
		keys = append(keys, keyOfFillOfBot(stream, c.Bot, c.Market, c.TradeID))
	} else if c, is := as[RecordFunding](r.Command); is {
		in(domain.FillID{Bot: c.Bot, TradeID: c.FundingID, Leg: domain.FundingLeg}, c.Market)
	} else if c, is := as[ChangeSets](r.Command); is {
		in(domain.FillID{Bot: c.Bot, TradeID: c.SetID, Leg: domain.SetLeg}, "")
	}
	return keys
}
