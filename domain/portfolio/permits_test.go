package portfolio

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
	"pets/domain/risk"
)

// reason returns the only reason of the denial in the last step.
func (h *harness) reason() domain.Reason {
	h.t.Helper()
	require.Len(h.t, h.reasons(), 1, "%v", h.reasons())
	return stepOf[*domain.PermitDenied](h)[0].Reasons[0]
}

func (h *harness) denied(code domain.ReasonCode, o domain.Order) domain.Reason {
	h.t.Helper()
	h.ask(o)
	r := h.reason()
	require.Equal(h.t, code, r.Code)
	require.NotEmpty(h.t, r.Message)
	h.after(time.Second) // so that the same denial is recorded again
	return r
}

func (h *harness) free(bot string) string { return h.s.freeCash(h.s.Bots[bot], h.now).String() }

func (h *harness) place(id string, expires ...time.Time) {
	h.t.Helper()
	h.must(func(d *Decision) error {
		if len(expires) > 0 {
			return d.PlacePermit(id, &expires[0])
		}
		return d.PlacePermit(id, nil)
	})
}

func (h *harness) release(id string) {
	h.t.Helper()
	h.must(func(d *Decision) error { return d.ReleasePermit(id, "cancelled") })
}

// "permit is an atomic check and reservation."
func TestPermitChecksAndReserves(t *testing.T) {
	h := paper(t, "100")
	o := order("a", "m", "YES", buy, "10", "0.5")
	o.Fee = dec("0.25")
	h.ask(o)
	e := stepOf[*domain.PermitGranted](h)[0]
	require.Equal(t, &domain.PermitGranted{
		Permit: domain.PermitName(h.s.Next - 1), Order: o, Reserved: dec("5.25"), ExpiresAt: h.now.Add(30 * time.Second),
	}, e)
	require.Equal(t, "94.75", h.free("a"))
	h.equal("100", h.botOf("a").Cash, "nothing is spent yet")
	h.equal("100", h.s.Equity())
}

// "notional ≤ bot cash − reservations", to the last decimal.
func TestCashAtTheLimit(t *testing.T) {
	for _, c := range []struct {
		kind domain.MarketKind
		side domain.Side
		// one share's worst case at the limit price
		limit, each string
	}{
		{domain.KindOutcome, buy, "0.5", "0.5"},
		{domain.KindOutcome, sell, "0.75", "0.25"}, // quantity × (1 − limit)
		{domain.KindSpot, buy, "2", "2"},
		{domain.KindPerp, buy, "2", "2"},
		{domain.KindPerp, sell, "2", "2"},
	} {
		t.Run(fmt.Sprint(c.kind, " ", c.side), func(t *testing.T) {
			quantity := dec("50").Div(dec(c.each)).String()
			for _, fee := range []struct {
				fee     string
				granted bool
			}{{"49.999999999999999999", true}, {"50", true}, {"50.000000000000000001", false}} {
				h := paper(t, "100")
				if c.kind != domain.KindOutcome {
					h.market("m", c.kind)
					h.mark("m", "X", "2")
				}
				o := order("a", "m", "X", c.side, quantity, c.limit)
				o.Fee = dec(fee.fee)
				h.ask(o)
				require.Equal(t, fee.granted, h.count(domain.PermitGrantedType) == 1, "fee %s: %v", fee.fee, h.reasons())
				if !fee.granted {
					r := h.reason()
					require.Equal(t, []string{"insufficient_cash", "100.000000000000000001", "100"}, []string{string(r.Code), r.Value, r.Limit})
				}
			}
			// The same with what is reserved already.
			h := paper(t, "100")
			if c.kind != domain.KindOutcome {
				h.market("m", c.kind)
				h.mark("m", "X", "2")
			}
			h.permit("a", "m", "X", c.side, quantity, c.limit)
			h.permit("a", "m", "X", c.side, quantity, c.limit)
			require.Equal(t, "0", h.free("a"))
			require.Equal(t, "0", h.denied(domain.ReasonInsufficientCash, order("a", "m", "X", c.side, quantity, c.limit)).Limit)
		})
	}
}

// The cash is the bot's own: no other bot's, and not the treasury's.
func TestCashIsTheBotsOwn(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("1000")
	h.bot("a", "10")
	h.bot("b", "500")
	h.denied(domain.ReasonInsufficientCash, order("a", "m", "YES", buy, "20.1", "0.5"))
	h.permit("a", "m", "YES", buy, "20", "0.5")
	h.permit("b", "m", "YES", buy, "1000", "0.5")
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.Allocate("a", dec("-"+tiny)) })
	h.allocate("a", "1")
	h.allocate("a", "-1")
}

// "A missing fee is the policy's fee_bps."
func TestMissingFee(t *testing.T) {
	h := paper(t, "100", func(p *domain.Policy) { p.FeeBPS = dec("25") })
	ask := func(o domain.Order, fee *domain.Decimal) *domain.PermitGranted {
		h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Fee: fee}) })
		require.Empty(t, h.reasons())
		return stepOf[*domain.PermitGranted](h)[0]
	}
	e := ask(order("a", "m", "YES", buy, "10", "0.5"), nil)
	require.Equal(t, []domain.Decimal{dec("0.0125"), dec("5.0125")}, []domain.Decimal{e.Fee, e.Reserved})
	e = ask(order("a", "m", "YES", sell, "10", "0.8"), nil)
	require.Equal(t, []domain.Decimal{dec("0.02"), dec("2.02")}, []domain.Decimal{e.Fee, e.Reserved})
	zero := domain.Zero
	e = ask(order("a", "m", "YES", buy, "10", "0.5"), &zero)
	require.Equal(t, []domain.Decimal{domain.Zero, dec("5")}, []domain.Decimal{e.Fee, e.Reserved}, "0 is a fee, not a missing one")
}

