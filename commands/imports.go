package commands

import (
	"encoding/json"
	"fmt"

	"pets/domain"
	"pets/domain/portfolio"
)

// ImportRow is the command of an imported row together with what the row is the
// first to need: its bot and its market. It is one command, so a row that is
// refused leaves none of them behind, and the next row that needs them brings
// them.
type ImportRow struct {
	PortfolioCommand
	Newcomers
}

// Newcomers are what a row brings with it where it is not known yet.
type Newcomers struct {
	Bot     string            `json:"bot,omitempty"`
	Capital domain.Decimal    `json:"capital,omitzero"` // of the bot, if it is new
	Market  string            `json:"market,omitempty"`
	Kind    domain.MarketKind `json:"kind,omitempty"` // as the row states it; empty where it does not
}

// MarshalJSON gives the row's own command only: its hash must not depend on who
// was known when it was booked, or a later run would not recognise it.
func (c ImportRow) MarshalJSON() ([]byte, error) { return json.Marshal(c.PortfolioCommand) }

// Decide implements PortfolioCommand. The market comes first, because its refusals
// are the only ones to expect: refused before anything is emitted, they do not
// cost the writer its state.
func (c ImportRow) Decide(d *portfolio.Decision) error {
	if err := c.registerMarket(d); err != nil {
		return err
	}
	if err := c.registerBot(d); err != nil {
		return err
	}
	return c.PortfolioCommand.Decide(d)
}

// registerMarket holds the kind the row states against what is known. A market
// nobody registered is of kind outcome.
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

// NewcomerError: the row's bot cannot be registered, which is no fault of the
// row's.
type NewcomerError struct {
	Bot string
	Err error
}

func (e *NewcomerError) Error() string { return fmt.Sprintf("bot %s is new, and its %v", e.Bot, e.Err) }

// Unwrap returns the refusal.
func (e *NewcomerError) Unwrap() error { return e.Err }

// SetRowAside notes that a row of an import was refused and left out, so that
// the next run knows it: by then its time lies before the portfolio's last
// record, and it could not be told from a new row that comes too late.
type SetRowAside struct {
	Row string `json:"row"` // its key
	// Reason is noted, but no part of the body: the same row refused in other
	// words is set aside once.
	Reason string `json:"-"`
}

func (SetRowAside) spec() *Spec { return setRowAside }

// Decide implements PortfolioCommand: nothing changes, which is noted with the reason;
// file and line are the source in the record's metadata.
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
