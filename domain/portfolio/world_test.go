package portfolio

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/internal/testenv"
)

// The properties of the second edition run over a world: a state and a wall clock, in which
// decisions are made as the writer makes them. It checks nothing by itself, as the harness
// does after every step, so that many cases of a property fit into a second.
type world struct {
	*rapid.T
	s      *State
	past   *pastLog // of s, which decides on both kinds of a past
	wall   time.Time
	n      int // of the facts
	events []domain.Event
	fills  []FillReport
}

// property runs one some thirty times, and two thousand times in a long run; with -rapid.checks as
// often as that says.
func property(t *testing.T, usual int, check func(*rapid.T)) {
	t.Helper()
	defer testenv.Checks(usual/4, usual/12, 5*usual)()
	rapid.Check(t, check)
}

// oneOf draws one of several things.
func oneOf[T any](w *world, from ...T) T {
	return from[rapid.IntRange(0, len(from)-1).Draw(w.T, "n")]
}

func (w *world) yes() bool { return oneOf(w, false, true) }

// newWorld opens a portfolio of the second edition in which nothing trips, unless change says
// otherwise.
func newWorld(t *rapid.T, mode domain.Mode, change ...func(*domain.Policy)) *world {
	w := &world{T: t, s: New(), past: newPastLog(), wall: noon}
	p := domain.NewPolicy(mode, domain.ClockWall, "USDC")
	quietPolicy(&p)
	p.BlockedZones, p.RegisteredOnly = nil, false
	for _, f := range change {
		f(&p)
	}
	w.s.Apply(domain.Stamp{Time: noon}, &domain.PortfolioOpened{
		Portfolio: "main", Mode: mode, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: p,
	})
	lookUpBoth(t, w.s, w.past)
	return w
}

// callerOf is a bot's own key; olga is an operator, and feed a feed.
func callerOf(bot string) domain.Caller {
	return domain.Caller{User: "key of " + bot, Role: domain.RoleBot, Bot: bot}
}

var feed = domain.Caller{User: "fred", Role: domain.RoleFeed}

// try makes a decision as the writer does: what is refused leaves no trace.
func (w *world) try(by domain.Caller, f func(*Decision) error) error {
	w.events = nil
	now, behind := w.s.ClockAt(w.wall)
	before := w.s.Clone()
	d := w.s.Begin(now, by)
	defer d.End()
	d.ArchiveBeyond(0) // whatever is settled, is archived
	d.Behind(Standstill{Behind: behind})
	err := f(d)
	if err == nil {
		err = d.Finish()
	}
	if err != nil {
		if d.Dirty() {
			w.s = before
		}
		require.NotEqual(w, domain.CodeInternal, domain.CodeOf(err), "%v", err)
		w.Logf("%d %s %s: refused: %v", w.n, w.wall.Format("2 15:04:05"), by.User, err)
		return err
	}
	w.events = slices.Clone(d.Events())
	w.past.follow(w.s, w.events)
	for _, e := range w.events {
		data, _ := domain.Encode(e)
		w.Logf("%d %s %s: %s %s", w.n, w.wall.Format("2 15:04:05"), by.User, e.EventType(), data)
	}
	return nil
}

func (w *world) must(by domain.Caller, f func(*Decision) error) {
	w.Helper()
	require.NoError(w, w.try(by, f))
}

// name returns a new id.
func (w *world) name(prefix string) string {
	w.n++
	return prefix + strconv.Itoa(w.n)
}

func (w *world) bot(id, capital string) {
	w.must(olga, func(d *Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec(capital)})
	})
	w.must(olga, func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: id}, dec(capital), true) })
}

func (w *world) market(name string, exclusive bool, outcomes ...string) {
	w.must(olga, func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: name, Kind: domain.KindOutcome, Outcomes: outcomes, Exclusive: exclusive})
	})
}

// fill reports one, and remembers it.
func (w *world) fill(by domain.Caller, r FillReport) error {
	err := w.try(by, func(d *Decision) error { return d.RecordFill(r) })
	if err == nil {
		w.fills = append(w.fills, r)
	}
	return err
}

func (w *world) report(bot string, i domain.Instrument, side domain.Side, quantity, price string) FillReport {
	return FillReport{
		FillID: domain.FillID{Bot: bot, TradeID: w.name("f")}, Instrument: i, Side: side, Quantity: dec(quantity), Price: dec(price),
	}
}

func (w *world) mark(by domain.Caller, marks ...domain.Mark) {
	_ = w.try(by, func(d *Decision) error { return d.MarkPrices(marks) })
}

// takesBack voids or confirms one of the fills that were reported.
func (w *world) takesBack(void bool) {
	if len(w.fills) == 0 {
		return
	}
	r := oneOf(w, w.fills...)
	_ = w.try(olga, func(d *Decision) error {
		if void {
			return d.VoidFill(r.FillID, r.Market)
		}
		return d.ConfirmFill(r.FillID, r.Market)
	})
}

// some outcomes, and their complements.
func namesOf(outcomes []string) []string {
	names := slices.Clone(outcomes)
	for _, o := range outcomes {
		names = append(names, "!"+o)
	}
	return names
}

func (w *world) quantity() string { return oneOf(w, "1", "3", "10", "30.5", "0.000001", "7.123456") }

func (w *world) price() string {
	return oneOf(w, "0", "0.1", "0.25", "0.333333333333333333", "0.5", "0.62", "0.9", "1")
}

// anyFill draws a fill of an outcome of a market.
func (w *world) anyFill(bot, market string, outcomes []string) FillReport {
	i := domain.Instrument{Market: market, Outcome: oneOf(w, outcomes...)}
	r := w.report(bot, i, oneOf(w, buy, buy, sell), w.quantity(), w.price())
	r.Status = oneOf(w, domain.FillConfirmedStatus, domain.FillProvisionalStatus)
	r.Fee = dec(oneOf(w, "0", "0", "0.01", "-0.005"))
	if r.Side == buy && r.Fee.Sign() > 0 && r.Fee.Less(r.Quantity) && w.yes() {
		r.FeeAsset = domain.FeeShares
	}
	return r
}

// setsOf changes complete sets of a market.
func (w *world) setsOf(bot, market, action, quantity, fee string) error {
	e := &domain.SetsChanged{Bot: bot, Market: market, Action: action, Quantity: dec(quantity), Fee: dec(fee), SetID: w.name("s")}
	return w.try(callerOf(bot), func(d *Decision) error { return d.ChangeSets(e) })
}

// payoffs are what a bot is paid for each outcome that may still win: “P(j) = Σ q(i)·[i = j]
// + Σ q(!i)·[i ≠ j]”. An outcome that was settled at 0 wins no more.
func (w *world) payoffs(bot, market string) (low, high domain.Decimal) {
	first := true
	for _, j := range w.s.Markets[market].Outcomes {
		if in := w.s.Instruments[domain.Instrument{Market: market, Outcome: j}]; in != nil && in.Payout != nil && in.Payout.IsZero() {
			continue
		}
		sum := domain.Zero
		for _, i := range w.s.Markets[market].Outcomes {
			outcome := i
			if i != j {
				outcome = "!" + i
			}
			sum = sum.Add(w.s.quantityOf(bot, domain.Instrument{Market: market, Outcome: outcome}))
		}
		if first {
			low, high, first = sum, sum, false
		}
		low, high = low.Min(sum), high.Max(sum)
	}
	return low, high
}