// What cannot be understood is no denial but a refusal.
func TestAskRefusesNonsense(t *testing.T) {
	h := paper(t, "100")
	good := order("a", "m", "YES", buy, "1", "0.5")
	minus := dec("-" + tiny)
	for name, change := range map[string]func(*PermitRequest){
		"quantity 0":       func(r *PermitRequest) { r.Quantity = domain.Zero },
		"quantity below 0": func(r *PermitRequest) { r.Quantity = minus },
		"limit 0":          func(r *PermitRequest) { r.LimitPrice = domain.Zero },
		"limit below 0":    func(r *PermitRequest) { r.LimitPrice = minus },
		"fee below 0":      func(r *PermitRequest) { r.Fee = &minus },
		"no side":          func(r *PermitRequest) { r.Side = "" },
		"no market":        func(r *PermitRequest) { r.Market = "" },
		"no outcome":       func(r *PermitRequest) { r.Outcome = "" },
		"no bot":           func(r *PermitRequest) { r.Bot = "" },
		"odd kind":         func(r *PermitRequest) { r.Kind = "future" },
		"ttl below 0":      func(r *PermitRequest) { r.TTL = -1 },
		"ttl too long":     func(r *PermitRequest) { r.TTL = 30*time.Second + 1 },
		"too large":        func(r *PermitRequest) { r.Quantity, r.LimitPrice = dec("999999999999999"), dec("2") },
	} {
		r := PermitRequest{Order: good}
		change(&r)
		t.Run(name, func(*testing.T) {
			h.refused(domain.CodeInvalid, func(d *Decision) error { return d.AskPermit(r) })
		})
	}
	newHarness(t).refused(domain.CodeNotFound, func(d *Decision) error { return d.AskPermit(PermitRequest{Order: good}) })
}

// "permit_ttl (30 s) bounds the time to place the order": expired at expires_at.
func TestPermitExpiresAtItsTime(t *testing.T) {
	for _, c := range []struct {
		age  time.Duration
		live bool
	}{{30*time.Second - 1, true}, {30 * time.Second, false}, {30*time.Second + 1, false}} {
		h := paper(t, "100")
		id := h.permit("a", "m", "YES", buy, "100", "0.5")
		h.after(c.age)
		require.Equal(t, c.live, h.free("a") == "50")
		if c.live {
			h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(id))
			require.Empty(t, h.flags())
			continue
		}
		h.refused(domain.CodeNotFound, func(d *Decision) error { return d.PlacePermit(id, nil) })
		h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ReleasePermit(id, "") })
		h.permit("a", "n", "YES", buy, "200", "0.5")
		require.NotContains(t, h.s.Permits, id, "what has expired is forgotten")
		h.fill("a", "m", "YES", buy, "100", "0.5", withPermit(id))
		require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags(), "late: recorded and flagged")
	}
}

func TestTTLShortensOnly(t *testing.T) {
	h := paper(t, "100")
	h.must(func(d *Decision) error {
		return d.AskPermit(PermitRequest{Order: order("a", "m", "YES", buy, "100", "0.5"), TTL: time.Nanosecond})
	})
	require.Equal(t, h.now.Add(1), lastOf[*domain.PermitGranted](h).ExpiresAt)
	require.Equal(t, "50", h.free("a"), "in the same instant")
	h.after(1)
	require.Equal(t, "100", h.free("a"))
	h.limits(`{"permit_ttl":"1s"}`)
	h.permit("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, h.now.Add(time.Second), lastOf[*domain.PermitGranted](h).ExpiresAt)
}

// "placed … makes it working, and its reservation stays, even after a trip, until
// filled, cancelled (release) or the order's own expiry."
func TestWorkingOrderKeepsItsReservation(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.place(id)
	h.after(48 * time.Hour)
	require.Equal(t, "50", h.free("a"), "no expiry of its own")
	for range 3 {
		h.trade("a", "-1")
	}
	require.Equal(t, []string{"consecutive_losses of a"}, h.tripped())
	require.Empty(t, lastOf[*domain.BreakerTripped](h).PermitsRevoked)
	require.Equal(t, "47", h.free("a"), "even after a trip")
	h.fill("a", "m", "YES", buy, "40", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagHalted}, h.flags(), "permitted, but while halted")
	require.Equal(t, "47", h.free("a"), "spent instead of reserved")
	h.release(id)
	require.Equal(t, "77", h.free("a"))
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.ReleasePermit(id, "") })
}

func TestOrdersOwnExpiry(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.refused(domain.CodeInvalid, func(d *Decision) error { now := h.now; return d.PlacePermit(id, &now) })
	past := h.now.Add(-1)
	h.refused(domain.CodeInvalid, func(d *Decision) error { return d.PlacePermit(id, &past) })
	expiry := h.now.Add(time.Hour)
	h.place(id, expiry)
	require.Equal(t, []string{"permit.placed"}, h.types())
	h.place(id, expiry)
	require.Equal(t, []string{"command.noted"}, h.types(), "the same again")
	for _, other := range []*time.Time{new(expiry.Add(1)), new(expiry.Add(-1)), nil} {
		err := h.refused(domain.CodeConflict, func(d *Decision) error { return d.PlacePermit(id, other) })
		require.ErrorContains(t, err, "release its permit and request a new one")
	}
	endless := h.permit("a", "n", "YES", buy, "1", "0.5")
	h.place(endless)
	h.place(endless)
	require.Equal(t, []string{"command.noted"}, h.types(), "none is the same as none")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PlacePermit(endless, &expiry) })
	h.release(endless)
	h.at(expiry.Add(-1))
	require.Equal(t, "50", h.free("a"))
	h.at(expiry)
	require.Equal(t, "100", h.free("a"))
	h.fill("a", "m", "YES", buy, "1", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags())
}

