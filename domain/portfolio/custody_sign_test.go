package portfolio

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/risk"
)

// signing is a funded portfolio whose bot a holds 50 YES of market rain, of which the
// tokens are known, and asks to buy and sell more; change alters the policy.
func signing(t testingT, change ...func(*domain.Policy)) *harness {
	h := newHarness(t)
	h.open(domain.ModeLive, append([]func(*domain.Policy){quietPolicy}, change...)...)
	h.wallet(walletOf("hot-1", domain.WalletHot))
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "rain", Kind: domain.KindOutcome, Outcomes: []string{"YES", "NO"}, Tokens: map[string]string{"YES": "71", "NO": "72"}})
	})
	h.deposit("2500")
	h.bot("a", "1000")
	h.bot("b", "1000")
	h.fill("a", "rain", "YES", buy, "50", "0.5")
	return h.after(time.Minute)
}

// allowed asks for a permit with a fee of 1 in 50 of notional, and returns its name.
func (h *harness) allowed(side domain.Side, quantity, limit, fee string) string {
	h.t.Helper()
	o := order("a", "rain", "YES", side, quantity, limit)
	o.Fee = dec(fee)
	h.ask(o)
	granted := stepOf[*domain.PermitGranted](h)
	require.Len(h.t, granted, 1, "denied: %v", h.reasons())
	return granted[0].Permit
}

// typed is an order that says what a permit for YES at 0.5 allows.
func (h *harness) typed(side domain.Side, quantity, notional string) domain.TypedOrder {
	w := h.s.Custody.Main(domain.WalletHot)
	sum := sha256.Sum256([]byte(string(side) + quantity + notional))
	return domain.TypedOrder{
		Shape: "ctf-1", Digest: hex.EncodeToString(sum[:]), Chain: polygon, Contract: friend, Signer: w.Address, Maker: w.Address,
		Token: "71", Collateral: usdcID, Side: side, Quantity: dec(quantity), Notional: dec(notional),
	}
}

// signs asks for a signature and returns the codes of the refusal, nil for none.
func (h *harness) signs(permit string, o domain.TypedOrder) []domain.SignatureCode {
	h.t.Helper()
	r := SignRequest{Permit: permit, Order: o}
	before := h.hash()
	preview := h.s.SignObstacles(h.now, h.caller, r)
	require.Equal(h.t, before, h.hash(), "a look leaves a trace")
	h.must(func(d *Decision) error { return d.SignOrder(r) })
	var codes []domain.SignatureCode
	for _, e := range stepOf[*domain.SignatureRefused](h) {
		for _, o := range e.Reasons {
			codes = append(codes, o.Code)
		}
	}
	var shown []domain.SignatureCode
	for _, o := range preview {
		shown = append(shown, o.Code)
	}
	if h.count(domain.CommandNotedType) == 0 && !slices.Contains(h.types(), "arbitrage.timed_out") {
		require.Equal(h.t, shown, codes, "the look says the same")
	}
	require.Equal(h.t, len(codes) == 0, h.count(domain.SignatureMadeType)+h.count(domain.CommandNotedType) == 1)
	return codes
}

// “sign gives a signature only under a live permit. One permit signs one digest; the
// same digest gets the same signature.” The permit works from then on, until the
// order's own expiry.
func TestSignOrder(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "100", "0.5", "1")
	o := h.typed(buy, "100", "50")
	expiry := h.now.Add(time.Hour)
	o.ExpiresAt = &expiry
	require.Empty(t, h.as(domain.RoleBot, "a").signs(id, o))
	made := lastOf[*domain.SignatureMade](h)
	require.Equal(t, domain.SignatureMade{
		Purpose: domain.PurposeOrder, Bot: "a", Permit: id, Wallet: "hot-1", Address: o.Signer, Digest: o.Digest, Shape: "ctf-1", ExpiresAt: &expiry,
	}, *made)
	p := h.s.Permits[id]
	require.Equal(t, [3]bool{true, true, true}, [3]bool{p.Working, p.Placed, p.ExpiresAt.Equal(expiry)})
	require.Equal(t, h.s.Next-1, p.SignedAt)
	h.after(59 * time.Minute) // long after permit_ttl
	require.Empty(t, h.signs(id, o))
	noted := lastOf[*domain.CommandNoted](h)
	require.Equal(t, p.SignedAt, *noted.Of, "the same signature: the record it was made with")
	other := h.typed(buy, "99", "49")
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUsed}, h.signs(id, other))
	h.after(time.Minute)
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUnknown}, h.signs(id, o), "the order's expiry ends the permit")

	// Without an expiry it works until it is filled or released.
	h.operator().mark("rain", "YES", "0.5")
	h.as(domain.RoleBot, "a")
	id = h.allowed(buy, "10", "0.5", "0")
	o = h.typed(buy, "10", "5")
	require.Empty(t, h.signs(id, o))
	require.True(t, h.s.Permits[id].ExpiresAt.IsZero())
	h.operator().trips(domain.DailyLoss, "")
	require.Contains(t, h.s.Permits, id, "a trip does not revoke what may be placed already")
	require.Equal(t, []domain.SignatureCode{domain.SignBreakerTripped}, h.signs(id, o), "but nothing is signed again")
}

