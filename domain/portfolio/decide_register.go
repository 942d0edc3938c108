package portfolio

import (
	"maps"
	"math/big"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/payoff"
)

// RegisterMarket records a market's kind, outcomes and category. They are final,
// because what was traded under one kind cannot become another.
func (d *Decision) RegisterMarket(e *domain.MarketRegistered) error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if err := d.checkMarket(e); err != nil {
		return err
	}
	if err := d.tokensAreFree(e.Market, e.Tokens); err != nil && !d.registered(e) {
		return err
	}
	if m := d.s.Markets[e.Market]; m != nil {
		same := m.Kind == e.Kind && slices.Equal(m.Outcomes, e.Outcomes) && m.Category == e.Category && m.Exclusive == e.Exclusive
		switch {
		case same && maps.Equal(m.Tokens, e.Tokens):
			d.Note(domain.NotedUnchanged, "market is already registered like this")
			return nil
		case same && len(m.Tokens) == 0: // tokens may become known later than the market
			d.emit(e)
			return nil
		case d.becomesExclusive(m, e):
			d.registerAnew(e)
			return nil
		}
		if same {
			return &domain.Error{Code: domain.CodeConflict, Field: "tokens", Message: "are already registered differently; two people mend them, by an override of kind market_tokens"}
		}
		return &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is already registered differently"}
	}
	if e.Kind != domain.KindOutcome && d.tradedAsOutcome(e.Market) {
		return &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is already traded as kind outcome"}
	}
	d.registerAnew(e)
	return nil
}

// becomesExclusive reports that a market that was registered under the first edition
// is registered again under the second, as exclusive.
func (d *Decision) becomesExclusive(m *Market, e *domain.MarketRegistered) bool {
	return e.Exclusive && !m.Exclusive && m.Kind == e.Kind && slices.Equal(m.Outcomes, e.Outcomes) && m.Category == e.Category &&
		(maps.Equal(m.Tokens, e.Tokens) || len(m.Tokens) == 0) && !d.s.decided(e.Market)
}

// registerAnew records a registration with what it changes of equity, where the
// market was traded or marked before. It moves references as a flow does, so it trips
// nothing.
func (d *Decision) registerAnew(e *domain.MarketRegistered) {
	if e.Exclusive {
		e.Changes = d.s.changedBy(e)
	}
	d.emit(e)
}

// changedBy returns by how much the equity of each scope changes if a market is
// registered: of bots in the order of their ids, then of the portfolio.
func (s *State) changedBy(e *domain.MarketRegistered) []domain.ScopeChange {
	m := &Market{Kind: e.Kind, Outcomes: e.Outcomes, Exclusive: true}
	var changes []domain.ScopeChange
	all := domain.Zero
	for _, bot := range s.holdersOf(m, e.Market) {
		positions := domain.Zero
		for _, in := range s.instrumentsOf(e.Market) {
			if h := in.Holding(bot); h != nil && m.has(in.Outcome) {
				positions = positions.Add(h.Value)
			}
		}
		change := s.valueOf(m, e.Market, bot).Sub(positions)
		if all = all.Add(change); !change.IsZero() {
			changes = append(changes, domain.ScopeChange{Bot: bot, Amount: change})
		}
	}
	if !all.IsZero() {
		changes = append(changes, domain.ScopeChange{Amount: all})
	}
	return changes
}

// registered reports whether a market is registered with exactly these tokens.
func (d *Decision) registered(e *domain.MarketRegistered) bool {
	m := d.s.Markets[e.Market]
	return m != nil && maps.Equal(m.Tokens, e.Tokens)
}

// tokensAreFree refuses a token that belongs to another market: an order for the one would be
// signed under a permit for the other.
func (d *Decision) tokensAreFree(market string, tokens map[string]string) error {
	if len(tokens) == 0 {
		return nil
	}
	taken := ""
	for id, m := range d.s.Markets {
		if id == market || taken != "" && taken < id {
			continue
		}
		for _, token := range m.Tokens {
			for _, wanted := range tokens {
				if token == wanted {
					taken = id
				}
			}
		}
	}
	if taken == "" {
		return nil
	}
	return &domain.Error{Code: domain.CodeConflict, Field: "tokens", Message: "has a token of market " + taken + ", and a token belongs to one market; if it is wrong there, two people mend it by an override of kind market_tokens"}
}

// Exclusive says whether a market to be registered is exclusive: by what the request
// says, as it is registered, or by default under the second edition of the rules. A
// market of the first edition becomes exclusive only where the request says so.
func (d *Decision) Exclusive(asked *bool, market string, kind domain.MarketKind, outcomes []string) bool {
	if asked != nil {
		return *asked
	}
	if m := d.s.Markets[market]; m != nil {
		return m.Exclusive
	}
	return d.s.Policy.Second() && kind == domain.KindOutcome && len(outcomes) >= minOutcomes
}

// minOutcomes is the fewest outcomes of an exclusive market.
const minOutcomes = 2

func (d *Decision) checkExclusive(e *domain.MarketRegistered) error {
	for _, o := range e.Outcomes {
		if d.s.Policy.Second() && strings.HasPrefix(o, payoff.Not) {
			return domain.Invalid("outcomes", "must not begin with %s, which stands for what pays unless an outcome wins", payoff.Not)
		}
	}
	switch {
	case !e.Exclusive:
		return nil
	case !d.s.Policy.Second():
		return domain.Invalid("exclusive", "takes the second edition of the rules: pets limits adopt, or the policy key rules")
	case e.Kind != domain.KindOutcome || len(e.Outcomes) < minOutcomes:
		return domain.Invalid("exclusive", "takes a market of kind outcome with two outcomes or more")
	}
	return nil
}

func (d *Decision) checkMarket(e *domain.MarketRegistered) error {
	if err := domain.CheckText("market", e.Market); err != nil {
		return err
	}
	switch e.Kind {
	case domain.KindOutcome, domain.KindSpot, domain.KindPerp:
	default:
		return domain.Invalid("kind", "must be outcome, spot or perp")
	}
	if len(e.Outcomes) > 100 {
		return domain.Invalid("outcomes", "may hold at most 100")
	}
	for i, o := range e.Outcomes {
		if err := domain.CheckText("outcomes", o); err != nil {
			return err
		}
		if slices.Contains(e.Outcomes[:i], o) {
			return domain.Invalid("outcomes", "names an outcome twice")
		}
	}
	if err := checkTokens(e); err != nil {
		return err
	}
	if err := d.checkExclusive(e); err != nil {
		return err
	}
	return domain.CheckOptionalText("category", e.Category)
}

// checkTokens requires that each token is a number of at most 256 bits, belongs
// to an outcome of the market, and to only one.
func checkTokens(e *domain.MarketRegistered) error {
	seen := map[string]bool{}
	for outcome, token := range e.Tokens {
		n, ok := new(big.Int).SetString(token, 10)
		switch {
		case !slices.Contains(e.Outcomes, outcome):
			return domain.Invalid("tokens", "names an outcome that the market does not have")
		case !ok || n.Sign() <= 0 || n.BitLen() > 256 || n.String() != token:
			return domain.Invalid("tokens", "must be decimal numbers of at most 256 bits")
		case seen[token]:
			return domain.Invalid("tokens", "has one token for two outcomes")
		}
		seen[token] = true
	}
	return nil
}

func (d *Decision) tradedAsOutcome(market string) bool {
	for i := range d.s.Instruments {
		if i.Market == market {
			return true
		}
	}
	for _, p := range d.s.Permits { // checked and reserved as one, too
		if p.Market == market && p.Live(d.now) {
			return true
		}
	}
	return false
}
