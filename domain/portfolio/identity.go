package portfolio

import (
	"strconv"
	"strings"

	"pets/domain"
)

// Identity: a fact is booked once, however often it is reported. Under the second
// edition of the rules a fill is known by its bot, venue, market, trade id and leg, and
// a deposit or withdrawal with a transaction by asset, wallet, transaction and leg.

// FillKey is the identity of a fill. Under the first edition, and for what was recorded
// then, the market is no part of it.
type FillKey struct {
	domain.FillID
	Market string
}

// identifying returns the market as a part of an identity, "" where it is none.
func (s *State) identifying(market string) string {
	if s.Policy.Second() {
		return market
	}
	return ""
}

// marketName returns the name of a market in the memory that an instrument of it
// already takes: one is kept for every fill.
func (s *State) marketName(market string) string {
	if known := s.byMarket[market]; len(known) > 0 {
		return known[0].Market
	}
	return market
}

// maxVoidedAs is after how many voided fills of one trade id in a market the search for one that
// stands ends: the bot can report as many as it likes, and all others wait for its decision.
const maxVoidedAs = 32

// filledAs reports whether a fill of a trade id stands in a market, at any venue and
// of any leg. If the newest [maxVoidedAs] are all voided, it is assumed that an older one stands:
// the trade is flagged, and a person looks.
func (s *State) filledAs(bot, market, trade string) bool {
	voided := 0
	for id := range s.Past.OfBot(bot, market, trade) {
		if ref, _, ok := s.fill(id, market); ok && ref.Status != Voided && ref.Market == market {
			return true
		}
		if voided++; voided >= maxVoidedAs {
			return true
		}
	}
	return false
}

// reportedTwice reports that another bot reported the same side of a fill of a named
// venue, or that the bot reported the trade by its result.
func (s *State) reportedTwice(e *domain.FillRecorded) bool {
	trade := domain.FillID{Bot: e.Bot, TradeID: e.TradeID, Leg: domain.ReportedLeg}
	if ref, ok := s.Past.Find(trade, e.Market); ok && ref.of(e.Market) {
		return true
	}
	for id := range s.Past.OfOthers(e.FillID, e.Market) {
		ref, _, ok := s.fill(id, e.Market)
		if ok && ref.Status != Voided && ref.Market == e.Market && ref.Sells == (e.Side == domain.Sell) {
			return true
		}
	}
	return false
}

// checkIdentity refuses ids of a new fact that begin or end with a space: a pasted space
// would make the same fact another one, and book it twice. What an earlier build recorded
// under such an id can still be confirmed or voided, and imported again.
func (d *Decision) checkIdentity(field, id string) error {
	if strings.TrimSpace(id) != id && !d.imported() {
		return domain.Invalid(field, "begins or ends with a space")
	}
	return nil
}

// findFill finds a fill that a request names. The market is needed where the id alone
// does not say which fill is meant.
func (d *Decision) findFill(id domain.FillID, market string) (ref FillRef, pending *ProvisionalFill, known bool, err error) {
	if _, err := d.requireBot(id.Bot); err != nil {
		return ref, nil, false, err
	}
	if err := domain.CheckText("trade_id", id.TradeID); err != nil {
		return ref, nil, false, err
	}
	for _, t := range []struct{ field, text string }{{"venue", id.Venue}, {"market", market}} {
		if err := domain.CheckOptionalText(t.field, t.text); err != nil {
			return ref, nil, false, err
		}
	}
	if id.Leg < 0 || id.Leg > maxLeg {
		return ref, nil, false, domain.Invalid("leg", "must be 0 to %d", maxLeg)
	}
	needed := d.s.Policy.Second() && market == ""
	if needed && d.s.several(id) {
		return ref, nil, false, domain.Invalid("market", "is missing; the bot has fills of this id in several markets")
	}
	ref, pending, known = d.s.fill(id, market)
	if needed && !known {
		return ref, nil, false, domain.Invalid("market", "is missing; it is needed for a fill that is not known")
	}
	if pending != nil && market != "" && pending.In.Market != market {
		return ref, nil, false, domain.Invalid("market", "is not that of the fill, which is %s", pending.In.Market)
	}
	return ref, pending, known, nil
}

// Booked is a deposit, or as a negative amount a withdrawal, that is known by its
// transaction.
type Booked struct {
	Revision uint64         `json:"revision"`
	Amount   domain.Decimal `json:"amount"`
}

// movementOf names a movement of money. Assets hold no |, so no two share a name. The
// letters of a hexadecimal transaction are of either case.
func movementOf(asset, wallet, tx string, leg int) string {
	if digits := strings.ToLower(tx); strings.HasPrefix(digits, "0x") && domain.IsLowerHex(digits[2:]) {
		tx = digits
	}
	return wallet + "|" + strconv.Itoa(leg) + "|" + asset + "|" + tx
}

// keepMovement remembers a deposit or withdrawal with a transaction.
func (s *State) keepMovement(at domain.Stamp, name, tx string, amount domain.Decimal) {
	if tx == "" || !s.Policy.Second() {
		return
	}
	if s.Booked == nil {
		s.Booked = map[string]Booked{}
	}
	s.Booked[name] = Booked{Revision: at.Revision, Amount: amount}
}

// bookedBefore notes a deposit or withdrawal that is already booked, and refuses one
// that contradicts it.
func (d *Decision) bookedBefore(name, tx string, amount domain.Decimal) (before bool, err error) {
	known, ok := d.s.Booked[name]
	switch {
	case !ok || tx == "" || !d.s.Policy.Second():
		return false, nil
	case known.Amount != amount:
		return false, &domain.Error{Code: domain.CodeConflict, Field: "tx", Message: "is already booked with " + known.Amount.String() + "; name another leg for another movement of the asset in this transaction"}
	}
	d.note("this movement is already booked", known.Revision)
	return true, nil
}
