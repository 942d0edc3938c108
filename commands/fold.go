package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
)

// stateFold is what a writer decides against: the state of one stream. There are two
// kinds, and one loop serves both.
type stateFold interface {
	// apply folds one event.
	apply(at domain.Stamp, e domain.Event)
	// head returns the revision the next event gets, and the time of the last one.
	head() (next uint64, last time.Time)
	// clock returns the time of a record that is made while the wall clock shows wall, and
	// by how much the wall clock is behind the last record, or 0.
	clock(wall time.Time) (now time.Time, behind time.Duration)
	// admissible refuses requests that the stream never accepts.
	admissible(r *Request) error
	// balanced reports whether the books add up.
	balanced() bool
	// botOf returns the bot of an open permit, or "".
	botOf(permit string) string
	// clocksEnd reports whether the clocks have ended something that is not recorded as
	// ended yet. timed reports whether a permit is open that will end with time.
	clocksEnd(c circumstances) bool
	timed(now time.Time) bool
	// unplaced returns the permits that can still be placed.
	unplaced() []string
	// imported reports whether the times of records come from the rows of imported files.
	imported() bool
	// decide runs a command's decision. Its events are already applied when it returns;
	// with an error, dirty reports that some were.
	decide(c circumstances, r *Request) (events []domain.Event, dirty bool, err error)
	// clone returns an independent copy, or nil if folding the stream is as fast.
	// acts returns the revisions at which people did what is confirmed with a request.
	acts(request string) []uint64
	clone() stateFold
	// strained reports whether an amount is near the limit for amounts, so that a command
	// may be refused after it has changed the state.
	strained() bool
	// restore sets the state from the bytes of a checkpoint. It returns false if they cannot
	// be used.
	restore(data []byte, next uint64) bool
	// lookUp lets it look up what is past; see [portfolio.State.LookUp]. indexed tells it what
	// can be looked up by now.
	lookUp(p *past)
	indexed(revision uint64)
	// forget lets it forget the past; see [portfolio.State.Forget].
	forget()
}

// circumstances are what a decision needs besides the state and the command.
type circumstances struct {
	now time.Time // of recording
	// jumped: the wall clock was moved since the command before.
	jumped portfolio.Jump
	// still: the wall clock is behind the last record, or permits are overdue.
	still portfolio.Standstill
	// room limits what may be recorded.
	room portfolio.Room
	// keyholders is set for a command that confirms another person's request, or that
	// needs the approvers' keys.
	keyholders Keyholders
	// settledKept is [Options.SettledKept].
	settledKept *int
}

// decision is what both kinds of decisions have in common.
type decision interface {
	Events() []domain.Event
	Dirty() bool
	Finish() error
}

// finish ends a decision that a command has made.
func finish(d decision, err error) ([]domain.Event, bool, error) {
	if err == nil {
		err = d.Finish()
	}
	return d.Events(), d.Dirty(), err
}

// errWrongStream reports a defect: a command was sent to the wrong kind of stream.
func errWrongStream(c Command) error {
	return domain.Errorf(domain.CodeInternal, "%s is not a command of this stream", c.spec().Name)
}

// portfolioFold is the state of a portfolio.
type portfolioFold struct {
	id string
	s  *portfolio.State
}

func (f *portfolioFold) apply(at domain.Stamp, e domain.Event) { f.s.Apply(at, e) }

func (f *portfolioFold) head() (uint64, time.Time) { return f.s.Next, f.s.Time }

func (f *portfolioFold) clock(wall time.Time) (time.Time, time.Duration) { return f.s.ClockAt(wall) }

func (f *portfolioFold) balanced() bool { return len(f.s.Book.TrialBalance()) == 0 }

func (f *portfolioFold) botOf(permit string) string {
	if p := f.s.Permits[permit]; p != nil {
		return p.Bot
	}
	return ""
}

func (f *portfolioFold) clocksEnd(at circumstances) bool {
	return f.s.ClocksEnd(at.now, at.jumped, at.still)
}

func (f *portfolioFold) timed(now time.Time) bool { return f.s.Timed(now) }

func (f *portfolioFold) unplaced() []string { return f.s.Unplaced() }

func (f *portfolioFold) imported() bool { return f.s.Clock == domain.ClockImported }

// errImported refuses what is no matter of an imported portfolio.
var errImported = domain.Errorf(domain.CodeConflict, "an imported portfolio takes only imports, resets and reads")

// admissible keeps portfolios and their clocks apart: an imported portfolio is
// opened by an import and takes only imports and resets, any other takes none;
// and a stream holds the portfolio it is named after.
func (f *portfolioFold) admissible(r *Request) error {
	if open, is := as[OpenPortfolio](r.Command); is {
		switch {
		case open.ID != f.id:
			return domain.Invalid("id", "does not name this portfolio")
		case (open.Clock == domain.ClockImported) != (r.Import != nil):
			return domain.Invalid("clock", "is \"imported\" for an import, and for nothing else")
		}
	}
	if !f.s.IsOpen() {
		return nil // the decision refuses everything but opening
	}
	reset := r.Command.spec() == resetBreaker
	switch imported := f.s.Clock == domain.ClockImported; {
	case imported && r.Import == nil && !reset:
		return errImported
	case !imported && r.Import != nil:
		return domain.Errorf(domain.CodeConflict, "this portfolio keeps its own clock; import into a portfolio of its own (--portfolio NAME)")
	}
	return nil
}

