package portfolio

import (
	"slices"
	"strings"

	"pets/domain"
)

// The holders of an exclusive market, with what their holdings are worth together. Only a
// mark of the market and a settlement concern all of them.

// revalueMarket values what bots hold in an exclusive market together. only limits
// it to one bot.
func (s *State) revalueMarket(market string, only string) {
	m := s.exclusive(market)
	if m == nil {
		return
	}
	if only != "" {
		s.revalueHeld(m, market, only)
	} else {
		s.revalueHolders(m, market)
	}
	s.bound(s.Value)
}

// revalueHolders does so for all of its holders.
func (s *State) revalueHolders(m *Market, market string) {
	bots := s.holdersOf(m, market)
	before, held := m.Held, make([]Held, 0, len(bots))
	for _, bot := range bots {
		was := domain.Zero
		if len(before) > 0 && before[0].Bot == bot {
			was, before = before[0].Value, before[1:]
		}
		holds, value := s.heldWorth(m, market, bot)
		if holds {
			held = append(held, Held{Bot: bot, Value: value})
		}
		s.revalued(s.bot(bot), value.Sub(was))
	}
	m.Held = held
}

// heldBy returns where a bot is among the holders.
func (m *Market) heldBy(bot string) (n int, holds bool) {
	return slices.BinarySearchFunc(m.Held, bot, func(h Held, id string) int { return strings.Compare(h.Bot, id) })
}

// holdersOf lists the bots that hold something of a market, or did at its last
// valuation, in the order of their ids.
func (s *State) holdersOf(m *Market, market string) []string {
	bots := make([]string, 0, len(m.Held))
	for _, h := range m.Held {
		bots = append(bots, h.Bot)
	}
	for _, in := range s.instrumentsOf(market) {
		bots = withHolders(bots, in.Holdings)
	}
	return bots
}

// withHolders adds the holders of an instrument to bots; both are sorted.
func withHolders(bots []string, holdings []*Holding) []string {
	all := make([]string, 0, max(len(bots), len(holdings)))
	for len(bots) > 0 && len(holdings) > 0 {
		switch c := strings.Compare(bots[0], holdings[0].Bot); {
		case c < 0:
			all, bots = append(all, bots[0]), bots[1:]
		case c > 0:
			all, holdings = append(all, holdings[0].Bot), holdings[1:]
		default:
			all, bots, holdings = append(all, bots[0]), bots[1:], holdings[1:]
		}
	}
	all = append(all, bots...)
	for _, h := range holdings {
		all = append(all, h.Bot)
	}
	return all
}

func (s *State) revalueHeld(m *Market, market, bot string) {
	holds, value := s.heldWorth(m, market, bot)
	n, ok := m.heldBy(bot)
	before := domain.Zero
	if ok {
		before = m.Held[n].Value
	}
	switch {
	case !holds && ok:
		m.Held = slices.Delete(m.Held, n, n+1)
	case !holds:
		return
	case ok:
		m.Held[n].Value = value
	default:
		m.Held = slices.Insert(m.Held, n, Held{Bot: bot, Value: value})
	}
	s.revalued(s.bot(bot), value.Sub(before))
}
