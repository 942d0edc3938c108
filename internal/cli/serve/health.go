package serve

import (
	"context"
	"fmt"
	"time"

	"pets/commands"
	"pets/internal/history"
	"pets/internal/httpapi"
	"pets/internal/metrics"
	"pets/internal/open"
	"pets/internal/witness"
)

// healthEvery is the interval between two checks of the server's health.
const healthEvery = time.Second

// unreachableFor is how long a database may be away before the server is not ready: a new leader,
// or a connection that is made again, takes less.
const unreachableFor = 2 * time.Second

// health collects the health of everything behind the API.
func (s *Server) health() httpapi.Health {
	store, engine := s.Store.Health(), s.Engine.Health()
	h := httpapi.Health{Poisoned: engine.Poisoned, Damaged: store.Damaged, PendingStops: engine.PendingStops, PendingBots: engine.PendingBots, StopsNowhere: engine.StopsNowhere, UnkeptStops: engine.UnkeptStops, ClockBehind: engine.ClockBehind, StandStill: engine.StandStill}
	if local := s.noLocalStop.Load(); local != nil {
		h.NoLocalStop = *local
	}
	if h.Poisoned == nil {
		h.Poisoned = store.Poisoned
	}
	if free, err := s.Store.Free(); err == nil {
		h.Free, h.Reserve = int64(free), s.app.Config.DiskReserve //nolint:gosec // sizes of disks
	}
	if c, is := open.ConnectionOf(s.Store); is && !c.Ready && time.Since(c.Since) >= unreachableFor {
		h.Unreachable = c.Reason
	}
	h.NoHistory = s.past.Reason()
	if err := s.past.Unwritten(); err != nil && h.NoHistory == "" { // otherwise that says it
		h.HistoryInMemory, h.HistoryRemedy = history.Cause(err)
	}
	if s.witness.Keeper != nil {
		if h.WitnessBehind = s.witness.Keeper.Status().Err; h.WitnessBehind != nil {
			h.WitnessAdvice = witness.Advice(h.WitnessBehind)
		}
	}
	return h
}

func (s *Server) healthForMetrics() metrics.Health {
	h := s.health()
	return metrics.Health{
		Poisoned: h.Poisoned != nil, Damaged: h.Damaged != nil,
		DiskFree: h.Free, DiskReserve: h.Reserve, StopsPending: h.PendingStops, StopsUnkept: h.UnkeptStops, ClockBehind: h.ClockBehind,
		IndexReady: h.NoHistory == "", IndexUnwritten: s.past.InMemory(),
	}
}

// database is how the connection to the database is, for the metrics.
func (s *Server) database() metrics.Database {
	c, _ := open.ConnectionOf(s.Store)
	return metrics.Database{
		Connected: c.Ready, Reconnects: c.Reconnects,
		Unanswered: map[string]uint64{"found": c.Ambiguous.Found, "retried": c.Ambiguous.Retried, "overtaken": c.Ambiguous.Overtaken, "unknown": c.Ambiguous.GivenUp},
		Appends:    c.Appends.Count, AppendSeconds: c.Appends.Seconds, AppendBuckets: c.Appends.Buckets,
	}
}

// scarce refuses commands of a class while the disk has less space than is reserved for other
// classes: PETS_DISK_RESERVE is for facts and stops, its last quarter for stops alone. A key
// that reports without end, or a broken feed, must not use up the space for a stop. If the
// free space is unknown, nothing is refused: the next append fails if the disk is full.
func (s *Server) scarce(class commands.Class) error {
	free, err := s.Store.Free()
	if err != nil {
		return nil
	}
	return scarceFor(class, int64(free), s.app.Config.DiskReserve) //nolint:gosec // sizes of disks
}

func scarceFor(class commands.Class, free, reserve int64) error {
	if keeps := class.Keeps(reserve); free < keeps {
		return fmt.Errorf("%d bytes are free, and PETS_DISK_RESERVE keeps %d", free, keeps)
	}
	return nil
}

// watchHealth looks for problems that no command has met yet: a folder changed by another
// process, or damage found by the check after the start. Asking for the engine's health also
// engages the emergency stop if the store is poisoned ([commands.Engine.Health]). Damage
// alone, and a disk that is nearly full, stop nothing.
func (s *Server) watchHealth(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	var space spaceWatch
	damaged, still := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		s.watchLocal(ctx)
		h := s.health()
		if h.Damaged != nil && !damaged {
			s.Log.Error("the store is damaged", "error", h.Damaged.Error())
		}
		space.look(s.Log, h.Free, h.Reserve)
		if is := h.ClockBehind > 0; is != still {
			still = is
			tellClock(s.Log, h.ClockBehind, h.StandStill)
		}
		damaged = h.Damaged != nil
	}
}