// “The typed data checked against the permit (token, side, quantity, price)”: one unit
// off, each alone, and all together.
func TestSignObstacles(t *testing.T) {
	past := noon
	for _, side := range []domain.Side{buy, sell} {
		better, worse := "-0.000001", "0.000001"
		quantity, notional, otherSide := "100", "50", sell
		if side == sell {
			better, worse, otherSide = worse, better, buy
			quantity, notional = "50", "25"
		}
		changes := map[domain.SignatureCode]func(*domain.TypedOrder){
			domain.SignWalletUnknown: func(o *domain.TypedOrder) { o.Chain = "eip155:1" },
			domain.SignWrongSigner:   func(o *domain.TypedOrder) { o.Signer = friend },
			domain.SignWrongAsset:    func(o *domain.TypedOrder) { o.Collateral = polID },
			domain.SignWrongToken:    func(o *domain.TypedOrder) { o.Token = "72" },
			domain.SignPrice:         func(o *domain.TypedOrder) { o.Notional, o.FeeBPS = o.Notional.Add(dec(worse)), dec("100") },
			domain.SignFee:           func(o *domain.TypedOrder) { o.FeeBPS = dec("200.000001") },
			domain.SignExpiry:        func(o *domain.TypedOrder) { o.ExpiresAt = &past },
			domain.SignQuantity: func(o *domain.TypedOrder) {
				o.Quantity = o.Quantity.Add(dec("0.000001"))
				o.Notional = o.Notional.Add(dec("0.0000005"))
			},
		}
		h := signing(t)
		fee := "1"
		if side == sell {
			fee = "0.5"
		}
		id := h.allowed(side, quantity, "0.5", fee)
		good := func() domain.TypedOrder {
			o := h.typed(side, quantity, notional)
			o.FeeBPS = dec("200") // of 50: 1
			return o
		}
		for code, change := range changes {
			o := good()
			change(&o)
			require.Equal(t, []domain.SignatureCode{code}, h.signsAgain(id, o), "%s %s", side, code)
		}
		maker := good()
		maker.Maker = friend
		require.Equal(t, []domain.SignatureCode{domain.SignWrongSigner}, h.signsAgain(id, maker))
		turned := good()
		turned.Side, turned.FeeBPS = otherSide, dec("200")
		require.Equal(t, []domain.SignatureCode{domain.SignWrongSide}, h.signsAgain(id, turned), "at exactly the limit the price suits both sides")
		all := good()
		all.Signer, all.Collateral, all.Token, all.ExpiresAt = friend, polID, "72", &past
		all.Quantity, all.Notional, all.FeeBPS = dec("1000"), dec("500").Add(dec(worse)), dec("300")
		require.Equal(t, []domain.SignatureCode{
			domain.SignWrongSigner, domain.SignWrongAsset, domain.SignWrongToken, domain.SignQuantity, domain.SignPrice, domain.SignFee, domain.SignExpiry,
		}, h.signsAgain(id, all), "every reason that was found")
		require.Empty(t, h.s.Permits[id].Digest, "what was refused has not used the permit")
		nicer := good()
		nicer.Notional = nicer.Notional.Add(dec(better))
		nicer.FeeBPS = dec("199")
		require.Empty(t, h.signs(id, nicer))
	}
}

// signsAgain asks where the same refusal a moment ago would only be noted.
func (h *harness) signsAgain(permit string, o domain.TypedOrder) []domain.SignatureCode {
	h.t.Helper()
	for _, b := range h.s.Bots {
		b.Denied = nil
	}
	for _, b := range h.cold.Bots {
		b.Denied = nil
	}
	return h.signs(permit, o)
}

