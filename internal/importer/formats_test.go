package importer

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/shareddata"
)

// What venues export, translated into the files of pets import, has the books that were
// computed from the same samples with fractions.

// record is a row of an export by the names of its fields.
type record map[string]string

func formatsDir(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(shareddata.Dir(t), "..", "formats")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no folder formats beside the shared data")
	}
	return dir
}

// sample reads a file of rows, CSV or JSON, in the order of the file.
func sample(t *testing.T, name string) []record {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(formatsDir(t), "samples", name))
	require.NoError(t, err)
	if strings.HasSuffix(name, ".gz") {
		z, err := gzip.NewReader(bytes.NewReader(data))
		require.NoError(t, err)
		data, err = io.ReadAll(z)
		require.NoError(t, err)
	}
	if !strings.Contains(name, ".json") {
		rows, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))).ReadAll()
		require.NoError(t, err)
		all := make([]record, 0, len(rows))
		for _, row := range rows[1:] {
			r := record{}
			for i, name := range rows[0] {
				r[name] = row[i]
			}
			all = append(all, r)
		}
		return all
	}
	var rows []map[string]any
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	require.NoError(t, d.Decode(&rows))
	all := make([]record, len(rows))
	for i, row := range rows {
		all[i] = record{}
		all[i].flatten("", row)
	}
	return all
}

func (r record) flatten(prefix string, object map[string]any) {
	for name, v := range object {
		switch v := v.(type) {
		case map[string]any:
			r.flatten(prefix+name+".", v)
		case nil:
		default:
			r[prefix+name] = fmt.Sprint(v)
		}
	}
}

// once drops repeated rows: pages of an export overlap.
func once(rows []record) []record {
	seen := map[string]bool{}
	return slices.DeleteFunc(slices.Clone(rows), func(r record) bool {
		text := fmt.Sprint(r)
		again := seen[text]
		seen[text] = true
		return again
	})
}

// oldestFirst turns an export around that begins with the newest row.
func oldestFirst(rows []record) []record {
	rows = slices.Clone(rows)
	slices.Reverse(rows)
	return rows
}

func unix(t *testing.T, text string, unit time.Duration) string {
	t.Helper()
	n, err := strconv.ParseInt(text, 10, 64)
	require.NoError(t, err)
	return time.Unix(0, 0).Add(time.Duration(n) * unit).UTC().Format(time.RFC3339Nano)
}

// sheet is a file of pets import.
type sheet [][]string

func newSheet(header string) *sheet { return &sheet{strings.Split(strings.TrimSpace(header), ",")} }

func (s *sheet) add(cells ...string) { *s = append(*s, cells) }

// give adds a file to the bench, unless it is empty.
func (b *bench) give(name string, s *sheet) {
	b.t.Helper()
	if len(*s) == 1 {
		return
	}
	var out bytes.Buffer
	require.NoError(b.t, csv.NewWriter(&out).WriteAll(*s))
	b.file(name, out.String())
}

// books are the expected ones.
type books struct {
	Trades         []bookedTrade
	Open           []struct{ Market, Outcome, Quantity, Cost string }
	Cash           string
	RealisedEquity string `json:"realised_equity"`
	ByCost         *struct {
		Trades []bookedTrade
		Closed struct {
			Count, Wins, Losses, Zeros int
			PnL                        string
		}
	} `json:"if_merge_proceeds_follow_cost"`
}

type bookedTrade struct{ Closed, Market, Outcome, PnL string }

func expected(t *testing.T, name string) books {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(formatsDir(t), "expected", name+".json"))
	require.NoError(t, err)
	var v books
	require.NoError(t, json.Unmarshal(data, &v))
	if v.ByCost != nil { // "Merges in pets follow the cost"
		v.Trades = v.ByCost.Trades
	}
	return v
}

// closedTrades returns the trades of a history, sorted as the expected ones.
func (b *bench) closedTrades() []bookedTrade {
	b.t.Helper()
	var all []bookedTrade
	for _, rec := range records(b.t, b.store) {
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(b.t, err)
		for _, one := range domain.Flatten(e) {
			if c, ok := one.(*domain.TradeClosed); ok {
				all = append(all, bookedTrade{rec.Time.UTC().Format(time.RFC3339Nano), c.Market, c.Outcome, c.PnL.String()})
			}
		}
	}
	return sortedTrades(all)
}

