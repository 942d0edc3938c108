// Package demo plays a bundled week of three bots through the API of a server on a fresh
// folder, as pets serve --demo.
//
// It owns the week and how it is presented. It refuses a folder that holds a store, and shortcuts
// past the API.
package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"pets/commands"
	"pets/commands/client"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/cli/chart"
	"pets/internal/cli/serve"
	"pets/internal/cli/show"
	"pets/internal/columns"
	"pets/internal/config"
	"pets/internal/httpapi"
	"pets/projections"
	"pets/replay"
)

// The capital of the demo and of each of its bots.
const (
	demoCapital    = "10000"
	demoBotCapital = "3000"
	demoPortfolio  = "demo"
	demoCollar     = "0.25" // as in live portfolios
)

var demoBots = []string{"breakout", "steady", "value"}

// demoClock is the clock of a demo server. While the week is played it shows the time of the
// story; then it is the real clock. The week is shifted by whole weeks to end before now, so that
// time never goes back.
type demoClock struct {
	played atomic.Pointer[time.Time]
	real   func() time.Time
}

func (c *demoClock) now() time.Time {
	if at := c.played.Load(); at != nil {
		return *at
	}
	return c.real()
}

// Play runs a server on a fresh folder, plays the week through its API, and keeps the server
// running.
func Play(ctx context.Context, a *cli.App) error {
	script, err := demoScript()
	if err != nil {
		return err
	}
	dir := strings.TrimPrefix(a.StoreFlag, "embedded:")
	if dir == "" {
		if dir, err = os.MkdirTemp("", "pets-demo-"); err != nil {
			return err
		}
	}
	admin, _ := httpapi.NewToken()
	a.Config.Store, a.Config.Portfolio, a.Config.AdminKey, a.Config.AdminKeyFile = "embedded:"+dir, demoPortfolio, config.NewSecret(admin), ""
	// Everything, even the witness, is in this one folder, so that a removed demo leaves nothing and
	// the next one in its place does not look like a store that was rolled back.
	a.Config.Dir, a.Config.Witness = "", filepath.Join(dir, "witness")
	clock := &demoClock{real: a.Clock()}
	last := script[len(script)-1].at
	weeks := clock.real().Sub(last) / (7 * 24 * time.Hour) * (7 * 24 * time.Hour)
	first := script[0].at.Truncate(24 * time.Hour).Add(weeks)
	clock.played.Store(&first)
	a.MadeUp = true
	s, err := serve.New(ctx, a, clock.now)
	if err != nil && a.StoreFlag == "" { // remove the folder that this run has created
		return errors.Join(err, os.RemoveAll(dir))
	}
	if err != nil {
		return err
	}
	if _, exists, err := s.Engine.SystemHead(ctx); err != nil || exists {
		if err == nil {
			err = domain.Errorf(domain.CodeConflict, "%s holds a store already; play the demo into a fresh folder", dir)
		}
		return errors.Join(err, s.Discard())
	}
	return s.Run(ctx, func(ctx context.Context) error {
		d := &demoPlay{app: a, ctx: ctx, server: s, clock: clock, shift: weeks, p: a.Printer(), fills: map[domain.Instrument]domain.Decimal{}, outcomes: map[string][]string{}}
		err := d.play(script, admin)
		clock.played.Store(nil)
		if err == nil {
			err = d.report(dir)
		}
		if a.Played != nil {
			a.Played()
		}
		return err
	})
}

// demoPlay plays the week: an operator, a feed and three bots, each with an API key.
type demoPlay struct {
	app     *cli.App
	ctx     context.Context //nolint:containedctx // one performance is one call
	server  *serve.Server
	clock   *demoClock
	shift   time.Duration
	p       *cli.Printer
	sent    int
	callers map[string]*client.Portfolio
	keys    map[string]string

	day                    string
	asked, allowed, trades int
	reasons                map[domain.ReasonCode]int
	saved                  domain.Decimal
	refusals               int
	tripped                uint64
	missed                 map[domain.Instrument][]domain.Order
	fills                  map[domain.Instrument]domain.Decimal
	outcomes               map[string][]string // of the markets that are registered
}

func (d *demoPlay) at(t time.Time) { d.clock.played.Store(&t) }

