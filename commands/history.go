package commands

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/index"
)

// History finds the records of a store by what they are known by, so that a writer need not
// keep all of it in memory. It is a cache of the log: a writer believes it only what it does
// not have, and reads the record of everything it has. A wrong "not there" would book a fill
// twice, so a History that is not sure returns an error.
type History interface {
	// Find returns what there is of each key, in order of the revisions. It knows all records
	// of the stream before asOf, and may know more. An error means that nothing is known.
	Find(stream string, keys []HistoryKey) (found [][]HistoryHit, asOf uint64, err error)
	// Indexed returns the revision before which it knows all records of a stream, which is 0
	// while it is not sure of any.
	Indexed(stream string) uint64
	// Await returns when all records of a stream before a revision are known.
	Await(ctx context.Context, stream string, revision uint64) error
	// Doubt tells that the log contradicts it. It is then made again.
	Doubt(err error)
}

// HistoryKey is what records of a stream are known by.
type HistoryKey = index.Key

// HistoryHit says which record it was. Mark tells records of one key apart.
type HistoryHit struct {
	Revision uint64
	Mark     [16]byte
}

// The kinds of keys, which are stored. Their marks are the first half of the hash of the
// request; the id of the record; and who reported the fill (see markOf).
const (
	kindCommand = "command"
	kindFact    = "fill"
	kindTrade   = "trade"
)

func keyOfCommand(stream string, id uuid.UUID) HistoryKey {
	return index.IDKey(kindCommand, stream, string(id[:]))
}

func keyOfFact(stream string, id domain.FillID) HistoryKey {
	var room [160]byte
	b := appendText(room[:0], id.Bot)
	b = appendText(appendText(b, id.Venue), id.TradeID)
	return index.IDKey(kindFact, stream, string(strconv.AppendInt(b, int64(id.Leg), 10)))
}

func keyOfTrade(stream, market, trade string) HistoryKey {
	var room [160]byte
	return index.IDKey(kindTrade, stream, string(appendText(appendText(room[:0], market), trade)))
}

// appendText appends a text with its length, so that no two lists of texts are alike.
func appendText(b []byte, text string) []byte {
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}

// markOf says who reported a fill: the bot in the first half, venue and leg in the second. A
// look-up for one of them reads no records of others.
func markOf(id domain.FillID) (mark [16]byte) {
	copy(mark[:], markOfBot(id.Bot))
	copy(mark[8:], markOfPlace(id))
	return mark
}

func markOfBot(bot string) []byte {
	h := fnv.New64a()
	h.Write([]byte(bot))
	return h.Sum(nil)
}

func markOfPlace(id domain.FillID) []byte {
	h := fnv.New64a()
	h.Write([]byte(id.Venue))
	h.Write(binary.BigEndian.AppendUint32([]byte{0}, uint32(id.Leg))) //nolint:gosec // only equality counts
	return h.Sum(nil)
}

// HistoryEntry is one entry of a History: what it finds a record by.
type HistoryEntry struct {
	Key  HistoryKey
	Mark [16]byte
}

// Identities makes the entries of a History from records, in the order of the log.
type Identities struct {
	store   eventstore.Store
	decoder domain.Decoder
	entries []HistoryEntry
	// The place of the record before, and its command.
	stream  string
	next    uint64
	command string
}

// NewIdentities returns the entries of the records of a store.
func NewIdentities(store eventstore.Store) *Identities { return &Identities{store: store} }