// An order for a part of what the permit allows carries a part of its fee.
func TestSignPart(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "100", "0.5", "1")
	o := h.typed(buy, "10", "5")
	o.FeeBPS = dec("200.000001")
	require.Equal(t, []domain.SignatureCode{domain.SignFee}, h.signs(id, o), "0.1 for 10 of 100")
	o.FeeBPS = dec("200")
	require.Empty(t, h.signs(id, o))
	// In other letters it is the same wallet, and the same asset.
	id = h.allowed(buy, "10", "0.5", "0")
	o = h.typed(buy, "10", "5")
	o.Signer, o.Maker, o.Collateral = "0x"+strings.ToUpper(o.Signer[2:]), "0x"+strings.ToUpper(o.Maker[2:]), strings.ToLower(usdcID)
	require.Empty(t, h.signs(id, o))
}

// “the same digest gets the same signature”, also once a part of the order is filled:
// what was signed was held against the permit as it was then.
func TestSignAgainAfterAPartIsFilled(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "100", "0.5", "1")
	o := h.typed(buy, "100", "50")
	require.Empty(t, h.signs(id, o))
	h.fill("a", "rain", "YES", buy, "40", "0.5", withPermit(id))
	require.Empty(t, h.signs(id, o))
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUsed}, h.signs(id, h.typed(buy, "60", "30")))
}

// “only under a live permit”
func TestSignWithoutAPermit(t *testing.T) {
	unknown := []domain.SignatureCode{domain.SignPermitUnknown}
	h := signing(t)
	o := h.typed(buy, "10", "5")
	require.Equal(t, unknown, h.signs("p999", o))
	id := h.allowed(buy, "10", "0.5", "0")
	require.Equal(t, unknown, h.as(domain.RoleBot, "b").signs(id, o), "belongs to another bot")
	refusal := lastOf[*domain.SignatureRefused](h)
	require.Equal(t, [2]string{"b", id}, [2]string{refusal.Bot, refusal.Permit})
	h.as(domain.RoleBot, "a")
	h.after(30*time.Second - 1)
	require.Empty(t, h.s.SignObstacles(h.now, h.caller, SignRequest{Permit: id, Order: o}))
	h.after(1)
	require.Equal(t, unknown, h.signs(id, o), "expired")
	id = h.allowed(buy, "10", "0.5", "0")
	h.must(func(d *Decision) error { return d.ReleasePermit(id, "") })
	require.Equal(t, unknown, h.signs(id, o), "released")
	id = h.allowed(buy, "10", "0.5", "0")
	h.operator().trips(domain.DailyLoss, "")
	h.apply(&domain.BreakerTripped{Breaker: domain.BotDrawdown, Bot: "a", PermitsRevoked: []string{id}, Stops: domain.StopAll})
	require.Equal(t, unknown, h.signs(id, o), "revoked")
	h = signing(t)
	id = h.allowed(buy, "10", "0.5", "0")
	h.fill("a", "rain", "YES", buy, "10", "0.5", withPermit(id))
	require.Equal(t, unknown, h.signs(id, o), "used up")
	id = h.allowed(buy, "10", "0.5", "0")
	h.must(func(d *Decision) error { return d.PlacePermit(id, nil) })
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUsed}, h.signs(id, o), "an order rests under it already, that nobody here has signed")
}

// Legs that were not filled in time lose their permits: one that is gone signs nothing,
// in the append that says so either.
func TestSignALegTooLate(t *testing.T) {
	h := signing(t, func(p *domain.Policy) { p.PermitTTL = domain.Duration(time.Minute) })
	var r ArbitrageRequest
	r.Bot, r.LegTimeout = "a", 10*time.Second
	for _, outcome := range []string{"YES", "NO"} {
		r.Legs = append(r.Legs, PermitRequest{Order: order("a", "rain", outcome, buy, "10", "0.3")})
	}
	ids := h.legs(r)
	h.fill("a", "rain", "YES", buy, "1", "0.3", withPermit(ids[0]))
	o := h.typed(buy, "10", "3")
	o.Token = "72"
	require.Empty(t, h.s.SignObstacles(h.now, h.caller, SignRequest{Permit: ids[1], Order: o}))
	h.after(10 * time.Second)
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUnknown}, h.signs(ids[1], o))
	require.Equal(t, 1, h.count(domain.ArbitrageTimedOutType))
}

