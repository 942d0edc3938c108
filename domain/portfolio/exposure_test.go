package portfolio

import (
	"fmt"
	"math/big"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

// answered asks and returns the reasons of a denial, none when it was granted.
func (h *harness) answered(r PermitRequest) []domain.ReasonCode {
	h.t.Helper()
	for _, e := range h.must(func(d *Decision) error { return d.AskPermit(r) }) {
		if denied, ok := e.(*domain.PermitDenied); ok {
			var codes []domain.ReasonCode
			for _, reason := range denied.Reasons {
				codes = append(codes, reason.Code)
			}
			return codes
		}
	}
	return nil
}

func limited(t testing.TB, change ...func(*domain.Policy)) *harness {
	t.Helper()
	h := newHarness(t).open(domain.ModePaper, change...)
	h.deposit("2000")
	h.bot("a", "1000")
	h.bot("b", "500")
	return h
}

func askFor(bot, market string, side domain.Side, quantity, price string) PermitRequest {
	return PermitRequest{Order: order(bot, market, "YES", side, quantity, price)}
}

// "the optional limits max_order_usd, max_position_usd, …": each below
// its limit, at it, and above it.
func TestOptionalLimits(t *testing.T) {
	for name, tt := range map[string]struct {
		policy    func(*domain.Policy)
		before    []PermitRequest
		at, above PermitRequest
		code      domain.ReasonCode
	}{
		"order": {
			func(p *domain.Policy) { p.MaxOrderUSD = dec("50") }, nil,
			askFor("a", "m", buy, "100", "0.5"), askFor("a", "m", buy, "100.000001", "0.5"), domain.ReasonMaxOrder,
		},
		"order, opening sell": {
			func(p *domain.Policy) { p.MaxOrderUSD = dec("50") }, nil,
			askFor("a", "m", sell, "100", "0.5"), askFor("a", "m", sell, "100.000001", "0.5"), domain.ReasonMaxOrder,
		},
		"position": {
			func(p *domain.Policy) { p.MaxPositionUSD = dec("80") },
			[]PermitRequest{askFor("a", "m", buy, "100", "0.5"), askFor("a", "other", buy, "100", "0.5")},
			askFor("a", "m", buy, "60", "0.5"), askFor("a", "m", buy, "60.000001", "0.5"), domain.ReasonMaxPosition,
		},
		"open positions": {
			func(p *domain.Policy) { p.MaxOpenPositions = 2 },
			[]PermitRequest{askFor("a", "m1", buy, "1", "0.5"), askFor("a", "m2", buy, "1", "0.5"), askFor("b", "m3", buy, "1", "0.5")},
			askFor("a", "m2", buy, "1", "0.5"), askFor("a", "m3", buy, "1", "0.5"), domain.ReasonMaxOpenPositions,
		},
		"bot": { // 10 % of 2,000
			func(p *domain.Policy) { p.MaxBotCapitalPct = dec("0.1") },
			[]PermitRequest{askFor("a", "m1", buy, "200", "0.5"), askFor("b", "m1", buy, "200", "0.5")},
			askFor("a", "m2", buy, "200", "0.5"), askFor("a", "m2", buy, "200.000001", "0.5"), domain.ReasonBotCapital,
		},
		"category, over all bots": {
			func(p *domain.Policy) { p.MaxCategoryExposurePct = dec("0.1") },
			[]PermitRequest{askFor("a", "wet", buy, "200", "0.5"), askFor("a", "dry", buy, "500", "0.5")},
			askFor("b", "wet", buy, "200", "0.5"), askFor("b", "wet", buy, "200.000001", "0.5"), domain.ReasonCategoryExposure,
		},
		"rate": {
			func(p *domain.Policy) { p.MaxOrdersPerMinute = 2 },
			[]PermitRequest{askFor("b", "m", buy, "1", "0.5")},
			askFor("a", "m", buy, "1", "0.5"),
			PermitRequest{},
			domain.ReasonOrderRate,
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := limited(t, tt.policy)
			h.must(func(d *Decision) error {
				return d.RegisterMarket(&domain.MarketRegistered{Market: "wet", Kind: domain.KindOutcome, Category: "weather"})
			})
			for _, r := range tt.before {
				require.Empty(t, h.answered(r))
			}
			if tt.code != domain.ReasonOrderRate {
				preview, err := h.s.PreviewPermit(h.now, domain.Caller{}, tt.above)
				require.NoError(t, err)
				require.Equal(t, tt.code, preview.Reasons[0].Code)
				require.Equal(t, []domain.ReasonCode{tt.code}, h.answered(tt.above), "above its limit")
				require.Empty(t, h.answered(tt.at), "at its limit")
				return
			}
			require.Empty(t, h.answered(tt.at))
			require.Empty(t, h.answered(tt.at), "the second of two")
			require.Equal(t, []domain.ReasonCode{tt.code}, h.answered(tt.at), "the third of two")
			h.now = h.now.Add(time.Minute - time.Nanosecond)
			require.Equal(t, []domain.ReasonCode{tt.code}, h.answered(tt.at), "just within the minute")
			h.now = h.now.Add(time.Nanosecond)
			require.Empty(t, h.answered(tt.at), "a minute later")
		})
	}
}

