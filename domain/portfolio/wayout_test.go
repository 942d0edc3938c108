package portfolio

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// A way out: who is halted holds something, and gets rid of it by orders that are
// permitted, one after another, or by merging complete sets.

// wayOut lists the orders that could bring a bot nearer to flat: sales first, because they
// need no cash. An operator buys only what is short, or it would buy back what it sold.
func (h *harness) wayOut(bot string) []domain.Order {
	var sales, purchases []domain.Order
	for _, in := range h.s.SortedInstruments() {
		sales = append(sales, order(bot, in.Market, in.Outcome, sell, "1", "0.01"))
		if h.caller.Role == domain.RoleBot || h.s.quantityOf(bot, in.Instrument).Sign() < 0 {
			purchases = append(purchases, order(bot, in.Market, in.Outcome, buy, "1", "1"))
		}
	}
	return append(sales, purchases...)
}

// reduces fills the first order that reduces and is permitted to the caller, and returns
// the codes of those that reduce and are denied.
func (h *harness) reduces(bot string) (done bool, denied []domain.ReasonCode) {
	for _, o := range h.wayOut(bot) {
		o.Quantity = dec("1000000")
		d := h.s.Begin(h.now, h.caller)
		if o.Quantity = d.split(o).Reducing; o.Quantity.IsZero() {
			continue
		}
		p, err := h.s.PreviewPermit(h.now, h.caller, PermitRequest{Order: o, Fee: &o.Fee})
		require.NoError(h.t, err)
		if !p.Allowed {
			for _, reason := range p.Reasons {
				denied = append(denied, reason.Code)
			}
			continue
		}
		id := h.grant(o).Permit
		h.fill(bot, o.Market, o.Outcome, o.Side, o.Quantity.String(), o.LimitPrice.String(), withPermit(id))
		require.NotContains(h.t, h.flags(), domain.FlagHalted)
		require.NotContains(h.t, h.flags(), domain.FlagPermitExceeded)
		return true, nil
	}
	return false, denied
}

// merges merges the complete sets that a bot holds of a market.
func (h *harness) merges(bot string) bool {
	for name, m := range h.s.Markets {
		if !m.Exclusive {
			continue
		}
		sets := dec("1000000")
		for _, outcome := range h.s.alive(m, name) {
			sets = sets.Min(h.s.quantityOf(bot, domain.Instrument{Market: name, Outcome: outcome}))
		}
		if sets.Sign() > 0 {
			h.nextID++
			h.must(func(d *Decision) error {
				return d.ChangeSets(&domain.SetsChanged{Bot: bot, Market: name, Action: domain.MergeSets, Quantity: sets, SetID: fmt.Sprint("s", h.nextID)})
			})
			return true
		}
	}
	return false
}

// atRisk lists what a bot still holds. Where it counts as flat if no outcome pays other
// than the others, such holdings are left out.
func (h *harness) atRisk(bot string, riskless bool) (left []string) {
	for _, in := range h.s.SortedInstruments() {
		held := in.Holding(bot)
		if held == nil || held.IsFlat() {
			continue
		}
		if m := h.s.together(in.Instrument); m != nil && riskless {
			p := h.s.held(m, in.Market, bot)
			if p.Payoff().Max == p.Min() {
				continue
			}
		}
		left = append(left, in.String()+" "+held.Quantity.String())
	}
	return left
}

