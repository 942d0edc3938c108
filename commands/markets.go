package commands

import (
	"encoding/json"
	"fmt"

	"pets/domain"
	"pets/domain/portfolio"
)

// RegisterMarket makes a market's kind, outcomes and category known.
type RegisterMarket struct {
	Market   string            `json:"market"`
	Kind     domain.MarketKind `json:"kind"`
	Outcomes []string          `json:"outcomes,omitempty"`
	Category string            `json:"category,omitempty"`
	// Tokens are the decimal ids of the outcomes' tokens on the chain. Without them no
	// order of the market is signed. They may be added later.
	Tokens map[string]string `json:"tokens,omitempty"`
	// Exclusive: one share of each outcome pays 1 together. Under the second edition
	// of the rules it is the default of a market with two or more outcomes.
	Exclusive *bool `json:"exclusive,omitempty"`
	// Condition is the id of the condition that the tokens derive from, the first outcome's
	// from its first slot: 0x and 64 hex digits, or 62. With it they are compared with the
	// chain.
	Condition string `json:"condition,omitempty"`
	// Reading is what the chain says of them. It is not part of the body.
	Reading *portfolio.TokenReading `json:"-"`
}

func (RegisterMarket) spec() *Spec { return registerMarket }

// Decide implements PortfolioCommand.
func (c RegisterMarket) Decide(d *portfolio.Decision) error {
	d.TokensRead(c.Reading)
	return d.RegisterMarket(&domain.MarketRegistered{
		Market: c.Market, Kind: c.Kind, Outcomes: c.Outcomes, Category: c.Category, Tokens: c.Tokens, Condition: c.Condition,
		Exclusive: d.Exclusive(c.Exclusive, c.Market, c.Kind, c.Outcomes),
	})
}

// MarkPrices values instruments and assets. Each mark is judged alone: one that cannot be read
// does not take the others with it. Its canonical body is what was sent.
type MarkPrices struct {
	Marks []domain.Mark `json:"marks"`

	unread map[int]unreadMark
}

// unreadMark is a mark that could not be read, as it was sent.
type unreadMark struct {
	sent json.RawMessage
	err  error
}

// JudgedAlone is the field whose elements are judged one by one, which a strict decoder asks.
func (*MarkPrices) JudgedAlone() string { return "marks" }

// UnmarshalJSON implements json.Unmarshaler.
func (c *MarkPrices) UnmarshalJSON(body []byte) error {
	var sent struct {
		Marks []json.RawMessage `json:"marks"`
	}
	if err := json.Unmarshal(body, &sent); err != nil {
		return err
	}
	*c = MarkPrices{}
	if sent.Marks != nil {
		c.Marks = make([]domain.Mark, len(sent.Marks))
	}
	for n, raw := range sent.Marks {
		m, err := readMark(raw)
		if c.Marks[n] = m; err == nil {
			continue
		}
		if c.unread == nil {
			c.unread = map[int]unreadMark{}
		}
		c.unread[n] = unreadMark{raw, err}
	}
	return nil
}

// readMark reads one mark. What is wrong with it is said without its value.
func readMark(raw json.RawMessage) (m domain.Mark, err error) {
	var sent struct {
		Market, Outcome, Asset, Price, Waits json.RawMessage
	}
	if raw[0] != '{' || json.Unmarshal(raw, &sent) != nil {
		return m, domain.Invalid("mark", "must be a JSON object")
	}
	for _, f := range []struct {
		name  string
		value json.RawMessage
		into  any
		must  string
	}{
		{"market", sent.Market, &m.Market, "a string"},
		{"outcome", sent.Outcome, &m.Outcome, "a string"},
		{"asset", sent.Asset, &m.Asset, "a string"},
		{"waits", sent.Waits, &m.Waits, "true or false"},
		{"price", sent.Price, &m.Price, domain.ADecimal},
	} {
		switch missing := len(f.value) == 0 || string(f.value) == "null"; {
		case missing && f.name == "price":
			return domain.Mark{}, domain.Invalid(f.name, "is missing")
		case !missing && json.Unmarshal(f.value, f.into) != nil:
			return domain.Mark{}, domain.Invalid(f.name, "must be %s", f.must)
		}
	}
	return m, nil
}