// Of returns the entries of a record; the slice is reused. It depends on nothing but the
// record and the one before it in its stream. The first record of a command has an entry of
// it, for the records of a command are consecutive.
func (x *Identities) Of(ctx context.Context, rec *eventstore.Record) ([]HistoryEntry, error) {
	x.entries = x.entries[:0]
	m, err := x.decoder.Metadata(rec.Metadata)
	if err == nil && x.stream == "" && rec.Revision > 0 {
		err = x.begin(ctx, rec)
	}
	if err != nil {
		return nil, unindexed(rec, err)
	}
	if again := x.stream == rec.Stream && x.next == rec.Revision && x.command == m.CommandID; !again {
		if err := x.ofCommand(rec.Stream, m); err != nil {
			return nil, unindexed(rec, err)
		}
	}
	x.stream, x.next, x.command = rec.Stream, rec.Revision+1, m.CommandID
	if !portfolio.Remembers(rec.Type) {
		return x.entries, nil
	}
	e, err := x.decoder.Decode(rec.Type, rec.Data)
	if err != nil {
		return nil, unindexed(rec, err)
	}
	portfolio.Identities(e, func(id domain.FillID) {
		x.entries = append(x.entries, HistoryEntry{keyOfFact(rec.Stream, id), rec.ID})
	}, func(id domain.FillID, market string) {
		x.entries = append(x.entries, HistoryEntry{keyOfTrade(rec.Stream, market, id.TradeID), markOf(id)})
	})
	return x.entries, nil
}

func unindexed(rec *eventstore.Record, err error) error {
	return fmt.Errorf("stream %s, revision %d: %w", rec.Stream, rec.Revision, err)
}

// begin reads the record before the first one, which may be of the same command.
func (x *Identities) begin(ctx context.Context, rec *eventstore.Record) error {
	before, err := eventstore.One(ctx, x.store, rec.Stream, rec.Revision-1)
	if err != nil {
		return err
	}
	m, err := x.decoder.Metadata(before.Metadata)
	x.stream, x.next, x.command = rec.Stream, rec.Revision, m.CommandID
	return err
}

func (x *Identities) ofCommand(stream string, m domain.Metadata) error {
	one := acceptedMap{}
	if err := one.note(0, m); err != nil {
		return err
	}
	for id, e := range one {
		x.entries = append(x.entries, HistoryEntry{keyOfCommand(stream, id), [16]byte(e.hash[:16])})
	}
	return nil
}

// past reads the records that a History finds in one stream. It is the evidence that states
// look up what is past in ([portfolio.PastRecords]), and finds commands for the writer.
type past struct {
	history History
	store   eventstore.Store
	stream  string
	ctx     context.Context //nolint:containedctx // that of the writer
	most    int             // facts, or commands, that are held before older ones are dropped
	// ahead is what was looked up for the command that is being decided, before it was
	// queued; it may be nil.
	ahead *ahead
}

// find looks up one key. Every record before a revision has to be known.
func (p *past) find(key HistoryKey, before uint64) ([]HistoryHit, error) {
	if hits, known := p.ahead.of(key, before); known {
		return hits, nil
	}
	found, asOf, err := p.history.Find(p.stream, []HistoryKey{key})
	switch {
	case err != nil:
		return nil, notIndexed(err)
	case asOf < before:
		return nil, notIndexed(fmt.Errorf("it has the records before revision %d, and %d are needed", asOf, before))
	}
	return found[0], nil
}

func notIndexed(err error) error {
	after := time.Duration(0)
	if lasts := (interface{ Lasting() bool })(nil); errors.As(err, &lasts) && lasts.Lasting() { // somebody has to mend it
		after = domain.Lasting
	}
	return &domain.Error{Code: domain.CodeUnavailable, After: after, Message: "what is already recorded cannot be looked up now, so nothing is decided; nothing was recorded, send it again with the same Idempotency-Key", Cause: err}
}

// contradicted tells the History that the log does not confirm what it found.
func (p *past) contradicted(hit HistoryHit, what string) error {
	err := fmt.Errorf("the index names revision %d of stream %s, and %s", hit.Revision, p.stream, what)
	p.history.Doubt(err)
	return notIndexed(err)
}

