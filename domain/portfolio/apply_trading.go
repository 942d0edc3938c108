package portfolio

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"pets/domain"
	"pets/domain/ledger"
	"pets/domain/risk"
)

// applyFill books a fill: permit, position, money, mark.
func (s *State) applyFill(at domain.Stamp, e *domain.FillRecorded) {
	status := s.rememberFill(at, e)
	if status == Voided {
		return
	}
	provisional := status == Provisional
	if e.AsPermitted {
		s.fillLegAgain(e)
	} else {
		s.usePermit(at, e)
	}

	b, in := s.bot(e.Bot), s.instrument(e.Instrument)
	h := s.hold(in, e.Bot)
	fact := s.factOf(at, e)
	effect := h.Record(fact)
	s.postBot(b, s.accountOf(in, h), effect.Money)
	s.payOtherFee(b, fact.FeeAsset, fact.FeeAmount, fact.FeeValue)
	h.Oversold = h.Quantity.Sign() < 0 && (h.Oversold || slices.Contains(e.Flags, domain.FlagOversold))
	s.closed(b, in, effect.Closed)
	s.boundPosition(h.Position)
	s.reclaim(at, e.Bot, in)
	marked, valued := false, false
	if e.Mark != nil {
		s.bound(*e.Mark)
		m := MarkEntry{Price: *e.Mark, Revision: at.Revision, Time: at.Time, Source: MarkedByFill, Provisional: provisional}
		if s.Policy.Second() {
			m.Earns = s.Mode != domain.ModeLive && !slices.ContainsFunc(e.Flags, unpermitted)
			valued = s.markOwn(at, e, m) == in
		} else {
			marked = m.Price != in.last() || len(in.Marks) == 0
			in.Marks.push(m)
		}
	}
	s.movedBot(b)
	switch {
	case marked: // under the first edition a fill prices every holding
		s.revalue(in)
	case !valued:
		s.revalueFor(in, e.Bot)
	}
	s.tidyArbitrages(e.Bot)
}

// boundPosition limits the figures of an open position: they are stored when it
// closes, and have to be readable then.
func (s *State) boundPosition(p ledger.Position) {
	e := p.Episode
	s.bound(p.Quantity, e.Entered, e.EntryNotional, e.ExitNotional, e.Fees, e.Funding)
}

func (s *State) boundFigures(f domain.TradeFigures) {
	s.bound(f.Quantity, f.EntryNotional, f.ExitNotional, f.Fee, f.PnL)
}

func (s *State) factOf(at domain.Stamp, e *domain.FillRecorded) ledger.Fact {
	f := ledger.Fact{
		Fill: e.FillID, Provisional: e.Status == domain.FillProvisionalStatus,
		Side: e.Side, Quantity: e.Quantity, Notional: e.Notional, Fee: e.Fee,
		Revision: at.Revision, At: at.Time, OwnWord: e.OwnWord,
	}
	if f.Dust = s.Policy.PositionDustUSD; f.Dust.Sign() > 0 && e.Quantity.Sign() > 0 {
		f.Price = e.Notional.Div(e.Quantity)
	}
	switch e.FeeAsset {
	case "":
	case domain.FeeShares: // the venue kept some of what was bought
		f.Quantity, f.Fee = e.Quantity.Sub(e.Fee), domain.Zero
	default:
		f.Fee, f.FeeAsset, f.FeeAmount, f.FeeValue = domain.Zero, e.FeeAsset, e.Fee, e.FeeValue
	}
	return f
}

func (s *State) closed(b *Bot, in *Instrument, e *ledger.Episode) {
	if e != nil {
		s.effects.Closed = append(s.effects.Closed, ClosedEpisode{Bot: b.ID, Instrument: in.Instrument, Episode: *e})
	}
}

func (s *State) usePermit(at domain.Stamp, e *domain.FillRecorded) {
	p := s.Permits[e.Permit]
	if p == nil || !p.Live(at.Time) || !permits(&p.Order, e) {
		return
	}
	s.shrink(e.Shrunk)
	x, before := s.execution(e), p.OpeningLeft
	p.Fill(x, s.KindOf(e.Market))
	s.changedPermit(p)
	s.limitTime(at, p)
	s.fillLeg(p, e)
	s.handOn(at, p, p.Unused(before, x.Opens))
	if p.Left.IsZero() {
		s.forgetPermit(p)
	}
}