// “Halts: a way out stays open”: a halted bot, or an operator for it, can always get to
// flat, but in security_breach and system_error, and where the table leaves it nothing.
// Only for want of cash is a purchase denied; then every sale that reduces is permitted.
func TestAWayOutStaysOpen(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := second(r, "1000", quietPolicy, func(p *domain.Policy) {
			p.WhileTripped = rapid.SampledFrom([]string{domain.WhileReduce, domain.WhileNothing}).Draw(r, "while")
			p.ClosePositionsOnTrip = rapid.Bool().Draw(r, "close")
			p.MaxBotDrawdownPct, p.MarkCollar, p.MaxOrderUSD = dec("0.9"), dec("0.25"), dec("1")
			p.RegisteredOnly, p.MaxOpenPositions, p.BlockedZones = true, 1, []int{1, 2, 3, 4, 5}
		})
		h.exclusive("m", "YES", "NO")
		h.exclusive("abc", "A", "B", "C")
		things := []domain.Instrument{{Market: "m", Outcome: "YES"}, {Market: "m", Outcome: "NO"}, {Market: "abc", Outcome: "A"}, {Market: "abc", Outcome: "B"}, {Market: "abc", Outcome: "C"}, {Market: "abc", Outcome: "!A"}, {Market: "abc", Outcome: "!C"}, {Market: "x", Outcome: "Y"}}
		for range rapid.IntRange(1, 12).Draw(r, "facts") {
			i := rapid.SampledFrom(things).Draw(r, "thing")
			quantity := fmt.Sprint(rapid.IntRange(1, 60).Draw(r, "quantity"))
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0: // the second one may wait beyond the collar
				h.mark(i.Market, i.Outcome, rapid.SampledFrom([]string{"0.1", "0.5", "0.9"}).Draw(r, "mark"))
			default:
				side := rapid.SampledFrom([]domain.Side{buy, buy, sell}).Draw(r, "side")
				h.fill("a", i.Market, i.Outcome, side, quantity, rapid.SampledFrom([]string{"0.1", "0.4", "0.8"}).Draw(r, "price"))
			}
		}
		h.lose("a", rapid.SampledFrom([]string{"0.01", "0.01", "500", "900", "990", "1100"}).Draw(r, "lost"))
		switch rapid.IntRange(0, 5).Draw(r, "halt") {
		case 0:
			h.must(func(d *Decision) error { return d.StopBot("a", "x") })
		case 1:
			h.must(func(d *Decision) error { return d.StopBotFully("a", "x") })
		case 2:
			h.engage(domain.StopManual)
		case 3:
			h.engage(domain.StopSecurityBreach)
		case 4:
			h.engage(domain.StopSystemError)
		}
		operator := rapid.Bool().Draw(r, "operator")
		if !operator {
			h.as(domain.RoleBot, "a")
		}
		h.getsOut(r, operator)
	})
}

// getsOut trades until nothing is left that is at risk, where the table of halts leaves
// reducing; where it leaves nothing, nothing is permitted. What a bot cannot close itself,
// because each sale lowers the least that it is paid, an operator closes for it.
func (h *harness) getsOut(r *rapid.T, operator bool) {
	if h.s.Leaves("a", operator) == LeaveNothing {
		done, _ := h.reduces("a")
		require.False(r, done, "the table leaves nothing")
		return
	}
	denied := h.unwinds()
	leave := h.s.Leaves("a", operator)
	if leave == LeaveNothing { // the low prices tripped its breaker
		return
	}
	left := h.atRisk("a", !operator || leave == LeaveAll)
	if len(left) == 0 {
		return
	}
	for _, code := range denied {
		require.Equal(r, domain.ReasonInsufficientCash, code, "%v is held", left)
	}
	short := slices.ContainsFunc(h.s.SortedInstruments(), func(in *Instrument) bool { return h.s.quantityOf("a", in.Instrument).Sign() < 0 })
	if len(denied) > 0 { // only a purchase has to be paid
		require.True(r, short || !operator, "%v is held, and no short among it", left)
		return
	}
	require.True(r, !operator || leave == LeaveAll, "%v is held, and nothing reduces it", left)
	for _, text := range left {
		require.Contains(r, text, "abc /", "nothing reduces it, and it is no market of more than two outcomes")
	}
	if leave == LeaveReduce {
		h.operator()
		h.getsOut(r, true)
	}
}

// unwinds does what is permitted until nothing is, and returns why the rest is denied.
func (h *harness) unwinds() (denied []domain.ReasonCode) {
	for range 100 {
		var done bool
		if done, denied = h.reduces("a"); !done && !h.merges("a") {
			break
		}
	}
	return denied
}
