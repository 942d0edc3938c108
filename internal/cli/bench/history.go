package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
)

// A round of the history: bots open and close positions in some markets, some fills are
// provisional and void, prices are marked, and the markets are settled.
const (
	roundTrades  = 400
	roundMarkets = 20
)

// past makes a long history of one portfolio, as bots that trade for years leave it.
type past struct {
	*seeder
	id    string
	bots  []string
	round int // of this run
	last  uint64
}

// pastBots are the bots of the history.
func pastBots() []string {
	bots := make([]string, 16)
	for i := range bots {
		bots[i] = fmt.Sprintf("bot-%02d", i)
	}
	return bots
}

// grow continues the history until the portfolio has so many events.
func (p *past) grow(ctx context.Context, events int, tell func(what string, done, total int64)) error {
	run := uuid.NewString()[:8] // no market is settled twice
	most := uint64(max(events, 0))
	for p.last+1 < most {
		if err := p.trade(ctx, fmt.Sprintf("%s-%d", run, p.round)); err != nil {
			return fmt.Errorf("round %d of the history: %w", p.round, err)
		}
		p.round++
		tell("history", int64(min(p.last+1, most)), int64(events)) //nolint:gosec // far below 2^63
	}
	return ctx.Err()
}

// trade records one round.
func (p *past) trade(ctx context.Context, name string) error {
	bought, err := p.orders(ctx, name, domain.Buy, roundTrades)
	if err != nil {
		return err
	}
	if err := p.settleFills(ctx, name, bought); err != nil {
		return err
	}
	if _, err := p.orders(ctx, name, domain.Sell, roundTrades*7/8); err != nil { // the rest is settled
		return err
	}
	var ends []commands.Command
	var marks []domain.Mark
	for m := range roundMarkets {
		in := roundMarket(name, m)
		marks = append(marks, domain.Mark{Market: in.Market, Outcome: in.Outcome, Price: domain.MustDecimal("0.53")})
		ends = append(ends, commands.SettleMarket{Instrument: in, Payout: domain.MustDecimal("1")})
	}
	_, err = p.send(ctx, append([]commands.Command{commands.MarkPrices{Marks: marks}}, ends...))
	return err
}

func roundMarket(round string, n int) domain.Instrument {
	return domain.Instrument{Market: fmt.Sprintf("market-%s-%d", round, n%roundMarkets), Outcome: "YES"}
}

// order is the i-th order of a round.
func (p *past) order(name string, side domain.Side, i int) (commands.AskPermit, commands.RecordFill) {
	bot, price := p.bots[i%len(p.bots)], domain.MustDecimal("0.525")
	if side == domain.Sell {
		price = domain.MustDecimal("0.53")
		if i%5 == 0 { // a loss, now and then
			price = domain.MustDecimal("0.52")
		}
	}
	in, quantity := roundMarket(name, i), domain.MustDecimal("12.5")
	ask := commands.AskPermit{Bot: bot, Instrument: in, Kind: domain.KindOutcome, Side: side, Quantity: quantity, LimitPrice: price}
	fill := commands.RecordFill{FillID: domain.FillID{Bot: bot, TradeID: uuid.NewString()}, Instrument: in, Side: side, Quantity: quantity, Price: price}
	return ask, fill
}

// orders asks for permits and reports their fills. Every tenth purchase is provisional.
func (p *past) orders(ctx context.Context, name string, side domain.Side, n int) ([]commands.RecordFill, error) {
	asks, fills := make([]commands.Command, n), make([]commands.RecordFill, n)
	for i := range n {
		ask, fill := p.order(name, side, i)
		if side == domain.Buy && i%10 == 9 {
			fill.Status = "provisional"
		}
		asks[i], fills[i] = ask, fill
	}
	answers, err := p.send(ctx, asks)
	if err != nil {
		return nil, err
	}
	reports := make([]commands.Command, n)
	for i := range n {
		permit := answers[i].Answer.Permit
		if permit == nil || !permit.Allowed {
			return nil, fmt.Errorf("a permit was denied: %+v", permit)
		}
		fills[i].PermitID = permit.PermitID
		reports[i] = fills[i]
	}
	_, err = p.send(ctx, reports)
	return fills, err
}

// settleFills confirms half of the provisional fills, and withdraws the others, which it then
// reports anew, so that as much can be sold as was bought.
func (p *past) settleFills(ctx context.Context, name string, fills []commands.RecordFill) error {
	var all []commands.Command
	for i, f := range fills {
		switch {
		case f.Status == "":
		case i%20 == 9:
			all = append(all, commands.ConfirmFill{FillID: f.FillID, Market: f.Market})
		default:
			_, again := p.order(name, domain.Buy, i)
			all = append(all, commands.VoidFill{FillID: f.FillID, Market: f.Market}, again)
		}
	}
	_, err := p.send(ctx, all)
	return err
}

// send sends commands, all of which have to succeed.
func (p *past) send(ctx context.Context, all []commands.Command) ([]commands.Result, error) {
	requests := make([]commands.Request, len(all))
	for i, c := range all {
		requests[i] = p.request(c)
	}
	results, err := p.engine.DoEach(ctx, p.id, requests)
	if err := firstError(results, err); err != nil {
		return nil, err
	}
	if len(results) == 0 {
		return nil, errors.New("nothing was sent")
	}
	for _, r := range results {
		p.last = max(p.last, r.Answer.Revision)
	}
	return results, nil
}
