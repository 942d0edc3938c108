package importer

import (
	"pets/commands"
	"pets/domain"
	"pets/internal/tradefile"
)

// commandOf translates a row into a command. An empty rebate has none.
func (r *run) commandOf(row *tradefile.Row) commands.Command {
	if row.Rebate != nil && row.Rebate.Amount.IsZero() {
		return nil
	}
	c := commands.ImportRow{Newcomers: commands.Newcomers{Capital: r.botCapital}}
	switch {
	case row.Movement != nil:
		return movementOf(row.Movement)
	case row.Market != nil:
		m := row.Market
		return commands.RegisterMarket{Market: m.Market, Kind: m.Kind, Outcomes: m.Outcomes, Category: m.Category, Exclusive: m.Exclusive}
	case row.Sets != nil:
		s := row.Sets
		c.Bot = s.Bot
		c.PortfolioCommand = commands.ChangeSets{Bot: s.Bot, Market: s.Market, Action: s.Action, Quantity: s.Quantity, Fee: s.Fee, SetID: s.SetID}
	case row.Funding != nil:
		f := row.Funding
		c.Bot, c.Market, c.Kind = f.Bot, f.Market, f.Kind
		c.PortfolioCommand = commands.RecordFunding{
			Bot: f.Bot, Instrument: domain.Instrument{Market: f.Market, Outcome: f.Outcome}, Amount: f.Amount, FundingID: f.FundingID,
		}
	case row.Fee != nil:
		c.Bot = row.Fee.Bot
		c.PortfolioCommand = commands.RecordFee{Bot: row.Fee.Bot, Amount: row.Fee.Amount, Kind: row.Fee.Kind}
	case row.Fill != nil:
		f := row.Fill
		c.Bot, c.Market, c.Kind = f.Bot, f.Market, f.Kind
		c.PortfolioCommand = commands.RecordFill{
			FillID:     domain.FillID{Bot: f.Bot, Venue: f.Venue, TradeID: f.TradeID},
			Instrument: domain.Instrument{Market: f.Market, Outcome: f.Outcome},
			Side:       f.Side, Quantity: f.Quantity, Price: f.Price, Notional: f.Notional, Fee: f.Fee, FeeAsset: f.FeeAsset,
		}
	case row.Settlement != nil:
		s := row.Settlement
		c.Bot, c.Payouts = s.Bot, s.Together
		c.PortfolioCommand = commands.SettleMarket{Instrument: domain.Instrument{Market: s.Market, Outcome: s.Outcome}, Payout: s.Payout, Bot: s.Bot, Void: s.Void}
	case row.Trade != nil:
		t := row.Trade
		c.Bot = t.Bot
		c.PortfolioCommand = commands.RecordTrade{Bot: t.Bot, Market: t.Market, PnL: t.PnL, Fee: t.Fee, TradeID: t.TradeID}
	case row.Redeem != nil:
		d := row.Redeem
		c.Bot = d.Bot
		c.PortfolioCommand = commands.RedeemPosition{Bot: d.Bot, Market: d.Market, Quantity: d.Quantity, Cash: d.Cash}
	default:
		c.Bot = row.Rebate.Bot
		c.PortfolioCommand = commands.RecordFee{Bot: row.Rebate.Bot, Amount: row.Rebate.Amount, Kind: domain.FeeRebate}
	}
	return c
}

// movementOf translates money of the treasury, which names no bot.
func movementOf(m *tradefile.Movement) commands.Command {
	if m.Withdrawal {
		return commands.RecordWithdrawal{Wallet: m.Wallet, Asset: m.Asset, Amount: m.Amount, Tx: m.Tx, Leg: m.Leg}
	}
	return commands.RecordDeposit{Wallet: m.Wallet, Asset: m.Asset, Amount: m.Amount, Tx: m.Tx, Leg: m.Leg}
}
