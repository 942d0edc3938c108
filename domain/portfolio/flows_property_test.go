package portfolio

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// Properties of flows: in whatever split, corrected or not, they move no ratio.

// banking is a world in which two bots gained and lost something, with every breaker on.
type banking struct {
	*world
	flows map[uint64]domain.Decimal // deposits and withdrawals, by their records
	// alone reports that nothing but flows happened in the hour of the flows.
	// divided reports that something was lost or gained in the hour of the flows, and that
	// one of them was corrected: rolling_loss keeps one number of an hour, and the side on
	// which it was reached is not known. Then the higher result counts.
	alone, divided bool
}

func newBanking(t *rapid.T) *banking {
	b := &banking{flows: map[uint64]domain.Decimal{}}
	b.world = newWorld(t, domain.ModePaper, func(p *domain.Policy) {
		p.MaxRollingLossPct, p.MaxBotDailyLossPct = dec("0.999999"), dec("0.999999")
		p.MinCapital = dec(rapid.SampledFrom([]string{"0", "1", "30"}).Draw(t, "least"))
	})
	b.must(feed, func(d *Decision) error { return d.MarkPrices([]domain.Mark{{Asset: "ETH", Price: dec("2.5")}}) })
	b.bot("a", "1000")
	b.bot("b", "500")
	b.flow("700.123456", domain.WalletCold, "")
	for range rapid.IntRange(0, 8).Draw(t, "facts") {
		b.wall = b.wall.Add(oneOf(b.world, 0, time.Hour, 13*time.Hour))
		b.performs()
	}
	return b
}

// performs gains or loses something, less than there is.
func (b *banking) performs() {
	bot := oneOf(b.world, "a", "b", "")
	switch oneOf(b.world, "loss", "loss", "gain", "fill", "mark") {
	case "loss", "gain":
		e := &domain.FeeRecorded{Bot: bot, Kind: domain.FeeTrading, Amount: dec(oneOf(b.world, "0.01", "33.333333", "100"))}
		if b.yes() {
			e.Kind = domain.FeeRebate
		}
		b.must(olga, func(d *Decision) error { return d.RecordFee(e) })
	case "fill":
		r := b.report("a", domain.Instrument{Market: "m", Outcome: "YES"}, buy, "50", oneOf(b.world, "0.2", "0.6"))
		require.NoError(b, b.fill(olga, r))
	case "mark":
		b.mark(feed, domain.Mark{Market: "m", Outcome: "YES", Price: dec(oneOf(b.world, "0.1", "0.5", "0.9"))})
	}
}

// flow is a deposit, or a withdrawal, and is remembered.
func (b *banking) flow(amount, wallet, asset string) {
	value := dec(amount)
	err := b.try(olga, func(d *Decision) error {
		if value.Sign() < 0 {
			return d.Withdraw(&domain.WithdrawalRecorded{Wallet: wallet, Asset: asset, Amount: value.Neg()})
		}
		return d.Deposit(&domain.DepositRecorded{Wallet: wallet, Asset: asset, Amount: value})
	})
	if err != nil {
		return
	}
	for n, e := range b.events {
		switch e.(type) {
		case *domain.DepositRecorded, *domain.WithdrawalRecorded:
			if asset == "" {
				b.flows[b.s.Next-uint64(len(b.events)-n)] = value
			}
		}
	}
}

// anyFlow moves money, in whatever amount.
func (b *banking) anyFlow() {
	amount, bot := oneOf(b.world, "0.01", "1", "29.99", "333.333333", "5000", "123456.789012"), oneOf(b.world, "a", "b")
	wallet := oneOf(b.world, domain.WalletHot, domain.WalletCold)
	allocates := func(amount domain.Decimal) {
		_ = b.try(olga, func(d *Decision) error { return d.Allocate(bot, amount) })
	}
	switch oneOf(b.world, "in", "out", "all out", "asset", "to", "back", "all back", "correct") {
	case "in":
		b.flow(amount, wallet, "")
	case "out":
		b.flow("-"+amount, wallet, "")
	case "all out":
		if all := b.s.Treasury(domain.WalletHot); all.Sign() > 0 {
			b.flow(all.Neg().String(), domain.WalletHot, "")
		}
	case "asset":
		b.flow(oneOf(b.world, amount, "-"+amount), wallet, "ETH")
	case "to":
		allocates(dec(amount))
	case "back":
		allocates(dec(amount).Neg())
	case "all back":
		allocates(b.s.Bots[bot].Cash.Neg())
	case "correct":
		b.corrects()
	}
}