func sortedTrades(all []bookedTrade) []bookedTrade {
	slices.SortStableFunc(all, func(a, b bookedTrade) int {
		return strings.Compare(a.Closed+"\x00"+a.Market+"\x00"+a.Outcome, b.Closed+"\x00"+b.Market+"\x00"+b.Outcome)
	})
	return all
}

// same compares to the last digit that a ledger keeps: where the expected number does not
// end there, within 1e-12.
func same(t *testing.T, want, got, about string) {
	t.Helper()
	w, ok := new(big.Rat).SetString(want)
	require.True(t, ok, want)
	g, ok := new(big.Rat).SetString(got)
	require.True(t, ok, got)
	difference := new(big.Rat).Abs(new(big.Rat).Sub(w, g))
	if _, digits, _ := strings.Cut(want, "."); len(digits) <= domain.Scale {
		require.Zero(t, difference.Sign(), "%s: %s, not %s", about, want, got)
	}
	require.Equal(t, -1, difference.Cmp(big.NewRat(1, 1_000_000_000_000)), "%s: %s, not %s", about, want, got)
}

// requireBooks compares all of a case. inTrades is what pets counts to a trade beyond its
// fills: funding.
func (b *bench) requireBooks(want books, inTrades func(bookedTrade) *big.Rat) {
	b.t.Helper()
	same(b.t, want.RealisedEquity, b.state().RealisedEquity().String(), "realised equity")
	b.requirePositions(want, nil)
	got := b.closedTrades()
	require.Len(b.t, got, len(want.Trades))
	for i, w := range sortedTrades(want.Trades) {
		if inTrades != nil {
			pnl := rat(b.t, w.PnL)
			w.PnL = domain.MustDecimal(pnl.Add(pnl, inTrades(w)).FloatString(domain.Scale)).String()
		}
		b.requireTrade(w, got[i])
	}
	b.requireKnown()
}

func (b *bench) requireTrade(want, got bookedTrade) {
	b.t.Helper()
	require.Equal(b.t, [3]string{want.Closed, want.Market, want.Outcome}, [3]string{got.Closed, got.Market, got.Outcome})
	same(b.t, want.PnL, got.PnL, "trade of "+want.Market+"/"+want.Outcome+" at "+want.Closed)
}

// requirePositions compares the cash and what is held; but not the cost in some markets.
func (b *bench) requirePositions(want books, butCost map[string]bool) {
	b.t.Helper()
	s, open := b.state(), map[string][2]string{}
	same(b.t, want.Cash, s.Cash.String(), "cash")
	for _, in := range s.Instruments {
		for _, h := range in.Holdings {
			if !h.IsFlat() {
				open[in.Market+"/"+in.Outcome] = [2]string{h.Quantity.String(), h.Cost.String()}
			}
		}
	}
	require.Len(b.t, open, len(want.Open))
	for _, o := range want.Open {
		about := o.Market + "/" + o.Outcome
		same(b.t, o.Quantity, open[about][0], "quantity of "+about)
		if !butCost[o.Market] {
			same(b.t, o.Cost, open[about][1], "cost of "+about)
		}
	}
}

// requireKnown runs the import again.
func (b *bench) requireKnown() {
	b.t.Helper()
	before := len(records(b.t, b.store))
	again := b.must()
	require.Zero(b.t, again.Recorded+again.Events, "%+v", again)
	require.Len(b.t, records(b.t, b.store), before)
}

func rat(t *testing.T, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(text)
	require.True(t, ok, text)
	return r
}

