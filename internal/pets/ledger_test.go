package pets_test

import (
	"maps"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/pets/petstest"
)

// The second computation: equity, references and breakers directly from the rows of the files, in
// rational numbers, without any of the product's own code. It follows docs/semantics, and rounds
// where those pages say so.

// plainRow is one row of a file; docs/import.md describes the formats.
type plainRow struct {
	source, bot, market, outcome string
	at                           time.Time
	what                         string // buy, sell, settle, redeem, rebate
	quantity, price, cash        *big.Rat
}

type plainKey struct{ bot, market, outcome string }

func (k plainKey) instrument() string { return k.market + "\x00" + k.outcome }

type plainPosition struct {
	quantity, cost, value *big.Rat
	mark                  *big.Rat
	flow                  *big.Rat // cash in less cash out since it was flat
}

// plainScope is equity and the peak it is measured against.
type plainScope struct{ equity, peak *big.Rat }

type plainTrip struct {
	breaker, bot, source string
	at                   time.Time
	value                *big.Rat
}

type plainBot struct {
	plainScope
	cash, capital                 *big.Rat
	streak                        int
	trades, wins, losses, neutral int
}

type ledgerByHand struct {
	t                    testing.TB
	treasury, botCapital *big.Rat
	total                plainScope
	day                  string
	dayOpen              *big.Rat
	days                 []string // date and opening equity, in order
	bots                 map[string]*plainBot
	held                 map[plainKey]*plainPosition
	holders              map[string][]plainKey // by instrument
	marks                map[string]*big.Rat
	settled              map[string]bool
	trips                []plainTrip
	limits               map[string]*big.Rat
	value, cost, allCash *big.Rat
	moved                []string
	closedPnL            []*big.Rat // of every closed trade
	rowChange            bool
	common               bool // a fill marks for all, as under the first edition of the rules
}

func newByHand(t testing.TB, capital, botCapital string) *ledgerByHand {
	t.Helper()
	return &ledgerByHand{
		t: t, treasury: petstest.Rat(t, capital), botCapital: petstest.Rat(t, botCapital),
		total: plainScope{petstest.Rat(t, capital), petstest.Rat(t, capital)}, dayOpen: petstest.Rat(t, capital),
		bots: map[string]*plainBot{}, held: map[plainKey]*plainPosition{}, holders: map[string][]plainKey{},
		marks: map[string]*big.Rat{}, settled: map[string]bool{}, value: new(big.Rat), cost: new(big.Rat), allCash: petstest.Rat(t, capital),
		limits: map[string]*big.Rat{
			"consecutive_losses": petstest.Rat(t, "3"), "daily_loss": petstest.Rat(t, "0.05"),
			"bot_drawdown": petstest.Rat(t, "0.25"), "portfolio_drawdown": petstest.Rat(t, "0.40"),
		},
	}
}

var ten18 = new(big.Int).Exp(big.NewInt(10), big.NewInt(18), nil)

// round18: "a product or quotient is rounded half-even at 18 decimals".
func round18(r *big.Rat) *big.Rat { return roundTo(r, ten18) }

func roundTo(r *big.Rat, unit *big.Int) *big.Rat {
	num := new(big.Int).Mul(r.Num(), unit)
	q, rest := new(big.Int).QuoRem(num, r.Denom(), new(big.Int))
	if rest.Sign() == 0 {
		return new(big.Rat).SetFrac(q, unit)
	}
	twice := new(big.Int).Abs(rest)
	c := twice.Lsh(twice, 1).Cmp(r.Denom())
	if c > 0 || (c == 0 && q.Bit(0) == 1) {
		q.Add(q, big.NewInt(int64(r.Sign())))
	}
	return new(big.Rat).SetFrac(q, unit)
}

func sum(a *big.Rat, more ...*big.Rat) *big.Rat {
	out := new(big.Rat).Set(a)
	for _, m := range more {
		out.Add(out, m)
	}
	return out
}

func minus(a, b *big.Rat) *big.Rat { return new(big.Rat).Sub(a, b) }
func times(a, b *big.Rat) *big.Rat { return new(big.Rat).Mul(a, b) }
func over(a, b *big.Rat) *big.Rat  { return new(big.Rat).Quo(a, b) }
func neg(a *big.Rat) *big.Rat      { return new(big.Rat).Neg(a) }
func abs(a *big.Rat) *big.Rat      { return new(big.Rat).Abs(a) }

// below is (reference - equity) / reference: 0 above it, 1 when equity ≤ 0.
func below(reference, equity *big.Rat) *big.Rat {
	switch {
	case equity.Sign() <= 0:
		return big.NewRat(1, 1)
	case equity.Cmp(reference) >= 0:
		return new(big.Rat)
	}
	return round18(over(minus(reference, equity), reference))
}

