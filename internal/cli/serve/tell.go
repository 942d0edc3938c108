package serve

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/replay"
)

// notable lists the events that are logged once they are durable: those that take something out
// of trading, and those that let it back in.
var notable = map[string]slog.Level{
	domain.BotStoppedType:           slog.LevelWarn,
	domain.BreakerTrippedType:       slog.LevelWarn,
	domain.BreakersTrippedType:      slog.LevelWarn,
	domain.EmergencyStopEngagedType: slog.LevelWarn,
	domain.APIKeyRevokedType:        slog.LevelWarn,
	domain.RollbackAcceptedType:     slog.LevelWarn,
	domain.ApproverRegisteredType:   slog.LevelWarn,
	domain.ApproverVouchedType:      slog.LevelWarn,
	domain.ApproverRevokedType:      slog.LevelWarn,
	domain.WalletRetiredType:        slog.LevelWarn,
	domain.WalletKeyMissingType:     slog.LevelWarn,

	domain.BotStartedType:                  slog.LevelInfo,
	domain.BreakerResetType:                slog.LevelInfo,
	domain.EmergencyStopClearRequestedType: slog.LevelInfo,
	domain.EmergencyStopClearedType:        slog.LevelInfo,
	domain.OverrideRequestedType:           slog.LevelInfo,
	domain.OverrideRecordedType:            slog.LevelInfo,
	domain.APIKeyIssuedType:                slog.LevelInfo,
}

// tell logs what is notable of the news, until the context ends.
func (s *Server) tell(ctx context.Context) {
	err := s.live.News(ctx, func(ctx context.Context, rec eventstore.Record) {
		if level, is := notable[domain.CurrentType(rec.Type)]; is {
			s.tellOne(ctx, level, rec)
		}
	})
	if err != nil && ctx.Err() == nil {
		s.Log.Error("stops, trips and starts are not logged any more", "error", err.Error())
	}
}

func (s *Server) tellOne(ctx context.Context, level slog.Level, rec eventstore.Record) {
	what := rec.Type
	if e, err := domain.Decode(rec.Type, rec.Data); err == nil {
		what = replay.Describe(e)
	}
	about := []any{"type", rec.Type, "revision", rec.Revision}
	if id, is := strings.CutPrefix(rec.Stream, commands.Stream("")); is {
		about = append(about, "portfolio", id)
	}
	if m, err := domain.DecodeMetadata(rec.Metadata); err == nil {
		about = append(about, "user", m.Actor, "command", m.Command)
	}
	s.Log.Log(ctx, level, what, about...) //nolint:sloglint // the words are those of the event
}

// tellPending logs when stops hold that are not recorded yet, and when all of them are. It skips
// stops that wait for some milliseconds only, as most do.
func (s *Server) tellPending(ctx context.Context) {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	before, told := 0, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := s.Engine.Health().PendingStops
		switch {
		case now > 0 && before > 0 && !told:
			told = true
			s.Log.Warn("stops hold that are not recorded yet", append([]any{"stops", now}, s.pending()...)...)
		case now == 0 && told:
			told = false
			s.Log.Info("every stop that held is recorded")
		}
		before = now
	}
}

// pending describes the first such stop, as far as the marker file has it.
func (s *Server) pending() []any {
	all, err := s.app.Latch(s.witness).Read()
	if err != nil || len(all) == 0 {
		return nil
	}
	p := all[0]
	return []any{"portfolio", p.Portfolio, "bot", p.Bot, "kind", p.Kind, "reason", p.Reason, "user", p.Caller.User}
}