// "Reducing … never blocked by zones, limits or marks."
func TestReducingIsNeverBlockedByLimits(t *testing.T) {
	h := limited(t)
	h.fill("a", "m", "YES", buy, "400", "0.5")
	h.must(func(d *Decision) error {
		return d.ChangeLimits([]byte(`{"max_order_usd":"1","max_position_usd":"1","max_open_positions":1,"max_bot_capital_pct":"0.01","max_category_exposure_pct":"0.01","max_orders_per_minute":1}`), "tight")
	})
	for range 3 {
		require.Empty(t, h.answered(askFor("a", "m", sell, "100", "0.9")))
	}
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxPosition, domain.ReasonBotCapital, domain.ReasonOrderRate}, h.answered(askFor("a", "m", buy, "1", "0.5")))
}

// "Limit tightened below the current value": what is held stays, nothing more is
// opened, and closing brings it back under the limit.
func TestLimitTightenedBelowTheCurrentValue(t *testing.T) {
	h := limited(t, func(p *domain.Policy) { p.MaxPositionUSD = dec("300") })
	h.fill("a", "m", "YES", buy, "400", "0.5")
	h.must(func(d *Decision) error { return d.ChangeLimits([]byte(`{"max_position_usd":"100"}`), "tight") })
	require.Equal(t, []domain.ReasonCode{domain.ReasonMaxPosition}, h.answered(askFor("a", "m", buy, "1", "0.5")))
	h.fill("a", "m", "YES", sell, "300", "0.5")
	require.Empty(t, h.answered(askFor("a", "m", buy, "100", "0.5")))
}

// Whatever is asked, filled, released and expires in whatever order: what all
// permits and positions of a bot can lose never gets past its limits by permits.
// The model beside the engine keeps orders and shares as fractions, and knows
// nothing of reservations.
func TestNoStormGetsPastALimit(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		h := limited(t, func(p *domain.Policy) {
			p.MaxPositionUSD, p.MaxBotCapitalPct, p.MaxOpenPositions = dec("60"), dec("0.05"), 2
			p.MaxConsecutiveLosses, p.MaxDailyLossPct, p.MaxBotDrawdownPct = 1000, dec("0.99"), dec("0.99")
		})
		m := stormModel{permits: map[string]stormOrder{}, held: map[string]*big.Rat{}}
		for n := range rapid.IntRange(1, 40).Draw(r, "steps") {
			market := rapid.SampledFrom([]string{"m1", "m2", "m3"}).Draw(r, "market")
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0, 1:
				quantity := rapid.IntRange(1, 150).Draw(r, "quantity")
				var granted string
				for _, e := range h.must(func(d *Decision) error {
					return d.AskPermit(askFor("a", market, buy, fmt.Sprint(quantity), "0.5"))
				}) {
					if g, ok := e.(*domain.PermitGranted); ok {
						granted = g.Permit
					}
				}
				if granted != "" {
					m.permits[granted] = stormOrder{market, quantity, h.now.Add(30 * time.Second)}
				}
			case 2:
				for id, o := range m.permits { // any one: what is left of the order fills at its limit
					if h.now.Before(o.until) {
						h.must(func(d *Decision) error {
							return d.RecordFill(FillReport{
								FillID:     domain.FillID{Bot: "a", TradeID: fmt.Sprint("f", n)},
								Instrument: domain.Instrument{Market: o.market, Outcome: "YES"},
								Side:       buy, Quantity: domain.FromInt(int64(o.quantity)), Price: dec("0.5"), PermitID: id,
							})
						})
						if m.held[o.market] == nil {
							m.held[o.market] = new(big.Rat)
						}
						m.held[o.market].Add(m.held[o.market], big.NewRat(int64(o.quantity), 2))
						delete(m.permits, id)
					}
					break
				}
			default:
				h.now = h.now.Add(time.Duration(rapid.IntRange(0, 40).Draw(r, "seconds")) * time.Second)
			}
			m.check(r, h.now)
		}
	})
}

type (
	stormOrder struct {
		market   string
		quantity int
		until    time.Time
	}
	stormModel struct {
		permits map[string]stormOrder
		held    map[string]*big.Rat // cost by market
	}
)

func (m *stormModel) check(r *rapid.T, now time.Time) {
	byMarket, all := map[string]*big.Rat{}, new(big.Rat)
	add := func(market string, x *big.Rat) {
		if byMarket[market] == nil {
			byMarket[market] = new(big.Rat)
		}
		byMarket[market].Add(byMarket[market], x)
		all.Add(all, x)
	}
	for market, cost := range m.held {
		add(market, cost)
	}
	for _, o := range m.permits {
		if now.Before(o.until) {
			add(o.market, big.NewRat(int64(o.quantity), 2))
		}
	}
	for market, x := range byMarket {
		if x.Cmp(big.NewRat(60, 1)) > 0 {
			r.Fatalf("exposure in %s is %s, limit 60", market, x.FloatString(2))
		}
	}
	if all.Cmp(big.NewRat(100, 1)) > 0 {
		r.Fatalf("exposure of the bot is %s, limit 5 %% of 2000", all.FloatString(2))
	}
	if len(byMarket) > 2 {
		r.Fatalf("exposure in %d markets, limit 2", len(byMarket))
	}
}
