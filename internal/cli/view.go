package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/projections"
)

// View reads a view of the portfolio from the server of this run as of a moment; "" is now.
func (a *App) View(ctx context.Context, moment, path string, values url.Values, into any) error {
	if _, err := projections.ParsePoint(moment); err != nil {
		return OnFlag("--at", err)
	}
	if values == nil {
		values = url.Values{}
	}
	if moment != "" {
		values.Set("at", moment)
	}
	if len(values) > 0 {
		path += "?" + values.Encode()
	}
	return a.ToServer(ctx, http.MethodGet, path, nil, into)
}

// part holds the fields that every paged answer has.
type part struct {
	Revision *uint64 `json:"revision"`
	// Next is the value of "after" for the next part; null or missing at the end.
	Next json.RawMessage `json:"next"`
}

func (p part) after() string { return strings.Trim(string(p.Next), `"`) }

func (p part) last() bool { return len(p.Next) == 0 || p.after() == "null" || p.after() == "" }

// whole reads a view with all its parts; get fetches one part. All parts are of one moment:
// if the portfolio moves on in between, whole starts over, as of the revision of the first
// part.
func whole(path string, get func(path string, into *json.RawMessage) error) (json.RawMessage, error) {
	before, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	var first part
	var all map[string]json.RawMessage
	for {
		var raw json.RawMessage
		if err := get(path, &raw); err != nil {
			return nil, err
		}
		var p part
		if err := json.Unmarshal(raw, &p); err != nil {
			return nil, fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		switch {
		case all == nil && p.last():
			return raw, nil
		case all != nil && !values.Has("at") && first.Revision != nil && p.Revision != nil && *p.Revision != *first.Revision:
			values.Del("after")
			values.Set("at", strconv.FormatUint(*first.Revision, 10))
			return whole(before+"?"+values.Encode(), get)
		case all == nil:
			first = p
		}
		if all, err = joinedTo(all, raw); err != nil {
			return nil, err
		}
		if p.last() {
			return json.Marshal(all)
		}
		values.Set("after", p.after())
		path = before + "?" + values.Encode()
	}
}

// joinedTo appends the lists of a part to those read so far. Values other than lists are the
// same in every part.
func joinedTo(all map[string]json.RawMessage, raw json.RawMessage) (map[string]json.RawMessage, error) {
	var more map[string]json.RawMessage
	if err := json.Unmarshal(raw, &more); err != nil || all == nil {
		return more, err
	}
	for name, value := range more {
		var here, there []json.RawMessage
		if json.Unmarshal(value, &there) != nil || json.Unmarshal(all[name], &here) != nil && all[name] != nil {
			continue
		}
		list, err := json.Marshal(append(here, there...))
		if err != nil {
			return nil, err
		}
		all[name] = list
	}
	return all, nil
}

// OnlyBot returns the query for one bot; "" means all bots.
func OnlyBot(bot string) url.Values {
	if bot == "" {
		return nil
	}
	return url.Values{"bot": {bot}}
}

// MostInAPart is the most that a server puts into one part of an answer.
const MostInAPart = "1000"

// History reads all events of the portfolio from the server into memory, for questions that
// no view answers. It needs a key that may see every event.
func (a *App) History(ctx context.Context) (eventstore.Store, error) {
	store := memory.New()
	next := uint64(0)
	err := a.EachEvent(ctx, EventQuery{After: -1}, func(e EventLine) error {
		if e.Revision != next || e.Metadata == nil {
			return domain.Errorf(domain.CodeDenied, "this needs the whole history, and the key sees a part of it only")
		}
		next++
		expected := eventstore.NoStream
		if e.Revision > 0 {
			expected = eventstore.At(e.Revision - 1)
		}
		stored := domain.RawEvent{Type: e.Type, Data: e.Data}
		if e.Stored != nil {
			stored = *e.Stored
		}
		_, err := store.Append(ctx, a.Stream(), expected, []eventstore.Proposed{{
			ID: uuid.New(), Type: stored.Type, Time: e.Time, Metadata: e.Metadata, Data: stored.Data,
		}})
		return err
	})
	return store, err
}

// LookThere is Look on the history of a server: riders see every event.
func (a *App) LookThere(ctx context.Context, moment string, riders []projections.Projection, show func(*portfolio.State) error) error {
	to, err := projections.ParsePoint(moment)
	if err != nil {
		return OnFlag("--at", err)
	}
	store, err := a.History(ctx)
	if err != nil {
		return err
	}
	r := projections.NewRunner(store, commands.Stream(a.Config.Portfolio), riders...)
	if err := r.CatchUp(ctx, to); err != nil {
		return err
	}
	var shown error
	r.Read(func(s *portfolio.State) { shown = show(s) })
	return shown
}

// EventLine is one object of `pets events --json`.
type EventLine struct {
	Revision uint64    `json:"revision"`
	Time     time.Time `json:"time"`
	Type     string    `json:"type"`
	// Row is the place of the event in its record, from 0, where several share one.
	Row  *int            `json:"row,omitempty"`
	User string          `json:"user"`
	Data json.RawMessage `json:"data"`
	// Metadata is missing for a bot's key.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Stored is the event as the stream has it, if that is an older version.
	Stored *domain.RawEvent `json:"stored,omitempty"`
}

// EventQuery selects events. Types are prefixes; After is a revision, -1 for all.
type EventQuery struct {
	At    string
	Types []string
	After int64
	Limit int
}

// EachEvent passes the selected events to take, reading page by page.
func (a *App) EachEvent(ctx context.Context, f EventQuery, take func(EventLine) error) error {
	values := url.Values{"limit": {MostInAPart}}
	if f.Limit > 0 && f.Limit < 1000 {
		values.Set("limit", strconv.Itoa(f.Limit))
	}
	if f.After >= 0 {
		values.Set("after", strconv.FormatInt(f.After, 10))
	}
	if len(f.Types) > 0 {
		values.Set("types", strings.Join(f.Types, ","))
	}
	for {
		var v struct {
			part
			Events []EventLine
		}
		if err := a.View(ctx, f.At, "/events", values, &v); err != nil {
			return err
		}
		for _, e := range v.Events {
			if err := take(e); err != nil {
				return err
			}
		}
		if v.last() {
			return nil
		}
		values.Set("after", v.after())
	}
}
