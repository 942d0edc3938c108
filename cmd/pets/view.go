package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/projections"
)

// view reads a view of the portfolio from the server of this run, as of a moment ("" for
// now).
func (a *app) view(ctx context.Context, moment, path string, values url.Values, into any) error {
	if _, err := projections.ParsePoint(moment); err != nil {
		return onFlag("--at", err)
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
	return a.toServer(ctx, http.MethodGet, path, nil, into)
}

// page is what every answer that comes in parts begins with.
type page struct {
	Revision *uint64 `json:"revision"`
	// Next is what to ask after for more, null at the end.
	Next json.RawMessage `json:"next"`
}

// pages reads a view part by part, and hands each on. All are of one moment: where the
// portfolio moves on in between, it is read again from the start, as of the revision of the
// first part. begin is called at each start.
func (a *app) pages(ctx context.Context, moment, path string, values url.Values, begin func(), take func(json.RawMessage) error) error {
	begin()
	var first *uint64
	for {
		var raw json.RawMessage
		if err := a.view(ctx, moment, path, values, &raw); err != nil {
			return err
		}
		var p page
		if err := json.Unmarshal(raw, &p); err != nil {
			return fmt.Errorf("the server's answer cannot be read: %w", err)
		}
		if moment == "" && first != nil && p.Revision != nil && *p.Revision != *first {
			values.Del("after")
			return a.pages(ctx, strconv.FormatUint(*first, 10), path, values, begin, take)
		}
		first = p.Revision
		if err := take(raw); err != nil {
			return err
		}
		if len(p.Next) == 0 || bytes.Equal(p.Next, []byte("null")) {
			return nil
		}
		values.Set("after", string(bytes.Trim(p.Next, `"`)))
	}
}

// onlyBot asks for one bot, or ("") for all.
func onlyBot(bot string) url.Values {
	if bot == "" {
		return nil
	}
	return url.Values{"bot": {bot}}
}

// most is how much a server puts into one part of an answer.
const most = "1000"

// printed shows an answer of the server as it is.
func (a *app) printRaw(raw json.RawMessage) error {
	var out bytes.Buffer
	if err := json.Indent(&out, raw, "", "  "); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.out, out.String())
	return err
}

// history brings the events of the portfolio from the server into memory, for what no
// view of the server answers. It takes a key that sees all of them.
func (a *app) history(ctx context.Context) (eventstore.Store, error) {
	store := memory.New()
	next := uint64(0)
	err := a.eachEvent(ctx, eventFilter{after: -1}, func(e eventLine) error {
		if e.Revision != next || e.Metadata == nil {
			return domain.Errorf(domain.CodeDenied, "this needs the whole history, and the key sees a part of it only")
		}
		next++
		expected := eventstore.NoStream
		if e.Revision > 0 {
			expected = eventstore.At(e.Revision - 1)
		}
		_, err := store.Append(ctx, a.stream(), expected, []eventstore.Proposed{{
			ID: uuid.New(), Type: e.Type, Time: e.Time, Metadata: e.Metadata, Data: e.Data,
		}})
		return err
	})
	return store, err
}

// lookThere is look over the history of a server: riders see every event.
func (a *app) lookThere(ctx context.Context, moment string, riders []projections.Projection, show func(*portfolio.State) error) error {
	to, err := projections.ParsePoint(moment)
	if err != nil {
		return onFlag("--at", err)
	}
	store, err := a.history(ctx)
	if err != nil {
		return err
	}
	r := projections.NewRunner(store, commands.Stream(a.config.Portfolio), riders...)
	if err := r.CatchUp(ctx, to); err != nil {
		return err
	}
	var shown error
	r.Read(func(s *portfolio.State) { shown = show(s) })
	return shown
}
