package commands

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"pets/domain"
	"pets/domain/payoff"
	"pets/domain/portfolio"
)

// ImportRow is the command of an imported row, together with its bot and its market if
// they are not known yet. It is one command, so a refused row registers neither of them,
// and the next row that needs them does.
type ImportRow struct {
	PortfolioCommand
	Newcomers
	// Payouts are what the rows of the same market at the same time say together, by
	// outcome. The first of them settles a registered market as a whole, and the others
	// find that done.
	Payouts map[string]domain.Decimal
}

// Newcomers are the bot and the market that a row registers if they are not known yet.
type Newcomers struct {
	Bot     string            `json:"bot,omitempty"`
	Capital domain.Decimal    `json:"capital,omitzero"` // of the bot, if it is new
	Market  string            `json:"market,omitempty"`
	Kind    domain.MarketKind `json:"kind,omitempty"` // as the row states it, or empty
}

// MarshalJSON encodes only the row's own command. Its hash must not depend on what was
// known when it was booked, or a later run would not recognise the row.
func (c ImportRow) MarshalJSON() ([]byte, error) { return json.Marshal(c.PortfolioCommand) }

// Decide implements PortfolioCommand. The market comes first because only its refusals
// are to be expected: a refusal before any event is emitted does not spoil the writer's
// state.
func (c ImportRow) Decide(d *portfolio.Decision) error {
	d.Look(c.Market)
	if err := c.registerMarket(d); err != nil {
		return err
	}
	if err := c.registerBot(d); err != nil {
		return err
	}
	if s, ok := as[SettleMarket](c.PortfolioCommand); ok {
		return c.settle(d, s)
	}
	return c.PortfolioCommand.Decide(d)
}

func (c ImportRow) settle(d *portfolio.Decision, own SettleMarket) error {
	s := c.settlement(d.State(), own)
	err := s.Decide(d)
	if domain.CodeOf(err) != domain.CodePayoutsSum {
		return err
	}
	sum := domain.Zero
	for _, payout := range s.Payouts {
		sum = sum.Add(payout)
	}
	return &domain.Error{Code: domain.CodePayoutsSum, Field: "payout", Message: fmt.Sprintf(
		"and those of the other rows of %s at this time sum to %s, and those of an exclusive market to 1; correct the rows, or register the market with exclusive = false in a new portfolio", s.Market, sum)}
}

// settlement returns the settlement of the whole market, if it is registered and the rows
// name each of its outcomes, or each that is not settled. Otherwise the row settles its own.
func (c ImportRow) settlement(s *portfolio.State, own SettleMarket) SettleMarket {
	m := s.Markets[own.Market]
	if m == nil || len(m.Outcomes) == 0 || !s.Policy.Second() || own.Void {
		return own
	}
	own.Outcome, own.Payout = outright(m, own.Outcome, own.Payout)
	if !slices.Contains(m.Outcomes, own.Outcome) {
		return own // an outcome that the market does not have is settled by itself
	}
	payouts := map[string]domain.Decimal{own.Outcome: own.Payout}
	for name, payout := range c.Payouts {
		name, payout = outright(m, name, payout)
		switch said, twice := payouts[name]; {
		case twice && said != payout:
			return own
		case slices.Contains(m.Outcomes, name):
			payouts[name] = payout
		}
	}
	open := 0
	for _, outcome := range m.Outcomes {
		_, named := payouts[outcome]
		in := s.Instruments[domain.Instrument{Market: own.Market, Outcome: outcome}]
		settled := in != nil && in.Payout != nil
		if !settled {
			open++
		}
		if !named && !settled {
			return own
		}
	}
	if len(payouts) != open && len(payouts) != len(m.Outcomes) {
		return own
	}
	return SettleMarket{Instrument: domain.Instrument{Market: own.Market}, Payouts: payouts, Bot: own.Bot}
}

// outright returns the payout of a registered outcome instead of that of its complement.
func outright(m *portfolio.Market, outcome string, payout domain.Decimal) (string, domain.Decimal) {
	if name, is := strings.CutPrefix(outcome, payoff.Not); is && m.Exclusive && slices.Contains(m.Outcomes, name) {
		return name, domain.One.Sub(payout)
	}
	return outcome, payout
}

// registerMarket compares the kind that the row states with the known one. A market that
// was never registered is of kind outcome.
func (c ImportRow) registerMarket(d *portfolio.Decision) error {
	known := d.State().Markets[c.Market]
	switch {
	case c.Kind == "", known == nil && c.Kind == domain.KindOutcome:
		return nil
	case known == nil:
		return RegisterMarket{Market: c.Market, Kind: c.Kind}.Decide(d)
	case known.Kind != c.Kind:
		return &domain.Error{Code: domain.CodeConflict, Field: "kind", Message: fmt.Sprintf("is %s, but the market is known as %s", c.Kind, known.Kind)}
	}
	return nil
}

func (c ImportRow) registerBot(d *portfolio.Decision) error {
	if c.Bot == "" || d.State().Bots[c.Bot] != nil {
		return nil
	}
	err := RegisterBot{ID: c.Bot, Capital: c.Capital, Start: true}.Decide(d)
	if err != nil && d.State().Treasury(domain.WalletHot).Less(c.Capital) {
		err = fmt.Errorf("%w, or pass --bot-capital 0", err)
	}
	if err != nil {
		return &NewcomerError{c.Bot, err}
	}
	return nil
}

// NewcomerError means that the row's bot cannot be registered. The row itself may be
// valid.
type NewcomerError struct {
	Bot string
	Err error
}

func (e *NewcomerError) Error() string { return fmt.Sprintf("bot %s is new, and its %v", e.Bot, e.Err) }

// Unwrap returns the refusal.
func (e *NewcomerError) Unwrap() error { return e.Err }

// SetRowAside notes that a row of an import was refused and skipped, so that the next run
// recognises it. Without the note it would look like a new row that comes too late,
// because its time is before the portfolio's last record.
type SetRowAside struct {
	Row string `json:"row"` // its key
	// Reason is noted, but not part of the body: a row that is refused again in other words
	// is set aside only once.
	Reason string `json:"-"`
}

func (SetRowAside) spec() *Spec { return setRowAside }

// Decide implements PortfolioCommand. It changes nothing but notes the reason; file and
// line are the source in the record's metadata.
func (c SetRowAside) Decide(d *portfolio.Decision) error {
	if d.State().Clock != domain.ClockImported {
		return domain.Errorf(domain.CodeConflict, "only an imported portfolio sets rows aside")
	}
	note := "row set aside"
	if c.Reason != "" {
		note += ": " + cut(c.Reason)
	}
	d.Note(domain.NotedSetAside, note)
	return nil
}

// maxReason bounds the reason in the note, in characters.
const maxReason = 500

func cut(reason string) string {
	if r := []rune(reason); len(r) > maxReason {
		return string(r[:maxReason-1]) + "…"
	}
	return reason
}
