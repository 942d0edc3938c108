package httpapi

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
)

// maxDenialSources bounds what one minute remembers: beyond it, sources are
// counted together under "other".
const maxDenialSources = 1_000

// DenialsEvery is how often what was denied is recorded: one access.denied per
// source and minute (design, section 9), so that an attack cannot fill the log.
const DenialsEvery = time.Minute

// denials counts refusals of access until they are recorded.
type denials struct {
	record func(context.Context, []domain.AccessDenied) error

	mu      sync.Mutex
	pending map[denialKey]*domain.AccessDenied
}

type denialKey struct {
	source, key string
	code        domain.Code
}

func newDenials(record func(context.Context, []domain.AccessDenied) error) *denials {
	return &denials{record: record, pending: map[denialKey]*domain.AccessDenied{}}
}

func (d *denials) note(source, key, route string, code domain.Code, now time.Time) {
	now = now.UTC()
	d.mu.Lock()
	defer d.mu.Unlock()
	k := denialKey{source, key, code}
	e := d.pending[k]
	if e == nil {
		if len(d.pending) >= maxDenialSources {
			k.source = "other"
		}
		if e = d.pending[k]; e == nil {
			e = &domain.AccessDenied{Source: k.source, Key: key, Code: string(code), From: now}
			d.pending[k] = e
		}
	}
	e.Count++
	e.Route, e.To = route, now
}

// flush records what is pending. What cannot be recorded now is kept for the
// next time.
func (d *denials) flush(ctx context.Context) {
	d.mu.Lock()
	batch := make([]domain.AccessDenied, 0, len(d.pending))
	for _, e := range d.pending {
		batch = append(batch, *e)
	}
	taken := d.pending
	d.pending = map[denialKey]*domain.AccessDenied{}
	d.mu.Unlock()
	if len(batch) == 0 || d.record(ctx, batch) == nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, e := range taken {
		if now := d.pending[k]; now != nil {
			now.Count, now.From = now.Count+e.Count, e.From
		} else if len(d.pending) <= maxDenialSources {
			d.pending[k] = e
		}
	}
}

// Flush records refusals every minute until the context ends.
func (a *API) Flush(ctx context.Context) {
	tick := time.NewTicker(DenialsEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			a.denials.flush(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// server is who records what happened to the server itself.
var server = domain.Caller{User: "server", Role: domain.RoleAdmin}

func (a *API) recordDenials(ctx context.Context, all []domain.AccessDenied) error {
	_, err := a.engine.System(ctx, commands.Request{
		Caller: server, Key: uuid.NewString(), Command: commands.RecordDenials{Denials: all},
	})
	if err != nil {
		a.log.Warn("refusals of access could not be recorded yet", "error", strings.TrimSpace(err.Error()))
	}
	return err
}
