package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// "no bot's key can move another bot's equity": whatever a bot reports, marks, asks, splits
// or voids, in whatever order and however much time passes, another bot's money, holdings
// and equity stay what they were.
func TestNoBotMovesAnothersEquity(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		live := rapid.Bool().Draw(r, "live")
		h := twoBots(r, live)
		b := h.botOf("b")
		equity, cash, positions := b.Equity(), b.Cash, b.Positions
		treasury := h.s.Treasury(domain.WalletHot)
		h.as(domain.RoleBot, "a")
		var fills []domain.FillID
		for n := range rapid.IntRange(1, 25).Draw(r, "commands") {
			h.after(time.Duration(rapid.IntRange(0, 40).Draw(r, "seconds")) * time.Second)
			_, err := h.try(botCommand(r, h, n, &fills))
			require.NotEqual(r, domain.CodeInternal, domain.CodeOf(err), "%v", err)
			b = h.botOf("b")
			require.Equal(r, equity.String(), b.Equity().String(), "after %v", h.types())
			require.Equal(r, cash.String(), b.Cash.String())
			require.Equal(r, positions, b.Positions)
			require.Equal(r, treasury.String(), h.s.Treasury(domain.WalletHot).String())
			require.Equal(r, h.s.Equity().Sub(h.botOf("a").Equity()), equity.Add(treasury), "the portfolio is its parts")
		}
	})
}

// twoBots opens a portfolio in which both bots hold something, some of it marked.
func twoBots(t testingT, live bool) *harness {
	mode := domain.ModePaper
	if live {
		mode = domain.ModeLive
	}
	h := newHarness(t).open(mode, quietPolicy, func(p *domain.Policy) {
		p.Rules, p.MarkCollar, p.MarkMaxAge = domain.SecondRules, dec("0.25"), domain.Duration(time.Minute)
	})
	h.deposit("5000")
	h.bot("a", "2000")
	h.bot("b", "2000")
	h.exclusive("cup", "A", "B", "C")
	h.exclusive("rain", "YES", "NO")
	h.market("coin", domain.KindSpot)
	for i, at := range places {
		h.fill("b", at.Market, at.Outcome, buy, fmt.Sprint(10+i), "0.4")
		if i%2 == 0 {
			h.fill("a", at.Market, at.Outcome, buy, "20", "0.3")
		}
	}
	h.as(domain.RoleFeed, "f")
	h.mark("cup", "A", "0.5")
	h.mark("rain", "YES", "0.6")
	h.mark("m", "YES", "0.2")
	h.mark("m", "YES", "0.9") // it waits beyond the collar …
	h.mark("m", "YES", "0.2") // … and is dropped
	h.operator()
	for _, at := range []domain.Instrument{{Market: "m", Outcome: "NO"}, {Market: "cup", Outcome: "B"}, {Market: "coin", Outcome: "BTC"}} {
		o := order("b", at.Market, at.Outcome, buy, "5", "0.25")
		h.ask(o)
		if g := stepOf[*domain.PermitGranted](h); len(g) == 1 {
			h.must(func(d *Decision) error { return d.PlacePermit(g[0].Permit, nil) })
		}
		if o.PaperFill = !live; o.PaperFill {
			h.as(domain.RoleBot, "b").mark(at.Market, at.Outcome, "0.4") // b's own word: the order rests
			h.ask(o)
			h.operator()
		}
	}
	return h
}

var places = []domain.Instrument{
	{Market: "cup", Outcome: "A"},
	{Market: "cup", Outcome: "!B"},
	{Market: "cup", Outcome: "B"},
	{Market: "rain", Outcome: "NO"},
	{Market: "m", Outcome: "YES"},
	{Market: "m", Outcome: "NO"},
	{Market: "coin", Outcome: "BTC"},
}

// botCommand draws a command that the key of bot a may send.
func botCommand(r *rapid.T, h *harness, n int, fills *[]domain.FillID) func(*Decision) error {
	at := rapid.SampledFrom(places).Draw(r, "place")
	price := rapid.SampledFrom([]string{"0", "0.01", "0.2", "0.25", "0.5", "0.97", "1", "41"}).Draw(r, "price")
	quantity := rapid.SampledFrom([]string{"0.000001", "1", "7", "300"}).Draw(r, "quantity")
	side := rapid.SampledFrom([]domain.Side{buy, sell}).Draw(r, "side")
	id := func() domain.FillID {
		if len(*fills) == 0 {
			return domain.FillID{Bot: "a", TradeID: "unknown"}
		}
		return rapid.SampledFrom(*fills).Draw(r, "fill")
	}
	switch rapid.IntRange(0, 9).Draw(r, "kind") {
	case 0, 1:
		return func(d *Decision) error {
			return d.MarkPrices([]domain.Mark{{Market: at.Market, Outcome: at.Outcome, Price: dec(price)}})
		}
	case 2, 3:
		report := h.report("a", at.Market, at.Outcome, side, quantity, price, withFee("0.1"))
		if rapid.Bool().Draw(r, "provisional") {
			report.Status = domain.FillProvisionalStatus
		}
		*fills = append(*fills, report.FillID)
		return func(d *Decision) error { return d.RecordFill(report) }
	case 4:
		return func(d *Decision) error { return d.VoidFill(id(), "") }
	case 5:
		return func(d *Decision) error { return d.ConfirmFill(id(), "") }
	case 6:
		pnl := rapid.SampledFrom([]string{"-50", "0.01", "900"}).Draw(r, "pnl")
		return func(d *Decision) error {
			return d.RecordTrade(&domain.TradeClosed{Bot: "a", Instrument: at, TradeID: fmt.Sprintf("r%d", n), TradeFigures: domain.TradeFigures{PnL: dec(pnl)}})
		}
	case 7:
		market := rapid.SampledFrom([]string{"cup", "rain"}).Draw(r, "market")
		action := rapid.SampledFrom([]string{domain.SplitSets, domain.MergeSets}).Draw(r, "action")
		return h.sets("a", market, action, quantity, fmt.Sprintf("s%d", n))
	}
	o := order("a", at.Market, at.Outcome, side, quantity, price)
	o.PaperFill = h.s.Mode == domain.ModePaper && rapid.Bool().Draw(r, "on paper")
	return func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o}) }
}