// limitTime: "What an ioc or fok order did not fill is gone permit_ttl after it was placed
// or first filled, whichever is earlier."
func (s *State) limitTime(at domain.Stamp, p *risk.Permit) {
	if p.TimeInForce.Brief() {
		p.Limit(at.Time.Add(time.Duration(s.Policy.PermitTTL)), s.ClockOffset)
		s.expires(p)
	}
}

// place notes that an order was placed. One that does not rest keeps an earlier end.
func (s *State) place(at domain.Stamp, p *risk.Permit, e *domain.PermitPlaced) {
	worked, ends, ahead := p.Working, p.ExpiresAt, p.Ahead
	p.Place(e.ExpiresAt, e.Ahead)
	s.changedPermit(p)
	if worked && !ends.IsZero() {
		p.Limit(ends, ahead)
	}
	s.limitTime(at, p)
	s.expires(p)
}

// handOn gives the unused opening quantity of a permit to the permits that were
// granted to close what it has closed, the oldest first. The venue chooses the
// order in which resting orders are filled.
func (s *State) handOn(at domain.Stamp, from *risk.Permit, unused domain.Decimal) {
	if unused.IsZero() {
		return
	}
	for _, id := range idsOf(s.permitsOf(from.Bot), func(p *risk.Permit) bool {
		return p != from && p.Instrument == from.Instrument && p.Live(at.Time)
	}) {
		unused = unused.Sub(s.Permits[id].Inherit(from, unused))
		s.changedPermit(s.Permits[id])
	}
}

// permits reports whether a fill belongs to the permitted order.
func permits(o *domain.Order, e *domain.FillRecorded) bool {
	return o.Bot == e.Bot && o.Instrument == e.Instrument && o.Side == e.Side
}

// revalue values every holding of an instrument at its mark, and forgets holdings
// that are empty and remember nothing.
func (s *State) revalue(in *Instrument) {
	together := s.together(in.Instrument) != nil
	held, kept := in.Holdings, make([]*Holding, 0, len(in.Holdings))
	for _, h := range held {
		if s.revalueHolding(in, h, together); h.IsFlat() && !h.Voidable() {
			s.leave(in, h)
		} else {
			kept = append(kept, h)
		}
	}
	in.Holdings = kept
	s.bound(s.Value)
	s.revalueMarket(in.Market, "")
	s.exposeAll(in, held)
}

// revalueFor is revalue for one bot, where nothing changed what the instrument is worth to
// others.
func (s *State) revalueFor(in *Instrument, bot string) {
	if h := in.Holding(bot); h != nil {
		if s.revalueHolding(in, h, s.together(in.Instrument) != nil); h.IsFlat() && !h.Voidable() {
			s.leave(in, h)
			in.drop(bot)
		}
	}
	s.bound(s.Value)
	s.revalueMarket(in.Market, bot)
	s.expose(in.Market, bot)
}

// revalueAfter is revalue after something that concerned one bot, and may have changed the
// mark of the market from what it was.
func (s *State) revalueAfter(in *Instrument, bot string, was *domain.Decimal) {
	if now := in.priced(); (was == nil) != (now == nil) || was != nil && *was != *now {
		s.revalue(in)
		return
	}
	s.revalueFor(in, bot)
}

// priced returns the price of the market, or nil.
func (i *Instrument) priced() *domain.Decimal {
	if m := i.Mark(); m != nil {
		price := m.Price
		return &price
	}
	return nil
}

// revalueHolding values one holding.
func (s *State) revalueHolding(in *Instrument, h *Holding, together bool) {
	b := s.bot(h.Bot)
	if value := s.worthOf(in, h); value != h.Value {
		delta := value.Sub(h.Value)
		h.Value = value
		if !together {
			s.revalued(b, delta)
		}
	}
	s.countPositions(b, h)
	s.weigh(in, h)
	s.holdingChanged(h.Bot)
}

