// Package importer books the rows of trade files as commands. `pets import` calls
// it between reading the files and the writer.
//
// It owns the order in which the portfolio is opened, bots and markets are
// registered and rows are sent, and the counts. It refuses to repair rows: a row
// that the domain refuses stops the import with its file and line, before
// anything of it is written, or is set aside and noted with the reason. A row is
// one command together with the bot and market that it is the first to name. Its
// idempotency key is derived from the row, so an import can be interrupted and
// run again.
package importer

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/tradefile"
)

// defaultChunk is how many commands are sent at once: enough to fill an append.
const defaultChunk = commands.MaxRequests / 2

// Options of an import.
type Options struct {
	Portfolio string
	Policy    domain.Policy
	// Existing is the current portfolio, or nil if there is none yet.
	Existing *portfolio.State
	// Capital opens a new portfolio. BotCapital is the capital of each new bot,
	// by default capital ÷ number of bots, rounded down to the base asset's
	// decimals.
	Capital    *domain.Decimal
	BotCapital *domain.Decimal
	User       string
	// SetAside receives rows that the domain refuses. If it is nil, the import
	// stops at the first.
	SetAside func(row tradefile.Row, reason error) error
	// Progress is called after every chunk; it may be nil.
	Progress func(rows int)
	// Chunk is how many commands are sent at once. 0 is the default; only tests
	// set it.
	Chunk int
}

// BaseAsset is that of imported portfolios, with its decimals.
const (
	BaseAsset    = "USDC"
	baseDecimals = 6
)

// Summary counts the outcomes of the rows.
type Summary struct {
	Rows       int `json:"rows"`
	Recorded   int `json:"recorded"`   // new and booked
	Known      int `json:"known"`      // booked by an earlier run
	Duplicates int `json:"duplicates"` // repeated within the files, or booked under another row
	Ignored    int `json:"ignored"`    // redeems of a market in which nothing was held, and empty rebates
	Findings   int `json:"findings"`   // settlements of an outcome that nobody held, or in another quantity than reported
	SetAside   int `json:"set_aside"`
	Events     int `json:"events"`
	Trades     int `json:"trades"`   // closed
	Oversold   int `json:"oversold"` // fills that sold more than was held
	// Trips are the breakers that tripped, in order.
	Trips []Trip `json:"trips"`
}

// Trip is a breaker that tripped during the import.
type Trip struct {
	Breaker string `json:"breaker"`
	Bot     string `json:"bot,omitempty"`
	Source  string `json:"source"`
}

// RowError reports a row that cannot be booked. Nothing of it was written;
// everything before it was.
type RowError struct {
	Row tradefile.Row
	Err error
}

// Field is the refused column, by its domain name.
func (e *RowError) Field() string {
	var refusal *domain.Error
	switch {
	case domain.CodeOf(e.Err) == domain.CodeClock:
		return "time"
	case errors.As(e.Err, &refusal):
		return refusal.Field
	default:
		return ""
	}
}

func (e *RowError) Error() string {
	if column := e.Row.Column(e.Field()); column > 0 {
		return fmt.Sprintf("%s:%d:%d: %v", e.Row.File, e.Row.Line, column, e.Err)
	}
	return fmt.Sprintf("%s:%d: %v", e.Row.File, e.Row.Line, e.Err)
}

// Unwrap returns the domain's refusal.
func (e *RowError) Unwrap() error { return e.Err }

// Booker executes commands in order and stops at the first that fails: a writer,
// or a server that has one. Answers are those of [commands.Writer.DoAll].
type Booker interface {
	DoAll(ctx context.Context, requests []commands.Request) ([]commands.Result, error)
}

// Run books a plan.
func Run(ctx context.Context, w Booker, plan *tradefile.Plan, o Options) (Summary, error) {
	if o.Chunk <= 0 || o.Chunk > defaultChunk {
		o.Chunk = defaultChunk
	}
	r := &run{ctx: ctx, writer: w, o: o, known: map[rowDigest]struct{}{}}
	r.summary = Summary{Rows: plan.Len(), Trips: []Trip{}}
	capital, err := r.prepare(plan)
	if err != nil {
		return r.summary, err
	}
	first := true
	for row := range plan.All() {
		if first {
			r.open(row, capital)
			first = false
		}
		r.add(row)
		if len(r.queue) >= o.Chunk {
			if err := r.send(); err != nil {
				return r.summary, err
			}
		}
	}
	return r.summary, r.send()
}

type run struct {
	ctx        context.Context //nolint:containedctx // one run is one call
	writer     Booker
	o          Options
	botCapital domain.Decimal
	began      uint64 // the first revision that this run can have recorded
	known      map[rowDigest]struct{}
	queue      []queued
	done       int
	summary    Summary
	// settled are the markets that rows of one time have settled, so that the other rows of
	// a market count with the first.
	settled   map[together]struct{}
	settledAt time.Time
}

// together are the holders that the rows of one time settle.
type together struct{ bot, market string }

// rowDigest replaces the key of a row to save memory, because there may be
// millions.
type rowDigest [sha256.Size / 2]byte