// post sends one command over HTTP with the key of a participant.
func (d *demoPlay) post(who, path string, body, into any) error {
	d.sent++
	if err := d.callers[who].Post(d.ctx, path, fmt.Sprintf("demo-%d", d.sent), body, into); err != nil {
		return fmt.Errorf("%s by %s: %w", path, who, err)
	}
	return nil
}

func (d *demoPlay) send(who, path string, body any) error {
	var answer commands.Answer
	if err := d.post(who, path, body, &answer); err != nil {
		return err
	}
	return d.watch(answer.Events)
}

func (d *demoPlay) play(script []scriptStep, admin string) error {
	d.p.Line("One week, three bots, %s USDC, over the HTTP API.", demoCapital)
	d.p.Line("Every order asks first: may I trade?")
	d.p.Line("")
	d.reasons, d.missed = map[domain.ReasonCode]int{}, map[domain.Instrument][]domain.Order{}
	if err := d.open(admin); err != nil {
		return err
	}
	for _, step := range script {
		step.at = step.at.Add(d.shift)
		if day := step.at.Format("Mon 2006-01-02"); day != d.day {
			if err := d.endDay(); err != nil {
				return err
			}
			d.day = day
		}
		d.at(step.at)
		if err := d.step(step); err != nil {
			return err
		}
	}
	if err := d.endDay(); err != nil {
		return err
	}
	return d.p.Err
}

