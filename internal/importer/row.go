package importer

import (
	"encoding/json"
	"fmt"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/tradefile"
)

// rowCommand is the command of a row together with what the row is the first to
// need: its bot and its market. It is one command, so a row that is refused
// leaves none of them behind, and the next row that needs them brings them.
type rowCommand struct {
	commands.PortfolioCommand
	bot     string
	capital domain.Decimal // of the bot, if it is new
	market  string
	kind    domain.MarketKind // as the row states it; empty where it does not
}

// MarshalJSON gives the row's own command only: its hash must not depend on who
// was known when it was booked, or a later run would not recognise it.
func (c rowCommand) MarshalJSON() ([]byte, error) { return json.Marshal(c.PortfolioCommand) }

// Roles are those that may register bots and markets, as the row may have to.
func (rowCommand) Roles() []domain.Role { return commands.RegisterBot{}.Roles() }

// Decide implements commands.PortfolioCommand. The market comes first, because its
// refusals are the only ones to expect: refused before anything is emitted, they
// do not cost the writer its state.
func (c rowCommand) Decide(d *portfolio.Decision) error {
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
func (c rowCommand) registerMarket(d *portfolio.Decision) error {
	known := d.State().Markets[c.market]
	switch {
	case c.kind == "", known == nil && c.kind == domain.KindOutcome:
		return nil
	case known == nil:
		return commands.RegisterMarket{Market: c.market, Kind: c.kind}.Decide(d)
	case known.Kind != c.kind:
		return &domain.Error{Code: domain.CodeConflict, Field: "kind", Message: fmt.Sprintf("is %s, but the market is known as %s", c.kind, known.Kind)}
	}
	return nil
}

func (c rowCommand) registerBot(d *portfolio.Decision) error {
	if c.bot == "" || d.State().Bots[c.bot] != nil {
		return nil
	}
	err := commands.RegisterBot{ID: c.bot, Capital: c.capital, Start: true}.Decide(d)
	if err != nil && d.State().Treasury(domain.WalletHot).Less(c.capital) {
		err = fmt.Errorf("%w, or pass --bot-capital 0", err)
	}
	if err != nil {
		return &botError{c.bot, err}
	}
	return nil
}

// botError: the row's bot cannot be registered, which is no fault of the row's.
type botError struct {
	bot string
	err error
}

func (e *botError) Error() string { return fmt.Sprintf("bot %s is new, and its %v", e.bot, e.err) }
func (e *botError) Unwrap() error { return e.err }

// commandOf translates a row; an empty rebate is no command.
func (r *run) commandOf(row *tradefile.Row) commands.Command {
	if row.Rebate != nil && row.Rebate.Amount.IsZero() {
		return nil
	}
	c := rowCommand{capital: r.botCapital}
	switch {
	case row.Fill != nil:
		f := row.Fill
		c.bot, c.market, c.kind = f.Bot, f.Market, f.Kind
		c.PortfolioCommand = commands.RecordFill{
			FillID:     domain.FillID{Bot: f.Bot, Venue: f.Venue, TradeID: f.TradeID},
			Instrument: domain.Instrument{Market: f.Market, Outcome: f.Outcome},
			Side:       f.Side, Quantity: f.Quantity, Price: f.Price, Notional: f.Notional, Fee: f.Fee,
		}
	case row.Settlement != nil:
		s := row.Settlement
		c.bot = s.Bot
		c.PortfolioCommand = commands.SettleMarket{Instrument: domain.Instrument{Market: s.Market, Outcome: s.Outcome}, Payout: s.Payout, Bot: s.Bot}
	case row.Trade != nil:
		t := row.Trade
		c.bot = t.Bot
		c.PortfolioCommand = commands.RecordTrade{Bot: t.Bot, Market: t.Market, PnL: t.PnL, Fee: t.Fee, TradeID: t.TradeID}
	case row.Redeem != nil:
		d := row.Redeem
		c.bot = d.Bot
		c.PortfolioCommand = commands.RedeemPosition{Bot: d.Bot, Market: d.Market, Quantity: d.Quantity, Cash: d.Cash}
	default:
		c.bot = row.Rebate.Bot
		c.PortfolioCommand = commands.RecordFee{Bot: row.Rebate.Bot, Amount: row.Rebate.Amount, Kind: domain.FeeRebate}
	}
	return c
}
