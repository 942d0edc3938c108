package commands

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
)

// past reads the records that a History finds in one stream. It is the evidence that states
// look up what is past in ([portfolio.PastRecords]), and finds commands for the writer.
type past struct {
	history History
	store   eventstore.Store
	stream  string
	ctx     context.Context //nolint:containedctx // that of the writer
	most    int             // facts, or commands, that are held before older ones are dropped
	// ahead is what was looked up for the command that is being decided, before it was
	// queued; it may be nil. seen holds the records that its decision has read, and reads
	// counts them.
	ahead *ahead
	seen  map[uint64]pastRecord
	reads int
	// memory is the highest revision before which something was looked up: the writer has
	// what is later in memory, and callers need not read it.
	memory atomic.Uint64
}

// pastRecord is a record that was read again.
type pastRecord struct {
	id    uuid.UUID
	at    domain.Stamp
	event domain.Event
}

// begin begins a decision.
func (p *past) begin(ahead *ahead) {
	p.ahead = ahead
	clear(p.seen)
}

// find looks up keys. Every record before a revision has to be known. It may find later ones,
// which are in memory, too.
func (p *past) find(before uint64, keys ...HistoryKey) ([][]HistoryHit, error) {
	p.inMemory(before)
	found := make([][]HistoryHit, len(keys))
	var missing []HistoryKey
	var places []int
	usable := p.ahead.usable(p.history, before)
	for i, key := range keys {
		hits, known := p.ahead.of(key)
		if !usable || !known {
			missing, places = append(missing, key), append(places, i)
			continue
		}
		found[i] = hits
	}
	if len(missing) > 0 {
		more, asOf, err := p.history.Find(p.stream, missing)
		switch {
		case err != nil:
			return nil, notIndexed(err)
		case asOf < before:
			return nil, notIndexed(fmt.Errorf("it has the records before revision %d, and %d are needed", asOf, before))
		}
		for n, i := range places {
			found[i] = more[n]
		}
	}
	return found, nil
}

