package commands

import (
	"time"

	"pets/domain"
	"pets/domain/portfolio"
)

// RecordTrade reports a closed trade of a bot that only knows results.
type RecordTrade struct {
	Bot         string         `json:"bot"`
	Market      string         `json:"market"`
	PnL         domain.Decimal `json:"pnl"`          // net of fees
	Fee         domain.Decimal `json:"fee,omitzero"` // how much of it was fees
	TradeID     string         `json:"trade_id"`
	EffectiveAt *time.Time     `json:"effective_at,omitempty"`
}

// Name implements Command.
func (RecordTrade) Name() string { return "record_trade" }

// Roles implements Command.
func (RecordTrade) Roles() []domain.Role {
	return []domain.Role{domain.RoleBot, domain.RoleOperator, domain.RoleAdmin}
}

// Actor implements Command.
func (c RecordTrade) Actor() string { return c.Bot }

// Decide implements Command.
func (c RecordTrade) Decide(d *portfolio.Decision) error {
	return d.RecordTrade(&domain.TradeClosed{
		Bot: c.Bot, Instrument: domain.Instrument{Market: c.Market}, TradeFigures: domain.TradeFigures{PnL: c.PnL, Fee: c.Fee},
		TradeID: c.TradeID, EffectiveAt: c.EffectiveAt,
	})
}