// A permit is its bot's.
func TestPermitIsItsBots(t *testing.T) {
	h := newHarness(t).open(domain.ModePaper)
	h.deposit("200")
	h.bot("a", "100")
	h.bot("b", "100")
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	h.as(domain.RoleBot, "b")
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.PlacePermit(id, nil) })
	h.refused(domain.CodeDenied, func(d *Decision) error { return d.ReleasePermit(id, "") })
	h.as(domain.RoleBot, "a").place(id)
	h.release(id)
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.PlacePermit("p999", nil) })
}

// Fills consume their permit: in parts, and never more than there is.
func TestFillsConsumeTheirPermit(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "30", "0.4", withPermit(id))
	require.Empty(t, h.flags())
	h.equal("35", h.s.Permits[id].Reserved)
	require.Equal(t, "53", h.free("a"), "88 less 35")
	h.fill("a", "m", "YES", buy, "69.999999999999999999", "0.5", withPermit(id))
	h.equal(tiny, h.s.Permits[id].Left)
	h.fill("a", "m", "YES", buy, tiny, "0.5", withPermit(id))
	require.Empty(t, h.flags())
	require.NotContains(t, h.s.Permits, id)
	h.fill("a", "m", "YES", buy, tiny, "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive}, h.flags(), "used up")
}

// "Fills without a permit, above it, late, or while halted are recorded (they
// happened), flagged"
func TestFillsBesideTheirPermit(t *testing.T) {
	for _, c := range []struct {
		name     string
		bot      string
		market   string
		outcome  string
		side     domain.Side
		quantity string
		price    string
		options  []fillOption
		flag     string
		left     string // of the permit afterwards
	}{
		{"within", "a", "m", "YES", buy, "10", "0.5", nil, "", "0"},
		{"one step more", "a", "m", "YES", buy, "10.000000000000000001", "0.5", nil, domain.FlagPermitExceeded, "0"},
		{"at a worse price", "a", "m", "YES", buy, "4", "0.500000000000000001", nil, domain.FlagPermitExceeded, "6"},
		{"more cash than the price says", "a", "m", "YES", buy, "4", "0.5", []fillOption{withNotional("2.000002")}, domain.FlagPermitExceeded, "6"},
		{"rounded to the asset's decimals", "a", "m", "YES", buy, "4", "0.5", []fillOption{withNotional("2.000001")}, "", "6"},
		{"of another side", "a", "m", "YES", sell, "4", "0.5", nil, domain.FlagPermitNotLive, "10"},
		{"of another outcome", "a", "m", "NO", buy, "4", "0.5", nil, domain.FlagPermitNotLive, "10"},
		{"of another market", "a", "n", "YES", buy, "4", "0.5", nil, domain.FlagPermitNotLive, "10"},
		{"of another bot", "b", "m", "YES", buy, "4", "0.5", nil, domain.FlagPermitNotLive, "10"},
		{"of no such permit", "a", "m", "YES", buy, "4", "0.5", []fillOption{withPermit("p999")}, domain.FlagPermitNotLive, "10"},
		{"of none", "a", "m", "YES", buy, "4", "0.5", []fillOption{withPermit("")}, domain.FlagNoPermit, "10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHarness(t).open(domain.ModePaper)
			h.deposit("200")
			h.bot("a", "100")
			h.bot("b", "100")
			id := h.permit("a", "m", "YES", buy, "10", "0.5")
			h.fill(c.bot, c.market, c.outcome, c.side, c.quantity, c.price, append([]fillOption{withPermit(id)}, c.options...)...)
			if c.flag == "" {
				require.Empty(t, h.flags())
			} else {
				require.Contains(t, h.flags(), c.flag)
			}
			left := domain.Zero
			if p := h.s.Permits[id]; p != nil {
				left = p.Left
			}
			h.equal(c.left, left)
		})
	}
}

// "A denial is an answer (…, every failing reason with code, value, limit,
// message)": all at once.
func TestDenialListsEveryReasonAtOnce(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive)
	h.deposit("100")
	h.bot("a", "100")
	h.fill("a", "old", "YES", buy, "10", "0.5")
	h.settle("done", "YES", "1")
	h.after(16 * time.Minute)
	for range 3 {
		h.trade("a", "-1")
	}
	h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "fire") })
	o := order("a", "done", "YES", buy, "1000", "0.7")
	o.ReduceOnly = true
	h.must(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Kind: domain.KindPerp}) })
	require.Equal(t, []domain.ReasonCode{
		domain.ReasonEmergencyStop, domain.ReasonBreakerTripped, domain.ReasonBotStopped, domain.ReasonMarketMismatch,
		domain.ReasonMarketSettled, domain.ReasonZoneBlocked, domain.ReasonNotReducing, domain.ReasonStaleMark, domain.ReasonInsufficientCash,
	}, h.reasons())
	e := lastOf[*domain.PermitDenied](h)
	require.Equal(t, o, e.Order)
	shown := map[domain.ReasonCode][2]string{}
	for _, r := range e.Reasons {
		require.NotEmpty(t, r.Message)
		shown[r.Code] = [2]string{r.Value, r.Limit}
	}
	require.Equal(t, map[domain.ReasonCode][2]string{
		domain.ReasonEmergencyStop: {"manual", ""}, domain.ReasonBreakerTripped: {"3", "3"}, domain.ReasonBotStopped: {"stopped", ""},
		domain.ReasonMarketMismatch: {"perp", "outcome"}, domain.ReasonMarketSettled: {"1", ""}, domain.ReasonZoneBlocked: {"0.7", "Z4"},
		domain.ReasonNotReducing: {"1000", "0"}, domain.ReasonStaleMark: {"16m0s", "15m0s"}, domain.ReasonInsufficientCash: {"700", "92"},
	}, shown)
}