// countPositions keeps Bot.Positions in step with one holding.
func (s *State) countPositions(b *Bot, h *Holding) {
	switch {
	case h.counted && h.IsFlat():
		s.setPositions(b, b.Positions-1)
	case !h.counted && !h.IsFlat():
		s.setPositions(b, b.Positions+1)
	}
	h.counted = !h.IsFlat()
}

func (s *State) applyConfirm(at domain.Stamp, e *domain.FillConfirmed) {
	p := s.rememberEnd(at, e.FillID, e.Market, Confirmed)
	if p == nil {
		return
	}
	in := s.instrument(p.In)
	s.settleMark(in, e.Bot, p.Revision)
	s.endLegFill(e.FillID, in.Market, false)
	s.tidyArbitrages(e.Bot)
	if h := in.Holding(e.Bot); h != nil {
		h.Confirm(e.FillID)
		s.revalueFor(in, e.Bot)
	}
}

func (s *State) applyVoid(at domain.Stamp, e *domain.FillVoided) {
	p := s.rememberEnd(at, e.FillID, e.Market, Voided)
	if p == nil {
		return
	}
	in := s.instrument(p.In)
	h := in.Holding(e.Bot)
	if h == nil {
		return
	}
	if fact := h.Remembered(e.FillID); fact != nil {
		s.unpayOtherFee(s.bot(e.Bot), fact)
	}
	if refold, ok := h.Void(e.FillID); ok {
		short := h.Quantity.Sign() < 0
		h.Holding = refold.After
		s.boundPosition(h.Position)
		s.postBot(s.bot(e.Bot), ledger.PositionOf(s.BaseAsset, e.Bot, in.Instrument), refold.Money)
		// The purchase is gone but what was sold of it is not: no permit covered
		// that short.
		h.Oversold = h.Quantity.Sign() < 0 && (h.Oversold || !short) && s.KindOf(in.Market) != domain.KindPerp
		s.reclaim(at, e.Bot, in)
	}
	was := in.priced()
	s.pullMark(in, e.Bot, p.Revision)
	if e.Mark != nil {
		s.markVoid(at, e, in)
	}
	s.countWaitingResult(s.bot(e.Bot), in.Market)
	s.moved(e.Bot)
	s.revalueAfter(in, e.Bot, was)
	s.endLegFill(e.FillID, in.Market, true)
	s.tidyArbitrages(e.Bot)
}

// applySettlement marks the outcome at the payout, then sells what the named
// holders have left at that price, without a fee.
func (s *State) applySettlement(at domain.Stamp, e *domain.MarketSettled) {
	in := s.instrument(e.Instrument)
	s.endWaiting(e.Market)
	in.settle(at, e.Payout, false, s.Policy.Second())
	fact := s.payoutFact(at, in)
	for _, h := range in.Holdings {
		// A later void may show that this bot, flat now by a provisional fill,
		// held some.
		if h.IsFlat() && (e.Bot == "" || e.Bot == h.Bot) {
			h.Record(fact)
		}
	}
	for _, holder := range e.Holders {
		s.payHolder(in, holder.Bot, fact)
	}
	for _, id := range e.PermitsReleased {
		s.dropPermit(id)
	}
	s.effects.Performed = true
	s.settled(e.Market)
	s.revalue(in)
	s.tidyArbitrages("")
}

func (s *State) applyMarks(at domain.Stamp, e *domain.PriceMarked) {
	s.effects.Performed = true
	for _, m := range e.Marks {
		if m.Asset != "" && m.Waits {
			a := s.asset(m.Asset)
			s.setWaitingAsset(a, waitingAfter(a.Waiting, at, e, m))
			continue
		}
		if m.Asset != "" {
			s.setWaitingAsset(s.asset(m.Asset), nil)
			s.markAsset(at, m)
			if e.Source == domain.RoleFeed && e.User != "" {
				s.asset(m.Asset).markedBy(FeedMark{User: e.User, Price: m.Price, At: at.Time})
			}
			continue
		}
		in := s.instrument(domain.Instrument{Market: m.Market, Outcome: m.Outcome})
		if m.Waits {
			s.setWaiting(in, waitingAfter(in.Waiting, at, e, m))
			continue
		}
		if e.Source == domain.RoleBot && s.Policy.Second() {
			in.markFor(e.Bot, MarkEntry{Price: m.Price, Revision: at.Revision, Time: at.Time, Source: string(e.Source), Earns: s.Mode != domain.ModeLive})
			s.revalueFor(in, e.Bot)
			continue
		}
		s.setWaiting(in, nil)
		in.Marks.push(MarkEntry{Price: m.Price, Revision: at.Revision, Time: at.Time, Source: string(e.Source)})
		in.Own = nil
		s.revalue(in)
	}
}