// row books one row and then evaluates the breakers.
func (p *ledgerByHand) row(r plainRow) {
	if day := r.at.UTC().Format(time.DateOnly); day != p.day {
		// "The first event of a new day is preceded by day.opened with the equity at
		// that moment"; the first of all opens its own day.
		if p.day != "" {
			p.dayOpen = sum(p.total.equity)
			p.days = append(p.days, day+" "+p.dayOpen.FloatString(18))
		}
		p.day = day
	}
	if r.bot != "" && p.bots[r.bot] == nil {
		p.bots[r.bot] = &plainBot{plainScope: plainScope{sum(p.botCapital), sum(p.botCapital)}, cash: sum(p.botCapital), capital: sum(p.botCapital)}
		p.treasury = minus(p.treasury, p.botCapital)
	}
	p.moved, p.rowChange = nil, false
	switch r.what {
	case "buy", "sell":
		p.fill(r)
	case "settle":
		p.settle(r)
	case "redeem":
		p.redeem(r)
	case "rebate":
		p.pay(r.bot, r.cash)
	default:
		p.t.Fatalf("%s: what is %q?", r.source, r.what)
	}
	if p.rowChange {
		p.evaluate(r)
	}
}

func (p *ledgerByHand) touch(bot string) {
	p.rowChange = true
	if !slices.Contains(p.moved, bot) {
		p.moved = append(p.moved, bot)
	}
}

func (p *ledgerByHand) pay(bot string, amount *big.Rat) {
	b := p.bots[bot]
	b.cash, p.allCash = sum(b.cash, amount), sum(p.allCash, amount)
	p.bots[bot].equity = sum(b.equity, amount)
	p.touch(bot)
}

func (p *ledgerByHand) fill(r plainRow) {
	key := plainKey{r.bot, r.market, r.outcome}
	mark, cash := r.price, r.cash
	if cash != nil { // "a fill may carry notional; then it wins over price × quantity, and the mark is notional ÷ quantity"
		cash = abs(cash)
		mark = round18(over(cash, r.quantity))
	} else {
		cash = round18(times(r.price, r.quantity))
	}
	quantity := r.quantity
	if r.what == "sell" {
		quantity, cash = neg(quantity), neg(cash)
	}
	p.trade(key, quantity, cash)
	switch {
	case p.settled[key.instrument()]:
		p.mark(key.instrument(), p.marks[key.instrument()])
	case p.common:
		p.mark(key.instrument(), mark)
	default: // "A bot's word, fill or mark, prices only its own holding"
		p.revalue(key, mark)
	}
	p.touch(r.bot)
}

// trade changes a position by a signed quantity at a signed cost; a trade past zero closes one
// position and opens another with the remainder.
func (p *ledgerByHand) trade(key plainKey, quantity, cash *big.Rat) {
	h := p.held[key]
	if h == nil {
		h = &plainPosition{quantity: new(big.Rat), cost: new(big.Rat), value: new(big.Rat), flow: new(big.Rat)}
		p.held[key] = h
		p.holders[key.instrument()] = append(p.holders[key.instrument()], key)
	}
	if h.quantity.Sign()*quantity.Sign() >= 0 {
		p.move(key, h, quantity, cash, cash)
		return
	}
	if abs(quantity).Cmp(abs(h.quantity)) < 0 {
		part := round18(over(times(h.cost, abs(quantity)), abs(h.quantity)))
		p.move(key, h, quantity, neg(part), cash)
		return
	}
	closing := round18(over(times(cash, abs(h.quantity)), abs(quantity)))
	rest, left := sum(quantity, h.quantity), minus(cash, closing)
	if rest.Sign() == 0 {
		closing = cash
	}
	p.move(key, h, neg(h.quantity), neg(h.cost), closing)
	p.closed(key.bot, h)
	if rest.Sign() != 0 {
		p.move(key, h, rest, left, left)
	}
}

func (p *ledgerByHand) move(key plainKey, h *plainPosition, quantity, cost, cash *big.Rat) {
	h.quantity, h.cost, h.flow = sum(h.quantity, quantity), sum(h.cost, cost), minus(h.flow, cash)
	p.cost = sum(p.cost, cost)
	p.pay(key.bot, neg(cash))
}

func (p *ledgerByHand) closed(bot string, h *plainPosition) {
	b := p.bots[bot]
	b.trades++
	switch h.flow.Sign() {
	case 1:
		b.wins++
		b.streak = 0
	case -1:
		b.losses++
		b.streak++
	default:
		b.neutral++
	}
	p.closedPnL = append(p.closedPnL, h.flow)
	h.flow = new(big.Rat)
}

