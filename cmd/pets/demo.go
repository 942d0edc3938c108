package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/embedded"
	"pets/projections"
	"pets/replay"
)

// Capital of the demo and of each of its bots.
const (
	demoCapital    = "10000"
	demoBotCapital = "3000"
)

var demoBots = []string{"breakout", "steady", "value"}

func (a *app) demoCommand() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Play a bundled week of three bots through the engine, until a breaker trips", Args: cobra.NoArgs,
		Long: "Plays a made-up week of three bots through the real engine into a fresh folder: every\n" +
			"order asks for a permit, every permit is recorded, every fill is booked. Nothing is sent\n" +
			"anywhere, and nothing but the new folder is touched.",
		RunE: func(c *cobra.Command, _ []string) error { return a.demo(c.Context()) },
	}
}

func (a *app) demo(ctx context.Context) error {
	script, err := demoScript()
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(a.store, "embedded:")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pets-demo-"); err != nil {
			return err
		}
	}
	a.config.Store, a.config.Portfolio = "embedded:"+dir, "demo"
	store, err := a.openWriter()
	if err != nil {
		return err
	}
	if _, err := store.Head(ctx, a.stream()); err == nil {
		return errors.Join(domain.Errorf(domain.CodeConflict, "a demo week is already in %s; play into a fresh folder", dir), store.Close())
	}
	play := &demoPlay{app: a, ctx: ctx, store: store, p: &printer{w: a.out}, fills: map[domain.Instrument]domain.Decimal{}}
	play.writer = commands.NewWriter(store, "demo", commands.Options{Now: func() time.Time { return play.now }})
	err = play.week(script)
	play.writer.Close()
	if err == nil {
		err = play.report(dir)
	}
	return errors.Join(err, store.Close())
}

// demoPlay is one performance of the week: a clock, three bots and a feed.
type demoPlay struct {
	app    *app
	ctx    context.Context //nolint:containedctx // one performance is one call
	store  *embedded.Store
	writer *commands.Writer
	p      *printer
	now    time.Time
	sent   int

	day                    string
	asked, allowed, trades int
	reasons                map[domain.ReasonCode]int
	saved                  domain.Decimal
	refusals               int
	tripped                uint64
	missed                 map[domain.Instrument][]domain.Order
	fills                  map[domain.Instrument]domain.Decimal
}

// send runs one command as somebody, at the demo's clock.
func (d *demoPlay) send(caller domain.Caller, c commands.Command) (commands.Answer, error) {
	d.sent++
	answer, err := d.writer.Do(d.ctx, commands.Request{Caller: caller, Key: fmt.Sprintf("demo-%d", d.sent), Command: c})
	if err != nil {
		return answer, fmt.Errorf("%s at %s: %w", c.Name(), d.now.Format(time.RFC3339), err)
	}
	d.trades += answer.Closed()
	d.watch(answer)
	return answer, nil
}

var (
	demoOperator = domain.Caller{User: "operator", Role: domain.RoleOperator}
	demoFeed     = domain.Caller{User: "feed", Role: domain.RoleFeed}
)

func (d *demoPlay) week(script []scriptStep) error {
	d.p.line("One week, three bots, %s USDC. Every order asks first: may I trade?", demoCapital)
	d.p.line("")
	d.reasons, d.missed = map[domain.ReasonCode]int{}, map[domain.Instrument][]domain.Order{}
	d.now = script[0].at.Truncate(24 * time.Hour)
	if err := d.open(); err != nil {
		return err
	}
	for _, step := range script {
		if day := step.at.Format("Mon 2006-01-02"); day != d.day {
			if err := d.endDay(); err != nil {
				return err
			}
			d.day = day
		}
		d.now = step.at
		if err := d.step(step); err != nil {
			return err
		}
	}
	if err := d.endDay(); err != nil {
		return err
	}
	return d.p.err
}

func (d *demoPlay) open() error {
	capital := domain.MustDecimal(demoCapital)
	setup := []commands.Command{
		commands.OpenPortfolio{ID: "demo", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)},
		commands.RecordDeposit{Wallet: domain.WalletHot, Amount: capital},
	}
	for _, bot := range demoBots {
		setup = append(setup, commands.RegisterBot{ID: bot, Capital: domain.MustDecimal(demoBotCapital), Start: true})
	}
	for _, c := range setup {
		if _, err := d.send(demoOperator, c); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoPlay) step(step scriptStep) error {
	switch {
	case step.order != nil:
		return d.ask(*step.order)
	case step.mark != nil:
		_, err := d.send(demoFeed, commands.MarkPrices{Marks: []domain.Mark{*step.mark}})
		return err
	default:
		return d.settle(*step.settle)
	}
}

