package projections

import (
	"strings"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/risk"
)

// Position is one open position. Mark is the price that values it, null if there is none;
// the position is then valued at cost.
type Position struct {
	Bot           string          `json:"bot"`
	Market        string          `json:"market"`
	Outcome       string          `json:"outcome"`
	Quantity      domain.Decimal  `json:"quantity"`
	Cost          domain.Decimal  `json:"cost"`
	Mark          *domain.Decimal `json:"mark" nullable:"true"`
	UnrealisedPnL domain.Decimal  `json:"unrealised_pnl"`
	Oversold      bool            `json:"oversold"`
	Trade         string          `json:"trade"`
	// OpenLeg is the part that belongs to an arbitrage whose other legs were not
	// filled in time, signed like the quantity; absent if there is none.
	OpenLeg domain.Decimal `json:"open_leg,omitzero"`
	// MarkWaiting is a mark beyond the collar, which prices nothing yet.
	MarkWaiting *domain.Decimal `json:"mark_waiting,omitempty"`
	// Stale reports that the mark is older than mark_max_age.
	Stale bool `json:"stale,omitempty"`
	// OwnWord is the part that only the bot's own key reported, without a permit, in a live
	// portfolio: in a halt an operator reduces it, and the bot does not.
	OwnWord domain.Decimal `json:"own_word,omitzero"`
	// Settled says, under the second edition of the rules, what its market was settled at. What is
	// held there then came late, and only another settlement at the same pays it out.
	Settled *Settled `json:"settled,omitempty"`
}

// Settled is what a market pays: by outcome, of all that are known, or the cost where it was void.
type Settled struct {
	Payouts map[string]domain.Decimal `json:"payouts,omitempty"`
	Void    bool                      `json:"void,omitempty"`
}

// settledOf returns what an instrument was settled at, with all outcomes of its market where all
// are settled, else alone.
func settledOf(s *portfolio.State, in *portfolio.Instrument) *Settled {
	switch {
	case !s.Policy.Second() || in.Payout == nil:
		return nil
	case in.Refunded:
		return &Settled{Void: true}
	}
	m, alone := s.Markets[in.Market], &Settled{Payouts: map[string]domain.Decimal{in.Outcome: *in.Payout}}
	if m == nil || len(m.Outcomes) == 0 {
		return alone
	}
	if of, complement := strings.CutPrefix(in.Outcome, "!"); complement && m.Exclusive {
		alone.Payouts = map[string]domain.Decimal{of: domain.One.Sub(*in.Payout)}
	}
	all := &Settled{Payouts: map[string]domain.Decimal{}}
	for _, outcome := range m.Outcomes {
		one := s.Instruments[domain.Instrument{Market: in.Market, Outcome: outcome}]
		if one == nil || one.Payout == nil {
			return alone
		}
		all.Payouts[outcome] = *one.Payout
	}
	return all
}

// PositionsOf lists the open positions by market, outcome and bot, as of the last record.
func PositionsOf(s *portfolio.State) []Position { return PositionsAt(s, s.Time) }

// PositionsAt is the same at a time: marks go stale although nothing is recorded.
func PositionsAt(s *portfolio.State, now time.Time) []Position {
	out := []Position{}
	open := map[string]risk.Shares{}
	for bot := range s.Bots {
		open[bot] = s.OpenLegs(bot)
	}
	for _, in := range s.SortedInstruments() {
		for _, h := range in.Holdings {
			if h.IsFlat() {
				continue
			}
			p := Position{
				Bot: h.Bot, Market: in.Market, Outcome: in.Outcome, Quantity: h.Quantity, Cost: h.Cost,
				UnrealisedPnL: h.Value.Sub(h.Cost), Oversold: h.Oversold, Trade: h.Episode.Trade,
				OpenLeg: open[h.Bot][in.Instrument],
			}
			if price, ok := s.PriceOf(in.Instrument, h.Bot); ok {
				p.Mark = &price
				// A complement has no mark of its own to be valued at.
				p.UnrealisedPnL = h.Quantity.Mul(price).Sub(h.Cost)
			}
			if in.Refunded { // what was frozen at the void prices nothing: the cost comes back
				p.Mark, p.UnrealisedPnL = nil, domain.Zero
			}
			p.OwnWord = h.OwnWord
			p.Settled = settledOf(s, in)
			p.MarkWaiting = s.WaitingFor(in.Instrument)
			_, p.Stale = s.Stale(in.Instrument, h.Bot, now)
			out = append(out, p)
		}
	}
	return out
}
