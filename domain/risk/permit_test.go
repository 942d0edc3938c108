package risk

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"pets/domain"
)

func order(side domain.Side, quantity, limit, fee string) domain.Order {
	return domain.Order{Bot: "a", Side: side, Quantity: dec(quantity), LimitPrice: dec(limit), Fee: dec(fee)}
}

// grant makes the permit of an order against a holding, as a decision does.
func grant(o domain.Order, held string, kind domain.MarketKind) *Permit {
	e := Split(o, dec(held), domain.Zero)
	return &Permit{Order: o, Left: o.Quantity, ReducingLeft: e.Reducing, OpeningLeft: e.Opening, Reserved: Reservation(o, e, kind, domain.Zero)}
}

// filled is a fill of a permit's order while held is held.
func filled(p *Permit, quantity, price, held string) Execution {
	return executed(p, dec(quantity), dec(price), dec(held))
}

func executed(p *Permit, quantity, price, held domain.Decimal) Execution {
	o := p.Order
	o.Quantity = quantity
	return Execution{Quantity: quantity, Price: price, Opens: Split(o, held, domain.Zero).Opening}
}

// "Reservation = worst case: a buy, quantity × limit price + fee; a sell, the
// held quantity; its opening part, quantity × (1 − limit) + fee in outcome
// markets, denied elsewhere unless the market is a perp."
func TestReservationIsTheWorstCase(t *testing.T) {
	for _, c := range []struct {
		name string
		o    domain.Order
		held string
		kind domain.MarketKind
		want string
	}{
		{"buy", order(domain.Buy, "10", "0.4", "0.1"), "0", domain.KindOutcome, "4.1"},
		{"buy that closes a short", order(domain.Buy, "10", "0.4", "0.1"), "-10", domain.KindOutcome, "4.1"},
		{"buy of a spot asset", order(domain.Buy, "2", "60000", "12"), "0", domain.KindSpot, "120012"},
		{"sell of what is held", order(domain.Sell, "10", "0.4", "0.1"), "10", domain.KindOutcome, "0"},
		{"opening sell", order(domain.Sell, "10", "0.85", "0.1"), "0", domain.KindOutcome, "1.6"},
		{"flip", order(domain.Sell, "10", "0.85", "0.1"), "4", domain.KindOutcome, "1"},
		{"opening sell at 1", order(domain.Sell, "10", "1", "0"), "0", domain.KindOutcome, "0"},
		{"opening sell of a perp", order(domain.Sell, "2", "100", "1"), "0", domain.KindPerp, "201"},
		{"flip of a perp", order(domain.Sell, "3", "100", "1"), "2", domain.KindPerp, "101"},
		{"sell of a held spot asset", order(domain.Sell, "2", "100", "1"), "2", domain.KindSpot, "0"},
		{"one step short of held", order(domain.Sell, "10", "0.5", "0"), "9.999999999999999999", domain.KindOutcome, "0.000000000000000000"},
	} {
		require.Equal(t, dec(c.want).String(), grant(c.o, c.held, c.kind).Reserved.String(), c.name)
	}
}

// "Reducing = |filled position| minus already pending reducing orders covers the
// whole quantity; … closing to exactly zero is reducing."
func TestSplitAtTheBorder(t *testing.T) {
	for _, c := range []struct {
		side                           domain.Side
		quantity, held, pending        string
		reducing, opening, description string
	}{
		{domain.Sell, "9.999999999999999999", "10", "0", "9.999999999999999999", "0", "less than held"},
		{domain.Sell, "10", "10", "0", "10", "0", "to exactly zero"},
		{domain.Sell, "10.000000000000000001", "10", "0", "10", "0.000000000000000001", "one step more"},
		{domain.Buy, "10", "-10", "0", "10", "0", "a short to exactly zero"},
		{domain.Buy, "10.000000000000000001", "-10", "0", "10", "0.000000000000000001", "a short, one step more"},
		{domain.Sell, "6", "10", "4", "6", "0", "pending orders leave just enough"},
		{domain.Sell, "6", "10", "4.000000000000000001", "5.999999999999999999", "0.000000000000000001", "and one step less"},
		{domain.Sell, "6", "10", "10", "0", "6", "all is spoken for"},
		{domain.Sell, "6", "10", "12", "0", "6", "more than all is spoken for"},
		{domain.Sell, "6", "0", "0", "0", "6", "nothing held"},
		{domain.Sell, "6", "-10", "0", "0", "6", "selling more of a short"},
		{domain.Buy, "6", "10", "0", "0", "6", "buying more of a long"},
	} {
		e := Split(order(c.side, c.quantity, "0.5", "0"), dec(c.held), dec(c.pending))
		require.Equal(t, Exposure{Reducing: dec(c.reducing), Opening: dec(c.opening)}, e, c.description)
	}
}

