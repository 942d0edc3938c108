package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// RecordFill reports that an order was filled, wholly or in part.
type RecordFill portfolio.FillReport

func (RecordFill) spec() *Spec { return recordFill }

// Decide implements PortfolioCommand.
func (c RecordFill) Decide(d *portfolio.Decision) error {
	return d.RecordFill(portfolio.FillReport(c))
}

// ConfirmFill makes a provisional fill final.
type ConfirmFill struct {
	domain.FillID
	// Market is a part of the identity under the second edition of the rules. It is needed
	// where the id is unknown, or that of fills of several markets.
	Market string `json:"market,omitempty"`
}

func (ConfirmFill) spec() *Spec { return confirmFill }

// Decide implements PortfolioCommand.
func (c ConfirmFill) Decide(d *portfolio.Decision) error {
	return d.ConfirmFill(c.FillID, c.Market)
}

// VoidFill reverses a provisional fill, as if it had never been recorded.
type VoidFill struct {
	domain.FillID
	// Market is a part of the identity under the second edition of the rules. It is needed
	// where the id is unknown, or that of fills of several markets.
	Market string `json:"market,omitempty"`
}

func (VoidFill) spec() *Spec { return voidFill }

// Decide implements PortfolioCommand.
func (c VoidFill) Decide(d *portfolio.Decision) error {
	return d.VoidFill(c.FillID, c.Market)
}

// RecordTrade reports a closed trade, for a bot that reports only results.
type RecordTrade struct {
	Bot         string         `json:"bot"`
	Market      string         `json:"market"`
	PnL         domain.Decimal `json:"pnl"`          // net of fees
	Fee         domain.Decimal `json:"fee,omitzero"` // how much of it was fees
	TradeID     string         `json:"trade_id"`
	EffectiveAt *time.Time     `json:"effective_at,omitempty"`
}

func (RecordTrade) spec() *Spec { return recordTrade }

// Decide implements PortfolioCommand.
func (c RecordTrade) Decide(d *portfolio.Decision) error {
	return d.RecordTrade(&domain.TradeClosed{
		Bot: c.Bot, Instrument: domain.Instrument{Market: c.Market}, TradeFigures: domain.TradeFigures{PnL: c.PnL, Fee: c.Fee},
		TradeID: c.TradeID, EffectiveAt: c.EffectiveAt,
	})
}

// RecordFunding reports what holding a position brought (positive) or cost.
type RecordFunding struct {
	Bot string `json:"bot"`
	domain.Instrument
	Amount    domain.Decimal `json:"amount"`
	FundingID string         `json:"funding_id"`
}

func (RecordFunding) spec() *Spec { return recordFunding }

// Decide implements PortfolioCommand.
func (c RecordFunding) Decide(d *portfolio.Decision) error {
	return d.RecordFunding(&domain.FundingRecorded{Bot: c.Bot, Instrument: c.Instrument, Amount: c.Amount, FundingID: c.FundingID})
}