func TestUnknownBotIsDenied(t *testing.T) {
	h := paper(t, "100")
	h.denied(domain.ReasonBotUnknown, order("ghost", "m", "YES", buy, "1", "0.5"))
}

// "also recorded (identical denials within a second are coalesced)"
func TestIdenticalDenialsWithinASecondAreCoalesced(t *testing.T) {
	h := paper(t, "100")
	o := order("a", "m", "YES", buy, "1000", "0.5")
	h.ask(o)
	require.Equal(t, []string{"permit.denied"}, h.types())
	first := h.s.Next - 1
	for _, pause := range []time.Duration{0, time.Second - 1} {
		h.after(pause).ask(o)
		require.Equal(t, []string{"command.noted"}, h.types())
		require.Equal(t, first, *lastOf[*domain.CommandNoted](h).Of, "it points to the answer")
	}
	h.after(1).ask(o)
	require.Equal(t, []string{"permit.denied"}, h.types(), "a second later")
	for _, change := range []func(*domain.Order){
		func(o *domain.Order) { o.Quantity = dec("1001") },
		func(o *domain.Order) { o.Market = "n" },
		func(o *domain.Order) { o.Outcome = "NO" },
		func(o *domain.Order) { o.Side = sell },
		func(o *domain.Order) { o.LimitPrice = dec("0.500000000000000001") },
		func(o *domain.Order) { o.Fee = dec(tiny) },
		func(o *domain.Order) { o.ReduceOnly = true },
	} {
		other := o
		change(&other)
		h.ask(other)
		require.Equal(t, []string{"permit.denied"}, h.types(), "not identical: %+v", other)
	}
	h.ask(o)
	require.Equal(t, []string{"command.noted"}, h.types(), "others in between do not matter")
	h.trade("a", "-1")
	h.ask(o)
	require.Equal(t, []string{"permit.denied"}, h.types(), "the same order, but another reason: less cash")
	h.allocate("a", "-99")
	h.deposit("1000")
	h.allocate("a", "1000")
	h.ask(o)
	require.Equal(t, []string{"permit.granted"}, h.types(), "never an old answer")
}

// "Reducing = |filled position| minus already pending reducing orders covers the
// whole quantity; unfilled increases never count; closing to exactly zero is
// reducing. Never blocked by zones, limits or marks".
func TestReducing(t *testing.T) {
	h := newHarness(t).open(domain.ModeLive)
	h.deposit("100")
	h.bot("a", "100")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.permit("a", "m", "YES", buy, "5", "0.5") // an unfilled increase
	h.after(20 * time.Minute)                  // the mark is stale, and the increase gone
	one := func(quantity, limit string) domain.Order { return order("a", "m", "YES", sell, quantity, limit) }
	h.denied(domain.ReasonStaleMark, one("10.000000000000000001", "0.5"))
	first := h.permit("a", "m", "YES", sell, "4", "0.1") // NO at 0.9 would be in Z5
	h.equal("0", h.s.Permits[first].Reserved)
	h.permit("a", "m", "YES", sell, "6", "0.001") // to exactly zero; outside all zones
	h.ask(one("0.1", "0.1"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonZoneBlocked, domain.ReasonStaleMark}, h.reasons(), "all is spoken for")
	h.release(first)
	h.permit("a", "m", "YES", sell, "4", "0.1")
	h.after(30 * time.Second)
	h.permit("a", "m", "YES", sell, "10", "0.1") // what has expired speaks for nothing
}

