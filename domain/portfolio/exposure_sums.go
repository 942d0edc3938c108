package portfolio

import "pets/domain"

// exposures are what bots can still lose with what they hold, by market. They are kept while
// max_market_usd or max_category_exposure_pct is set, because only these ask for what all
// bots hold.
type exposures struct {
	of map[place]domain.Decimal
	// in and category are the sums over all bots of a market, and of a category of markets.
	in, category map[string]domain.Decimal
}

// deriveExposures builds them anew, or forgets them where no limit asks for them.
func (s *State) deriveExposures() {
	s.derived.exposed = nil
	if s.Policy.MaxMarketUSD.IsZero() && s.Policy.MaxCategoryExposurePct.IsZero() {
		return
	}
	s.derived.exposed = &exposures{of: map[place]domain.Decimal{}, in: map[string]domain.Decimal{}, category: map[string]domain.Decimal{}}
	for bot := range s.derived.held {
		for market := range s.marketsOf(bot) {
			s.expose(market, bot)
		}
	}
}

// expose brings the sums up to date with what one bot holds in a market.
func (s *State) expose(market, bot string) {
	x := s.derived.exposed
	if x == nil {
		return
	}
	is, at := s.exposureAt(bot, market), place{market, bot}
	if change := is.Sub(x.of[at]); !change.IsZero() {
		if x.of[at] = is; is.IsZero() {
			delete(x.of, at)
		}
		addTo(x.in, market, change, domain.Decimal.Add)
		addTo(x.category, s.categoryOf(market), change, domain.Decimal.Add)
	}
}

// exposeAll does so for all holders of an instrument's market, and for those of before.
func (s *State) exposeAll(in *Instrument, before []*Holding) {
	if s.derived.exposed == nil {
		return
	}
	var bots []string
	if m := s.exclusive(in.Market); m != nil {
		bots = s.holdersOf(m, in.Market)
	}
	for _, bot := range withHolders(bots, before) {
		s.expose(in.Market, bot)
	}
}

// recategorise moves what is held of a market from one category to another.
func (s *State) recategorise(market, from, to string) {
	if x := s.derived.exposed; x != nil && from != to {
		addTo(x.category, from, x.in[market], domain.Decimal.Sub)
		addTo(x.category, to, x.in[market], domain.Decimal.Add)
	}
}

// exposureAt returns what a bot can still lose with what it holds in a market.
func (s *State) exposureAt(bot, market string) domain.Decimal {
	sum := s.exposureTogether(bot, market)
	for _, in := range s.instrumentsOf(market) {
		sum = sum.Add(s.exposureOf(in, bot))
	}
	return sum
}