// mark values all holdings of an instrument.
func (p *ledgerByHand) mark(instrument string, price *big.Rat) {
	p.marks[instrument] = price
	for _, key := range p.holders[instrument] {
		p.revalue(key, price)
	}
}

func (p *ledgerByHand) revalue(key plainKey, price *big.Rat) {
	h := p.held[key]
	h.mark = price
	value := round18(times(h.quantity, price))
	change := minus(value, h.value)
	if change.Sign() == 0 {
		return
	}
	h.value, p.value = value, sum(p.value, change)
	p.bots[key.bot].equity = sum(p.bots[key.bot].equity, change)
	p.touch(key.bot)
}

// settle: "the outcome is marked at the payout, then everything left is sold at it".
func (p *ledgerByHand) settle(r plainRow) {
	instrument := plainKey{"", r.market, r.outcome}.instrument()
	p.settled[instrument], p.rowChange = true, true
	p.mark(instrument, r.price)
	keys := slices.Clone(p.holders[instrument])
	slices.SortFunc(keys, func(a, b plainKey) int { return strings.Compare(a.bot, b.bot) })
	for _, key := range keys {
		if h := p.held[key]; h.quantity.Sign() != 0 && (r.bot == "" || r.bot == key.bot) {
			p.trade(key, neg(h.quantity), neg(round18(times(h.quantity, r.price))))
		}
	}
	p.mark(instrument, r.price)
}

// redeem: "settles the market's open outcome at cash ÷ quantity, or 0; on a flat
// market it is counted and ignored".
func (p *ledgerByHand) redeem(r plainRow) {
	for key, h := range p.held {
		if key.bot != r.bot || key.market != r.market || h.quantity.Sign() == 0 {
			continue
		}
		r.outcome, r.price = key.outcome, new(big.Rat)
		if r.quantity.Sign() > 0 {
			r.price = round18(over(r.cash, r.quantity))
		}
		p.settle(r)
		return
	}
}

// evaluate: "evaluated, in this order, after every event that changes equity; ≥
// trips; it stays tripped, and trips no second time".
func (p *ledgerByHand) evaluate(r plainRow) {
	p.total.equity = sum(p.allCash, p.value)
	if p.total.equity.Cmp(p.total.peak) > 0 {
		p.total.peak = p.total.equity
	}
	slices.Sort(p.moved)
	for _, id := range p.moved {
		b := p.bots[id]
		if b.equity.Cmp(b.peak) > 0 {
			b.peak = b.equity
		}
	}
	for _, id := range p.moved {
		p.judge(r, "consecutive_losses", id, big.NewRat(int64(p.bots[id].streak), 1))
	}
	p.judge(r, "daily_loss", "", below(p.dayOpen, p.total.equity))
	for _, id := range p.moved {
		p.judge(r, "bot_drawdown", id, below(p.bots[id].peak, p.bots[id].equity))
	}
	p.judge(r, "portfolio_drawdown", "", below(p.total.peak, p.total.equity))
}

func (p *ledgerByHand) judge(r plainRow, breaker, bot string, value *big.Rat) {
	if value.Cmp(p.limits[breaker]) < 0 {
		return
	}
	if slices.ContainsFunc(p.trips, func(t plainTrip) bool { return t.breaker == breaker && t.bot == bot }) {
		return
	}
	p.trips = append(p.trips, plainTrip{breaker, bot, r.source, r.at, value})
}

// realised returns equity with positions at cost.
func (p *ledgerByHand) realised() *big.Rat { return sum(p.allCash, p.cost) }

func (p *ledgerByHand) botIDs() []string { return slices.Sorted(maps.Keys(p.bots)) }

// open returns the positions that are not flat, by market, outcome and bot.
func (p *ledgerByHand) open() []plainKey {
	var keys []plainKey
	for key, h := range p.held {
		if h.quantity.Sign() != 0 {
			keys = append(keys, key)
		}
	}
	slices.SortFunc(keys, func(a, b plainKey) int {
		return strings.Compare(a.market+"\x00"+a.outcome+"\x00"+a.bot, b.market+"\x00"+b.outcome+"\x00"+b.bot)
	})
	return keys
}

// equal compares an amount in an answer with the second computation.
func (p *ledgerByHand) equal(want *big.Rat, got, about string) {
	p.t.Helper()
	require.Zero(p.t, want.Cmp(petstest.Rat(p.t, got)), "%s: computed %s, answered %s", about, want.FloatString(18), got)
	petstest.Canonical(p.t, got)
}

// ratio is equal at the 12 decimals of an answer.
func (p *ledgerByHand) ratio(want *big.Rat, got, about string) {
	p.t.Helper()
	p.equal(roundTo(want, big.NewInt(1_000_000_000_000)), got, about)
}