func TestPartialFillsOfABuyKeepTheRestReserved(t *testing.T) {
	p := grant(order(domain.Buy, "10", "0.4", "1"), "0", domain.KindOutcome)
	require.True(t, p.Fill(filled(p, "4", "0.4", "0"), domain.KindOutcome))
	require.Equal(t, "6", p.Left.String())
	require.Equal(t, "3", p.Reserved.String(), "6 × 0.4, and 6/10 of the fee")
	require.True(t, p.Fill(filled(p, "6", "0.1", "4"), domain.KindOutcome), "better than the limit")
	require.Equal(t, "0", p.Left.String())
	require.Equal(t, "0", p.Reserved.String())
}

// Of a sell that closes first and then opens, only the opening part reserves, so
// closing gives nothing of it back.
func TestPartialFillsOfAFlipKeepTheOpeningPartReserved(t *testing.T) {
	p := grant(order(domain.Sell, "10", "0.5", "0"), "6", domain.KindOutcome)
	require.Equal(t, "2", p.Reserved.String())
	require.True(t, p.Fill(filled(p, "6", "0.5", "6"), domain.KindOutcome))
	require.Equal(t, "0", p.ReducingLeft.String())
	require.Equal(t, "2", p.Reserved.String(), "4 shares may still have to pay 0.5 each")
	require.True(t, p.Fill(filled(p, "1", "0.5", "0"), domain.KindOutcome))
	require.Equal(t, "1.5", p.Reserved.String())
}

// "Fills without a permit, above it, …" are those of more quantity, or at a worse
// price, than permitted.
func TestFillWithinQuantityAndPrice(t *testing.T) {
	for _, c := range []struct {
		side            domain.Side
		quantity, price string
		within          bool
	}{
		{domain.Buy, "10", "0.5", true},
		{domain.Buy, "9.999999999999999999", "0.499999999999999999", true},
		{domain.Buy, "10.000000000000000001", "0.5", false},
		{domain.Buy, "10", "0.500000000000000001", false},
		{domain.Sell, "10", "0.5", true},
		{domain.Sell, "10", "0.500000000000000001", true},
		{domain.Sell, "10", "0.499999999999999999", false},
		{domain.Sell, "10.000000000000000001", "0.9", false},
	} {
		p := grant(order(c.side, "10", "0.5", "0"), "0", domain.KindOutcome)
		require.Equal(t, c.within, p.Fill(filled(p, c.quantity, c.price, "0"), domain.KindOutcome), "%+v", c)
		require.False(t, p.Left.Sign() < 0 || p.Reserved.Sign() < 0, "%+v", c)
	}
}

