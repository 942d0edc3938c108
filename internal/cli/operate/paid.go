package operate

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"pets/commands"
	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/payoff"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
	"pets/replay"
)

// paidRecord is what a settlement, or its correction, has recorded: the settlement of a market or
// of one outcome by itself, the trades that it closed and revised, and the breakers that it tripped.
type paidRecord struct {
	out       *domain.MarketPaidOut
	corrected *domain.MarketCorrected
	settled   *domain.MarketSettled
	closed    []domain.TradeClosed
	revised   []domain.TradeRevised
	tripped   []domain.BreakerTripped

	first, last uint64
}

// readPaid reads what a command recorded; a record of many is shown row by row.
func (a *app) readPaid(ctx context.Context, answer commands.Answer, r *paidRecord) error {
	if len(answer.Events) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, show.LookFor)
	defer cancel()
	r.first, r.last = answer.Events[0].Revision, answer.Revision
	before := int64(r.first) - 1 //nolint:gosec // no stream is that long
	err := a.EachEvent(ctx, cli.EventQuery{After: before, Types: []string{"market.", "trade.", "breaker."}}, func(line cli.EventLine) error {
		if line.Revision > r.last {
			return cli.ErrEnough
		}
		e, err := domain.Decode(line.Type, line.Data)
		r.add(e)
		return err
	})
	switch {
	case errors.Is(err, cli.ErrEnough):
		err = nil
	case err == nil && r.out == nil && r.corrected == nil && r.settled == nil:
		err = domain.Errorf(domain.CodeDenied, "this key is not shown all of it")
	}
	return err
}

func (r *paidRecord) add(e domain.Event) {
	switch e := e.(type) {
	case *domain.MarketPaidOut:
		r.out = e
	case *domain.MarketCorrected:
		r.corrected = e
	case *domain.MarketSettled:
		r.settled = e
	case *domain.TradeClosed:
		r.closed = append(r.closed, *e)
	case *domain.TradeRevised:
		r.revised = append(r.revised, *e)
	case *domain.BreakerTripped:
		r.tripped = append(r.tripped, *e)
	}
}

// event is the record of the settlement itself, for what is warned of.
func (r *paidRecord) event() domain.Event {
	switch {
	case r.out != nil:
		return r.out
	case r.settled != nil:
		return r.settled
	}
	return nil
}

// holders are those of the record, whatever its form.
func (r *paidRecord) holders() []domain.OutcomeHolder {
	switch {
	case r.out != nil:
		return r.out.Holders
	case r.corrected != nil:
		return r.corrected.Holders
	case r.settled == nil:
		return nil
	}
	var all []domain.OutcomeHolder
	for _, h := range r.settled.Holders {
		all = append(all, domain.OutcomeHolder{Bot: h.Bot, Outcome: r.settled.Outcome, Quantity: h.Quantity})
	}
	return all
}

// payoutOf is what a share of an outcome was paid, or of its complement.
func (r *paidRecord) payoutOf(outcome string) domain.Decimal {
	payouts := map[string]domain.Decimal{}
	switch {
	case r.settled != nil:
		return r.settled.Payout
	case r.out != nil:
		payouts = r.out.Payouts
	case r.corrected != nil:
		payouts = r.corrected.Payouts
	}
	var all []payoff.Payout
	for name, price := range payouts {
		all = append(all, payoff.Payout{Outcome: name, Price: price})
	}
	price, _ := payoff.PayoutOf(all, outcome)
	return price
}

func (r *paidRecord) void() bool {
	return r.out != nil && r.out.Void || r.corrected != nil && r.corrected.Void
}

// paidBot is what came of it for one bot.
type paidBot struct {
	held, trades []string
	got, pnl     domain.Decimal
	gotKnown     bool
	before       domain.Decimal // the P&L of the revised trades as it was
	revised      bool
	deferred     bool
	result       string // the result that its trades are a part of, "" for the trade alone
	closed       []domain.TradeClosed
}

// byBot puts the record together by bots.
func (r *paidRecord) byBot(costs map[string]domain.Decimal) (bots []string, of map[string]*paidBot) {
	of = map[string]*paidBot{}
	get := func(bot string) *paidBot {
		if of[bot] == nil {
			of[bot] = &paidBot{gotKnown: !r.void()}
			bots = append(bots, bot)
		}
		return of[bot]
	}
	for _, h := range r.holders() {
		b := get(h.Bot)
		b.held = append(b.held, h.Quantity.String()+" "+h.Outcome)
		if !r.void() {
			b.got = b.got.Add(h.Quantity.Mul(r.payoutOf(h.Outcome)))
		}
	}
	for bot, cost := range costs {
		if b := of[bot]; b != nil {
			b.got, b.gotKnown = cost, true
		}
	}
	for _, t := range r.closed {
		b := get(t.Bot)
		b.trades, b.closed = append(b.trades, t.Trade), append(b.closed, t)
		b.pnl, b.result, b.deferred = b.pnl.Add(t.PnL), t.ResultID, b.deferred || t.Deferred
	}
	for _, t := range r.revised {
		b := get(t.Bot)
		b.trades, b.revised = append(b.trades, t.Trade), true
		b.before = b.before.Add(t.Before.PnL)
		if t.After != nil {
			b.pnl = b.pnl.Add(t.After.PnL)
		}
	}
	return bots, of
}