// polymarket translates the activity of a wallet: trades, splits, merges and redeems of a
// wallet's ledger, income, deposits and withdrawals. With halves a split is two purchases
// at a half each, as the venue counts it.
func polymarket(t *testing.T, b *bench, rows []record, halves bool) {
	t.Helper()
	rows = oldestFirst(once(rows))
	ledger, markets, moves := newSheet(walletHeader), newSheet(marketHeader), newSheet(movementHeader)
	outcomes := map[string][]string{}
	for _, m := range pairsOf(rows) {
		outcomes[m[0]] = m[1:]
		markets.add(unix(t, rows[0]["timestamp"], time.Second), m[0], "outcome", m[1]+"|"+m[2], "true")
	}
	for _, r := range rows {
		at, market, size, usd := unix(t, r["timestamp"], time.Second), r["slug"], r["size"], r["usdcSize"]
		switch r["type"] {
		case "TRADE":
			side, sign := strings.ToLower(r["side"]), "-"
			if side == "sell" {
				sign = ""
			}
			ledger.add(at, "trade", market, r["outcome"], side, size, r["price"], sign+usd, r["transactionHash"])
		case "SPLIT":
			if halves {
				half := domain.MustDecimal(usd).Div(domain.FromInt(2)).String()
				for _, outcome := range outcomes[market] {
					ledger.add(at, "trade", market, outcome, "buy", size, "0.5", "-"+half, r["transactionHash"])
				}
				continue
			}
			ledger.add(at, "split", market, "", "", size, "", "-"+usd, r["transactionHash"])
		case "MERGE":
			ledger.add(at, "merge", market, "", "", size, "", usd, r["transactionHash"])
		case "REDEEM":
			ledger.add(at, "redeem", market, "", "", usd, "", usd, r["transactionHash"])
		case "DEPOSIT", "WITHDRAWAL":
			moves.add(at, strings.ToLower(r["type"]), "hot", "", usd, r["transactionHash"], "")
		case "CONVERSION": // does not say what came for it
		default:
			ledger.add(at, "rebate", "", "", "", "", "", usd, r["transactionHash"])
		}
	}
	b.read.Round = true // prices for display have more digits than a ledger keeps
	b.give("markets.csv", markets)
	b.give("wallet.csv", ledger)
	b.give("movements.csv", moves)
}

// pairsOf returns the markets of which both outcomes are known, with the outcomes.
func pairsOf(rows []record) [][3]string {
	var order []string
	seen := map[string][]string{}
	for _, r := range rows {
		market, outcome := r["slug"], r["outcome"]
		if market == "" {
			continue
		}
		if _, known := seen[market]; !known {
			order, seen[market] = append(order, market), nil
		}
		if outcome != "" && !slices.Contains(seen[market], outcome) {
			seen[market] = append(seen[market], outcome)
		}
	}
	other := map[string]string{"Yes": "No", "No": "Yes", "Up": "Down", "Down": "Up"}
	var pairs [][3]string
	for _, market := range order {
		names := seen[market]
		if len(names) == 1 && other[names[0]] != "" {
			names = append(names, other[names[0]])
		}
		if len(names) == 2 {
			pairs = append(pairs, [3]string{market, names[0], names[1]})
		}
	}
	return pairs
}

// "`SPLIT` size USDC -> size of both outcomes; `MERGE` back"; "One outcome held: payout /
// held. Both held: the one whose quantity equals usdcSize won, the other pays 0".
func TestBooksOfAWalletWithSets(t *testing.T) {
	for _, name := range []string{"polymarket_activity.csv", "polymarket_activity.json"} {
		b := newBench(t)
		polymarket(t, b, sample(t, name), false)
		s := b.must()
		require.Equal(t, 1, s.Ignored, "a redeem of what was never held")
		b.requireBooks(expected(t, "polymarket_activity"), nil)
		require.Equal(t, "300", b.state().Treasury(domain.WalletHot).String(), "deposits less withdrawals")
	}
}

// The same of 5,000 rows, with splits at a half each.
func TestBooksOfALongWallet(t *testing.T) {
	b := newBench(t)
	polymarket(t, b, sample(t, "polymarket_activity_5000.json.gz"), true)
	b.must()
	want := expected(t, "polymarket_activity_5000")
	same(t, want.RealisedEquity, b.state().RealisedEquity().String(), "realised equity")
	b.requirePositions(want, nil)
	counts, sum := [4]int{}, domain.Zero
	for _, trade := range b.closedTrades() {
		pnl := domain.MustDecimal(trade.PnL)
		sum = sum.Add(pnl)
		counts[0]++
		counts[2-pnl.Sign()]++
	}
	c := want.ByCost.Closed
	require.Equal(t, [4]int{c.Count, c.Wins, c.Zeros, c.Losses}, counts)
	same(t, c.PnL, sum.String(), "P&L of all closed trades")
	b.requireKnown()
}

