package httpapi

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/work"
	"pets/projections"
)

// eventAnswer is one event as GET …/events and the stream show it.
type eventAnswer struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	// Row is the place of the event in its record, from 0, where several share one.
	Row *int `json:"row,omitempty"`
	// User is who did it. For a bot it is empty unless the bot itself did it.
	User string          `json:"user"`
	Data json.RawMessage `json:"data"`
	// Metadata is not shown to a bot, because it says who else did what.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Stored is the stored form, if that is an older version of the event. Ids
	// and hashes are computed over it. It is not shown to a bot.
	Stored *domain.RawEvent `json:"stored,omitempty"`
}

type eventsAnswer struct {
	Portfolio string        `json:"portfolio"`
	Events    []eventAnswer `json:"events"`
	// Next is the revision to ask after for more, null at the end of the history.
	Next *uint64 `json:"next"`
}

func eventsRoute() route {
	return route{
		method: http.MethodGet, path: inPortfolio + "/events", name: "events", roles: readers, handle: listEvents,
		summary: "The history, one event after another; a bot's key sees its own", answer: reflect.TypeFor[eventsAnswer](),
		params: []param{
			textParam("at", "as of this revision or RFC 3339 time"),
			revisionParam("min_revision", "wait until at least this revision is folded, for up to 5 s"),
			revisionParam("after", "only events after this revision"),
			textParam("types", "only types that begin with one of these, separated by commas, such as breaker,fill.recorded"),
			countParam("limit", "at most this many; fewer where they would be over 4 MiB", 1, 1000, 100),
		},
	}
}

// Limits of how many records one answer examines. A filter that finds little gets
// an empty page with a next, not the whole history in one request.
const (
	maxScanned      = 20_000
	maxScannedBytes = 64 << 20
)

func listEvents(q *request) error {
	values, err := q.query()
	if err != nil {
		return err
	}
	m, err := q.moment(values)
	if err != nil {
		return err
	}
	after, err := number(values, "after", -1, 0, 1<<62)
	if err != nil {
		return err
	}
	limit, err := number(values, "limit", 100, 1, 1000)
	if err != nil {
		return err
	}
	if err := q.waitFor(m); err != nil {
		return err
	}
	if err := q.makeRoom(answerRoom); err != nil {
		return err
	}
	page := &eventPage{limit: limit, look: func() (func(), bool) { return q.api.pasts.try(q.key) }}
	defer func() { page.end(); q.passedOver(page.passedBytes) }()
	if err := page.open(q.portfolio()); err != nil {
		return err
	}
	if err := page.fill(q.r.Context(), q.filter(values.Get("types")), m.at, uint64(after+1)); err != nil { //nolint:gosec // ≥ -1
		return err
	}
	b, err := page.close()
	if err != nil {
		return err
	}
	return q.write(b)
}

// eventPage is one page of events while it is written: an [eventsAnswer], record
// by record, so that no page is held twice. Events may be large, so the bytes of
// a page are limited, too.
type eventPage struct {
	out   bytes.Buffer
	limit int
	shown int
	next  *uint64

	scanned, scannedBytes int

	// passed counts the records that were read and not shown. Above a small
	// number the page counts as a look at the past and needs a place: look takes
	// it, leave releases it.
	passed      int
	passedBytes int64
	look        func() (leave func(), ok bool)
	leave       func()
	pace        pace
}

// end releases the page's place.
func (p *eventPage) end() {
	if p.leave != nil {
		p.leave()
		p.leave = nil
	}
}

// goesOn reports whether more records may be passed over. If there is no place
// now, the page ends, and the next page continues.
func (p *eventPage) goesOn() (ok bool) {
	if p.passed < shortReplay || p.leave != nil {
		return true
	}
	p.leave, ok = p.look()
	return ok
}

func (p *eventPage) open(portfolio string) error {
	p.out.WriteString(`{"portfolio":`)
	if err := appendJSON(&p.out, portfolio); err != nil {
		return err
	}
	p.out.WriteString(`,"events":[`)
	return nil
}