// Where another order closed what this one was going to close, it opens.
func TestClaimIsBoundByWhatIsHeld(t *testing.T) {
	p := grant(order(domain.Sell, "10", "0.4", "1"), "10", domain.KindOutcome)
	require.Equal(t, "0", p.Reserved.String())
	require.Equal(t, dec("10"), p.Claim(dec("10"), domain.KindOutcome), "exactly enough")
	require.Equal(t, "0", p.Reserved.String())
	require.Equal(t, dec("7"), p.Claim(dec("7"), domain.KindOutcome))
	require.Equal(t, "2.8", p.Reserved.String(), "3 × (1 − 0.4) + fee")
	require.Equal(t, dec("9"), p.Claim(dec("9"), domain.KindOutcome), "a void may bring back what it was granted to close")
	require.Equal(t, dec("10"), p.Claim(dec("11"), domain.KindOutcome), "and no more than that")
	require.Equal(t, domain.Zero, p.Claim(domain.Zero, domain.KindOutcome))
	require.Equal(t, "7", p.Reserved.String())

	p = grant(order(domain.Buy, "10", "0.4", "1"), "-10", domain.KindOutcome)
	p.Claim(dec("3"), domain.KindOutcome)
	require.Equal(t, "5", p.Reserved.String(), "a buy reserves all of it anyway")
}

func TestReliefIsWhatABuyBackReservesTwice(t *testing.T) {
	p := grant(order(domain.Buy, "10", "0.9", "0.5"), "-10", domain.KindOutcome)
	require.Equal(t, "9", p.Relief(dec("10")).String(), "never more than the price, of what covers it")
	require.Equal(t, "6", p.Relief(dec("6")).String(), "never more than the cover")
	require.Equal(t, "0", p.Relief(domain.Zero).String(), "nothing is set aside for what is not short")
	require.Equal(t, "0", grant(order(domain.Sell, "10", "0.9", "0"), "10", domain.KindOutcome).Relief(dec("10")).String())
}

// A short outcome can cost 1 a share; any other short keeps what its sale brought
// in, and as much again, or its value where the mark rose above it.
func TestShortCover(t *testing.T) {
	for _, c := range []struct {
		quantity, cost, value string
		kind                  domain.MarketKind
		want                  string
	}{
		{"-10", "-4", "-9", domain.KindOutcome, "10"},
		{"10", "4", "9", domain.KindOutcome, "0"},
		{"-10", "-1000", "-1000", domain.KindPerp, "2000"},
		{"-10", "-1000", "-999.999999999999999999", domain.KindPerp, "2000"},
		{"-10", "-1000", "-1000.000000000000000001", domain.KindPerp, "2000.000000000000000001"},
		{"-10", "-1000", "-3000", domain.KindSpot, "4000"},
		{"10", "1000", "1000", domain.KindPerp, "0"},
		{"0", "0", "0", domain.KindSpot, "0"},
	} {
		require.Equal(t, c.want, ShortCover(dec(c.quantity), dec(c.cost), dec(c.value), c.kind).String(), "%+v", c)
	}
}

// "Reducing = |filled position| …": a fill may open no more than what was granted
// as opening, given the position at that moment.
func TestFillOpensNoMoreThanWasGranted(t *testing.T) {
	for _, c := range []struct {
		side               domain.Side
		granted, now, fill string
		within             bool
		left               string // of the opening part
	}{
		{domain.Sell, "10", "10", "10", true, "0"},
		{domain.Sell, "10", "9.999999999999999999", "10", false, "0"},
		{domain.Sell, "10", "0", "0.000000000000000001", false, "0"},
		{domain.Sell, "6", "6", "10", true, "0"},
		{domain.Sell, "6", "6", "6", true, "4"},
		{domain.Sell, "6", "0", "4", true, "0"},
		{domain.Sell, "6", "0", "4.000000000000000001", false, "0"},
		{domain.Sell, "6", "-5", "4", true, "0"},
		{domain.Sell, "6", "20", "8", true, "2"},
		{domain.Buy, "-10", "-10", "10", true, "0"},
		{domain.Buy, "-10", "-9.999999999999999999", "10", false, "0"},
		{domain.Buy, "-10", "5", "1", false, "0"},
	} {
		p := grant(order(c.side, "10", "0.5", "0"), c.granted, domain.KindOutcome)
		require.Equal(t, c.within, p.Fill(filled(p, c.fill, "0.5", c.now), domain.KindOutcome), "%+v", c)
		require.Equal(t, c.left, p.OpeningLeft.String(), "%+v", c)
	}
}