// A split of marked outcomes costs what their marks say, and not a half each: trades of
// such markets differ, and neither cash nor quantities do.
func TestBooksOfSplitsAtTheirMarks(t *testing.T) {
	b, rows, want := newBench(t), sample(t, "polymarket_activity_5000.json.gz"), expected(t, "polymarket_activity_5000")
	polymarket(t, b, rows, false)
	b.must()
	split := map[string]bool{}
	for _, r := range rows {
		split[r["slug"]] = split[r["slug"]] || r["type"] == "SPLIT"
	}
	b.requirePositions(want, split)
	require.Equal(t, want.ByCost.Closed.Count, b.count(domain.TradeClosedType))
	require.Equal(t, 274, b.count(domain.SetsChangedType)-99)
}

// funded returns what funding a trade has in its P&L: all of its market since the trade
// before.
func funded(t *testing.T, trades []bookedTrade, funding *sheet) func(bookedTrade) *big.Rat {
	t.Helper()
	return func(of bookedTrade) *big.Rat {
		before, total, seen := "", new(big.Rat), map[string]bool{}
		for _, other := range trades {
			if other.Market == of.Market && other.Closed < of.Closed {
				before = max(before, other.Closed)
			}
		}
		for _, f := range (*funding)[1:] {
			if again := seen[f[5]]; !again && f[2] == of.Market && f[0] > before && f[0] <= of.Closed {
				seen[f[5]] = true
				total.Add(total, rat(t, f[4]))
			}
		}
		return total
	}
}

// perps is what the exports of venues of perps become.
type perps struct{ fills, funding, moves, fees *sheet }

func newPerps() perps {
	return perps{
		newSheet("time,bot,market,outcome,side,quantity,price,fee,trade_id,kind,fee_asset"),
		newSheet(fundingHeader), newSheet(movementHeader), newSheet("time,bot,kind,amount"),
	}
}

func (p perps) give(b *bench) {
	b.give("movements.csv", p.moves)
	b.give("fills.csv", p.fills)
	b.give("funding.csv", p.funding)
	b.give("fees.csv", p.fees)
}

// "fee negative = rebate"; "Spot `@107` …: fee of a buy is in the coin"; "Funding: usdc
// signed as cash, identity (time, coin)"; "Ledger: deposit, withdraw (+ fee) flows".
func TestBooksOfAVenueOfPerps(t *testing.T) {
	b, p, want := newBench(t), newPerps(), expected(t, "hyperliquid_api")
	b.o.Capital, b.o.BotCapital = amount("1000"), amount("500") // the first deposit opens it
	for _, r := range oldestFirst(sample(t, "hyperliquid_fills.json")) {
		kind, asset, side := "perp", "", map[string]string{"A": "sell", "B": "buy"}[r["side"]]
		if strings.HasPrefix(r["coin"], "@") {
			kind = "spot"
		}
		if r["feeToken"] != "USDC" {
			asset = domain.FeeShares
		}
		p.fills.add(unix(t, r["time"], time.Millisecond), "hl", r["coin"], r["coin"], side, r["sz"], r["px"], r["fee"], r["tid"], kind, asset)
	}
	for _, r := range oldestFirst(sample(t, "hyperliquid_funding.json")) {
		p.funding.add(unix(t, r["time"], time.Millisecond), "hl", r["delta.coin"], r["delta.coin"], r["delta.usdc"], r["time"]+r["delta.coin"], "perp")
	}
	for _, r := range oldestFirst(sample(t, "hyperliquid_ledger.json")) {
		if r["delta.type"] == "withdraw" {
			all := domain.MustDecimal(r["delta.usdc"]).Add(domain.MustDecimal(r["delta.fee"]))
			p.moves.add(unix(t, r["time"], time.Millisecond), "withdrawal", "hot", "", all.String(), r["hash"], "")
		}
	}
	p.give(b)
	require.Equal(t, 1, b.must().Duplicates)
	b.requireBooks(want, funded(t, want.Trades, p.funding))
}