// A short is closed by buying.
func TestReducingAShort(t *testing.T) {
	h := paper(t, "100")
	h.fill("a", "m", "YES", sell, "10", "0.5")
	h.permit("a", "m", "YES", buy, "10", "0.9")
	require.Equal(t, "10", lastOf[*domain.PermitGranted](h).Reducing.String())
	h.denied(domain.ReasonZoneBlocked, order("a", "m", "YES", buy, "1", "0.9"))
	h.permit("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, "0", lastOf[*domain.PermitGranted](h).Reducing.String(), "a new long")
}

func TestReduceOnly(t *testing.T) {
	h := paper(t, "100")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	reduce := func(side domain.Side, quantity string) domain.Order {
		o := order("a", "m", "YES", side, quantity, "0.5")
		o.ReduceOnly = true
		return o
	}
	r := h.denied(domain.ReasonNotReducing, reduce(sell, "10.000000000000000001"))
	require.Equal(t, []string{"10.000000000000000001", "10"}, []string{r.Value, r.Limit})
	h.denied(domain.ReasonNotReducing, reduce(buy, "1"))
	h.ask(reduce(sell, "10"))
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.denied(domain.ReasonNotReducing, reduce(sell, tiny))
}

// "while halted only when the policy allows closing"; "close_positions_on_trip:
// true asks bots to close (…; reducing permits stay possible)".
func TestClosingWhileHalted(t *testing.T) {
	for _, allowed := range []bool{false, true} {
		h := paper(t, "100", func(p *domain.Policy) { p.ClosePositionsOnTrip = allowed })
		h.fill("a", "m", "YES", buy, "10", "0.5")
		for range 3 {
			h.trade("a", "-1")
		}
		require.Equal(t, allowed, lastOf[*domain.BreakerTripped](h).ClosePositions)
		closing := order("a", "m", "YES", sell, "10", "0.1")
		h.ask(closing)
		require.Equal(t, allowed, h.count(domain.PermitGrantedType) == 1)
		if allowed {
			h.fill("a", "m", "YES", sell, "4", "0.5", withPermit(domain.PermitName(h.s.Next-1)))
		} else {
			require.Equal(t, []domain.ReasonCode{domain.ReasonBreakerTripped, domain.ReasonBotStopped}, h.reasons())
		}
		h.after(time.Minute)
		for _, o := range []domain.Order{
			order("a", "m", "YES", buy, "1", "0.5"), order("a", "n", "YES", buy, "1", "0.5"),
			order("a", "m", "YES", sell, "10.1", "0.5"),
		} {
			h.ask(o)
			require.Equal(t, []domain.ReasonCode{domain.ReasonBreakerTripped, domain.ReasonBotStopped}, h.reasons(), "%+v", o)
		}
		h.must(func(d *Decision) error { return d.EngageStop(domain.StopManual, "fire") })
		h.ask(closing)
		require.Contains(t, h.reasons(), domain.ReasonEmergencyStop, "in an emergency stop not even that")
	}
	// A bot that an operator stopped asks for nothing, with nothing tripped, or after
	// another bot's trip, or with a word after its own.
	h := paper(t, "100", func(p *domain.Policy) { p.ClosePositionsOnTrip = true })
	h.fill("a", "m", "YES", buy, "10", "0.5")
	h.must(func(d *Decision) error { return d.StopBot("a", "") })
	closing := order("a", "m", "YES", sell, "10", "0.5")
	h.denied(domain.ReasonBotStopped, closing)
	h.deposit("100")
	h.bot("b", "100")
	h.fill("b", "m", "YES", buy, "10", "0.5")
	for range 3 {
		h.trade("b", "-1")
	}
	require.Equal(t, []string{"b"}, lastOf[*domain.BreakerTripped](h).BotsStopped)
	h.denied(domain.ReasonBotStopped, closing)
	closing.Bot = "b"
	h.ask(closing)
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.must(func(d *Decision) error { return d.StopBot("b", "enough") })
	require.Equal(t, []string{"bot.stopped", "permit.released"}, h.types(), "a person's word, not only a note")
	h.denied(domain.ReasonBotStopped, closing)
	h.must(func(d *Decision) error { return d.StopBot("b", "enough") })
	require.Equal(t, []string{"command.noted"}, h.types())
	// Started by a person and stopped by another trip, it may close again.
	h.reset(domain.ConsecutiveLosses, "b", false)
	h.start("b")
	for range 3 {
		h.trade("b", "-1")
	}
	h.ask(closing)
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.reset(domain.ConsecutiveLosses, "b", false)
	require.True(t, h.botOf("b").Halted)
	h.start("b")
	require.False(t, h.botOf("b").Halted)
}

// A trip between permit and fill: the permit is gone, the fill is a fact.
func TestTripBetweenPermitAndFill(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "10", "0.5")
	for range 3 {
		h.trade("a", "-1")
	}
	require.Equal(t, []string{id}, lastOf[*domain.BreakerTripped](h).PermitsRevoked)
	h.refused(domain.CodeNotFound, func(d *Decision) error { return d.PlacePermit(id, nil) })
	h.fill("a", "m", "YES", buy, "10", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagPermitNotLive, domain.FlagHalted}, h.flags())
	require.Equal(t, "10", h.position("a", "m", "YES").Quantity.String(), "it happened")
}

// The fill that trips leaves the rest of its own permit: what is filled in part
// rests at the venue.
func TestFillTripsAndLeavesItsOwnRest(t *testing.T) {
	h := paper(t, "100", only(domain.DailyLoss, "0.05"))
	h.fill("a", "m", "YES", buy, "20", "0.5")
	id := h.permit("a", "m", "YES", sell, "20", "0.25")
	h.fill("a", "m", "YES", sell, "5", "0.25", withPermit(id))
	require.Equal(t, []string{"daily_loss"}, h.tripped())
	require.Empty(t, lastOf[*domain.BreakerTripped](h).PermitsRevoked)
	require.Contains(t, h.s.Permits, id)
}

// "permit_ttl (30 s) bounds the time to place the order": a part that is filled
// shows that it was placed; it is then working, without an expiry until somebody
// says one.
func TestAPartialFillMakesAPermitWorking(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "100", "0.5")
	h.fill("a", "m", "YES", buy, "40", "0.5", withPermit(id))
	h.after(30 * time.Second)
	require.Equal(t, "50", h.free("a"), "80 less 30: no permit_ttl any more")
	for range 3 {
		h.trade("a", "-1")
	}
	require.Empty(t, lastOf[*domain.BreakerTripped](h).PermitsRevoked)
	expiry := h.now.Add(time.Minute)
	h.place(id, expiry)
	require.Equal(t, []string{"permit.placed"}, h.types(), "said for the first time")
	h.refused(domain.CodeConflict, func(d *Decision) error { return d.PlacePermit(id, nil) })
	h.fill("a", "m", "YES", buy, "40", "0.5", withPermit(id))
	require.Equal(t, []string{domain.FlagHalted}, h.flags())
	h.at(expiry.Add(-1))
	require.Equal(t, "47", h.free("a"), "57 less 10")
	h.at(expiry)
	require.Equal(t, "57", h.free("a"))
}

// "Reservation = worst case: …+ fee": the fees of all fills of a permit, together,
// are within the one permitted, to one unit of the base asset.
func TestFeesWithinThePermit(t *testing.T) {
	for _, side := range []domain.Side{buy, sell} {
		for _, c := range []struct {
			first, second string
			within        bool
		}{
			{"0.5", "0.5", true},
			{"1", "0", true},
			{"0.5", "0.500001", true},
			{"0.5", "0.500001000000000001", false},
			{"0", "1.000001000000000001", false},
			{"1", "0.000002", false},
		} {
			h := paper(t, "100")
			o := order("a", "m", "YES", side, "10", "0.5")
			o.Fee = dec("1")
			h.ask(o)
			id := lastOf[*domain.PermitGranted](h).Permit
			h.fill("a", "m", "YES", side, "5", "0.5", withPermit(id), withFee(c.first))
			require.Empty(t, h.flags())
			h.fill("a", "m", "YES", side, "5", "0.5", withPermit(id), withFee(c.second))
			switch {
			case c.within:
				require.Empty(t, h.flags(), "%+v", c)
			case side == buy:
				require.Equal(t, []string{domain.FlagPermitExceeded}, h.flags(), "%+v", c)
			default:
				require.Equal(t, []string{domain.FlagPermitExceeded, domain.FlagOversold}, h.flags(), "%+v", c)
			}
		}
	}
}