// fill reads until the page is full, or the history ends.
func (p *eventPage) fill(ctx context.Context, f *filter, at projections.Point, from uint64) error {
	place := f.work.Take(work.Past)
	defer func() { place.Leave() }()
	for rec, err := range f.store.ReadStream(ctx, f.stream, from) {
		place = place.Share()
		switch {
		case err != nil:
			return unavailable(err)
		case !at.Includes(rec):
			return nil
		case p.full() || !p.goesOn():
			p.endBefore(rec.Revision)
			return nil
		}
		p.scanned++
		p.scannedBytes += len(rec.Data) + len(rec.Metadata)
		shown := p.shown
		fitted, err := p.add(ctx, f, rec)
		if err != nil {
			return err
		}
		if fitted && p.shown == shown {
			p.passed++
			p.passedBytes += int64(len(rec.Data) + len(rec.Metadata))
			if p.pace.due() {
				place.Leave()
				p.pace.rest(ctx)
				place = f.work.Take(work.Past)
			}
		}
		if !fitted {
			p.endBefore(rec.Revision)
			return nil
		}
	}
	return nil
}

func (p *eventPage) full() bool {
	return p.shown >= p.limit || p.scanned == maxScanned || p.scannedBytes >= maxScannedBytes
}

func (p *eventPage) endBefore(revision uint64) {
	next := revision - 1
	p.next = &next
}

// pageEnd is more than the length of the end of a page.
const pageEnd = 64

// add writes the visible part of a record: all of its events, because pages are counted
// by revisions. A record that does not fit is removed again, except the first of a page,
// so that every page makes progress.
func (p *eventPage) add(ctx context.Context, f *filter, rec eventstore.Record) (fitted bool, err error) {
	shown, err := f.show(ctx, rec)
	if err != nil || len(shown) == 0 {
		return err == nil, err
	}
	before := p.out.Len()
	for i, event := range shown {
		if p.shown+i > 0 {
			p.out.WriteByte(',')
		}
		if err := appendJSON(&p.out, event); err != nil {
			return false, err
		}
	}
	if p.shown > 0 && p.out.Len() > maxAnswer-pageEnd {
		p.out.Truncate(before)
		return false, nil
	}
	p.shown += len(shown)
	return true, nil
}

func (p *eventPage) close() ([]byte, error) {
	p.out.WriteString(`],"next":`)
	if err := appendJSON(&p.out, p.next); err != nil {
		return nil, err
	}
	p.out.WriteString("}\n")
	return p.out.Bytes(), nil
}

// waitFor checks that the portfolio exists and waits for what ?min_revision= and
// ?at= require.
func (q *request) waitFor(m moment) error {
	if err := q.exists(); err != nil {
		return err
	}
	p, err := q.api.followed(q.r.Context(), q.portfolio())
	if err != nil {
		return err
	}
	if err := reached(q.r.Context(), p, m); err != nil {
		return err
	}
	if m.at.Revision == nil {
		return nil
	}
	head, err := q.api.config.Store.Head(q.r.Context(), commands.Stream(q.portfolio()))
	if err != nil {
		return unavailable(err)
	}
	if head < *m.at.Revision {
		return projections.Beyond(*m.at.Revision, head)
	}
	return nil
}

func unavailable(err error) error {
	message := "the history cannot be read now"
	if troubled(err) {
		trouble := eventstore.TroubleOf(err)
		message = "the history cannot be read: of the store, " + trouble.What + ". " + trouble.Advice
	}
	return &domain.Error{Code: domain.CodeUnavailable, Message: message, Cause: err}
}

// filter decides what a caller sees of a history.
type filter struct {
	store  eventstore.Store
	work   *work.Places
	stream string
	types  []string
	bot    string // "" for all of it
	owners map[string]string
}

func (q *request) filter(types string) *filter {
	f := &filter{store: q.api.config.Store, work: q.api.config.Work, stream: commands.Stream(q.portfolio()), owners: map[string]string{}}
	if q.key.caller.Role == domain.RoleBot {
		f.bot = q.key.caller.Bot
	}
	for t := range strings.SplitSeq(types, ",") {
		if t = strings.TrimSpace(t); t != "" {
			f.types = append(f.types, domain.CurrentType(t))
		}
	}
	return f
}

func (f *filter) wants(eventType string) bool {
	if len(f.types) == 0 {
		return true
	}
	for _, t := range f.types {
		if strings.HasPrefix(eventType, t) {
			return true
		}
	}
	return false
}

