package portfolio

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/payoff"
)

// MarketTokens are the tokens that a market is to have. None at all frees those
// it has, for two markets whose tokens were exchanged. Condition replaces the id of the
// condition that they derive from; without it the market keeps its own.
type MarketTokens struct {
	Market    string            `json:"market"`
	Tokens    map[string]string `json:"tokens"`
	Condition string            `json:"condition,omitempty"`
}

// TokenReading is what a chain says of the tokens that derive from a condition. It is
// evidence: the decision compares it with the market.
type TokenReading struct {
	Condition string
	// Unanswered says why nothing was read; the rest is empty then.
	Unanswered string
	Chain      string
	Block      uint64
	// Slots is how many outcomes the condition has, 0 if the contract does not know it.
	Slots uint64
	Forms []TokenForm
}

// TokenForm is one way in which tokens derive from a condition, such as by a collateral.
type TokenForm struct {
	Name   string
	Tokens []string // of the slots, in order, in decimal
}

// MaxSlots limits how many outcomes are compared with a chain.
const MaxSlots = 16

// notAsked is why the tokens of a market were not checked without a [TokenReading].
const notAsked = "no endpoint was asked"

// TokensRead sets what the chain says of the market that is decided on.
func (d *Decision) TokensRead(r *TokenReading) { d.reading = r }

// MarketOf returns the market of an override of kind market_tokens as it would be
// registered, without a check of anything; false if there is none.
func (s *State) MarketOf(raw json.RawMessage) (*domain.MarketRegistered, bool) {
	var t MarketTokens
	if domain.DecodeObject(raw, &t) != nil {
		return nil, false
	}
	m := s.Registered(t.Market)
	if m == nil {
		return nil, false
	}
	return m.mended(t), true
}

func (m *Market) mended(t MarketTokens) *domain.MarketRegistered {
	e := &domain.MarketRegistered{
		Market: t.Market, Kind: m.Kind, Outcomes: m.Outcomes, Category: m.Category, Tokens: t.Tokens, Condition: m.Condition, Exclusive: m.Exclusive,
	}
	if t.Condition != "" {
		e.Condition = strings.ToLower(t.Condition)
	}
	return e
}

// NeedsChain reports whether the tokens of a market can be compared with a chain.
func NeedsChain(e *domain.MarketRegistered) bool {
	return len(e.Tokens) > 0 && len(e.Condition) == ctfCondition && !anyPosition(e.Tokens)
}

// tokensOf reads the content of an override of kind market_tokens and checks it
// against the current state. It returns the market as it is to be registered.
func (d *Decision) tokensOf(portfolio string, raw json.RawMessage) (*domain.MarketRegistered, error) {
	var t MarketTokens
	if err := domain.DecodeObject(raw, &t); err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {market, tokens}, and condition where it changes, for an override of kind market_tokens"}
	}
	d.Look(t.Market)
	m := d.s.Markets[t.Market]
	switch {
	case portfolio != "":
		return nil, domain.Invalid("portfolio", "is not allowed with market_tokens, which concern this portfolio")
	case m == nil:
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "limits.market", Message: "is not registered in this portfolio"}
	}
	e := m.mended(t)
	if maps.Equal(m.Tokens, e.Tokens) && m.Condition == e.Condition {
		return nil, domain.Errorf(domain.CodeConflict, "the market has these tokens already")
	}
	if err := checkTokens(e); err != nil {
		return nil, err
	}
	if err := d.tokensAreFree(t.Market, t.Tokens); err != nil {
		return nil, err
	}
	var err error
	e.Checked, err = compareTokens(e, d.reading)
	return e, err
}

// checkTokensOverride completes the request with what the chain says, which its approver
// is shown.
func (d *Decision) checkTokensOverride(e *domain.OverrideRequested) error {
	m, err := d.tokensOf(e.Portfolio, e.Limits)
	if err != nil {
		return err
	}
	e.Checked = m.Checked
	return nil
}

// confirmTokens registers the market again, based on its current state.
func (d *Decision) confirmTokens(o *Override, e *domain.OverrideRecorded) error {
	m, err := d.tokensOf(o.Portfolio, o.Limits)
	if err != nil {
		return err
	}
	if was := o.Checked; was != nil && m.Checked != nil {
		switch {
		case was.Condition != m.Checked.Condition:
			return domain.Errorf(domain.CodeConflict, "the condition of the market was changed since this was requested; request it again")
		case m.Checked.Unchecked != "" && was.Unchecked == "": // what derives from a condition never changes
			m.Checked = was
		}
	}
	d.emit(e)
	d.emit(m)
	return nil
}