// “In an emergency stop nothing is signed but a sweep.” “While a breaker is tripped only
// reducing permits sign, if the policy allows closing.”
func TestSignWhileHalted(t *testing.T) {
	for _, closing := range []bool{false, true} {
		for _, key := range []risk.Key{
			{Breaker: domain.ConsecutiveLosses, Bot: "a"},
			{Breaker: domain.DailyLoss},
			{Breaker: domain.BotDrawdown, Bot: "a"},
			{Breaker: domain.PortfolioDrawdown},
			{Breaker: domain.BotDrawdown, Bot: "b"},
		} {
			h := signing(t, func(p *domain.Policy) { p.ClosePositionsOnTrip = closing })
			reducing, opening := h.allowed(sell, "50", "0.5", "0"), h.allowed(buy, "10", "0.5", "0")
			h.apply(&domain.BreakerTripped{Breaker: key.Breaker, Bot: key.Bot, Stops: domain.StopAll, BotsStopped: []string{"a", "b"}})
			both := []domain.SignatureCode{domain.SignBreakerTripped, domain.SignBotStopped}
			require.Equal(t, both, h.signs(opening, h.typed(buy, "10", "5")), "%s, closing %t", key, closing)
			if !closing {
				require.Equal(t, both, h.signs(reducing, h.typed(sell, "50", "25")), "%s", key)
				continue
			}
			require.Empty(t, h.signs(reducing, h.typed(sell, "50", "25")), "%s", key)
		}
	}
}

// A bot that a person stopped signs nothing, whatever trips besides; in an emergency
// stop nobody does, whatever the policy.
func TestSignWhileStopped(t *testing.T) {
	h := signing(t, func(p *domain.Policy) { p.ClosePositionsOnTrip = true })
	id := h.allowed(sell, "50", "0.5", "0")
	h.must(func(d *Decision) error { return d.PlacePermit(id, nil) }) // stays, whoever is stopped
	h.must(func(d *Decision) error { return d.StopBot("a", "x") })
	o := h.typed(sell, "50", "25")
	require.Equal(t, []domain.SignatureCode{domain.SignBotStopped, domain.SignPermitUsed}, h.signs(id, o))
	h.trips(domain.DailyLoss, "")
	require.Equal(t, []domain.SignatureCode{domain.SignBotStopped, domain.SignPermitUsed}, h.after(time.Second).signs(id, o))

	h = signing(t, func(p *domain.Policy) { p.ClosePositionsOnTrip = true })
	id = h.allowed(sell, "50", "0.5", "0")
	o = h.typed(sell, "50", "25")
	require.Empty(t, h.signs(id, o))
	h.stop()
	require.Equal(t, []domain.SignatureCode{domain.SignEmergencyStop, domain.SignBotStopped}, h.signs(id, o), "not even once more")
	require.Equal(t, []domain.SignatureCode{domain.SignEmergencyStop, domain.SignPermitUnknown}, h.signs("p999", o))
}

func TestSignWhereNothingIsTraded(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "10", "0.5", "0")
	o := h.typed(buy, "10", "5")
	require.Empty(t, h.signs(id, o))
	h.settle("rain", "YES", "1")
	require.Equal(t, []domain.SignatureCode{domain.SignPermitUnknown}, h.signs(id, o), "a settlement ends the permits of its outcome")
	// Should one outlive it, nothing is signed all the same.
	h = signing(t)
	id = h.allowed(buy, "10", "0.5", "0")
	one := domain.One
	h.s.Instruments[domain.Instrument{Market: "rain", Outcome: "YES"}].Payout = &one
	found := h.s.SignObstacles(h.now, h.caller, SignRequest{Permit: id, Order: o})
	require.Equal(t, domain.SignMarketSettled, found[0].Code)

	// A market whose tokens nobody has registered.
	h = signing(t)
	o.Token = "7171"
	h.ask(order("a", "m", "YES", buy, "10", "0.5"))
	id = lastOf[*domain.PermitGranted](h).Permit
	require.Equal(t, []domain.SignatureCode{domain.SignWrongToken}, h.signs(id, o))
	empty := o
	empty.Token = ""
	require.Equal(t, []domain.SignatureCode{domain.SignWrongToken}, h.after(time.Second).signs(id, empty))
	h.must(func(d *Decision) error {
		return d.RegisterMarket(&domain.MarketRegistered{Market: "m", Kind: domain.KindOutcome, Outcomes: []string{"YES"}, Tokens: map[string]string{"YES": "7171"}})
	})
	require.Empty(t, h.signs(id, o))

	// Nothing real is signed for a paper portfolio, and none has a wallet.
	paper := trading(t)
	id = paper.permit("a", "m", "YES", buy, "10", "0.5")
	require.Equal(t, []domain.SignatureCode{domain.SignPaper, domain.SignWalletUnknown, domain.SignWrongToken}, paper.signs(id, o))
}

