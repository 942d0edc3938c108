package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// RecordDeposit records money that came in.
type RecordDeposit struct {
	Wallet string         `json:"wallet"`          // hot or cold
	Asset  string         `json:"asset,omitempty"` // the base asset by default
	Amount domain.Decimal `json:"amount"`
	Tx     string         `json:"tx,omitempty"`
	Leg    int            `json:"leg,omitempty"` // tells apart movements of one transaction
}

func (RecordDeposit) spec() *Spec { return recordDeposit }

// Decide implements PortfolioCommand.
func (c RecordDeposit) Decide(d *portfolio.Decision) error {
	return d.Deposit(&domain.DepositRecorded{Wallet: c.Wallet, Asset: c.Asset, Amount: c.Amount, Tx: c.Tx, Leg: c.Leg})
}

// RecordWithdrawal records money that went out.
type RecordWithdrawal struct {
	Wallet string         `json:"wallet"`          // hot or cold
	Asset  string         `json:"asset,omitempty"` // the base asset by default
	Amount domain.Decimal `json:"amount"`
	Tx     string         `json:"tx,omitempty"`
	Leg    int            `json:"leg,omitempty"` // tells apart movements of one transaction
}

func (RecordWithdrawal) spec() *Spec { return recordWithdrawal }

// Decide implements PortfolioCommand.
func (c RecordWithdrawal) Decide(d *portfolio.Decision) error {
	return d.Withdraw(&domain.WithdrawalRecorded{Wallet: c.Wallet, Asset: c.Asset, Amount: c.Amount, Tx: c.Tx, Leg: c.Leg})
}

// RecordFee records a fee, or a rebate, that belongs to no fill.
type RecordFee struct {
	Bot    string         `json:"bot,omitempty"`
	Asset  string         `json:"asset,omitempty"`
	Amount domain.Decimal `json:"amount"`
	Kind   string         `json:"kind"` // trading, gas or rebate
}

func (RecordFee) spec() *Spec { return recordFee }

// Decide implements PortfolioCommand.
func (c RecordFee) Decide(d *portfolio.Decision) error {
	return d.RecordFee(&domain.FeeRecorded{Bot: c.Bot, Asset: c.Asset, Amount: c.Amount, Kind: c.Kind})
}

// PostAdjustment corrects an asset account by hand, with a reason.
type PostAdjustment struct {
	Account string         `json:"account"` // hot:treasury, cold:treasury or hot:bot/<id>
	Asset   string         `json:"asset,omitempty"`
	Amount  domain.Decimal `json:"amount"`
	Reason  string         `json:"reason"`
	// Flow: it corrects the deposit or withdrawal that revision Of recorded, and counts as
	// a flow. All such corrections together are at most its amount.
	Flow bool    `json:"flow,omitempty"`
	Of   *uint64 `json:"of,omitempty"`
}

func (PostAdjustment) spec() *Spec { return postAdjustment }

// Decide implements PortfolioCommand.
func (c PostAdjustment) Decide(d *portfolio.Decision) error {
	return d.Adjust(&domain.AdjustmentPosted{Account: c.Account, Asset: c.Asset, Amount: c.Amount, Reason: c.Reason, Flow: c.Flow, Of: c.Of})
}

// AllocateCapital moves base asset from hot:treasury to a bot, or back if the amount is negative.
type AllocateCapital struct {
	Bot    string         `json:"bot"`
	Amount domain.Decimal `json:"amount"`
}

func (AllocateCapital) spec() *Spec { return allocateCapital }

// Decide implements PortfolioCommand.
func (c AllocateCapital) Decide(d *portfolio.Decision) error {
	return d.Allocate(c.Bot, c.Amount)
}