// "Fee … `0.24000000USDT` or with a space, positive = paid"; "Types: TRANSFER,
// REALIZED_PNL, COMMISSION, FUNDING_FEE, … REFERRAL_KICKBACK"; ids are unique per type.
func TestBooksOfFuturesWithIncome(t *testing.T) {
	b, p, want := newBench(t), newPerps(), expected(t, "binance_futures")
	b.o.BotCapital = amount("1000")
	for _, r := range oldestFirst(sample(t, "Binance-Futures-Trade-History-202603040000(UTC--6)-part1-of1.csv")) {
		fee := domain.MustDecimal(strings.TrimSpace(strings.TrimRight(r["Fee"], "USDTBN ")))
		if strings.HasSuffix(r["Fee"], "BNB") { // at the rate of the case
			fee = fee.Mul(domain.FromInt(600))
		}
		p.fills.add(strings.Replace(r["Time"], " ", "T", 1)+"-06:00", "futures", r["Symbol"], r["Symbol"], strings.ToLower(r["Side"]), r["Quantity"], r["Price"], fee.String(), r["Symbol"]+r["Trade ID"], "perp", "")
	}
	for _, r := range sample(t, "binance_futures_income.csv") {
		at, sum := strings.Replace(r["Date(UTC)"], " ", "T", 1)+"Z", r["Amount"]
		switch r["type"] {
		case "TRANSFER":
			way := map[bool]string{true: "withdrawal", false: "deposit"}[strings.HasPrefix(sum, "-")]
			p.moves.add(at, way, "hot", "", strings.TrimPrefix(sum, "-"), "TRANSFER "+r["Transaction ID"], "")
		case "FUNDING_FEE":
			p.funding.add(at, "futures", r["Symbol"], r["Symbol"], sum, r["Transaction ID"], "perp")
		case "REFERRAL_KICKBACK":
			p.fees.add(at, "futures", "rebate", sum)
		} // COMMISSION and REALIZED_PNL repeat what the fills say
	}
	p.give(b)
	require.Equal(t, 1, b.must().Duplicates)
	b.requireBooks(want, funded(t, want.Trades, p.funding))
}

// "commission `0.24000000 USDT`, negative = rebate. Times `+00:00`, up to ns."
func TestBooksOfRebatesInFills(t *testing.T) {
	b, p := newBench(t), newPerps()
	b.o.Capital = amount("5000")
	for _, r := range sample(t, "nautilus_fills.csv") {
		fee, _, _ := strings.Cut(r["commission"], " ")
		p.fills.add(r["ts_event"], r["strategy_id"], r["instrument_id"], r["instrument_id"], strings.ToLower(r["order_side"]), r["last_qty"], r["last_px"], fee, r["trade_id"], "perp", "")
	}
	p.give(b)
	b.must()
	b.requireBooks(expected(t, "nautilus_fills"), nil)
}

// "result yes / no / `scalar` (YES pays value/100, NO the rest) / `void` (back at cost)":
// the two rows of a market settle it as a whole.
func TestBooksOfSettledMarkets(t *testing.T) {
	b := newBench(t)
	b.o.Capital = amount("500")
	fills, markets, settled := newSheet(fillHeader), newSheet(marketHeader), newSheet(settleHeader)
	for _, r := range oldestFirst(sample(t, "kalshi_fills.csv")) {
		fills.add(r["created_time"], "kalshi", r["ticker"], r["side"], r["action"], r["count_fp"], r[r["side"]+"_price_dollars"], r["fee_cost"], r["fill_id"])
	}
	for _, r := range oldestFirst(sample(t, "kalshi_settlements.csv")) {
		at, market := r["settled_time"], r["ticker"]
		markets.add("2026-09-01T00:00:00Z", market, "outcome", "yes|no", "")
		if r["market_result"] == "void" {
			settled.add(at, "", market, "", "void")
			continue
		}
		yes := domain.MustDecimal(r["value"]).Div(domain.FromInt(100))
		settled.add(at, "", market, "yes", yes.String())
		settled.add(at, "", market, "no", domain.One.Sub(yes).String())
	}
	b.give("markets.csv", markets)
	b.give("fills.csv", fills)
	b.give("settlements.csv", settled)
	require.Equal(t, 2, b.must().Duplicates)
	require.Len(t, b.paidOut(), 5)
	b.requireBooks(expected(t, "kalshi_csv"), nil)
}