// corrects takes back a part of a deposit or withdrawal, or all of it.
func (b *banking) corrects() {
	var known []uint64
	for _, f := range b.s.Refs.Flows.List {
		if f.Of != nil && !b.flows[f.Of.Revision].IsZero() {
			known = append(known, f.Of.Revision)
		}
	}
	if len(known) == 0 {
		return
	}
	of := oneOf(b.world, known...)
	amount := b.flows[of].Neg()
	if b.yes() {
		amount = domain.MulDiv(amount, dec(oneOf(b.world, "0.1", "0.333333", "0.9")), domain.One).Round(6)
	}
	e := &domain.AdjustmentPosted{Account: b.s.Refs.Flows.Find(of).Wallet + ":treasury", Amount: amount, Reason: "typed wrong", Flow: true, Of: &of}
	if b.try(olga, func(d *Decision) error { return d.Adjust(e) }) == nil {
		b.divided = b.divided || !b.alone
		b.flows[of] = b.flows[of].Add(amount)
	}
}

// ratio is what a breaker measures of a scope.
type ratio struct {
	key    risk.Key
	equity domain.Decimal
	value  domain.Decimal
}

func (b *banking) ratios() []ratio {
	var all []ratio
	for _, key := range b.s.BreakerKeys() {
		if key.Breaker == domain.ConsecutiveLosses {
			continue
		}
		equity, refs := b.s.Equity(), b.s.Refs
		if key.Bot != "" {
			equity, refs = b.s.Bots[key.Bot].Equity(), b.s.Bots[key.Bot].Refs
		}
		all = append(all, ratio{key, equity, b.s.ReadBreaker(key).Value})
		refs.Peak = refs.LifetimePeak
		if key.Breaker == domain.BotDrawdown || key.Breaker == domain.PortfolioDrawdown {
			key.Breaker += " of its lifetime"
			all = append(all, ratio{key, equity, refs.Drawdown(equity)})
		}
	}
	return all
}

var epsilon = dec("0.000000000001")

// “flows, in any split, move no ratio by more than 1e-12”: deposits, withdrawals, allocations,
// and corrections of them, also where the scope sleeps in between.
func TestNoFlowMovesARatio(t *testing.T) {
	property(t, 400, func(t *rapid.T) {
		b := newBanking(t)
		if b.alone = b.yes(); b.alone {
			b.wall = b.wall.Add(time.Hour)
		}
		_ = b.try(olga, func(d *Decision) error { return d.TimeOutLegs() })
		before := b.ratios()
		clear(b.flows) // to correct an earlier one changes what was lost since
		for range rapid.IntRange(1, 12).Draw(t, "flows") {
			b.anyFlow()
			for n, now := range b.ratios() {
				if before[n].equity.Sign() < 0 || now.equity.Sign() < 0 {
					return // a debt stays a debt: the ratio is 1, or more
				}
				change := before[n].value.Sub(now.value)
				if b.divided && now.key.Breaker == risk.RollingLoss {
					change = change.Max(domain.Zero)
				}
				require.False(t, epsilon.Less(change.Abs()), "%v: %s became %s, equity %s, then %s", now.key, before[n].value, now.value, before[n].equity, now.equity)
			}
		}
	})
}

// A correction after which equity would have been below 0 for a while is a flow of its own. It
// comes in the hour in which it is recorded: a later one must not lose what was lost before.
func TestACorrectionThatIsAFlowOfItsOwnHidesNoLoss(t *testing.T) {
	h := second(t, "2000", quietPolicy, func(p *domain.Policy) { p.MaxRollingLossPct = dec("0.999999") })
	h.fee("a", "100")
	rolling := func() string { return h.s.ReadBreaker(risk.Key{Breaker: risk.RollingLoss}).Value.Ratio().String() }
	corrects := func(of uint64, amount string) {
		h.must(func(d *Decision) error {
			return d.Adjust(&domain.AdjustmentPosted{Account: "hot:treasury", Amount: dec(amount), Reason: "typed wrong", Flow: true, Of: &of})
		})
	}
	require.Equal(t, "0.05", rolling())
	in := h.s.Next
	h.deposit("5000")
	out := h.s.Next
	h.withdraw("5000")
	h.deposit("5000")
	require.Equal(t, "0.05", rolling())
	corrects(in, "-5000") // 1,900 less 5,000 would have been a debt
	require.Equal(t, "0.05", rolling())
	corrects(out, "5000")
	require.False(t, dec(rolling()).Less(dec("0.05")), "%s", rolling())
}