// A trip or a settlement lists every permit it ends in one event: at most 1,000
// live ones per bot and 10,000 per portfolio.
func TestPermitsAreCapped(t *testing.T) {
	s := New()
	now := noon
	run := func(f func(*Decision) error) error {
		d := s.Begin(now, domain.Caller{User: "olga", Role: domain.RoleOperator})
		if err := f(d); err != nil {
			require.False(t, d.Dirty())
			return err
		}
		return d.Finish()
	}
	ask := func(bot string) error {
		return run(func(d *Decision) error {
			return d.AskPermit(PermitRequest{Order: order(bot, "m", "YES", buy, "1", "0.5")})
		})
	}
	require.NoError(t, run(func(d *Decision) error {
		return d.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)}, nil)
	}))
	require.NoError(t, run(func(d *Decision) error {
		return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("20000")})
	}))
	have := func(bot string, n int, until time.Time) {
		for i := range n {
			id := fmt.Sprintf("p%s%d", bot, i)
			s.addPermit(&risk.Permit{ID: id, Order: order(bot, "m", "YES", buy, "1", "0.5"), Left: dec("1"), ExpiresAt: until})
		}
	}
	for i := range 11 {
		require.NoError(t, run(func(d *Decision) error {
			return d.RegisterBot(&domain.BotRegistered{Bot: fmt.Sprint("b", i)}, dec("1000"), true)
		}))
	}
	have("b0", 999, noon.Add(time.Hour))
	require.NoError(t, ask("b0"), "the thousandth")
	err := ask("b0")
	require.Equal(t, domain.CodeRateLimited, domain.CodeOf(err))
	require.ErrorContains(t, err, "release permits of orders that no longer rest")
	for i := 1; i < 10; i++ {
		have(fmt.Sprint("b", i), 999, noon.Add(time.Hour))
	}
	for i := range 9 {
		require.NoError(t, ask(fmt.Sprint("b", i+1)))
	}
	require.Len(t, s.Permits, 10_000)
	require.Equal(t, domain.CodeRateLimited, domain.CodeOf(ask("b10")), "of a bot without any")
	now = noon.Add(time.Hour)
	require.NoError(t, ask("b10"), "what has expired does not count")
	require.Len(t, s.Permits, 1)
}

// An operator's stop revokes what is not placed, likewise.
func TestStoppingABotRevokesItsUnplacedPermits(t *testing.T) {
	h := halts(t)
	h.must(func(d *Decision) error { return d.StopBot("a", "maintenance") })
	require.Equal(t, []string{"bot.stopped", "permit.released"}, h.types())
	require.Equal(t, []string{"2", "3"}, h.livePermits())
}