// checkTokens requires that each token is a number of at most 256 bits, belongs
// to an outcome of the market, and to only one, and that the condition can be one.
func checkTokens(e *domain.MarketRegistered) error {
	seen := map[string]bool{}
	for outcome, token := range e.Tokens {
		n, ok := new(big.Int).SetString(token, 10)
		switch {
		case !slices.Contains(e.Outcomes, outcome) && !complementOf(e, outcome):
			return domain.Invalid("tokens", "names an outcome that the market does not have")
		case complementOf(e, outcome) && e.Condition != "":
			return domain.Invalid("condition", "derives no tokens of what pays unless an outcome wins (%s); register them without a condition", outcome)
		case !ok || n.Sign() <= 0 || n.BitLen() > 256 || n.String() != token:
			return domain.Invalid("tokens", "must be decimal numbers of at most 256 bits")
		case seen[token]:
			return domain.Invalid("tokens", "has one token for two outcomes")
		}
		seen[token] = true
	}
	return checkCondition(e)
}

// complementOf reports whether a name is that of a complement in an exclusive market of more
// than two outcomes: the venue's NO share of an outcome has a token of its own there, and
// without it no order would close what is held of it.
func complementOf(e *domain.MarketRegistered, name string) bool {
	m := Market{Outcomes: e.Outcomes, Exclusive: e.Exclusive}
	return len(e.Outcomes) > 2 && strings.HasPrefix(name, payoff.Not) && m.has(name) && !slices.Contains(e.Outcomes, name)
}

// The lengths of a condition's id: 32 bytes, or 31 that tokens begin with, in hex.
const (
	ctfCondition      = 2 + 2*32
	positionCondition = 2 + 2*31
)

func checkCondition(e *domain.MarketRegistered) error {
	if e.Condition == "" {
		return nil
	}
	digits, prefixed := strings.CutPrefix(e.Condition, "0x")
	_, err := hex.DecodeString(digits)
	switch {
	case !prefixed || err != nil || strings.ToLower(digits) != digits || len(e.Condition) != ctfCondition && len(e.Condition) != positionCondition:
		return domain.Invalid("condition", "must be the id of a condition: 0x and 64 hex digits, or 62")
	case e.Kind != domain.KindOutcome:
		return domain.Invalid("condition", "belongs to a market of kind outcome")
	}
	return nil
}

// compareTokens compares the tokens of a market with its condition. It refuses tokens that
// belong to another condition or outcome, and says how far the rest was checked.
func compareTokens(e *domain.MarketRegistered, r *TokenReading) (*domain.TokensCheck, error) {
	unchecked := func(why string) (*domain.TokensCheck, error) {
		return &domain.TokensCheck{Condition: e.Condition, Unchecked: why}, nil
	}
	switch {
	case len(e.Tokens) == 0:
		return nil, nil
	case anyPosition(e.Tokens):
		return comparePositions(e)
	case e.Condition == "":
		return unchecked("no condition id is registered for the market")
	case len(e.Condition) == positionCondition:
		return nil, domain.Invalid("condition", "has 62 hex digits, so that the tokens would begin with it; they do not")
	case r == nil:
		return unchecked(notAsked)
	case r.Condition != e.Condition:
		return nil, domain.Errorf(domain.CodeConflict, "the condition of the market was changed while the chain was asked; send it again")
	case r.Unanswered != "":
		return unchecked(r.Unanswered)
	case r.Slots == 0:
		return nil, refused("condition", "%s at block %d: the contract has no condition %s", r.Chain, r.Block, e.Condition)
	case r.Slots != uint64(len(e.Outcomes)):
		return nil, refused("condition", "%s at block %d: the condition has %d outcomes, and the market %d", r.Chain, r.Block, r.Slots, len(e.Outcomes))
	}
	for _, f := range r.Forms {
		if f.fits(e) {
			return &domain.TokensCheck{Condition: e.Condition, Chain: r.Chain, Block: r.Block, Form: f.Name}, nil
		}
	}
	return nil, r.contradiction(e)
}

func refused(field, format string, args ...any) error {
	return &domain.Error{Code: domain.CodeConflict, Field: field, Message: "contradicts the chain: " + fmt.Sprintf(format, args...)}
}

// slotOf returns which of the condition's outcomes one of the market is: yes is the first,
// and no the second; others stand in the order of the market.
func slotOf(e *domain.MarketRegistered, outcome string) int {
	at := slices.Index(e.Outcomes, outcome)
	if len(e.Outcomes) != 2 || !strings.EqualFold(e.Outcomes[1-at], "yes") && !strings.EqualFold(e.Outcomes[at], "yes") {
		return at
	}
	if strings.EqualFold(e.Outcomes[at], "yes") {
		return 0
	}
	return 1
}

// of returns the token of a slot, "" if there is none.
func (f *TokenForm) of(slot int) string {
	if slot < 0 || slot >= len(f.Tokens) {
		return ""
	}
	return f.Tokens[slot]
}