// What signs is the main hot wallet: of one that was replaced nothing is signed again.
func TestSignWithTheMainWallet(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "10", "0.5", "0")
	o := h.typed(buy, "10", "5")
	require.Empty(t, h.signs(id, o))
	h.wallet(walletOf("hot-2", domain.WalletHot))
	require.Equal(t, []domain.SignatureCode{domain.SignWrongSigner}, h.signs(id, o))
}

// The same refusal again within a second is only noted.
func TestSignatureRefusedOnce(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "10", "0.5", "0")
	o := h.typed(buy, "10", "5.000001")
	require.Equal(t, []domain.SignatureCode{domain.SignPrice}, h.signs(id, o))
	require.Empty(t, h.after(time.Second-1).signs(id, o))
	require.Equal(t, []string{"command.noted"}, h.types())
	require.Equal(t, []domain.SignatureCode{domain.SignPrice}, h.after(1).signs(id, o))
	o.Token = "72"
	require.Equal(t, []domain.SignatureCode{domain.SignWrongToken, domain.SignPrice}, h.signs(id, o), "another reason is another refusal")
}

func TestSignRequestRefusals(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "10", "0.5", "0")
	huge := dec("999999999999999")
	for name, change := range map[string]func(*SignRequest){
		"no permit":        func(r *SignRequest) { r.Permit = "" },
		"no digest":        func(r *SignRequest) { r.Order.Digest = "" },
		"with 0x":          func(r *SignRequest) { r.Order.Digest = "0x" + r.Order.Digest[2:] },
		"no side":          func(r *SignRequest) { r.Order.Side = "" },
		"no quantity":      func(r *SignRequest) { r.Order.Quantity = domain.Zero },
		"no notional":      func(r *SignRequest) { r.Order.Notional = domain.Zero },
		"a fee below 0":    func(r *SignRequest) { r.Order.FeeBPS = dec("-1") },
		"too much":         func(r *SignRequest) { r.Order.Quantity = huge.Add(huge) },
		"too much money":   func(r *SignRequest) { r.Order.Notional = huge.Add(huge) },
		"a long chain":     func(r *SignRequest) { r.Order.Chain = strings.Repeat("x", 5000) },
		"an unprintable":   func(r *SignRequest) { r.Order.Shape = "\x1b[2J" },
		"a long contract":  func(r *SignRequest) { r.Order.Contract = strings.Repeat("x", 5000) },
		"a long token":     func(r *SignRequest) { r.Order.Token = strings.Repeat("7", 5000) },
		"a fee of no size": func(r *SignRequest) { r.Order.FeeBPS = huge.Add(huge) },
	} {
		r := SignRequest{Permit: id, Order: h.typed(buy, "10", "5")}
		change(&r)
		err := h.refused(domain.CodeInvalid, func(d *Decision) error { return d.SignOrder(r) })
		require.Error(t, err, name)
	}
	require.Equal(t, domain.CodeNotFound, domain.CodeOf(New().Begin(noon, h.caller).SignOrder(SignRequest{})))
}

// A server whose clock is behind gives no signature again that is over by the stream.
func TestSignWithAClockThatIsBehind(t *testing.T) {
	h := signing(t)
	id := h.allowed(buy, "10", "0.5", "0.1")
	o := h.typed(buy, "10", "5")
	expires, before := h.now.Add(time.Minute), h.now
	o.ExpiresAt = &expires
	require.Empty(t, h.signs(id, o))
	h.after(2 * time.Minute).deposit("1")
	found := h.s.SignObstacles(before, h.caller, SignRequest{Permit: id, Order: o})
	require.Len(t, found, 1)
	require.Equal(t, domain.SignPermitUnknown, found[0].Code)
}