// queued is a command and its row; row is nil for a command that the import adds.
type queued struct {
	request commands.Request
	row     *tradefile.Row
	// aside is the refusal of the row, which the command notes.
	aside error
}

// prepare determines the capital of the portfolio and of each bot.
func (r *run) prepare(plan *tradefile.Plan) (domain.Decimal, error) {
	o := &r.o
	capital := o.Capital
	switch s := o.Existing; {
	case s == nil && capital == nil:
		return domain.Zero, domain.Invalid("--capital", "is needed to open portfolio %s", o.Portfolio)
	case s != nil:
		if err := r.continues(s); err != nil {
			return domain.Zero, err
		}
		r.began = s.Next
		if opened := openedWith(s); capital == nil {
			capital = &opened
		}
	}
	switch {
	case o.BotCapital != nil:
		r.botCapital = *o.BotCapital
	case len(plan.Bots) > 0:
		r.botCapital = capital.Div(domain.FromInt(int64(len(plan.Bots)))).Trunc(baseDecimals)
	}
	return *capital, nil
}

// continues checks that the flags fit an existing portfolio.
func (r *run) continues(s *portfolio.State) error {
	if s.Clock != domain.ClockImported {
		return domain.Errorf(domain.CodeConflict, "portfolio %s keeps its own clock; import into a portfolio of its own (--portfolio NAME)", s.Portfolio)
	}
	if opened := openedWith(s); r.o.Capital != nil && *r.o.Capital != opened && !unfunded(s) {
		return domain.Invalid("--capital", "is %s, but portfolio %s was opened with %s; leave it out to continue", r.o.Capital, s.Portfolio, opened)
	}
	return nil
}

// openedWith is the capital of the first import. Movements that were imported since are no
// part of it, where the portfolio remembers its first deposit.
func openedWith(s *portfolio.State) domain.Decimal {
	if !s.FirstDeposit.IsZero() {
		return s.FirstDeposit
	}
	return s.NetDeposits()
}

// unfunded reports that an import was interrupted between opening the portfolio
// and the deposit, or had no capital.
func unfunded(s *portfolio.State) bool { return s.NetDeposits().IsZero() && len(s.Bots) == 0 }

// open opens the portfolio, or completes an interrupted opening.
func (r *run) open(first *tradefile.Row, capital domain.Decimal) {
	if r.o.Existing == nil {
		r.push("open", first, commands.OpenPortfolio{
			ID: r.o.Portfolio, Mode: domain.ModePaper, Clock: domain.ClockImported,
			BaseAsset: BaseAsset, BaseDecimals: baseDecimals, Policy: edition(r.o.Policy),
		})
	}
	if capital.Sign() > 0 && (r.o.Existing == nil || unfunded(r.o.Existing)) {
		r.push("capital", first, commands.RecordDeposit{Wallet: domain.WalletHot, Amount: capital})
	}
}

// edition returns the policy under the second edition of the rules, which a new portfolio
// lives by: no environment asks for the first, and a caller that does gets it. Dust and the collar stay off: a file says
// what happened, to the last share.
func edition(p domain.Policy) domain.Policy {
	if p.Rules != 0 && !p.Second() {
		return p
	}
	return p.Adopted(domain.ModePaper, domain.ClockImported, BaseAsset)
}

// push queues a command of the import itself at the time of a row.
func (r *run) push(key string, at *tradefile.Row, c commands.Command) {
	r.queue = append(r.queue, queued{request: r.request("import/"+key, at, c)})
}

func (r *run) request(key string, at *tradefile.Row, c commands.Command) commands.Request {
	return commands.Request{
		Caller: domain.Caller{User: r.o.User, Role: domain.RoleOperator}, Key: key, Command: c,
		Import: &commands.Import{At: at.Time, Source: fmt.Sprintf("%s:%d", filepath.Base(at.File), at.Line)},
	}
}

// add queues a row.
func (r *run) add(row *tradefile.Row) {
	command := r.commandOf(row)
	if command == nil {
		r.summary.Ignored++
		r.done++
		return
	}
	r.queue = append(r.queue, queued{request: r.request("row/"+row.Key, row, command), row: row})
}

// send books the queue. If a refused row may be set aside, its command is
// replaced by a note, and the queue continues from there.
func (r *run) send() error {
	for len(r.queue) > 0 {
		requests := make([]commands.Request, len(r.queue))
		for i := range r.queue {
			requests[i] = r.queue[i].request
		}
		results, err := r.writer.DoAll(r.ctx, requests)
		if err != nil {
			return err
		}
		n := 0
		for ; n < len(results) && results[n].Err == nil; n++ {
			if err := r.booked(&r.queue[n], &results[n].Answer); err != nil {
				return err
			}
		}
		if n < len(results) {
			if err := r.refused(&r.queue[n], results[n].Err); err != nil {
				return err
			}
		}
		r.queue = r.queue[n:]
	}
	r.queue = nil
	if r.o.Progress != nil {
		r.o.Progress(r.done)
	}
	return nil
}