// unread is the error for a record that cannot be read. The store may be closed or damaged, and
// says so; otherwise there is no such record.
func (p *past) unread(hit HistoryHit, err error) error {
	if errors.As(err, new(*eventstore.Unavailable)) || p.ctx.Err() != nil {
		return notIndexed(err)
	}
	return p.contradicted(hit, "it cannot be read: "+err.Error())
}

// record reads the record of a hit.
func (p *past) record(hit HistoryHit) (eventstore.Record, domain.Event, error) {
	rec, err := eventstore.One(p.ctx, p.store, p.stream, hit.Revision)
	if err != nil {
		return rec, nil, p.unread(hit, err)
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return rec, nil, p.contradicted(hit, "it does not decode: "+err.Error())
	}
	return rec, e, nil
}

// Records implements [portfolio.PastRecords].
func (p *past) Records(id domain.FillID, before uint64) (out []portfolio.Recorded, err error) {
	key := keyOfFact(p.stream, id)
	hits, err := p.find(key, before)
	if err != nil {
		return nil, err
	}
	for _, hit := range hits { // later ones are confirmed as well: they are in memory, or the index is wrong
		rec, e, err := p.record(hit)
		if err != nil {
			return nil, err
		}
		about := false
		portfolio.Identities(e, func(other domain.FillID) { about = about || other == id }, func(domain.FillID, string) {})
		if rec.ID != hit.Mark || !about {
			return nil, p.contradicted(hit, "that record is of another fact")
		}
		if hit.Revision < before {
			out = append(out, portfolio.Recorded{At: domain.Stamp{Revision: rec.Revision, Time: rec.Time}, Event: e})
		}
	}
	return out, nil
}

// OfBot implements [portfolio.PastRecords].
func (p *past) OfBot(bot, market, trade string, before uint64) ([]domain.FillID, error) {
	of := markOfBot(bot)
	return p.named(market, trade, before, func(hit HistoryHit) bool { return bytes.Equal(hit.Mark[:8], of) }, func(id domain.FillID) bool { return id.Bot == bot })
}

// OfOthers implements [portfolio.PastRecords].
func (p *past) OfOthers(id domain.FillID, market string, before uint64) ([]domain.FillID, error) {
	own := markOf(id)
	return p.named(market, id.TradeID, before, func(hit HistoryHit) bool {
		return bytes.Equal(hit.Mark[8:], own[8:]) && !bytes.Equal(hit.Mark[:8], own[:8])
	}, func(other domain.FillID) bool {
		return other.Bot != id.Bot && other.Venue == id.Venue && other.Leg == id.Leg
	})
}

// named reads the fills of a trade id in a market that may be meant, and returns the ids of
// those that are.
func (p *past) named(market, trade string, before uint64, may func(HistoryHit) bool, is func(domain.FillID) bool) (ids []domain.FillID, err error) {
	key := keyOfTrade(p.stream, market, trade)
	hits, err := p.find(key, before)
	if err != nil {
		return nil, err
	}
	for _, hit := range hits {
		if !may(hit) {
			continue
		}
		_, e, err := p.record(hit)
		if err != nil {
			return nil, err
		}
		named := false
		portfolio.Identities(e, func(domain.FillID) {}, func(id domain.FillID, of string) {
			if of != market || id.TradeID != trade {
				return
			}
			if named = true; is(id) && hit.Revision < before {
				ids = append(ids, id)
			}
		})
		if !named {
			return nil, p.contradicted(hit, "that record reports another fill")
		}
	}
	return ids, nil
}