// markAsset sets the mark of an asset. The first mark of a held asset is a flow
// of its value; later changes are performance.
func (s *State) markAsset(at domain.Stamp, m domain.Mark) {
	a := s.asset(m.Asset)
	before, first := s.Equity(), !a.Marked
	a.Marked, a.Mark, a.At = true, m.Price, at.Time
	s.boundAsset(m.Asset)
	for id := range s.derived.owing[m.Asset] {
		s.bearOther(s.Bots[id])
	}
	if first {
		s.flow(before)
	}
	s.revalueOther(m.Asset, first)
}

// applyTradeClosed counts a trade. A reported one is a fact with postings of its
// own: cash by P&L, income by P&L + fee, fees by fee.
func (s *State) applyTradeClosed(at domain.Stamp, e *domain.TradeClosed) {
	b := s.bot(e.Bot)
	number := s.countTrade(b, e)
	if e.ClosedBy == domain.ClosedByReport {
		s.remember(at, e)
		s.postBot(b, ledger.Account{}, ledger.Money{Cash: e.PnL, Income: e.PnL.Add(e.Fee), Fee: e.Fee})
	} else if in := s.Instruments[e.Instrument]; in != nil {
		if h := in.closedIn(e.Bot, e.Trade); h != nil {
			h.Closed(e.Trade, ledger.Closing{Number: number, Dust: s.Policy.LossDust, Result: e.ResultID})
		}
	}
	s.boundFigures(e.TradeFigures)
	s.moved(e.Bot)
}

func (s *State) applyTradeRevised(e *domain.TradeRevised) {
	b := s.bot(e.Bot)
	if e.After != nil {
		s.boundFigures(*e.After)
	}
	s.reviseTrade(b, e)
	s.moved(e.Bot)
}

func (b *Bot) count(r domain.Result, n int) {
	switch r {
	case domain.Win:
		b.Wins += n
	case domain.Loss:
		b.Losses += n
	case domain.Neutral:
		b.Neutral += n
	}
}

// Content is a digest of the content of a report. It distinguishes a repeat from
// a conflict.
type Content [16]byte

// MarshalText implements encoding.TextMarshaler (hex).
func (c Content) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(c[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (c *Content) UnmarshalText(b []byte) error {
	_, err := hex.Decode(c[:], b)
	return err
}

func digest(parts ...string) Content { return contentOf([]byte(strings.Join(parts, "\x00"))) }

func contentOf(b []byte) (c Content) {
	sum := sha256.Sum256(b)
	copy(c[:], sum[:])
	return c
}

func contentOfFill(e *domain.FillRecorded) Content {
	var room [512]byte
	b := room[:0]
	for _, text := range [...]string{e.Market, e.Outcome, string(e.Side)} {
		b = append(append(b, text...), 0)
	}
	for _, d := range [...]domain.Decimal{e.Quantity, e.Price, e.Notional, e.Fee} {
		b, _ = d.AppendText(b) // it cannot fail
		b = append(b, 0)
	}
	b = append(append(append(b, e.Permit...), 0), e.Status...)
	if e.FeeAsset != "" {
		b = append(append(b, "\x00fee in "...), e.FeeAsset...)
	}
	if e.EffectiveAt != nil {
		b = append(append(b, 0), e.EffectiveAt.UTC().String()...)
	}
	return contentOf(b)
}

func contentOfTrade(e *domain.TradeClosed) Content {
	parts := []string{e.Market, e.PnL.String(), e.Fee.String()}
	if e.EffectiveAt != nil {
		parts = append(parts, e.EffectiveAt.UTC().String())
	}
	return digest(parts...)
}
