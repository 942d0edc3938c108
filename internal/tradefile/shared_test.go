package tradefile

import (
	"context"
	"path/filepath"
	"testing"

	"pets/domain"
	"pets/internal/shareddata"
)

func readShared(t testing.TB, opt Options, names ...string) *Plan {
	t.Helper()
	dir := shareddata.Dir(t)
	for i := range names {
		names[i] = filepath.Join(dir, names[i])
	}
	p, err := Read(context.Background(), names, opt, nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := make(map[string]bool, p.Len())
	for _, r := range p.rows() {
		keys[r.Key] = true
	}
	if len(keys) != p.Len() {
		t.Errorf("%d keys for %d rows", len(keys), p.Len())
	}
	return p
}

// "trade (139 buys, 16 sells), redeem (35), rebate (2)"; "cash: buys / sells /
// redeems / rebates: -378.19 / 115.28 / 141.44 / 0.03"
func TestSharedWallet(t *testing.T) {
	p := readShared(t, Options{}, "polymarket-wallet.csv")
	var buys, sells, redeems, rebates, empty int
	var bought, sold, redeemed, rebated domain.Decimal
	for _, r := range p.rows() {
		switch {
		case r.Redeem != nil:
			redeems++
			redeemed = redeemed.Add(r.Redeem.Cash)
			if r.Redeem.Quantity.IsZero() {
				empty++
			}
		case r.Rebate != nil:
			rebates++
			rebated = rebated.Add(r.Rebate.Amount)
		case r.Fill.Side == domain.Buy:
			buys++
			bought = bought.Add(*r.Fill.Notional)
		default:
			sells++
			sold = sold.Add(*r.Fill.Notional)
		}
	}
	if got, want := [5]int{buys, sells, redeems, empty, rebates}, [5]int{139, 16, 35, 26, 2}; got != want {
		t.Errorf("buys, sells, redeems, of them empty, rebates: %v, want %v", got, want)
	}
	for name, d := range map[string][2]string{
		"buys": {bought.String(), "378.19"}, "sells": {sold.String(), "115.28"},
		"redeems": {redeemed.String(), "141.44"}, "rebates": {rebated.String(), "0.03"},
	} {
		if d[0] != d[1] {
			t.Errorf("cash of %s: %s, want %s", name, d[0], d[1])
		}
	}
}

// "Fills alone: bought 42,568.32006 tokens for 42,525.75173994 USDC."
func TestSharedBotFillsWithResolutions(t *testing.T) {
	p := readShared(t, Options{}, "polymarket-bot-fills.csv", "polymarket-bot-resolutions.csv")
	if p.Files[0].Rows != 1052 || p.Files[1].Rows != 1007 || p.Len() != 2059 {
		t.Errorf("rows %+v, want 1052 and 1007", p.Files)
	}
	var quantity, cost domain.Decimal
	for _, r := range p.rows() {
		if r.Fill != nil {
			quantity = quantity.Add(r.Fill.Quantity)
			cost = cost.Add(r.Fill.Quantity.Mul(r.Fill.Price))
		}
	}
	if quantity.String() != "42568.32006" || cost.String() != "42525.75173994" {
		t.Errorf("bought %v for %v", quantity, cost)
	}
	if p.rows()[0].Settlement == nil || len(p.Bots) != 1 || p.Bots[0] != "sweep" {
		t.Errorf("first row %+v, bots %v; want a resolution, and sweep", p.rows()[0], p.Bots)
	}
}

// "net pnl … all 1,007 by net_pnl_reported: 32.45332006"
func TestSharedResolutionsAsTrades(t *testing.T) {
	p := readShared(t, Options{Bot: "sweep", AsTrades: true}, "polymarket-bot-resolutions.csv")
	var pnl domain.Decimal
	for _, r := range p.rows() {
		pnl = pnl.Add(r.Trade.PnL)
	}
	if p.Len() != 1007 || pnl.String() != "32.45332006" {
		t.Errorf("%d trades, pnl %v", p.Len(), pnl)
	}
}

// "51,957 buys, 8,655 sells; … sum of price x quantity = 772,704.394074336"
func TestSharedTape(t *testing.T) {
	p := readShared(t, Options{}, "polymarket-tape.csv.gz")
	var buys int
	var sum domain.Decimal
	for row := range p.All() {
		f := row.Fill
		if f.Side == domain.Buy {
			buys++
		}
		sum = sum.Add(f.Price.Mul(f.Quantity))
	}
	if p.Len() != 60612 || buys != 51957 || sum.String() != "772704.394074336" || len(p.Bots) != tapeBots {
		t.Errorf("%d rows, %d buys, sum %v, bots %v", p.Len(), buys, sum, p.Bots)
	}
}

func TestSharedResultFilesAreRefused(t *testing.T) {
	dir := shareddata.Dir(t)
	for _, name := range []string{"polymarket-wallet-markets.csv", "polymarket-wallet-episodes.csv", "polymarket-tape-ids.csv"} {
		if _, err := Read(context.Background(), []string{filepath.Join(dir, name)}, Options{}, nil); err == nil {
			t.Errorf("%s was read as trades", name)
		}
	}
}

func BenchmarkReadTape(b *testing.B) {
	path := filepath.Join(shareddata.Dir(b), "polymarket-tape.csv.gz")
	b.ReportAllocs()
	var rows int
	for b.Loop() {
		p, err := Read(context.Background(), []string{path}, Options{}, nil)
		if err != nil {
			b.Fatal(err)
		}
		rows += p.Len()
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}