// ask is what a bot does: ask for a permit, and trade only with one.
func (d *demoPlay) ask(o domain.Order) error {
	if o.Side == domain.Sell && d.fills[o.Instrument].IsZero() {
		return nil // its purchase was refused: there is nothing to sell
	}
	bot := domain.Caller{User: o.Bot, Role: domain.RoleBot, Bot: o.Bot}
	d.asked++
	fee := o.Fee
	answer, err := d.send(bot, commands.AskPermit{
		Bot: o.Bot, Instrument: o.Instrument, Side: o.Side, Quantity: o.Quantity, LimitPrice: o.LimitPrice, Fee: &fee,
	})
	if err != nil {
		return err
	}
	if !answer.Permit.Allowed {
		d.refused(o, answer.Permit.Reasons)
		return nil
	}
	d.allowed++
	d.now = d.now.Add(2 * time.Second)
	d.fills[o.Instrument] = o.Quantity
	_, err = d.send(bot, commands.RecordFill{
		FillID: domain.FillID{Bot: o.Bot, Venue: "demo", TradeID: fmt.Sprintf("%s-%d", o.Bot, d.sent)}, Instrument: o.Instrument,
		Side: o.Side, Quantity: o.Quantity, Price: o.LimitPrice, Fee: fee, PermitID: answer.Permit.PermitID,
	})
	return err
}

func (d *demoPlay) refused(o domain.Order, reasons []domain.Reason) {
	for _, r := range reasons {
		d.reasons[r.Code]++
	}
	if d.tripped > 0 {
		d.refusals++
		d.missed[o.Instrument] = append(d.missed[o.Instrument], o)
	}
}

// settle pays out what is held, and adds up what refused orders would have made.
func (d *demoPlay) settle(s settlement) error {
	for _, o := range d.missed[s.Instrument] {
		d.saved = d.saved.Add(s.payout.Sub(o.LimitPrice).Mul(o.Quantity)).Sub(o.Fee)
	}
	if d.fills[s.Instrument].IsZero() {
		return nil
	}
	_, err := d.send(demoFeed, commands.SettleMarket{Instrument: s.Instrument, Payout: s.payout})
	return err
}

// watch prints what nobody should miss.
func (d *demoPlay) watch(answer commands.Answer) {
	for i, e := range answer.Decoded() {
		if _, ok := e.(*domain.BreakerTripped); ok {
			d.tripped = answer.Events[i].Revision
			d.p.line("%s", d.now.Format("15:04:05")+"   >>> "+replay.Describe(e))
		}
	}
}

// endDay prints a line for the day that is over.
func (d *demoPlay) endDay() error {
	if d.day == "" {
		return nil
	}
	equity := domain.Zero
	err := d.look(func(s *portfolio.State) error {
		equity = s.Equity()
		return nil
	})
	d.p.line("%s  equity %9s   %2d orders asked, %2d allowed, %2d trades closed", d.day, equity.Round(2), d.asked, d.allowed, d.trades)
	d.asked, d.allowed, d.trades = 0, 0, 0
	return errors.Join(err, d.p.err)
}

func (d *demoPlay) look(show func(*portfolio.State) error, riders ...projections.Projection) error {
	return d.app.lookIn(d.ctx, d.store, projections.Point{}, riders, show)
}

// report shows what a person asks next: why, where do we stand, what now.
func (d *demoPlay) report(dir string) error {
	p := d.p
	p.line("")
	p.line("WHY   the records that led to it (pets events shows all of them)")
	if err := d.why(); err != nil {
		return err
	}
	p.line("")
	p.line("After the trip %d orders were refused. Filled at their limits they would have made %s USDC.", d.refusals, d.saved.Round(2))
	p.line("")
	p.line("STATE")
	series := projections.NewEquity()
	err := d.look(func(s *portfolio.State) error {
		if err := d.app.printState(projections.StateOf(s)); err != nil {
			return err
		}
		p.line("")
		p.line("EQUITY")
		return d.app.drawEquity(series.Points(time.Time{}, time.Time{}, 0))
	}, series)
	p.line("")
	p.line("The week stays in %s. Look around:", dir)
	for _, c := range []string{"events --type breaker,trade", "state --at 2026-03-05T12:00:00Z", "stats", "equity --svg week.svg", "verify"} {
		p.line("  go run ./cmd/pets %-34s --store embedded:%s -p demo", c, dir)
	}
	return errors.Join(err, p.err)
}

// why prints the trip and the closed trades of its bot that led to it.
func (d *demoPlay) why() error {
	if d.tripped == 0 {
		d.p.line("  no breaker tripped")
		return nil
	}
	trip, err := d.event(d.tripped)
	if err != nil {
		return err
	}
	tripped, ok := trip.(*domain.BreakerTripped)
	if !ok {
		return domain.Errorf(domain.CodeInternal, "revision %d is no trip", d.tripped)
	}
	const most = 5
	var lines []string
	for rec, err := range d.store.ReadStream(d.ctx, commands.Stream("demo"), 0) {
		if err != nil {
			return err
		}
		if rec.Revision > d.tripped {
			break
		}
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			return err
		}
		closed, isClose := e.(*domain.TradeClosed)
		if rec.Revision == d.tripped || rec.Revision == tripped.Cause || (isClose && closed.Bot == tripped.Bot) {
			lines = append(lines, fmt.Sprintf("  %4d  %s  %s", rec.Revision, clock(rec.Time), replay.Describe(e)))
		}
	}
	for _, line := range lines[max(0, len(lines)-most-1):] {
		d.p.line("%s", line)
	}
	return d.p.err
}

func (d *demoPlay) event(revision uint64) (domain.Event, error) {
	for rec, err := range d.store.ReadStream(d.ctx, commands.Stream("demo"), revision) {
		if err != nil {
			return nil, err
		}
		return domain.Decode(rec.Type, rec.Data)
	}
	return nil, domain.Errorf(domain.CodeInternal, "revision %d is not there", revision)
}