// “A reducing permit whose position is gone signs nothing”: it would open a short, and
// while a breaker is tripped only because it was to close something. What is left of the
// position can still be closed, and what was signed before is compared with nothing anew.
func TestAReducingPermitWhosePositionIsGone(t *testing.T) {
	for _, tripped := range []bool{false, true} {
		h := signing(t, func(p *domain.Policy) { p.ClosePositionsOnTrip = true })
		id := h.allowed(sell, "50", "0.5", "1")
		h.fill("a", "rain", "YES", sell, "20", "0.5") // outside of the permit
		if tripped {
			h.trips(domain.ConsecutiveLosses, "a")
		}
		require.Equal(t, []domain.SignatureCode{domain.SignPositionGone}, h.signs(id, h.typed(sell, "50", "25")))
		require.Equal(t, []domain.SignatureCode{domain.SignPositionGone}, h.signs(id, h.typed(sell, "30.000001", "15.0000005")))
		require.Empty(t, h.signs(id, h.typed(sell, "30", "15")))
		h.fill("a", "rain", "YES", sell, "30", "0.5")
		require.Empty(t, h.signs(id, h.typed(sell, "30", "15")), "the same signature again")
	}
	h := signing(t)
	id := h.allowed(sell, "50", "0.5", "1")
	h.fill("a", "rain", "YES", sell, "50", "0.5")
	require.Equal(t, []domain.SignatureCode{domain.SignPositionGone}, h.signs(id, h.typed(sell, "0.000001", "0.0000005")))
	h = signing(t)
	id = h.allowed(sell, "60", "0.5", "1") // 50 to close and 10 to open
	h.fill("a", "rain", "YES", sell, "50", "0.5")
	require.Equal(t, []domain.SignatureCode{domain.SignPositionGone}, h.signs(id, h.typed(sell, "11", "5.5")))
	require.Empty(t, h.signs(id, h.typed(sell, "10", "5")), "what may open, may")
}

// "`!A` is an instrument of its own …: (the venue's NO share of A)", so it has a token of its
// own: without one, no order would ever close what a live bot holds of it.
func TestComplementsHaveTokens(t *testing.T) {
	named := func(names ...string) map[string]string {
		tokens := map[string]string{}
		for i, name := range names {
			tokens[name] = strconv.Itoa(81 + i)
		}
		return tokens
	}
	h := signing(t, func(p *domain.Policy) { p.Rules = domain.SecondRules })
	register := func(e domain.MarketRegistered) func(*Decision) error {
		return func(d *Decision) error { again := e; return d.RegisterMarket(&again) }
	}
	cup := domain.MarketRegistered{Market: "cup", Kind: domain.KindOutcome, Outcomes: []string{"A", "B", "C"}, Exclusive: true}
	for name, change := range map[string]func(*domain.MarketRegistered){
		"of no outcome":                 func(e *domain.MarketRegistered) { e.Tokens = named("A", "!D") },
		"of a market not exclusive":     func(e *domain.MarketRegistered) { e.Tokens, e.Exclusive = named("A", "!A"), false },
		"of two outcomes":               func(e *domain.MarketRegistered) { e.Tokens, e.Outcomes = named("A", "!A"), []string{"A", "B"} },
		"twice":                         func(e *domain.MarketRegistered) { e.Tokens = named("A", "!!A") },
		"derived from a condition":      func(e *domain.MarketRegistered) { e.Tokens, e.Condition = named("A", "!A"), condition },
		"the token of an outcome again": func(e *domain.MarketRegistered) { e.Tokens = map[string]string{"A": "81", "!A": "81"} },
	} {
		e := cup
		change(&e)
		t.Run(name, func(*testing.T) { h.refused(domain.CodeInvalid, register(e)) })
	}
	cup.Tokens = named("A", "B", "C", "!A")
	h.must(register(cup))
	require.Equal(t, "no condition id is registered for the market", h.s.Markets["cup"].Checked.Unchecked)

	h.fill("a", "cup", "!A", buy, "50", "0.5")
	h.ask(order("a", "cup", "!A", sell, "50", "0.5"))
	id := stepOf[*domain.PermitGranted](h)[0].Permit
	o := h.typed(sell, "50", "25")
	require.Equal(t, []domain.SignatureCode{domain.SignWrongToken}, h.signs(id, o))
	o.Token = "84"
	require.Empty(t, h.signs(id, o))
}
