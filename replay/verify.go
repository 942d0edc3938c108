package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/projections"
)

// Problem is one inconsistency of a history.
type Problem struct {
	Stream   string `json:"stream"`
	Revision uint64 `json:"revision"`
	What     string `json:"what"`
}

// Verified is what a verification found.
type Verified struct {
	Portfolio string    `json:"portfolio"`
	Events    uint64    `json:"events"`
	From      time.Time `json:"from"`
	To        time.Time `json:"to"`
	Trades    int       `json:"trades"`
	StateHash string    `json:"state_hash"`
	Problems  []Problem `json:"problems"`
}

// maxProblems ends a report that would otherwise repeat itself.
const maxProblems = 100

// errEnough ends the walk at maxProblems.
var errEnough = errors.New("enough problems found")

// Verify folds a portfolio's stream from its beginning. At every event it checks
// that it decodes, that time does not go back, that the postings sum to zero, and
// that every ended position episode became a trade with the same figures, and that
// every approval of a portfolio with signed approvals is signed, and that two people
// agreed to the corrections of a live one, and that what is recorded of a market as a whole
// is what the fold gives, and that no fact and no command is recorded twice. At the
// end it checks that the books, the trades and the open positions agree. It uses
// no snapshot. An error means that the stream could not be read to its end;
// problems are in the report.
func Verify(ctx context.Context, store eventstore.Store, stream string, progress func(events uint64)) (Verified, error) {
	v := verifier{stream: stream, store: store, state: portfolio.New(), trades: projections.NewTrades(nil), commands: map[uuid.UUID]uint64{}}
	approvers, err := readApprovers(ctx, store)
	if err != nil {
		return v.report, err
	}
	v.approvers = approvers
	err = eventstore.WalkAhead(ctx, store, stream, 0, v.read, func(r read) error {
		if err := v.step(ctx, r); err != nil {
			return err
		}
		if progress != nil && r.rec.Revision%4096 == 0 {
			progress(r.rec.Revision)
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return v.report, err
	}
	v.finish()
	if v.report.Problems == nil {
		v.report.Problems = []Problem{}
	}
	v.report.StateHash, err = v.state.Hash()
	return v.report, err
}

type verifier struct {
	stream  string
	store   eventstore.Store
	decoder domain.Decoder // of the goroutine that reads
	// approvers are the keys of today.
	approvers approverKeys
	state     *portfolio.State
	trades    *projections.Trades
	clocks    clocks
	pending   []portfolio.ClosedEpisode
	report    Verified
	rev       uint64
	markets   markets
	// commands are the first revisions of all commands, command is that of the last record.
	commands map[uuid.UUID]uint64
	command  uuid.UUID
	// correction is the override of which the adjustment has to be the next event.
	correction string
}

func (v *verifier) problem(format string, args ...any) {
	if len(v.report.Problems) < maxProblems {
		v.report.Problems = append(v.report.Problems, Problem{v.stream, v.rev, fmt.Sprintf(format, args...)})
	}
}

// read is a record with what it says. That its metadata says nothing is a problem of the history,
// and no reason to end.
type read struct {
	rec   eventstore.Record
	event domain.Event
	meta  domain.Metadata
	wrong error
}

func (v *verifier) read(rec *eventstore.Record) (r read, err error) {
	r.rec = *rec
	if r.event, err = v.decoder.Decode(rec.Type, rec.Data); err == nil {
		r.meta, r.wrong = v.decoder.Metadata(rec.Metadata)
	}
	return r, err
}

func (v *verifier) step(ctx context.Context, r read) error {
	rec, e, meta := r.rec, r.event, r.meta
	v.rev = rec.Revision
	if r.wrong != nil {
		v.problem("%v", r.wrong)
	}
	if v.report.Events == 0 {
		v.report.From = rec.Time
		if _, ok := e.(*domain.PortfolioOpened); !ok {
			v.problem("the first event is %s, not %s", rec.Type, domain.PortfolioOpenedType)
		}
	} else if rec.Time.Before(v.report.To) {
		v.problem("time goes back from %s to %s", v.report.To.Format(time.RFC3339Nano), rec.Time.Format(time.RFC3339Nano))
	}
	v.report.Events++
	v.report.To = rec.Time

	v.clocks.follow(v.state, rec, meta, v.approvers.registered)
	v.checkDay(e)
	v.checkSigned(ctx, rec, meta, e)
	v.checkTransfer(rec, e)
	v.checkCorrection(e)
	v.checkMarket(rec.Time, e)
	v.checkTwice(meta, e)
	v.state.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	v.trades.Apply(rec, e, v.state)
	for asset, left := range ledger.Sum(v.state.Effects().Postings) {
		v.problem("postings of %s do not sum to zero: %s is left", asset, left)
	}
	v.checkClosed(e)
	if v.markets.after != nil {
		v.markets.after()
	}
	if len(v.report.Problems) >= maxProblems {
		return errEnough
	}
	return nil
}

// checkDay requires that a day opens at the equity of that moment.
func (v *verifier) checkDay(event domain.Event) {
	if e, ok := event.(*domain.DayOpened); ok && e.Equity != v.state.Equity() {
		v.problem("day %s opened at %s, but equity was %s", e.Date, e.Equity, v.state.Equity())
	}
}

// checkClosed compares every trade.closed with the episode that the fold saw end.
func (v *verifier) checkClosed(event domain.Event) {
	switch e := event.(type) {
	case *domain.TradeClosed:
		v.match(e)
		return
	case *domain.TradesClosed:
		for i := range e.Rows {
			v.match(&e.Rows[i])
		}
		return
	case *domain.TradeRevised, *domain.TradesRevised:
		return // between a correction and the trades that it closes
	}
	for _, c := range v.pending {
		v.problem("position episode %s of %s ended, but no trade was closed", c.Trade, c.Bot)
	}
	v.pending = slices.Clone(v.state.Effects().Closed)
}

func (v *verifier) match(e *domain.TradeClosed) {
	if e.ClosedBy == domain.ClosedByReport || e.ClosedBy == domain.ClosedByVoid {
		return // a fact of its own, or the outcome of a refold
	}
	for i, c := range v.pending {
		if c.Trade != e.Trade || c.Bot != e.Bot {
			continue
		}
		figures := c.Figures(v.state.Policy.LossDust)
		if e.ClosedBy == domain.ClosedByRefund {
			figures.Result = domain.Neutral
		}
		if figures != e.TradeFigures {
			v.problem("trade %s was recorded with P&L %s, the fold gives %s", e.Trade, e.PnL, figures.PnL)
		}
		v.pending = slices.Delete(v.pending, i, i+1)
		return
	}
	v.problem("trade %s was closed, but no position episode ended", e.Trade)
}

// finish compares books, trades and open positions with each other.
func (v *verifier) finish() {
	s := v.state
	v.report.Portfolio = s.Portfolio
	v.checkClosed(&domain.CommandNoted{})
	v.checkCorrection(&domain.CommandNoted{})
	for asset, left := range s.Book.TrialBalance() {
		v.problem("the accounts of %s do not sum to zero: %s is left", asset, left)
	}
	cash, cost := domain.Zero, domain.Zero
	for account, balance := range s.Book {
		switch {
		case account.Asset != s.BaseAsset || !account.IsAsset():
		case account.Place == ledger.PlacePosition:
			cost = cost.Add(balance)
		default:
			cash = cash.Add(balance)
		}
	}
	if cash != s.Cash || cost != s.Cost {
		v.problem("cash and cost are kept as %s and %s, but the accounts give %s and %s", s.Cash, s.Cost, cash, cost)
	}
	v.checkIncome()
	v.report.Problems = append(v.report.Problems, v.clocks.backdated(v.approvers.registered)...)
	v.checkEnds()
}

// checkIncome requires that the trading income equals that of the closed trades
// and of the closed parts of open positions.
func (v *verifier) checkIncome() {
	s := v.state
	earned := map[string]domain.Decimal{}
	err := v.trades.Each("", 0, func(t *projections.Trade) bool {
		earned[t.Bot] = earned[t.Bot].Add(t.PnL).Add(t.Fee).Sub(t.Funding)
		v.report.Trades++
		return true
	})
	if err != nil {
		v.problem("the trades cannot be read: %s", err)
		return
	}
	for _, in := range s.SortedInstruments() {
		for _, h := range in.Holdings {
			earned[h.Bot] = earned[h.Bot].Add(h.Episode.Income)
			if account := s.Book[ledger.PositionOf(s.BaseAsset, h.Bot, in.Instrument)]; account != h.Cost {
				v.problem("the position of %s in %s costs %s, but its account has %s", h.Bot, in.Instrument, h.Cost, account)
			}
		}
	}
	for _, id := range s.BotIDs() {
		if booked := s.Book[ledger.TradingIncome(s.BaseAsset, id)].Neg(); booked != earned[id] {
			v.problem("income of %s is booked as %s, but its trades give %s", id, booked, earned[id])
		}
	}
}

// Portfolios lists the portfolios of a store, by the names of their streams.
func Portfolios(ctx context.Context, store eventstore.Store) ([]string, error) {
	streams, err := store.Streams(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, s := range streams {
		if id, ok := strings.CutPrefix(s, "portfolio-"); ok {
			ids = append(ids, id)
		}
	}
	return ids, nil
}
