package serve

import (
	"log/slog"
	"time"

	"pets/commands"
)

// spaceWatch logs when what is accepted changes with the free space of the store's disk.
type spaceWatch struct{ accepted string }

// What is accepted as space runs out.
const (
	acceptsAll   = "everything"
	acceptsFacts = "stops and facts"
	acceptsStops = "only stops"
)

func acceptedWith(free, reserve int64) string {
	switch {
	case scarceFor(commands.ClassFact, free, reserve) != nil:
		return acceptsStops
	case scarceFor(commands.ClassOther, free, reserve) != nil:
		return acceptsFacts
	}
	return acceptsAll
}

func (w *spaceWatch) look(log *slog.Logger, free, reserve int64) {
	now := acceptedWith(free, reserve)
	if before := w.accepted; now == before || now == acceptsAll && before == "" {
		return
	}
	w.accepted = now
	if now == acceptsAll {
		log.Info("the disk of the store has enough free space again", "bytes", free, "reserve", reserve, "accepted", now)
		return
	}
	log.Warn("the disk of the store has too little free space; free some space", "bytes", free, "reserve", reserve, "accepted", now)
}

// tellClock logs that the wall clock is behind the last record, or no longer.
func tellClock(log *slog.Logger, behind time.Duration, portfolios int) {
	if behind <= 0 {
		log.Info("the wall clock has caught up with the last record; nothing stands still for it any more")
		return
	}
	log.Warn("the wall clock is behind the last record: nothing is started or opened in the portfolios that stand still before it has caught up, or two people accept it (pets override request clock -p NAME, for each of them); look at what sets this machine's time",
		"portfolios", portfolios, "by", behind.Round(time.Second).String(), "stands_still", true)
}