// command finds an accepted command, of which the first record is before a revision. One that
// is later and is not in memory was recorded by another server: the append will conflict.
func (p *past) command(id uuid.UUID, before uint64) (e indexEntry, found bool, err error) {
	key := keyOfCommand(p.stream, id)
	hits, err := p.find(key, before)
	if err != nil || len(hits) == 0 {
		return indexEntry{}, false, err
	}
	hit := hits[0]
	one := acceptedMap{}
	var decoder domain.Decoder
	err = eventstore.Walk(p.ctx, p.store, p.stream, hit.Revision, func(rec eventstore.Record) error {
		m, err := decoder.Metadata(rec.Metadata)
		if err != nil {
			return err
		}
		if other, err := uuid.Parse(m.CommandID); err != nil || other != id {
			return errFolded
		}
		return one.note(rec.Revision, m)
	})
	e, found = one[id]
	switch {
	case !found && (err == nil || errors.Is(err, errFolded)):
		return e, false, p.contradicted(hit, "that record is of another command, or does not exist")
	case !found:
		return e, false, p.unread(hit, err)
	case [16]byte(e.hash[:16]) != hit.Mark:
		return e, false, p.contradicted(hit, "that record has the request hash "+hex.EncodeToString(e.hash[:]))
	}
	return e, e.first < before, nil
}

// ahead is what was looked up for one request in the goroutine of its caller, before it was
// queued: for most commands, that nothing is there. It is of use to the writer as long as the
// writer has all later records in memory.
type ahead struct {
	asOf  uint64
	keys  []HistoryKey
	found [][]HistoryHit
}

// of returns what was found of a key, if every record before a revision was known.
func (a *ahead) of(key HistoryKey, before uint64) ([]HistoryHit, bool) {
	if a == nil || a.asOf < before {
		return nil, false
	}
	i := slices.Index(a.keys, key)
	if i < 0 {
		return nil, false
	}
	return a.found[i], true
}

// lookAhead looks up what requests name. What it cannot look up, the writer tries itself.
func lookAhead(h History, stream string, requests []Request, ids []identity) {
	if h == nil {
		return
	}
	var keys []HistoryKey
	ends := make([]int, len(requests))
	for i := range requests {
		keys = appendKeys(keys, stream, &requests[i], &ids[i])
		ends[i] = len(keys)
	}
	if len(keys) == 0 {
		return
	}
	found, asOf, err := h.Find(stream, keys)
	if err != nil {
		return // the writer says why
	}
	begin := 0
	for i, end := range ends {
		ids[i].ahead = &ahead{asOf, keys[begin:end], found[begin:end]}
		begin = end
	}
}

// appendKeys appends what a request is known by, and what its decision will ask.
func appendKeys(keys []HistoryKey, stream string, r *Request, id *identity) []HistoryKey {
	if r.Command == nil || id.body == nil {
		return keys
	}
	keys = append(keys, keyOfCommand(stream, id.command))
	for _, former := range id.former {
		keys = append(keys, keyOfCommand(stream, former))
	}
	if c, is := as[RecordFill](r.Command); is {
		reported := domain.FillID{Bot: c.Bot, TradeID: c.TradeID, Leg: domain.ReportedLeg}
		return append(keys, keyOfFact(stream, c.FillID), keyOfFact(stream, reported), keyOfTrade(stream, c.Market, c.TradeID))
	}
	if c, is := as[ConfirmFill](r.Command); is {
		return append(keys, keyOfFact(stream, c.FillID))
	}
	if c, is := as[VoidFill](r.Command); is {
		return append(keys, keyOfFact(stream, c.FillID))
	}
	if c, is := as[RecordTrade](r.Command); is {
		return append(keys, keyOfFact(stream, domain.FillID{Bot: c.Bot, TradeID: c.TradeID, Leg: domain.ReportedLeg}), keyOfTrade(stream, c.Market, c.TradeID))
	}
	if c, is := as[RecordFunding](r.Command); is {
		return append(keys, keyOfFact(stream, domain.FillID{Bot: c.Bot, TradeID: c.FundingID, Leg: domain.FundingLeg}))
	}
	if c, is := as[ChangeSets](r.Command); is {
		return append(keys, keyOfFact(stream, domain.FillID{Bot: c.Bot, TradeID: c.SetID, Leg: domain.SetLeg}))
	}
	return keys
}
