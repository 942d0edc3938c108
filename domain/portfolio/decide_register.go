package portfolio

import (
	"maps"
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
	e.Condition = strings.ToLower(e.Condition)
	if err := d.checkMarket(e); err != nil {
		return err
	}
	d.Look(e.Market)
	if err := d.tokensAreFree(e.Market, e.Tokens); err != nil && !d.registered(e) {
		return err
	}
	if m := d.s.Markets[e.Market]; m != nil {
		return d.registerAgain(m, e)
	}
	if e.Kind != domain.KindOutcome && d.tradedAsOutcome(e.Market) {
		return &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is already traded as kind outcome"}
	}
	if e.Exclusive && d.s.settledIn(e.Market) {
		return &domain.Error{Code: domain.CodeConflict, Field: "exclusive", Message: "must be false: an outcome is settled by itself already, so nobody says what all of them pay together"}
	}
	return d.emitMarket(e)
}

// registerAgain decides on a market that is registered. Its tokens, and the condition that
// they derive from, may become known later than the market; what is known is mended by two
// people.
func (d *Decision) registerAgain(m *Market, e *domain.MarketRegistered) error {
	if m.Kind != e.Kind || !slices.Equal(m.Outcomes, e.Outcomes) || m.Category != e.Category {
		return &domain.Error{Code: domain.CodeConflict, Field: "market", Message: "is already registered differently"}
	}
	if e.Condition == "" {
		e.Condition = m.Condition
	}
	if m.Exclusive != e.Exclusive && (!e.Exclusive || d.s.settledIn(e.Market)) {
		return &domain.Error{Code: domain.CodeConflict, Field: "exclusive", Message: "is already registered differently, or an outcome is settled"}
	}
	switch {
	case m.Condition != "" && m.Condition != e.Condition:
		return &domain.Error{Code: domain.CodeConflict, Field: "condition", Message: "is already registered differently; two people mend it, by an override of kind market_tokens"}
	case len(m.Tokens) == 0 && len(e.Tokens) > 0:
		return d.emitMarket(e)
	case !maps.Equal(m.Tokens, e.Tokens):
		return &domain.Error{Code: domain.CodeConflict, Field: "tokens", Message: "are already registered differently; two people mend them, by an override of kind market_tokens"}
	case m.Exclusive == e.Exclusive && m.Condition == e.Condition && (d.reading == nil || d.reading.Unanswered != "" || m.Checked != nil && m.Checked.Unchecked == ""):
		d.Note(domain.NotedUnchanged, "market is already registered like this")
		return nil
	}
	return d.emitMarket(e)
}

// settledIn reports whether an outcome of a market has been settled.
func (s *State) settledIn(market string) bool {
	return slices.ContainsFunc(s.instrumentsOf(market), func(in *Instrument) bool { return in.Payout != nil })
}

// emitMarket records a market, with how far its tokens were checked, and with what it
// changes of equity where the market was traded or marked before. That moves
// references as a flow does, so it trips nothing.
func (d *Decision) emitMarket(e *domain.MarketRegistered) error {
	check, err := compareTokens(e, d.reading)
	if err != nil {
		return err
	}
	e.Checked = check
	if m := d.s.Markets[e.Market]; e.Exclusive && (m == nil || !m.Exclusive) {
		if err := d.checkJoins(e); err != nil {
			return err
		}
		e.Changes = d.s.changedBy(e)
	}
	d.emit(e)
	return nil
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
	for _, token := range slices.Sorted(maps.Values(tokens)) {
		if id := d.s.Past.TokenOf(token); taken == "" && id != market && !d.s.knows(id) {
			taken = id
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
	d.Look(market)
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

func (d *Decision) tradedAsOutcome(market string) bool {
	if len(d.s.instrumentsOf(market)) > 0 {
		return true
	}
	for _, p := range d.s.Permits { // checked and reserved as one, too
		if p.Market == market && p.Live(d.now) {
			return true
		}
	}
	return false
}