func (f *TokenForm) fits(e *domain.MarketRegistered) bool {
	for outcome, token := range e.Tokens {
		if f.of(slotOf(e, outcome)) != token {
			return false
		}
	}
	return true
}

// contradiction says what the chain says of the first token that no form has.
func (r *TokenReading) contradiction(e *domain.MarketRegistered) error {
	if len(r.Forms) == 0 {
		return domain.Errorf(domain.CodeInternal, "the chain was read without a way in which tokens derive")
	}
	for _, outcome := range slices.SortedFunc(maps.Keys(e.Tokens), func(a, b string) int { return slotOf(e, a) - slotOf(e, b) }) {
		token, says, right := e.Tokens[outcome], []string{}, false
		for _, f := range r.Forms {
			right = right || f.of(slotOf(e, outcome)) == token
			says = append(says, fmt.Sprintf("%s (%s)", f.of(slotOf(e, outcome)), f.Name))
			for _, other := range e.Outcomes {
				if other != outcome && f.of(slotOf(e, other)) == token {
					return refused("tokens", "%s at block %d: what is given for %s is the token of %s (%s)", r.Chain, r.Block, outcome, other, f.Name)
				}
			}
		}
		if !right {
			return refused("tokens", "%s at block %d: the token of %s is %s, not %s", r.Chain, r.Block, outcome, strings.Join(says, " or "), token)
		}
	}
	return refused("tokens", "%s at block %d: each token derives from the condition, but not in the same way", r.Chain, r.Block)
}

// A position of the newer exchange carries its structure in its 32 bytes, from the top: module
// (1), base hash (16), arity (2), reserved zeros (8), resolution chain (2), index of the
// condition (2), outcome (1). Without the last byte it is the id of its condition.
const (
	positionForm  = "v3"
	lastModule    = 3
	reservedFrom  = 1 + 16 + 2
	reservedUntil = reservedFrom + 8
)

// positionOf returns the bytes of a token, and whether they have that structure.
func positionOf(token string) (b [32]byte, is bool) {
	n, ok := new(big.Int).SetString(token, 10)
	if !ok || n.Sign() < 0 || n.BitLen() > 256 {
		return b, false
	}
	n.FillBytes(b[:])
	return b, b[0] >= 1 && b[0] <= lastModule && [8]byte(b[reservedFrom:reservedUntil]) == [8]byte{}
}

func anyPosition(tokens map[string]string) bool {
	for _, token := range tokens {
		if _, is := positionOf(token); is {
			return true
		}
	}
	return false
}

// comparePositions compares tokens that carry their structure. No chain is asked: they say
// themselves which condition and outcome they are of.
func comparePositions(e *domain.MarketRegistered) (*domain.TokensCheck, error) {
	wrong := func(format string, args ...any) (*domain.TokensCheck, error) {
		return nil, &domain.Error{Code: domain.CodeConflict, Field: "tokens", Message: fmt.Sprintf(format, args...)}
	}
	condition := ""
	for _, outcome := range slices.SortedFunc(maps.Keys(e.Tokens), func(a, b string) int { return slotOf(e, a) - slotOf(e, b) }) {
		b, is := positionOf(e.Tokens[outcome])
		own := "0x" + hex.EncodeToString(b[:31])
		switch {
		case len(e.Outcomes) != 2:
			return wrong("are positions of a condition with two outcomes, and the market has %d", len(e.Outcomes))
		case !is:
			return wrong("are of two kinds: that of %s does not have the structure that another one has", outcome)
		case int(b[31]) != slotOf(e, outcome):
			return wrong("of %s ends in outcome %d by its own digits, and should in %d: yes is 0, no is 1, others stand in the order of the market", outcome, b[31], slotOf(e, outcome))
		case condition != "" && own != condition:
			return wrong("are of two conditions by their own digits: %s and %s", condition, own)
		case len(e.Condition) == positionCondition && own != e.Condition:
			return wrong("of %s is of condition %s by its own digits, not of %s", outcome, own, e.Condition)
		}
		condition = own
	}
	return &domain.TokensCheck{Condition: condition, Form: positionForm}, nil
}

// TokensSaid says in words how far the tokens of a market were checked.
func TokensSaid(c *domain.TokensCheck) string {
	switch {
	case c == nil:
		return "not checked"
	case c.Unchecked != "":
		return "not checked: " + c.Unchecked
	case c.Chain == "":
		return fmt.Sprintf("fit each other and their outcomes by their own digits (%s)", c.Form)
	}
	return fmt.Sprintf("checked on chain %s at block %d (%s)", c.Chain, c.Block, c.Form)
}

// checkedLines are those of tokens that are to be mended.
func checkedLines(c *domain.TokensCheck) []string {
	lines := []string{quoted("tokens", TokensSaid(c))}
	if c.Condition != "" {
		lines = append(lines, quoted("condition of the tokens", c.Condition))
	}
	return lines
}