// MarshalJSON implements json.Marshaler.
func (c MarkPrices) MarshalJSON() ([]byte, error) {
	if c.unread == nil {
		type plain MarkPrices
		return json.Marshal(plain(c))
	}
	marks := make([]any, len(c.Marks))
	for n, m := range c.Marks {
		if marks[n] = m; c.unread[n].err != nil {
			marks[n] = c.unread[n].sent
		}
	}
	return json.Marshal(struct {
		Marks []any `json:"marks"`
	}{marks})
}

func (MarkPrices) spec() *Spec { return markPrices }

// Decide implements PortfolioCommand.
func (c MarkPrices) Decide(d *portfolio.Decision) error {
	for n, m := range c.Marks {
		if m.Waits {
			return domain.Invalid(fmt.Sprintf("marks[%d].waits", n), "is set by the server; leave it out")
		}
	}
	for n, m := range c.unread {
		d.Unread(n, m.err)
	}
	return d.MarkPrices(c.Marks)
}

// SettleMarket pays out a market to its holders: by the payouts of all outcomes, as
// void, or one outcome.
type SettleMarket struct {
	domain.Instrument
	Payout domain.Decimal `json:"payout"`        // 0..1 per share
	Bot    string         `json:"bot,omitempty"` // only this holder
	// Payouts are those of every outcome of a registered market, instead of outcome
	// and payout. Void gives every holder the cost back.
	Payouts map[string]domain.Decimal `json:"payouts,omitempty" strict:"instead=outcome,payout"`
	Void    bool                      `json:"void,omitempty" strict:"instead=outcome,payout"`
}

func (SettleMarket) spec() *Spec { return settleMarket }

// Decide implements PortfolioCommand.
func (c SettleMarket) Decide(d *portfolio.Decision) error {
	switch {
	case c.Payouts != nil && len(c.Payouts) == 0:
		return domain.Invalid("payouts", "name no outcome")
	case (len(c.Payouts) > 0 || c.Void) && !c.Payout.IsZero():
		return domain.Invalid("payout", "is not allowed with payouts or void, which settle the whole market")
	}
	return d.SettleMarket(portfolio.Settlement{
		Market: c.Market, Outcome: c.Outcome, Payout: c.Payout, Payouts: c.Payouts, Void: c.Void, Bot: c.Bot,
	})
}

// CorrectSettlement replaces what a settled market paid.
type CorrectSettlement struct {
	Market string `json:"market"`
	// Payouts name every outcome of an exclusive market, and elsewhere the settled outcomes
	// that change. Void gives every holder the cost back.
	Payouts map[string]domain.Decimal `json:"payouts,omitempty"`
	Void    bool                      `json:"void,omitempty"`
	Reason  string                    `json:"reason"`
	// Rebase makes the equity after it the reference of all that it moved.
	Rebase bool `json:"rebase,omitempty"`
}

func (CorrectSettlement) spec() *Spec { return correctSettlement }

// Decide implements PortfolioCommand.
func (c CorrectSettlement) Decide(d *portfolio.Decision) error {
	return d.CorrectSettlement(portfolio.Correction{Market: c.Market, Payouts: c.Payouts, Void: c.Void, Rebase: c.Rebase}, c.Reason)
}

// ChangeSets splits cash into complete sets of an exclusive market, or merges sets into
// cash.
type ChangeSets struct {
	Bot      string         `json:"bot"`
	Market   string         `json:"market"`
	Action   string         `json:"action" enum:"split,merge"`
	Quantity domain.Decimal `json:"quantity"`
	Fee      domain.Decimal `json:"fee,omitzero"`
	SetID    string         `json:"set_id"`
}

func (ChangeSets) spec() *Spec { return changeSets }

// Decide implements PortfolioCommand.
func (c ChangeSets) Decide(d *portfolio.Decision) error {
	return d.ChangeSets(&domain.SetsChanged{
		Bot: c.Bot, Market: c.Market, Action: c.Action, Quantity: c.Quantity, Fee: c.Fee, SetID: c.SetID,
	})
}

// RedeemPosition settles the one open outcome of a market that a bot holds, as a wallet's ledger reports it.
type RedeemPosition struct {
	Bot      string         `json:"bot"`
	Market   string         `json:"market"`
	Quantity domain.Decimal `json:"quantity"`
	Cash     domain.Decimal `json:"cash"`
}

func (RedeemPosition) spec() *Spec { return redeemPosition }

// Decide implements PortfolioCommand.
func (c RedeemPosition) Decide(d *portfolio.Decision) error {
	_, err := d.Redeem(c.Bot, c.Market, c.Quantity, c.Cash)
	return err
}
