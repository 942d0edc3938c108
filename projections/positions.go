package projections

import (
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
			p.MarkWaiting = s.WaitingFor(in.Instrument)
			_, p.Stale = s.Stale(in.Instrument, h.Bot, now)
			out = append(out, p)
		}
	}
	return out
}