// show renders a record for its reader, or returns nothing if it is hidden. Every
// reader gets the current version of an event, whichever is stored, and events that
// share a record one by one.
func (f *filter) show(ctx context.Context, rec eventstore.Record) ([]*eventAnswer, error) {
	current := domain.CurrentType(rec.Type)
	single := domain.RowType(current)
	if single == "" && !f.wants(current) || single != "" && !f.wants(current) && !f.wants(single) {
		return nil, nil
	}
	shown, err := f.whole(ctx, rec)
	if err != nil || shown == nil {
		return nil, err
	}
	if single == "" {
		return []*eventAnswer{shown}, nil
	}
	return rowsOf(shown)
}

// rowsOf returns the events of a record of many.
func rowsOf(shown *eventAnswer) ([]*eventAnswer, error) {
	e, err := domain.Decode(shown.Type, shown.Data)
	if err != nil {
		return nil, unavailable(err)
	}
	events := domain.Flatten(e)
	rows := make([]*eventAnswer, len(events))
	for i, event := range events {
		raw, err := domain.RawOf(event)
		if err != nil {
			return nil, unavailable(err)
		}
		row := *shown
		row.Row, row.Type, row.Data, row.Stored = &i, raw.Type, raw.Data, nil
		rows[i] = &row
	}
	return rows, nil
}

// whole renders a record as it is stored.
func (f *filter) whole(ctx context.Context, rec eventstore.Record) (*eventAnswer, error) {
	meta, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return nil, unavailable(err)
	}
	v := &eventAnswer{Revision: rec.Revision, Time: rec.Time, User: meta.Actor}
	if f.bot != "" {
		return f.own(ctx, rec, meta, v)
	}
	stored := domain.RawEvent{Type: rec.Type, Data: rec.Data}
	current, err := stored.Current()
	if err != nil {
		return nil, unavailable(err)
	}
	v.Type, v.Data, v.Metadata = current.Type, current.Data, rec.Metadata
	if current.Type != stored.Type {
		v.Stored = &stored
	}
	return v, nil
}

// own returns what a bot sees of a record, or nil.
func (f *filter) own(ctx context.Context, rec eventstore.Record, meta domain.Metadata, v *eventAnswer) (*eventAnswer, error) {
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return nil, unavailable(err)
	}
	var unread error
	holds := func(permit string) bool {
		own, err := f.holds(ctx, permit)
		unread = cmp.Or(unread, err)
		return own
	}
	asked := meta.Bot == f.bot
	own := domain.Viewer{Bot: f.bot, Holds: holds, Asked: asked}.Sees(e)
	if own == nil || unread != nil {
		return nil, unread
	}
	if !asked {
		v.User = "" // a price is shown to all bots, but not who marked it
	}
	shown, err := domain.RawOf(own)
	if err != nil {
		return nil, unavailable(err)
	}
	v.Type, v.Data = shown.Type, shown.Data
	return v, nil
}

// ownOrders leaves out the orders of other bots, which a bot's key cannot cancel. Where that cannot
// be read, it fails: left out, an order of the bot's own would rest.
func (f *filter) ownOrders(ctx context.Context, told []commands.Directive) ([]commands.Directive, error) {
	if f.bot == "" {
		return told, nil
	}
	var unread error
	own := keepOrders(told, func(permit string) bool {
		own, err := f.holds(ctx, permit)
		unread = cmp.Or(unread, err)
		return own
	})
	return own, unread
}

// maxOwners limits what one reader remembers of permits.
const maxOwners = 10_000

// holds reports whether a permit, whose name contains the revision that granted it, is one of
// the reader's own.
func (f *filter) holds(ctx context.Context, permit string) (bool, error) {
	if bot, known := f.owners[permit]; known {
		return bot == f.bot, nil
	}
	revision, err := strconv.ParseUint(strings.TrimPrefix(permit, "p"), 10, 63)
	if err != nil {
		return false, nil //nolint:nilerr // such a name is no permit's
	}
	for rec, err := range f.store.ReadStream(ctx, f.stream, revision) {
		if err != nil {
			return false, unavailable(err)
		}
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return false, unavailable(err)
		}
		granted, is := e.(*domain.PermitGranted)
		if !is || granted.Permit != permit {
			break
		}
		if len(f.owners) >= maxOwners {
			clear(f.owners)
		}
		f.owners[permit] = granted.Bot
		return granted.Bot == f.bot, nil
	}
	return false, nil
}
