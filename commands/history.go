package commands

import (
	"context"
	"fmt"
	"slices"
	"strconv"

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
	// Epoch changes whenever what was found before may have been wrong: with each doubt, and
	// with each failure. What was found in another epoch does not count.
	Epoch() uint64
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

// The kinds of keys, and what the mark of each is. Both are stored: a change of a key or a mark
// is another version of the format of the index, so that an older index is made again.
const (
	// kindCommand: the first half of the hash of the request.
	kindCommand = "command"
	// kindFact, and kindFactIn with the market that is named: see [markOfFact].
	kindFact   = "fact"
	kindFactIn = "fact in"
	// kindFillOfBot: the venue and the leg. kindFillAt: the bot.
	kindFillOfBot = "fill of bot"
	kindFillAt    = "fill at"
	// kindMarket and kindToken, of an archived market: the record.
	kindMarket = "market"
	kindToken  = "token"
	// What a mark is the hash of.
	markedPlace = "place"
	markedBot   = "bot"
)

func keyOfCommand(stream string, id uuid.UUID) HistoryKey {
	return index.IDKey(kindCommand, stream, id[:])
}

// keyOfFact is the key of all records about an id, keyOfFactIn of those that name a market, or
// none.
func keyOfFact(stream string, id domain.FillID) HistoryKey {
	var room [160]byte
	return index.IDKey(kindFact, stream, appendFact(room[:0], id))
}

func keyOfFactIn(stream string, id domain.FillID, market string) HistoryKey {
	var room [160]byte
	return index.IDKey(kindFactIn, stream, appendText(appendFact(room[:0], id), market))
}

// keyOfFillOfBot is the key of the fills that a bot reported under a trade id in a market.
func keyOfFillOfBot(stream, bot, market, trade string) HistoryKey {
	var room [160]byte
	return index.IDKey(kindFillOfBot, stream, appendText(appendText(appendText(room[:0], bot), market), trade))
}

// keyOfFillAt is the key of one leg of a trade at a named venue, of any bot.
func keyOfFillAt(stream string, id domain.FillID, market string) HistoryKey {
	id.Bot = ""
	var room [160]byte
	return index.IDKey(kindFillAt, stream, appendText(appendFact(room[:0], id), market))
}

// keyOfMarket finds the records that archive and restore a market.
func keyOfMarket(stream, market string) HistoryKey { return index.IDKey(kindMarket, stream, market) }

// keyOfToken finds the records that archive a market with a token.
func keyOfToken(stream, token string) HistoryKey { return index.IDKey(kindToken, stream, token) }

func appendFact(b []byte, id domain.FillID) []byte {
	b = appendText(appendText(appendText(b, id.Bot), id.Venue), id.TradeID)
	return append(strconv.AppendInt(b, int64(id.Leg), 10), ':')
}

// appendText appends a text with its length, so that no two lists of texts are alike.
func appendText(b []byte, text string) []byte {
	b = strconv.AppendInt(b, int64(len(text)), 10)
	return append(append(b, ':'), text...)
}

// markOfFact says which market a record names, zeros for none, and a half of its id.
func markOfFact(market string, record uuid.UUID) (mark [16]byte) {
	of := portfolio.MarkOfMarket(market)
	copy(mark[:], of[:])
	copy(mark[8:], record[:])
	return mark
}

func markOfPlace(id domain.FillID) [16]byte {
	return index.IDKey(markedPlace, id.Venue, strconv.Itoa(id.Leg))
}

func markOfBot(bot string) [16]byte { return index.IDKey(markedBot, bot, "") }

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
	portfolio.EachIdentity(e, func(id domain.FillID, market string) { x.ofFact(rec, id, market) }, func(id domain.FillID, market string) {
		x.entries = append(x.entries, HistoryEntry{keyOfFillOfBot(rec.Stream, id.Bot, market, id.TradeID), markOfPlace(id)})
		if id.Venue != "" {
			x.entries = append(x.entries, HistoryEntry{keyOfFillAt(rec.Stream, id, market), markOfBot(id.Bot)})
		}
	})
	portfolio.EachMarket(e, func(market string) {
		x.entries = append(x.entries, HistoryEntry{keyOfMarket(rec.Stream, market), [16]byte(rec.ID)})
	}, func(token string) {
		x.entries = append(x.entries, HistoryEntry{keyOfToken(rec.Stream, token), [16]byte(rec.ID)})
	})
	return x.entries, nil
}

// ofFact adds the entries of an id that a record is about. A record has one entry of a key: if
// it names several markets for an id, the mark is of none.
func (x *Identities) ofFact(rec *eventstore.Record, id domain.FillID, market string) {
	all, in := keyOfFact(rec.Stream, id), keyOfFactIn(rec.Stream, id, market)
	for i := range x.entries {
		if one := &x.entries[i]; one.Key == all && one.Mark != markOfFact(market, rec.ID) {
			one.Mark, market = markOfFact("", rec.ID), ""
			in = keyOfFactIn(rec.Stream, id, "")
		}
	}
	for _, key := range []HistoryKey{all, in} {
		if !slices.ContainsFunc(x.entries, func(one HistoryEntry) bool { return one.Key == key }) {
			x.entries = append(x.entries, HistoryEntry{key, markOfFact(market, rec.ID)})
		}
	}
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
	if err := one.noteRecord(0, &m); err != nil {
		return err
	}
	for id, e := range one {
		x.entries = append(x.entries, HistoryEntry{keyOfCommand(stream, id), [16]byte(e.hash[:16])})
	}
	return nil
}