func (f *portfolioFold) decide(at circumstances, r *Request) ([]domain.Event, bool, error) {
	c, ok := r.Command.(PortfolioCommand)
	if !ok {
		return nil, false, errWrongStream(r.Command)
	}
	d := f.s.Begin(at.now, r.Caller)
	defer d.End()
	if h := at.keyholders; h.Known {
		d.Living(h.Living, h.Revoked, h.Since)
	}
	if h := at.keyholders; h.Approvers != nil {
		d.Approvers(*h.Approvers)
	}
	if at.settledKept != nil {
		d.ArchiveBeyond(*at.settledKept)
	}
	d.Room(at.room)
	d.Behind(at.still)
	d.Jumped(at.jumped)
	if at.still.Behind > 0 {
		if err := clockRefuses(d, r.Command); err != nil {
			return nil, false, err
		}
	}
	d.ClockJumped(at.jumped)
	d.TimeStands()
	events, dirty, err := finish(d, c.Decide(d))
	if unknown := f.s.Past.Err(); unknown != nil {
		err = unknown // whatever was decided: it took what could not be looked up for unknown
	}
	return events, dirty, err
}

func (f *portfolioFold) lookUp(p *past) { f.s.LookUp(p, p.most) }

func (f *portfolioFold) forget() { f.s.Forget() }

func (f *portfolioFold) indexed(revision uint64) { f.s.PastIndexed(revision) }

func (f *portfolioFold) acts(request string) []uint64 { return f.s.Acts(request) }

func (f *portfolioFold) clone() stateFold { return &portfolioFold{f.id, f.s.Clone()} }

func (f *portfolioFold) strained() bool { return f.s.Strained() }

func (f *portfolioFold) restore(data []byte, next uint64) bool {
	s, err := portfolio.Restore(data)
	if err != nil || s.Next != next {
		return false
	}
	f.s = s
	return true
}

// systemFold is the state of the system stream. It is small and always folded in full.
type systemFold struct{ s *system.State }

func (f *systemFold) apply(at domain.Stamp, e domain.Event) { f.s.Apply(at, e) }

func (f *systemFold) head() (uint64, time.Time) { return f.s.Next, f.s.Time }

// clock accepts everything at the time of the last record if the wall clock is behind:
// what depends on the time, the life of a key and the wait of an approver's, is decided by
// the wall clock, and told by how much that is behind.
func (f *systemFold) clock(wall time.Time) (now time.Time, behind time.Duration) {
	if now = wall.Round(0).UTC(); !now.Before(f.s.Time) {
		return now, 0
	}
	if behind = f.s.Time.Sub(now); behind <= portfolio.ClockTolerance {
		behind = 0
	}
	return f.s.Time, behind
}

func (f *systemFold) balanced() bool { return true }

func (f *systemFold) botOf(string) string { return "" }

func (f *systemFold) clocksEnd(circumstances) bool { return false }

func (f *systemFold) timed(time.Time) bool { return false }

func (f *systemFold) unplaced() []string { return nil }

func (f *systemFold) imported() bool { return false }

func (f *systemFold) admissible(r *Request) error {
	if r.Import != nil {
		return domain.Errorf(domain.CodeConflict, "the system stream takes no imports")
	}
	return nil
}

func (f *systemFold) decide(at circumstances, r *Request) ([]domain.Event, bool, error) {
	c, ok := r.Command.(SystemCommand)
	if !ok {
		return nil, false, errWrongStream(r.Command)
	}
	d := f.s.Begin(at.now, r.Caller)
	d.Behind(at.still.Behind)
	return finish(d, c.DecideSystem(d))
}

func (f *systemFold) acts(string) []uint64 { return nil }

func (f *systemFold) clone() stateFold { return nil }

func (f *systemFold) strained() bool { return false }

func (f *systemFold) restore([]byte, uint64) bool { return false }

func (f *systemFold) lookUp(*past) {}

func (f *systemFold) indexed(uint64) {}

func (f *systemFold) forget() {}

// decoded is what a fold needs of a stored record.
type decoded struct {
	at    domain.Stamp
	event domain.Event
	cause cause
}

func decodeRecord(d *domain.Decoder, rec *eventstore.Record) (r decoded, err error) {
	r.at = domain.Stamp{Revision: rec.Revision, Time: rec.Time}
	if r.event, err = d.Decode(rec.Type, rec.Data); err != nil {
		return r, err
	}
	m, err := d.Metadata(rec.Metadata)
	if err == nil {
		r.cause, err = causeOf(&m)
	}
	return r, err
}

// fold applies the record to a fold, and notes its command.
func (r *decoded) fold(f stateFold, x *accepted) error {
	f.apply(r.at, r.event)
	return x.note(r.at.Revision, &r.cause)
}

// foldRecord applies one stored record to a fold, and notes its command.
func foldRecord(d *domain.Decoder, f stateFold, x *accepted, rec eventstore.Record) error {
	r, err := decodeRecord(d, &rec)
	if err != nil {
		return err
	}
	return r.fold(f, x)
}
