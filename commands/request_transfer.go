package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RequestTransfer asks for money to be moved: nothing moves before it is approved where it needs to
// be, prepared, signed and sent.
type RequestTransfer struct {
	// From is hot, cold or the name of a wallet; To one of these, or an address of the
	// book.
	From   string         `json:"from"`
	To     string         `json:"to"`
	Asset  string         `json:"asset,omitempty"` // the base asset by default
	Amount domain.Decimal `json:"amount,omitzero"` // needed but for a sweep
	// HighestFee is the most that may be paid for it, in the chain's coin; the policy's
	// max_transfer_fee by default.
	HighestFee domain.Decimal `json:"highest_fee,omitzero"`
	Reason     string         `json:"reason"`
	// Sweep empties the hot wallet in an emergency stop.
	Sweep bool `json:"sweep,omitempty"`
}

// Name implements Command.
func (RequestTransfer) Name() string { return "request_transfer" }

// Roles implements Command.
func (RequestTransfer) Roles() []domain.Role { return operators }

// Actor implements Command.
func (RequestTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c RequestTransfer) Decide(d *portfolio.Decision) error {
	return d.RequestTransfer(portfolio.TransferRequest{
		From: c.From, To: c.To, Asset: c.Asset, Amount: c.Amount, HighestFee: c.HighestFee, Reason: c.Reason, Sweep: c.Sweep,
	})
}