// Daily loss is judged on the day of the question: a permit asked for in the
// first instant of a day opens it.
func TestPermitOpensTheDay(t *testing.T) {
	h := paper(t, "100")
	h.at(time.Date(2026, 3, 10, 23, 59, 59, 999999999, time.UTC))
	h.permit("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, []string{"permit.granted"}, h.types())
	h.after(1)
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	require.Equal(t, []string{"day.opened", "permit.granted"}, h.types())
	require.Equal(t, domain.PermitName(h.s.Next-1), id)
	h.after(24 * time.Hour)
	h.ask(order("a", "m", "YES", buy, "1000", "0.5"))
	require.Equal(t, []string{"day.opened", "permit.denied"}, h.types())
}

// "Time never goes back": a permit, its fill and its expiry may share an instant.
func TestSameInstant(t *testing.T) {
	h := paper(t, "100")
	id := h.permit("a", "m", "YES", buy, "1", "0.5")
	h.place(id, h.now.Add(1))
	h.fill("a", "m", "YES", buy, "1", "0.5", withPermit(id))
	require.Empty(t, h.flags())
	require.Empty(t, h.s.Permits)
}

// Of a sell that closes first and then opens, closing gives nothing back of what
// the opening part reserves.
func TestFlipKeepsItsOpeningPartReserved(t *testing.T) {
	h := paper(t, "10")
	h.fill("a", "m", "YES", buy, "6", "0.5")
	id := h.permit("a", "m", "YES", sell, "20", "0.5") // 14 × 0.5 = 7
	require.Equal(t, "0", h.free("a"))
	h.fill("a", "m", "YES", sell, "6", "0.5", withPermit(id))
	require.Equal(t, "3", h.free("a"), "what the sale brought in")
	h.permit("a", "n", "YES", buy, "6", "0.5")
	h.fill("a", "m", "YES", sell, "14", "0.5", withPermit(id))
	require.Empty(t, h.flags())
	require.Equal(t, "0", h.free("a"))
	h.settle("m", "YES", "1")
	h.equal("3", h.botOf("a").Cash)
}

// What one order was going to close, another may close first: then the first one
// opens exposure, and has to reserve for it from that moment.
func TestClosedByAnotherOrderFirst(t *testing.T) {
	h := paper(t, "10")
	h.fill("a", "m", "YES", buy, "10", "0.5") // cash 5
	closing := h.permit("a", "m", "YES", sell, "10", "0.5")
	opening := h.permit("a", "m", "YES", sell, "10", "0.5")
	h.place(closing)
	require.Equal(t, "0", h.free("a"), "the second one reserves 5")
	h.fill("a", "m", "YES", sell, "10", "0.5", withPermit(opening))
	require.Empty(t, h.flags())
	h.equal("5", h.s.Permits[closing].Reserved)
	require.Equal(t, "5", h.free("a"))
	h.permit("a", "n", "YES", buy, "10", "0.5")
	h.denied(domain.ReasonInsufficientCash, order("a", "o", "YES", buy, "0.000000000000000002", "0.5"))
	h.fill("a", "m", "YES", sell, "10", "0.5", withPermit(closing))
	require.Empty(t, h.flags(), "the venue chose the order of the fills: what one was granted to open the other may")
	require.Equal(t, "0", h.free("a"), "the short is covered, the buy is reserved")

	// At another limit the zone and the reservation were judged for another price.
	h = paper(t, "10")
	h.fill("a", "m", "YES", buy, "10", "0.5")
	closing = h.permit("a", "m", "YES", sell, "10", "0.6")
	opening = h.permit("a", "m", "YES", sell, "10", "0.5")
	h.place(closing)
	h.fill("a", "m", "YES", sell, "10", "0.5", withPermit(opening))
	h.fill("a", "m", "YES", sell, "10", "0.6", withPermit(closing))
	require.Equal(t, []string{domain.FlagPermitExceeded, domain.FlagOversold}, h.flags(), "permitted to close, and nothing else")

	// A fill without a permit takes it away just the same, and so does a void.
	h = paper(t, "10")
	id := h.fill("a", "m", "YES", buy, "10", "0.5", provisional)
	older := h.permit("a", "m", "YES", sell, "4", "0.5")
	newer := h.permit("a", "m", "YES", sell, "6", "0.5")
	h.fill("a", "m", "YES", sell, "3", "0.5")
	h.equal("0", h.s.Permits[older].Reserved, "the oldest keeps its claim")
	h.equal("1.5", h.s.Permits[newer].Reserved)
	h.void(id)
	h.equal("2", h.s.Permits[older].Reserved)
	h.equal("3", h.s.Permits[newer].Reserved)
}

// Buying back a short is not denied for the 1 a share that is set aside for the
// settlement of the very same short; no money is counted twice or not at all.
func TestBuyingBackSeveralShorts(t *testing.T) {
	h := paper(t, "10")
	for _, m := range []string{"m", "n"} {
		h.permit("a", m, "YES", sell, "10", "0.5")
		h.fill("a", m, "YES", sell, "10", "0.5", withPermit(lastOf[*domain.PermitGranted](h).Permit))
	}
	require.Equal(t, "0", h.free("a"), "cash 20, and 20 to pay if both come true")
	first := h.permit("a", "m", "YES", buy, "10", "0.9")
	h.permit("a", "n", "YES", buy, "10", "0.9")
	require.Equal(t, "0", h.free("a"))
	h.denied(domain.ReasonInsufficientCash, order("a", "o", "YES", buy, "1", "0.5"))
	h.fill("a", "m", "YES", buy, "10", "0.9", withPermit(first))
	require.Equal(t, "1", h.free("a"))
	h.after(time.Minute)
	require.Equal(t, "1", h.free("a"), "cash 11, and 10 to pay")
}

// "permit is an atomic check and reservation": 64 orders of one share each of 64
// parts of the cash pass, and not one more; what is released or expires passes on.
func TestStormAtOneCashLimit(t *testing.T) {
	h := paper(t, "32")
	var granted []string
	for i := range 100 {
		h.ask(order("a", fmt.Sprint("m", i), "YES", buy, "1", "0.5"))
		if e := stepOf[*domain.PermitGranted](h); len(e) > 0 {
			granted = append(granted, e[0].Permit)
		}
	}
	require.Len(t, granted, 64)
	require.Equal(t, "0", h.free("a"))
	h.release(granted[0])
	h.permit("a", "n", "YES", buy, "1", "0.5")
	h.ask(order("a", "o", "YES", buy, "1", "0.5"))
	require.Equal(t, []domain.ReasonCode{domain.ReasonInsufficientCash}, h.reasons())
	h.after(30 * time.Second)
	h.permit("a", "p", "YES", buy, "64", "0.5")
	require.Len(t, h.s.Permits, 1, "what has expired is forgotten")
}

// storm is a crowd of bots that ask, place, fill, release, settle and move money
// as chance has it, each fill within a live permit.
type storm struct {
	t    *rapid.T
	s    *State
	past *pastLog // of s, which decides on both kinds of a past
	now  time.Time
	ids  int
}

func (w *storm) run(f func(*Decision) error) []domain.Event {
	d := w.s.Begin(w.now, domain.Caller{User: "olga", Role: domain.RoleOperator})
	err := f(d)
	if err == nil {
		err = d.Finish()
	}
	require.False(w.t, err != nil && d.Dirty(), "%v", err)
	w.past.follow(w.s, d.Events())
	return d.Events()
}

func (w *storm) cents(name string, lo, hi int64) domain.Decimal {
	return domain.FromInt(rapid.Int64Range(lo, hi).Draw(w.t, name)).Div(domain.FromInt(100))
}

var stormMarkets = []string{"m", "n", "o"}

func (w *storm) act(bots []string) {
	bot := rapid.SampledFrom(bots).Draw(w.t, "bot")
	live := w.s.permitIDs(func(p *risk.Permit) bool { return p.Bot == bot && p.Live(w.now) })
	action := rapid.SampledFrom([]string{"ask", "ask", "ask", "ask", "fill", "fill", "fill", "place", "release", "wait", "settle", "allocate"}).Draw(w.t, "action")
	if len(live) == 0 && (action == "fill" || action == "place" || action == "release") {
		action = "ask"
	}
	switch action {
	case "ask":
		o := order(bot, rapid.SampledFrom(stormMarkets).Draw(w.t, "market"), "YES", rapid.SampledFrom([]domain.Side{buy, sell}).Draw(w.t, "side"), "1", "1")
		// Few sizes and prices, so that orders meet, and all of the cash is asked for.
		o.Quantity = dec(rapid.SampledFrom([]string{"5", "10", "20", "40", "3.33"}).Draw(w.t, "quantity"))
		o.LimitPrice = dec(rapid.SampledFrom([]string{"0.5", "0.3", "0.7", "0.01", "0.99"}).Draw(w.t, "limit"))
		fee := o.Quantity.Mul(dec("0.01"))
		w.run(func(d *Decision) error { return d.AskPermit(PermitRequest{Order: o, Fee: &fee}) })
	case "fill":
		w.fill(w.s.Permits[rapid.SampledFrom(live).Draw(w.t, "permit")])
	case "place":
		id := rapid.SampledFrom(live).Draw(w.t, "permit")
		w.run(func(d *Decision) error { return d.PlacePermit(id, nil) })
	case "release":
		id := rapid.SampledFrom(live).Draw(w.t, "permit")
		w.run(func(d *Decision) error { return d.ReleasePermit(id, "") })
	case "wait":
		w.now = w.now.Add(time.Duration(rapid.IntRange(0, 31).Draw(w.t, "seconds")) * time.Second)
	case "settle":
		// A market of its own per round, so that trading goes on: the payout is final.
		i := domain.Instrument{Market: rapid.SampledFrom(stormMarkets).Draw(w.t, "market"), Outcome: "YES"}
		if rapid.IntRange(0, 9).Draw(w.t, "really") == 0 {
			payout := w.cents("payout", 0, 100)
			w.run(func(d *Decision) error { return d.Settle(&domain.MarketSettled{Instrument: i, Payout: payout}) })
		}
	case "allocate":
		amount := w.cents("amount", -1000, 300)
		w.run(func(d *Decision) error { return d.Allocate(bot, amount) })
	}
}

// fill fills a part of a permit, or all of it, at its limit or better.
func (w *storm) fill(p *risk.Permit) {
	parts := int64(p.Left.Mul(domain.FromInt(100)).Float())
	r := FillReport{Instrument: p.Instrument, Side: p.Side, PermitID: p.ID, Price: p.LimitPrice}
	w.ids++
	r.FillID = domain.FillID{Bot: p.Bot, TradeID: fmt.Sprint(w.ids)}
	r.Quantity = p.Left
	if rapid.Bool().Draw(w.t, "part") {
		r.Quantity = w.cents("filled", 1, max(parts, 1)).Min(p.Left)
	}
	r.Fee = r.Quantity.Mul(dec("0.01"))
	better := w.cents("better", 0, 10)
	if p.Side == buy {
		r.Price = r.Price.Sub(better).Max(dec("0.01"))
	} else {
		r.Price = r.Price.Add(better).Min(domain.One)
	}
	w.run(func(d *Decision) error { return d.RecordFill(r) })
}

// worst is what a bot still has to be able to pay if every live order that can
// hurt is filled at its limit and every outcome pays what hurts most: computed
// from orders and holdings alone, not from what the permits say they reserve.
func (w *storm) worst(bot string) domain.Decimal {
	sum := domain.Zero
	for _, m := range stormMarkets {
		i := domain.Instrument{Market: m, Outcome: "YES"}
		held := domain.Zero
		if in := w.s.Instruments[i]; in != nil && in.Holding(bot) != nil {
			held = in.Holding(bot).Quantity
		}
		// Paid 0, what is bought is lost; paid 1, what is sold and not held is owed.
		zero, one := domain.Zero, held.Neg()
		for _, p := range w.s.Permits {
			if p.Bot != bot || p.Instrument != i || !p.Live(w.now) {
				continue
			}
			fee := p.Left.Mul(dec("0.01"))
			if p.Side == buy {
				zero = zero.Add(p.Left.Mul(p.LimitPrice)).Add(fee)
			} else {
				one = one.Add(p.Left.Mul(domain.One.Sub(p.LimitPrice))).Add(fee)
			}
		}
		sum = sum.Add(zero.Max(one).Max(domain.Zero))
	}
	return sum
}

// "notional ≤ bot cash − reservations": whatever 64 bots do within their permits,
// none can come to owe more than it has, and none spends another's money.
func TestNoStormOverspends(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &storm{t: t, s: New(), past: newPastLog(), now: noon}
		lookUpBoth(t, w.s, w.past)
		w.run(func(d *Decision) error {
			p := domain.DefaultPolicy(domain.ModePaper)
			quietPolicy(&p)
			p.BlockedZones, p.ZoneBounds[0], p.ZoneBounds[5] = nil, dec("0.001"), domain.One
			return d.Open(&domain.PortfolioOpened{Portfolio: "main", Mode: domain.ModePaper, Clock: domain.ClockWall, BaseAsset: "USDC", BaseDecimals: 6, Policy: p}, nil)
		})
		w.run(func(d *Decision) error {
			return d.Deposit(&domain.DepositRecorded{Wallet: domain.WalletHot, Amount: dec("2000")})
		})
		var bots []string
		for i := range rapid.SampledFrom([]int{1, 2, 64, 1, 1}).Draw(t, "bots") {
			id := fmt.Sprint("b", i)
			bots = append(bots, id)
			w.run(func(d *Decision) error { return d.RegisterBot(&domain.BotRegistered{Bot: id}, dec("20"), true) })
		}
		for range 60 {
			w.act(bots)
			for _, id := range bots {
				require.False(t, w.s.Bots[id].Cash.Less(w.worst(id)), "bot %s has %s and may owe %s", id, w.s.Bots[id].Cash, w.worst(id))
			}
		}
		require.Empty(t, w.s.Book.TrialBalance())
	})
}