// refused stops the import, or sets the row aside. A refusal that is not the
// row's own fault is never skipped: time order, the store, a portfolio that
// accepts no imports.
func (r *run) refused(q *queued, reason error) error {
	if q.row == nil {
		return fmt.Errorf("%s (at %s): %w", commands.SpecOf(q.request.Command).Name, q.request.Import.Source, reason)
	}
	code := domain.CodeOf(reason)
	if code == domain.CodeIdempotencyMismatch {
		reason = domain.Errorf(code, "was set aside by an earlier run; --skip-bad skips it again")
	}
	// A refused note is not the row's fault.
	if r.o.SetAside == nil || q.aside != nil || !rowsFault(reason) {
		return &RowError{Row: *q.row, Err: reason}
	}
	// The note has the row's own key, so the next run finds it, whatever the
	// row's time and even if the domain would accept the row by then.
	q.aside = reason
	q.request.Command = commands.SetRowAside{Row: q.row.Key, Reason: reason.Error()}
	return nil
}

// rowsFault reports whether a refusal is the row's own fault. A key mismatch is a
// row that an earlier run has set aside.
func rowsFault(reason error) bool {
	var bot *commands.NewcomerError
	if errors.As(reason, &bot) {
		return false
	}
	switch domain.CodeOf(reason) {
	case domain.CodeInvalid, domain.CodeConflict, domain.CodeTradeIDConflict, domain.CodeMarksRefused, domain.CodeTooLarge, domain.CodeIdempotencyMismatch,
		domain.CodePayoutsSum, domain.CodeNotHeld, domain.CodeVoided:
		return true
	default:
		return false
	}
}

// booked counts the outcome of a command, and reports a row that was set aside.
func (r *run) booked(q *queued, a *commands.Answer) error {
	if q.aside == nil {
		r.count(q, a)
		return nil
	}
	if err := r.o.SetAside(*q.row, q.aside); err != nil {
		return errors.Join(&RowError{Row: *q.row, Err: q.aside}, err)
	}
	r.summary.SetAside++
	r.summary.Events += len(a.Decoded())
	r.done++
	return nil
}

func (r *run) count(q *queued, a *commands.Answer) {
	s := &r.summary
	if q.row == nil {
		s.Events += len(a.Decoded())
		return
	}
	r.done++
	if r.joins(q.row, a) {
		s.Recorded++
		s.Events += len(a.Decoded())
		return
	}
	switch {
	case a.Replayed && r.again(q.request.Key, a.Revision):
		s.Duplicates++
	case a.Replayed:
		s.Known++
	default:
		s.Events += len(a.Decoded())
		r.countEvents(q, a)
	}
}

// joins reports that a row was booked with another of its market, which settled the whole.
func (r *run) joins(row *tradefile.Row, a *commands.Answer) bool {
	s := row.Settlement
	if s == nil || s.Together == nil {
		return false
	}
	if !row.Time.Equal(r.settledAt) {
		r.settled, r.settledAt = map[together]struct{}{}, row.Time
	}
	of := together{s.Bot, s.Market}
	events := a.Decoded()
	if a.Replayed || len(events) == 0 {
		return false
	}
	if _, noted := events[len(events)-1].(*domain.CommandNoted); noted {
		_, first := r.settled[of]
		return first
	}
	for _, e := range events {
		if paid, is := e.(*domain.MarketPaidOut); is && len(paid.Payouts) > 1 {
			r.settled[of] = struct{}{}
		}
	}
	return false
}

// again reports that an already recorded row has occurred in this run before: it
// was recorded by this run, or was known at its first occurrence. Only rows that
// were known are remembered, so a run over new files remembers none.
func (r *run) again(key string, revision uint64) bool {
	if revision >= r.began {
		return true
	}
	sum := sha256.Sum256([]byte(key))
	short := rowDigest(sum[:])
	_, again := r.known[short]
	r.known[short] = struct{}{}
	return again
}

// flat returns the events with those that share a record one by one.
func flat(events []domain.Event) []domain.Event {
	all := make([]domain.Event, 0, len(events))
	for _, e := range events {
		all = append(all, domain.Flatten(e)...)
	}
	return all
}

func (r *run) countEvents(q *queued, a *commands.Answer) {
	s := &r.summary
	note := ""
	for _, event := range flat(a.Decoded()) {
		switch e := event.(type) {
		case *domain.CommandNoted:
			note = e.Code
		case *domain.TradeClosed:
			s.Trades++
		case *domain.MarketSettled:
			if e.Finding {
				s.Findings++
			}
		case *domain.MarketPaidOut:
			if e.Finding {
				s.Findings++
			}
		case *domain.FillRecorded:
			for _, flag := range e.Flags {
				if flag == domain.FlagOversold {
					s.Oversold++
				}
			}
		case *domain.BreakerTripped:
			s.Trips = append(s.Trips, Trip{Breaker: e.Breaker, Bot: e.Bot, Source: q.request.Import.Source})
		}
	}
	switch note {
	case "":
		s.Recorded++
	case domain.NotedIgnored:
		s.Ignored++
	default:
		s.Duplicates++
	}
}