// "permit_ttl bounds the time to place the order": a part that is filled shows
// that it was placed; only somebody's word says until when it rests.
func TestAFillShowsThatTheOrderWasPlaced(t *testing.T) {
	at := time.Date(2026, 3, 10, 12, 0, 30, 0, time.UTC)
	p := grant(order(domain.Buy, "10", "0.5", "0"), "0", domain.KindOutcome)
	p.ExpiresAt = at
	p.Fill(filled(p, "4", "0.5", "0"), domain.KindOutcome)
	require.True(t, p.Working && !p.Placed && p.ExpiresAt.IsZero())
	p.Place(&at, 0)
	p.Fill(filled(p, "4", "0.5", "4"), domain.KindOutcome)
	require.True(t, p.Working && p.Placed)
	require.Equal(t, at, p.ExpiresAt)
}

// "permit_ttl (30 s) bounds the time to place the order": at expires_at it is over.
func TestLiveUntilItsExpiry(t *testing.T) {
	at := time.Date(2026, 3, 10, 12, 0, 30, 0, time.UTC)
	p := Permit{ExpiresAt: at}
	require.True(t, p.Live(at.Add(-time.Nanosecond)))
	require.False(t, p.Live(at))
	require.False(t, p.Live(at.Add(time.Nanosecond)))
	require.True(t, (&Permit{}).Live(at), "no expiry")
}

// Whatever the fills, what stays reserved covers the worst case of what is left
// and is never below 0, and nothing is reserved for nothing.
func TestReservationCoversWhatIsLeft(t *testing.T) {
	kinds := []domain.MarketKind{domain.KindOutcome, domain.KindPerp}
	rapid.Check(t, func(t *rapid.T) {
		cents := func(name string, lo, hi int64) domain.Decimal {
			return domain.FromInt(rapid.Int64Range(lo, hi).Draw(t, name)).Div(domain.FromInt(100))
		}
		kind := rapid.SampledFrom(kinds).Draw(t, "kind")
		o := domain.Order{
			Side:     rapid.SampledFrom([]domain.Side{domain.Buy, domain.Sell}).Draw(t, "side"),
			Quantity: cents("quantity", 1, 2000), LimitPrice: cents("limit", 1, 99), Fee: cents("fee", 0, 50),
		}
		e := Split(o, cents("held", -2000, 2000), cents("pending", 0, 500))
		require.Equal(t, o.Quantity, e.Reducing.Add(e.Opening))
		require.False(t, e.Reducing.Sign() < 0 || e.Opening.Sign() < 0)
		p := &Permit{Order: o, Left: o.Quantity, ReducingLeft: e.Reducing, OpeningLeft: e.Opening, Reserved: Reservation(o, e, kind, domain.Zero)}
		for range rapid.IntRange(1, 6).Draw(t, "fills") {
			before := *p
			p.Fill(executed(p, cents("filled", 1, 800), o.LimitPrice, cents("held then", -2000, 2000)), kind)
			require.False(t, before.Reserved.Less(p.Reserved), "a fill takes nothing more")
			opening := p.Left.Sub(p.ReducingLeft)
			need := p.Left.Mul(o.LimitPrice)
			if o.Side == domain.Sell {
				need = Reservation(domain.Order{Side: domain.Sell, LimitPrice: o.LimitPrice}, Exposure{Opening: opening}, kind, domain.Zero)
			}
			require.False(t, p.Reserved.Less(need), "reserved %s, needed %s", p.Reserved, need)
			require.Equal(t, p.Left.IsZero(), p.Left.Sign() <= 0)
			require.False(t, before.OpeningLeft.Less(p.OpeningLeft) || p.Left.Less(p.OpeningLeft) || p.OpeningLeft.Sign() < 0)
			require.True(t, opening.Sign() >= 0 && (!p.Left.IsZero() || p.Reserved.IsZero()))
		}
	})
}
