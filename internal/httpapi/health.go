package httpapi

import (
	"cmp"
	"fmt"
	"net/http"
	"strings"
	"time"

	"pets/commands"
	"pets/eventstore"
)

// Health is the state of what is behind the API. The zero value means well.
type Health struct {
	// Poisoned reports that the store accepts nothing until it is opened again,
	// because a write or a flush failed, its folder was moved, or something in it
	// is damaged.
	Poisoned error
	// Damaged reports that something in the store is not what was written.
	Damaged error
	// Unreachable says why the database of the store cannot be asked, "" if it can. It names no
	// host. Nothing is decided meanwhile.
	Unreachable string
	// NoHistory says why what is already recorded cannot be looked up, so that nothing is
	// decided: the index of the history is made from the log, or cannot be. It names no file.
	NoHistory string
	// HistoryInMemory says why the index of the history cannot be written to disk, and
	// HistoryRemedy what to do. Meanwhile everything is answered.
	HistoryInMemory, HistoryRemedy string
	// Free is the space left for the store, Reserve the part of it that is kept
	// for stops and facts. A Reserve of 0 is none.
	Free, Reserve int64
	// PendingStops are stops that are in force and not recorded yet, PendingBots those of
	// them that stop one bot.
	PendingStops, PendingBots int
	// StopsNowhere names the portfolios of those whose portfolio is not in the store.
	StopsNowhere []string
	// UnkeptStops counts those that a restart forgets, because they could not be
	// written anywhere.
	UnkeptStops int
	// NoLocalStop reports that even on this machine a stop needs an API key,
	// because there is no stop socket, or PETS_DIR no longer belongs to this
	// server.
	NoLocalStop error
	// WitnessBehind reports that the witness cannot be written, so that a
	// rollback of the store would not be detected.
	WitnessBehind error
	// WitnessAdvice says why, and what to do, without naming a file.
	WitnessAdvice string
	// ClockBehind is how far the wall clock is behind the last record; 0 if it is
	// not. Nothing that opens exposure is accepted meanwhile.
	ClockBehind time.Duration
	// StandStill counts the portfolios in which that is so.
	StandStill int
}

// health queries the state.
func (a *API) health() Health {
	if a.config.Health == nil {
		return Health{}
	}
	return a.config.Health()
}

func (a *API) readyz(w http.ResponseWriter, _ *http.Request) {
	status, lines := http.StatusOK, []string{"ready"}
	h := a.health()
	if reasons := a.notReady(h); len(reasons) > 0 {
		status, lines = http.StatusServiceUnavailable, reasons
	}
	lines = append(lines, h.warnings()...)
	if a.live.Refused() != "" {
		lines = append(lines, "warning: trades, statistics or equity of a portfolio cannot be read until the next start; everything else is answered, and so are they with ?at= and the newest revision. See the server's log, look at the disk, and start the server again")
	}
	writeText(w, status, strings.Join(lines, "\n")+"\n")
}

// notReady lists why commands cannot be answered. Internal errors are only
// logged, because they name files.
func (a *API) notReady(h Health) []string {
	var all []string
	why := func(is bool, format string, args ...any) {
		if is {
			all = append(all, "not ready: "+fmt.Sprintf(format, args...))
		}
	}
	why(!a.ready.Load() && h.NoHistory == "", "the history is still being folded%s", a.howFar()) // which waits for the index
	why(h.NoHistory != "", "%s", h.NoHistory)
	why(a.keys.Broken() != nil, "the system stream cannot be followed")
	broken := a.live.Broken()
	why(broken != "", "portfolio %s cannot be followed", broken)
	trouble, first := eventstore.TroubleOf(h.Damaged, h.Poisoned), ""
	if h.UnkeptStops > 0 { // as pets stop says
		first = "Keep the server running until no stop is in memory only. Then: "
	}
	why(h.Poisoned != nil, "the store takes no more events: %s. %s%s", trouble.What, first, trouble.Advice)
	why(h.Unreachable != "", "the database cannot be reached: %s. It is tried again; look at the database and the network between. A stop is kept on this machine meanwhile", h.Unreachable)
	why(h.Damaged != nil, "the store is damaged; see the server's log, and docs/runbooks/store.md")
	taken := "stops and facts"
	if h.Free < commands.ClassFact.Keeps(h.Reserve) {
		taken = "stops"
	}
	why(h.Reserve > 0 && h.Free < h.Reserve, "the disk has %d bytes left, less than the %d kept free; only %s are accepted", h.Free, h.Reserve, taken)
	return all
}

// howFar says how far the portfolio is that is folded last. It names no portfolio, because
// everyone may ask.
func (a *API) howFar() string {
	if f, is := a.live.Folding(); is {
		return fmt.Sprintf(": %d of %d records of one portfolio", f.Records, f.Of)
	}
	return ""
}

// warnings lists what a person should check although commands are answered.
func (h Health) warnings() []string {
	var all []string
	if n := h.PendingStops - h.PendingBots; n > 0 {
		all = append(all, fmt.Sprintf("warning: emergency stops that hold and are not recorded yet: %d", n))
	}
	if h.PendingBots > 0 {
		all = append(all, fmt.Sprintf("warning: stops of bots that hold and are not recorded yet: %d", h.PendingBots))
	}
	for _, id := range h.StopsNowhere {
		all = append(all, fmt.Sprintf("warning: a stop of portfolio %s holds, and this store has no such portfolio: was it lost with the beginning of its stream, or is an older copy or another store served? Compare with the damaged store, and see docs/runbooks/store.md", id))
	}
	if h.UnkeptStops > 0 {
		all = append(all, fmt.Sprintf("warning: stops that hold in memory only, because they could not be written anywhere; a restart forgets them, so keep the server running and make room: %d", h.UnkeptStops))
	}
	if h.NoLocalStop != nil {
		all = append(all, "warning: the stop socket or the lock in PETS_DIR is gone and cannot be made anew; pets stop on this machine needs a key. See the server's log")
	}
	if h.HistoryInMemory != "" {
		all = append(all, "warning: the index of the history cannot be written, because "+h.HistoryInMemory+": it is kept in memory, and the next start has to make it from the log; "+h.HistoryRemedy)
	}
	if h.WitnessBehind != nil {
		all = append(all, "warning: the witness cannot be written: a store that is put back to an older copy would not be noticed: "+cmp.Or(h.WitnessAdvice, "see the server's log"))
	}
	if h.ClockBehind > 0 {
		all = append(all, fmt.Sprintf("warning: the wall clock is %s behind the last record: %s; look at what sets this machine's time", h.ClockBehind.Round(time.Second), h.standing()))
	}
	return all
}

// IsReady reports whether commands are answered.
func (a *API) IsReady() bool { return len(a.notReady(a.health())) == 0 }

// standing says what a clock that is behind keeps from going on, and what helps.
func (h Health) standing() string {
	if h.StandStill == 0 {
		return "no portfolio stands still, as two people accepted the clock in each, or it has no record that is later"
	}
	portfolios := "1 portfolio"
	if h.StandStill > 1 {
		portfolios = fmt.Sprintf("%d portfolios", h.StandStill)
	}
	return "in " + portfolios + " nothing is started or opened before it has caught up, or two people accept it (pets override request clock, as an operator, with -p)"
}
