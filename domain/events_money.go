package domain

// Wallets that a deposit can go to.
const (
	WalletHot  = "hot"
	WalletCold = "cold"
)

// DepositRecorded records that money came in from outside. It is a flow of the
// portfolio.
type DepositRecorded struct {
	Wallet string  `json:"wallet"`
	Asset  string  `json:"asset"`
	Amount Decimal `json:"amount"`
	Tx     string  `json:"tx,omitempty"`
	// Leg tells apart movements of one asset in one transaction.
	Leg int `json:"leg,omitempty"`
}

// WithdrawalRecorded records that money went out. It is a flow of the portfolio.
type WithdrawalRecorded struct {
	Wallet string  `json:"wallet"`
	Asset  string  `json:"asset"`
	Amount Decimal `json:"amount"`
	Tx     string  `json:"tx,omitempty"`
	// Leg tells apart movements of one asset in one transaction.
	Leg int `json:"leg,omitempty"`
}

// Kinds of fees.
const (
	FeeTrading = "trading" // expense:fees/<bot>
	FeeGas     = "gas"     // expense:gas, in the gas asset
	FeeRebate  = "rebate"  // income:rebates/<bot>
)

// FeeRecorded records a fee or a rebate that belongs to no fill. It counts as
// performance, not as a flow. Amount is positive for all kinds. Without a bot it
// belongs to the treasury.
type FeeRecorded struct {
	Bot    string  `json:"bot,omitempty"`
	Asset  string  `json:"asset"`
	Amount Decimal `json:"amount"`
	Kind   string  `json:"kind"`
}

// AdjustmentPosted corrects one asset account against the adjustment account, for
// a reason that a person gives. It counts as performance, not as a flow.
type AdjustmentPosted struct {
	// Account is hot:treasury, cold:treasury or hot:bot/<id>.
	Account string  `json:"account"`
	Asset   string  `json:"asset"`
	Amount  Decimal `json:"amount"`
	Reason  string  `json:"reason"`
	// Flow reports that it corrects the deposit or withdrawal that revision Of
	// recorded: it counts as a flow.
	Flow bool    `json:"flow,omitempty"`
	Of   *uint64 `json:"of,omitempty"`
	// Override names the override by which two people agreed to it, in a live portfolio.
	// It is the record before this one.
	Override string `json:"override,omitempty"`
}

// The event types of this file.
const (
	DepositRecordedType    = "deposit.recorded.v1"
	WithdrawalRecordedType = "withdrawal.recorded.v1"
	FeeRecordedType        = "fee.recorded.v1"
	AdjustmentPostedType   = "adjustment.posted.v1"
)

// EventType implements Event.
func (e *DepositRecorded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *WithdrawalRecorded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *FeeRecorded) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *AdjustmentPosted) EventType() string { return typeOf(e) }
