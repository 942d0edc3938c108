package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/eventstore"
	"pets/projections"
	"pets/replay"
)

// eventLine is one object of `pets events --json`.
type eventLine struct {
	Revision uint64          `json:"revision"`
	Time     time.Time       `json:"time"`
	Type     string          `json:"type"`
	User     string          `json:"user"`
	Data     json.RawMessage `json:"data"`
	// Metadata is not told to a bot's key.
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Stored is what stands in the stream, where that is an older version of the event.
	Stored *domain.RawEvent `json:"stored,omitempty"`
}

// eventFilter is what of the history is shown.
type eventFilter struct {
	at     string
	types  []string
	after  int64
	limit  int
	follow bool
}

func (a *app) eventsCommand() *cobra.Command {
	f := eventFilter{}
	c := &cobra.Command{
		Use: "events", Short: "The history, one event a line", Args: cobra.NoArgs,
		Example: "  pets events --type breaker,emergency_stop\n  pets events --after 100 --limit 20 --json\n  pets events --follow",
		RunE: func(c *cobra.Command, _ []string) error {
			to, err := f.check()
			if err != nil {
				return err
			}
			asks, err := a.asksServer()
			switch {
			case err != nil:
				return err
			case asks:
				return a.askEvents(c.Context(), f)
			}
			store, err := a.openLooker(c.Context())
			if err != nil {
				return err
			}
			return errors.Join(a.printEvents(c.Context(), store, f, to), store.Close())
		},
	}
	at(c, &f.at)
	c.Flags().StringSliceVar(&f.types, "type", nil, "only types that begin with one of these, such as breaker or fill.recorded")
	c.Flags().Int64Var(&f.after, "after", -1, "only after this revision")
	c.Flags().IntVar(&f.limit, "limit", 0, "at most this many (0: all)")
	c.Flags().BoolVarP(&f.follow, "follow", "f", false, "go on with events as they come, until interrupted")
	return c
}

// check reads the flags; what is wrong with them is said before anything is opened.
func (f *eventFilter) check() (projections.Point, error) {
	to, err := projections.ParsePoint(f.at)
	switch {
	case err != nil:
		return to, onFlag("--at", err)
	case f.after < -1:
		return to, errUsage{domain.Invalid("--after", "must be a revision: 0 or above")}
	case f.limit < 0:
		return to, errUsage{domain.Invalid("--limit", "must not be negative")}
	}
	return to, nil
}

func (a *app) printEvents(ctx context.Context, store eventstore.Store, f eventFilter, to projections.Point) error {
	if err := a.exists(ctx, store); err != nil {
		return err
	}
	if err := a.reached(ctx, store, f, to); err != nil {
		return err
	}
	from := uint64(f.after + 1) //nolint:gosec // ≥ 0 by the check above
	records := store.ReadStream(ctx, a.stream(), from)
	if f.follow {
		records = store.SubscribeStream(ctx, a.stream(), from)
	}
	shown := 0
	for rec, err := range records {
		if f.follow && err != nil && ctx.Err() != nil {
			return nil // an interruption is how following ends
		}
		if err != nil {
			return err
		}
		if !to.Includes(rec) {
			return nil
		}
		if !f.wants(domain.CurrentType(rec.Type)) {
			continue
		}
		if err := a.printEvent(rec); err != nil {
			return err
		}
		if shown++; shown == f.limit {
			return nil
		}
	}
	return nil
}

// reached refuses a revision that has not come yet, except to wait for it.
func (a *app) reached(ctx context.Context, store eventstore.Store, f eventFilter, to projections.Point) error {
	if to.Revision == nil || f.follow {
		return nil
	}
	head, err := store.Head(ctx, a.stream())
	if err == nil && head < *to.Revision {
		return projections.Beyond(*to.Revision, head)
	}
	return err
}

func (f *eventFilter) wants(eventType string) bool {
	for _, t := range f.types {
		if strings.HasPrefix(eventType, domain.CurrentType(t)) {
			return true
		}
	}
	return len(f.types) == 0
}

func (a *app) printEvent(rec eventstore.Record) error {
	m, err := domain.DecodeMetadata(rec.Metadata)
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	stored := domain.RawEvent{Type: rec.Type, Data: rec.Data}
	current, err := stored.Current()
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	line := eventLine{Revision: rec.Revision, Time: rec.Time, Type: current.Type, User: m.Actor, Data: current.Data, Metadata: rec.Metadata}
	if current.Type != stored.Type {
		line.Stored = &stored
	}
	return a.showEvent(line)
}

func (a *app) showEvent(rec eventLine) error {
	if a.json {
		enc := json.NewEncoder(a.out)
		enc.SetEscapeHTML(false)
		return enc.Encode(rec)
	}
	e, err := domain.Decode(rec.Type, rec.Data)
	if err != nil {
		return fmt.Errorf("revision %d: %w", rec.Revision, err)
	}
	_, err = fmt.Fprintf(a.out, "%6d  %s  %-22s %s\n", rec.Revision, clock(rec.Time), domain.EventName(rec.Type), replay.Describe(e))
	return err
}