// costsBefore are what the holders had paid, who have that back from a void market; nil where it
// cannot be read.
func (a *app) costsBefore(ctx context.Context, r *paidRecord) map[string]domain.Decimal {
	if !r.void() || r.out == nil || r.first == 0 {
		return nil
	}
	var v struct{ Positions []projections.Position }
	if a.View(ctx, strconv.FormatUint(r.first-1, 10), "/positions", nil, &v) != nil {
		return nil
	}
	costs := map[string]domain.Decimal{}
	for _, p := range v.Positions {
		if p.Market == r.out.Market {
			costs[p.Bot] = costs[p.Bot].Add(p.Cost)
		}
	}
	return costs
}

// sayPaid prints who got what, what came of it for streaks and results, and what tripped.
func (a *app) sayPaid(ctx context.Context, r *paidRecord) error {
	if err := a.warn("  ", warned(r.event())); err != nil || a.JSON {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, show.LookFor)
	defer cancel()
	bots, of := r.byBot(a.costsBefore(ctx, r))
	p := a.Printer()
	if len(bots) == 0 && r.corrected != nil {
		p.Line("  no closed trade changes by it")
	}
	if len(bots) > 0 {
		var after projections.State
		streaks := a.View(ctx, strconv.FormatUint(r.last, 10), "/state", nil, &after) == nil
		if err := a.Table(a.paidRows(ctx, r, bots, of, after, streaks)); err != nil {
			return err
		}
	}
	for _, bot := range bots {
		if of[bot].deferred {
			p.Say(2, "later: %s still holds something of the market, and its P&L here counts with its next result there", bot)
		}
	}
	for i := range r.tripped {
		p.Say(2, "%s", replay.Describe(&r.tripped[i]))
	}
	return p.Err
}

func (a *app) paidRows(ctx context.Context, r *paidRecord, bots []string, of map[string]*paidBot, after projections.State, streaks bool) [][]string {
	rows := [][]string{{"BOT", "HELD", "GOT", "P&L", "RESULT", "STREAK", "TRADES"}}
	if r.corrected != nil {
		rows = [][]string{{"BOT", "P&L BEFORE", "P&L", "STREAK", "TRADES"}}
	}
	losses := map[string]string{}
	for _, b := range after.Bots {
		losses[b.Bot] = strconv.Itoa(b.ConsecutiveLosses)
	}
	for _, bot := range bots {
		b, streak := of[bot], "-"
		if streaks {
			streak = losses[bot]
		}
		trades := cli.Cut(strings.Join(b.trades, ","), 24)
		if r.corrected != nil {
			rows = append(rows, []string{bot, cli.Money(b.before), cli.Money(b.pnl), streak, trades})
			continue
		}
		got := "-"
		if b.gotKnown {
			got = cli.Money(b.got)
		}
		pnl, result := a.resultOf(ctx, r, bot, b, after.Policy.LossDust, streaks)
		rows = append(rows, []string{bot, cli.Cut(strings.Join(b.held, ", "), 28), got, pnl, result, streak, trades})
	}
	return rows
}

// resultOf is the P&L of the result that a bot's trades are, and what it counts as. A result that
// waited for this one counts with it.
func (a *app) resultOf(ctx context.Context, r *paidRecord, bot string, b *paidBot, dust domain.Decimal, known bool) (pnl, result string) {
	switch all := b.pnl.Add(a.waited(ctx, r, bot, b.result)); {
	case len(b.closed) == 0:
		return "-", "-"
	case b.deferred:
		return cli.Money(all), "later"
	case b.result == "":
		return cli.Money(all), string(b.closed[0].Result)
	case r.void() || !slices.ContainsFunc(b.closed, func(t domain.TradeClosed) bool { return !t.Dust }):
		return cli.Money(all), string(domain.Neutral)
	case !known:
		return cli.Money(all), "-"
	default:
		return cli.Money(all), string(ledger.ResultOf(all, dust))
	}
}

// waited is the P&L of the trades of a result that were closed before this record, by settlements
// of other outcomes of the market.
func (a *app) waited(ctx context.Context, r *paidRecord, bot, result string) domain.Decimal {
	first, _, _ := strings.Cut(strings.TrimPrefix(result, "r"), ".")
	began, err := strconv.ParseUint(first, 10, 64)
	if err != nil || began == 0 || began >= r.first {
		return domain.Zero
	}
	var v struct{ Trades []projections.Trade }
	values := url.Values{"bot": {bot}, "limit": {cli.MostInAPart}}
	if a.View(ctx, strconv.FormatUint(r.first-1, 10), "/trades", values, &v) != nil {
		return domain.Zero
	}
	sum := domain.Zero
	for _, t := range v.Trades {
		if t.ResultID == result {
			sum = sum.Add(t.PnL)
		}
	}
	return sum
}