// open creates the keys of all participants, and the portfolio.
func (d *demoPlay) open(admin string) error {
	d.callers, d.keys = map[string]*client.Portfolio{}, map[string]string{"admin": admin}
	boss, err := d.client(admin)
	if err != nil {
		return err
	}
	d.callers["admin"] = boss.Portfolio(demoPortfolio)
	type key struct {
		User      string      `json:"user"`
		Role      domain.Role `json:"role"`
		Portfolio string      `json:"portfolio,omitempty"`
		Bot       string      `json:"bot,omitempty"`
	}
	keys := []key{{"operator", domain.RoleOperator, "", ""}, {"feed", domain.RoleFeed, demoPortfolio, ""}}
	for _, bot := range demoBots {
		keys = append(keys, key{bot, domain.RoleBot, demoPortfolio, bot})
	}
	for _, k := range keys {
		var issued struct{ Secret string }
		if err := boss.Send(d.ctx, http.MethodPost, "/v1/api-keys", "key of "+k.User, k, &issued); err != nil {
			return err
		}
		c, err := d.client(issued.Secret)
		if err != nil {
			return err
		}
		d.callers[k.User], d.keys[k.User] = c.Portfolio(demoPortfolio), issued.Secret
		if k.Role == domain.RoleOperator {
			opening := map[string]any{"id": demoPortfolio, "mode": domain.ModePaper, "limits": map[string]any{"mark_collar": demoCollar}}
			if err := c.Send(d.ctx, http.MethodPost, "/v1/portfolios", "open", opening, nil); err != nil {
				return err
			}
		}
	}
	if err := d.send("operator", "/deposits", commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal(demoCapital)}); err != nil {
		return err
	}
	for _, bot := range demoBots {
		body := commands.RegisterBot{ID: bot, Capital: domain.MustDecimal(demoBotCapital)}
		if err := d.send("operator", "/bots", body); err != nil {
			return err
		}
		if err := d.send("operator", "/bots/"+bot+"/start", struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

func (d *demoPlay) client(key string) (*client.Client, error) {
	return client.New(client.Options{URL: d.server.URL(), Key: key})
}

func (d *demoPlay) step(step scriptStep) error {
	switch {
	case step.order != nil:
		return d.ask(*step.order)
	case step.market != nil:
		d.outcomes[step.market.Market] = step.market.Outcomes
		return d.send("operator", "/markets", *step.market)
	case step.marks != nil:
		return d.send("feed", "/marks", commands.MarkPrices{Marks: step.marks})
	default:
		return d.settle(*step.settle)
	}
}

// ask does what a bot does: it asks for a permit, and trades only with one.
func (d *demoPlay) ask(o domain.Order) error {
	if o.Side == domain.Sell && d.fills[o.Instrument].IsZero() {
		return nil // the purchase was refused, so there is nothing to sell
	}
	d.asked++
	fee := o.Fee
	var permit client.Permit
	err := d.post(o.Bot, "/permits", commands.AskPermit{
		Bot: o.Bot, Instrument: o.Instrument, Side: o.Side, Quantity: o.Quantity, LimitPrice: o.LimitPrice, Fee: &fee,
	}, &permit)
	if err != nil {
		return err
	}
	if !permit.Allowed {
		d.refused(o, permit.Reasons)
		return nil
	}
	d.allowed++
	if d.tripped > 0 {
		d.p.Line("%s  <<<  a way out: %s may %s %s × %s", d.clock.now().Format("15:04:05"), o.Bot, o.Side, o.Quantity, o.Instrument)
	}
	d.at(d.clock.now().Add(2 * time.Second))
	d.fills[o.Instrument] = o.Quantity
	return d.send(o.Bot, "/fills", commands.RecordFill{
		FillID: domain.FillID{Bot: o.Bot, Venue: "demo", TradeID: fmt.Sprintf("%s-%d", o.Bot, d.sent)}, Instrument: o.Instrument,
		Side: o.Side, Quantity: o.Quantity, Price: o.LimitPrice, Fee: fee, PermitID: permit.PermitID,
	})
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

// settle pays out what is held, and adds up what the refused orders would have made.
func (d *demoPlay) settle(s settlement) error {
	for _, o := range d.missed[s.Instrument] {
		d.saved = d.saved.Add(s.payout.Sub(o.LimitPrice).Mul(o.Quantity)).Sub(o.Fee)
	}
	outcomes, registered := d.outcomes[s.Market]
	if !registered {
		if d.fills[s.Instrument].IsZero() {
			return nil
		}
		return d.send("feed", "/settlements", commands.SettleMarket{Instrument: s.Instrument, Payout: s.payout})
	}
	payouts := map[string]domain.Decimal{}
	for _, o := range outcomes {
		payouts[o] = domain.Zero
	}
	payouts[s.Outcome] = s.payout
	return d.send("feed", "/settlements", map[string]any{"market": s.Market, "payouts": payouts})
}

// watch counts closed trades, and prints trips and prices that wait.
func (d *demoPlay) watch(events []commands.EventRef) error {
	for _, ref := range events {
		switch ref.Type {
		case domain.TradeClosedType:
			d.trades++
		case domain.BreakerTrippedType:
			d.tripped = ref.Revision
			e, err := d.event(ref.Revision)
			if err != nil {
				return err
			}
			d.p.Line("%s  >>>  %s", d.clock.now().Format("15:04:05"), replay.Describe(e))
		case domain.PriceMarkedType:
			if err := d.waiting(ref.Revision); err != nil {
				return err
			}
		}
	}
	return nil
}

// waiting prints the price that was not believed at once.
func (d *demoPlay) waiting(revision uint64) error {
	e, err := d.event(revision)
	if err != nil {
		return err
	}
	marked, ok := e.(*domain.PriceMarked)
	if !ok {
		return domain.Errorf(domain.CodeInternal, "revision %d is no mark", revision)
	}
	for _, m := range marked.Marks {
		if m.Waits {
			d.p.Line("%s  ---  %s of %s/%s waits: too far from the price in force", d.clock.now().Format("15:04:05"), m.Price, m.Market, m.Outcome)
			break
		}
	}
	return nil
}

// endDay prints a line about the past day.
func (d *demoPlay) endDay() error {
	if d.day == "" {
		return nil
	}
	var state projections.State
	head, _, err := d.head()
	if err != nil {
		return err
	}
	if err := d.callers["operator"].Get(d.ctx, fmt.Sprintf("/state?min_revision=%d", head), &state); err != nil {
		return err
	}
	d.p.Line("%s  equity %9s   %2d orders, %2d allowed, %2d trades closed", d.day, state.Equity.Round(2), d.asked, d.allowed, d.trades)
	d.asked, d.allowed, d.trades = 0, 0, 0
	return d.p.Err
}

func (d *demoPlay) head() (uint64, bool, error) {
	head, err := d.server.Store.Head(d.ctx, d.app.Stream())
	return head, err == nil, err
}

func (d *demoPlay) look(show func(*portfolio.State) error, riders ...projections.Projection) error {
	return d.app.LookIn(d.ctx, d.server.Store, projections.Point{}, riders, show)
}

// report prints what a person asks next: why it happened, the state, and what to do.
func (d *demoPlay) report(dir string) error {
	p := d.p
	p.Line("")
	p.Line("WHY")
	if err := d.why(); err != nil {
		return err
	}
	p.Line("")
	p.Line("After the trip %d orders were refused.", d.refusals)
	p.Line("Filled at their limits they would have made %s USDC.", d.saved.Round(2))
	p.Line("")
	p.Line("STATE")
	series, marks := projections.NewEquity(nil), &chart.Marks{}
	err := d.look(func(s *portfolio.State) error {
		// The next steps come at the end, with the keys that they need.
		if err := show.PrintState(d.app, projections.StateOf(s), show.Extra{Past: true}); err != nil {
			return err
		}
		p.Line("")
		p.Line("EQUITY")
		points, err := series.Points(time.Time{}, time.Time{}, 0)
		if err != nil {
			return err
		}
		return chart.Draw(d.app, points, marks.All)
	}, series, marks)
	d.next(dir)
	return errors.Join(err, p.Err)
}

// next prints what to try now that the server is running.
func (d *demoPlay) next(dir string) {
	p, url := d.p, d.server.URL()
	p.Line("")
	p.Line("YOUR TURN")
	say := func(words ...string) string { return d.app.AdviseElsewhere(demoPortfolio, words...).String() }
	p.Line("The server stays up at %s until you press Ctrl-C.", url)
	p.Line("Its keys are for this demo only. In another terminal:")
	p.Line("")
	for _, c := range []string{
		"alias pets='go run ./cmd/pets'",
		"export PETS_SERVER=" + url + " PETS_PORTFOLIO=" + demoPortfolio,
		"export PETS_KEY=" + d.keys["operator"],
		say("state"),
		say("events", "--type", "tripped"),
		say("equity", "--svg", "week.svg"),
		say("reset", "consecutive_losses", "--bot", "breakout", "--dry-run"),
		say("reset", "consecutive_losses", "--bot", "breakout", "--reason", "looked"),
		say("start", "breakout"),
	} {
		p.Whole("  " + c)
	}
	p.Line("")
	p.Line("What a bot hears, and how it asks:")
	p.Line("")
	for _, c := range []string{
		"export BOT=" + d.keys["breakout"],
		"export API=" + url + "/v1/portfolios/" + demoPortfolio,
		`curl -N -H @<(printf 'Authorization: Bearer %s' "$BOT") "$API/stream?after=0"`,
		`curl -s -H @<(printf 'Authorization: Bearer %s' "$BOT") \`,
		`     -H "Idempotency-Key: 7d0c1f5e-3a52-4b8e-9c41-5f2a6be0d913" \`,
		`     -H "Content-Type: application/json" "$API/permits" \`,
		`     -d '{"bot":"breakout","market":"late","outcome":"YES","side":"buy",`,
		`          "quantity":"10","limit_price":"0.30"}'`,
	} {
		p.Whole("  " + c)
	}
	if d.app.Config.MetricsListen != "off" {
		p.Whole("  curl -s http://" + d.server.MetricsAddress + "/metrics | grep pets_breaker")
	}
	p.Line("")
	p.Line("All of the API:         %s/openapi.json", url)
	p.Line("What the log adds up to:")
	p.Line("")
	p.Whole("  " + d.app.AdviseElsewhere("", "verify", "--store", "embedded:"+dir).String())
}

// why prints the trip and the bot's closed trades that led to it.
func (d *demoPlay) why() error {
	if d.tripped == 0 {
		d.p.Line("  no breaker tripped")
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
	for rec, err := range d.server.Store.ReadStream(d.ctx, commands.Stream("demo"), 0) {
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
			lines = append(lines, fmt.Sprintf("  %4d  %s  %s", rec.Revision, rec.Time.UTC().Format("Mon 15:04:05"), replay.Describe(e)))
		}
	}
	for _, line := range lines[max(0, len(lines)-most-1):] {
		for _, l := range columns.Wrap(line, d.p.Width, len("   236  Thu 20:44:10  ")-1) {
			d.p.Whole(l)
		}
	}
	return d.p.Err
}

func (d *demoPlay) event(revision uint64) (domain.Event, error) {
	for rec, err := range d.server.Store.ReadStream(d.ctx, commands.Stream("demo"), revision) {
		if err != nil {
			return nil, err
		}
		return domain.Decode(rec.Type, rec.Data)
	}
	return nil, domain.Errorf(domain.CodeInternal, "revision %d is not there", revision)
}