// findOne is find of one key, which most often was looked up ahead.
func (p *past) findOne(before uint64, key HistoryKey) ([]HistoryHit, error) {
	if hits, known := p.ahead.of(key); known && p.ahead.usable(p.history, before) {
		p.inMemory(before)
		return hits, nil
	}
	found, err := p.find(before, key)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// inMemory notes that the writer has the records from a revision on.
func (p *past) inMemory(before uint64) {
	if p.memory.Load() < before { // only the writer stores it
		p.memory.Store(before)
	}
}

// earlier returns the hits before a revision.
func earlier(hits []HistoryHit, before uint64) []HistoryHit {
	n, _ := slices.BinarySearchFunc(hits, before, func(hit HistoryHit, revision uint64) int { return cmp.Compare(hit.Revision, revision) })
	return hits[:n]
}

func notIndexed(err error) error {
	after := time.Duration(0)
	if lasts := (interface{ Lasting() bool })(nil); errors.As(err, &lasts) && lasts.Lasting() { // a person has to mend it
		after = domain.Lasting
	}
	return &domain.Error{Code: domain.CodeUnavailable, After: after, Message: "what is already recorded cannot be looked up now, so nothing is decided; nothing was recorded, send it again with the same Idempotency-Key", Cause: err}
}

// contradicted tells the History that the log does not confirm what it found.
func (p *past) contradicted(revision uint64, what string) error {
	err := fmt.Errorf("the index names revision %d of stream %s, and %s", revision, p.stream, what)
	p.history.Doubt(err)
	return notIndexed(err)
}

// readFailed is the error for a record that cannot be read. The store may be closed or damaged,
// and says so; otherwise there is no such record, and the History is wrong.
func (p *past) readFailed(revision uint64, err error) error {
	if errors.As(err, new(*eventstore.Unavailable)) || p.ctx.Err() != nil {
		return notIndexed(err)
	}
	return p.contradicted(revision, "it cannot be read: "+err.Error())
}

// record returns a record that the History found.
func (p *past) record(revision uint64) (pastRecord, error) {
	if r, known := p.ahead.record(revision); known {
		return r, nil
	}
	if r, known := p.seen[revision]; known {
		return r, nil
	}
	p.reads++
	rec, err := eventstore.One(p.ctx, p.store, p.stream, revision)
	if err != nil {
		return pastRecord{}, p.readFailed(revision, err)
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return pastRecord{}, p.contradicted(revision, "it does not decode: "+err.Error())
	}
	if p.seen == nil {
		p.seen = map[uint64]pastRecord{}
	}
	r := pastRecord{rec.ID, domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e}
	p.seen[revision] = r
	return r, nil
}

// Mentions implements [portfolio.PastRecords].
func (p *past) Mentions(id domain.FillID, before uint64) ([]portfolio.Mention, error) {
	return p.mentions(before, keyOfFact(p.stream, id))
}

// MentionsIn implements [portfolio.PastRecords].
func (p *past) MentionsIn(id domain.FillID, market string, before uint64) ([]portfolio.Mention, error) {
	return p.mentions(before, keyOfFactIn(p.stream, id, market), keyOfFactIn(p.stream, id, ""))
}

func (p *past) mentions(before uint64, keys ...HistoryKey) (out []portfolio.Mention, err error) {
	for _, key := range keys {
		hits, err := p.findOne(before, key)
		if err != nil {
			return nil, err
		}
		for _, hit := range earlier(hits, before) {
			out = append(out, portfolio.Mention{Revision: hit.Revision, Market: portfolio.MarketMark(hit.Mark[:8]), Check: [8]byte(hit.Mark[8:])})
		}
	}
	if len(keys) > 1 {
		slices.SortFunc(out, func(a, b portfolio.Mention) int { return cmp.Compare(a.Revision, b.Revision) })
	}
	return out, nil
}

// Read implements [portfolio.PastRecords].
func (p *past) Read(id domain.FillID, mentions []portfolio.Mention) ([]portfolio.Recorded, error) {
	out := make([]portfolio.Recorded, 0, len(mentions))
	for _, m := range mentions {
		r, err := p.record(m.Revision)
		if err != nil {
			return nil, err
		}
		about := false
		portfolio.EachIdentity(r.event, func(other domain.FillID, market string) {
			about = about || other == id && (m.Market == portfolio.MarketMark{} || m.Market == portfolio.MarkOfMarket(market))
		}, func(domain.FillID, string) {})
		if m.Check != [8]byte(r.id[:8]) || !about {
			return nil, p.contradicted(m.Revision, "that record is of another fact")
		}
		out = append(out, portfolio.Recorded{At: r.at, Event: r.event})
	}
	return out, nil
}

// OfBot implements [portfolio.PastRecords].
func (p *past) OfBot(bot, market, trade string, before uint64) iter.Seq2[domain.FillID, error] {
	return p.fills(before, keyOfFillOfBot(p.stream, bot, market, trade), "", func(id domain.FillID, of string) bool {
		return id.Bot == bot && of == market && id.TradeID == trade
	})
}

// OfOthers implements [portfolio.PastRecords].
func (p *past) OfOthers(id domain.FillID, market string, before uint64) iter.Seq2[domain.FillID, error] {
	return p.fills(before, keyOfFillAt(p.stream, id, market), id.Bot, func(other domain.FillID, of string) bool {
		return other.Venue == id.Venue && other.TradeID == id.TradeID && other.Leg == id.Leg && of == market
	})
}

// fills yields the ids of the fills that a key finds, from the newest on, but not those of one
// bot. It reads one record for each mark, and only as far as ids are taken. isOfKey says whether
// a fill that a record reports is one of the key.
func (p *past) fills(before uint64, key HistoryKey, exceptBot string, isOfKey func(id domain.FillID, market string) bool) iter.Seq2[domain.FillID, error] {
	return func(yield func(domain.FillID, error) bool) {
		found, err := p.findOne(before, key)
		if err != nil {
			yield(domain.FillID{}, err)
			return
		}
		seen := map[[16]byte]bool{}
		if exceptBot != "" {
			seen[markOfBot(exceptBot)] = true
		}
		for _, hit := range slices.Backward(earlier(found, before)) {
			if seen[hit.Mark] {
				continue
			}
			seen[hit.Mark] = true
			id, err := p.fill(hit, isOfKey)
			if !yield(id, err) || err != nil {
				return
			}
		}
	}
}

// fill reads the fill that a hit names.
func (p *past) fill(hit HistoryHit, isOfKey func(id domain.FillID, market string) bool) (id domain.FillID, err error) {
	r, err := p.record(hit.Revision)
	if err != nil {
		return id, err
	}
	named := false
	portfolio.EachIdentity(r.event, func(domain.FillID, string) {}, func(other domain.FillID, market string) {
		marked := hit.Mark == markOfBot(other.Bot) || hit.Mark == markOfPlace(other)
		if isOfKey(other, market) && marked {
			id, named = other, true
		}
	})
	if !named {
		return id, p.contradicted(hit.Revision, "that record reports another fill")
	}
	return id, nil
}

// Archive implements [portfolio.PastRecords].
func (p *past) Archive(market string, before uint64) (last portfolio.Recorded, found bool, err error) {
	all, err := p.find(before, keyOfMarket(p.stream, market))
	if err != nil {
		return last, false, err
	}
	hits := earlier(all[0], before)
	if len(hits) == 0 {
		return last, false, nil
	}
	r, err := p.archived(hits[len(hits)-1], func(of, _ string) bool { return of == market })
	return portfolio.Recorded{At: r.at, Event: r.event}, err == nil, err
}

// Tokens implements [portfolio.PastRecords].
func (p *past) Tokens(token string, before uint64) (markets []string, err error) {
	all, err := p.find(before, keyOfToken(p.stream, token))
	if err != nil {
		return nil, err
	}
	for _, hit := range earlier(all[0], before) {
		r, err := p.archived(hit, func(_, of string) bool { return of == token })
		if err != nil {
			return nil, err
		}
		portfolio.EachMarket(r.event, func(market string) { markets = append(markets, market) }, func(string) {})
	}
	return markets, nil
}

// archived reads the record that a hit names, which archives or restores a market.
func (p *past) archived(hit HistoryHit, isOfKey func(market, token string) bool) (pastRecord, error) {
	r, err := p.record(hit.Revision)
	if err != nil {
		return r, err
	}
	named := false
	portfolio.EachMarket(r.event, func(market string) { named = named || isOfKey(market, "") }, func(token string) { named = named || isOfKey("", token) })
	if hit.Mark != [16]byte(r.id) || !named {
		return r, p.contradicted(hit.Revision, "that record archives another market")
	}
	return r, nil
}

// command finds an accepted command, of which the first record is before a revision. One that
// is later and is not in memory was recorded by another server: the append will conflict.
func (p *past) command(id uuid.UUID, before uint64) (c acceptedCommand, found bool, err error) {
	all, err := p.findOne(before, keyOfCommand(p.stream, id))
	if err != nil || len(all) == 0 {
		return c, false, err
	}
	hit := all[0]
	c, found = p.ahead.command(id)
	if !found || c.first != hit.Revision {
		if c, err = p.readCommand(id, hit.Revision); err != nil {
			return c, false, err
		}
	}
	if [16]byte(c.hash[:16]) != hit.Mark {
		return c, false, p.contradicted(hit.Revision, "that record has the request hash "+hex.EncodeToString(c.hash[:]))
	}
	return c, c.first < before, nil
}

// readCommand reads the records of a command from its first on.
func (p *past) readCommand(id uuid.UUID, first uint64) (c acceptedCommand, err error) {
	one := acceptedMap{}
	var decoder domain.Decoder
	p.reads++
	err = eventstore.Walk(p.ctx, p.store, p.stream, first, func(rec eventstore.Record) error {
		m, err := decoder.Metadata(rec.Metadata)
		if err != nil {
			return err
		}
		if other, err := uuid.Parse(m.CommandID); err != nil || other != id {
			return errFolded
		}
		return one.noteRecord(rec.Revision, &m)
	})
	c, found := one[id]
	switch {
	case !found && (err == nil || errors.Is(err, errFolded)):
		return c, p.contradicted(first, "that record is of another command, or does not exist")
	case !found:
		return c, p.readFailed(first, err)
	}
	return c, nil
}
