package httpapi

import (
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
	"pets/projections"
)

// eventAnswer is one event as GET …/events and the stream show it.
type eventAnswer struct {
	Revision uint64          `json:"revision"`
	Time     time.Time       `json:"time"`
	Type     string          `json:"type"`
	User     string          `json:"user"`
	Data     json.RawMessage `json:"data"`
	// Metadata is not shown to a bot: it says who else did what.
	Metadata json.RawMessage `json:"metadata,omitempty"`
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
			{"at", "as of this revision or RFC 3339 time"},
			{"min_revision", "wait until at least this revision is folded, for up to 5 s"},
			{"after", "only events after this revision"},
			{"types", "only types that begin with one of these, separated by commas, such as breaker,fill.recorded"},
			{"limit", "at most this many: 1 to 1000, 100 by default"},
		},
	}
}

// maxScanned bounds how many records one answer looks at: a filter that finds
// little gets an empty page with a next, not the whole history in one request.
const maxScanned = 20_000

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
	v := eventsAnswer{Portfolio: q.portfolio(), Events: []eventAnswer{}}
	f := q.filter(values.Get("types"))
	scanned := 0
	for rec, err := range q.api.config.Store.ReadStream(q.r.Context(), commands.Stream(q.portfolio()), uint64(after+1)) { //nolint:gosec // ≥ -1
		if err != nil {
			return unavailable(err)
		}
		if !m.at.Includes(rec) {
			break
		}
		if len(v.Events) == limit || scanned == maxScanned {
			next := rec.Revision - 1
			v.Next = &next
			break
		}
		scanned++
		shown, err := f.show(q.r.Context(), rec)
		if err != nil {
			return err
		}
		if shown != nil {
			v.Events = append(v.Events, *shown)
		}
	}
	writeJSON(q.w, http.StatusOK, v)
	return nil
}

// waitFor makes sure that the portfolio is there and has what ?min_revision= and
// ?at= ask for.
func (q *request) waitFor(m moment) error {
	if err := q.exists(); err != nil {
		return err
	}
	v, err := q.api.views.open(q.r.Context(), q.portfolio())
	switch {
	case err != nil:
		return err
	case v == nil:
		return domain.Errorf(domain.CodeNotFound, "there is no such portfolio")
	}
	if err := q.api.reached(q.r.Context(), q.portfolio(), v, m); err != nil {
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
	return &domain.Error{Code: domain.CodeUnavailable, Message: "the history cannot be read now", Cause: err}
}

// filter decides what of a history a caller sees.
type filter struct {
	store  eventstore.Store
	stream string
	types  []string
	bot    string // "" for all of it
	owners map[string]string
}

func (q *request) filter(types string) *filter {
	f := &filter{store: q.api.config.Store, stream: commands.Stream(q.portfolio()), owners: map[string]string{}}
	if q.key.caller.Role == domain.RoleBot {
		f.bot = q.key.caller.Bot
	}
	for t := range strings.SplitSeq(types, ",") {
		if t = strings.TrimSpace(t); t != "" {
			f.types = append(f.types, t)
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

// show renders a record as its reader may see it, nil for not at all.
func (f *filter) show(ctx context.Context, rec eventstore.Record) (*eventAnswer, error) {
	if !f.wants(rec.Type) {
		return nil, nil
	}
	meta, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return nil, unavailable(err)
	}
	v := &eventAnswer{Revision: rec.Revision, Time: rec.Time, Type: rec.Type, User: meta.Actor, Data: rec.Data, Metadata: rec.Metadata}
	if f.bot == "" {
		return v, nil
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return nil, unavailable(err)
	}
	own := projections.OwnEvent(e, f.bot, func(permit string) string { return f.owner(ctx, permit) })
	if _, noted := e.(*domain.CommandNoted); noted && meta.Bot == f.bot {
		own = e
	}
	if own == nil {
		return nil, nil
	}
	if v.Data, err = domain.Encode(own); err != nil {
		return nil, unavailable(err)
	}
	v.Metadata = nil
	return v, nil
}

// maxOwners bounds what one reader remembers of permits.
const maxOwners = 10_000

// owner names the bot of a permit, which is named after the revision that granted
// it; "" where that cannot be told.
func (f *filter) owner(ctx context.Context, permit string) string {
	if bot, known := f.owners[permit]; known {
		return bot
	}
	revision, err := strconv.ParseUint(strings.TrimPrefix(permit, "p"), 10, 63)
	if err != nil {
		return ""
	}
	for rec, err := range f.store.ReadStream(ctx, f.stream, revision) {
		if err != nil {
			return ""
		}
		if e, err := domain.Decode(rec.Type, rec.Data); err == nil {
			if granted, ok := e.(*domain.PermitGranted); ok && granted.Permit == permit {
				if len(f.owners) >= maxOwners {
					clear(f.owners)
				}
				f.owners[permit] = granted.Bot
				return granted.Bot
			}
		}
		return ""
	}
	return ""
}
