package domain

import (
	"encoding/json"
	"time"
)

// Kinds of transfers (section 8).
const (
	TransferInternal   = "internal"   // between hot and cold, asked for by a person
	TransferRebalance  = "rebalance"  // between hot and cold, proposed by the engine
	TransferWithdrawal = "withdrawal" // to an address of the book
	TransferSweep      = "sweep"      // everything out of the hot wallet, after a breach
)

// PlaceExternal is where a withdrawal goes.
const PlaceExternal = "external"

// Payment is a transfer of money in a person's words. What is approved is its
// hash; what is signed has to say the same.
type Payment struct {
	// Chain is a CAIP-2 id, AssetID a CAIP-19 id, From and To are in EIP-55.
	Chain   string  `json:"chain"`
	AssetID string  `json:"asset_id"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Amount  Decimal `json:"amount"`
	// HighestFee is the most that may be paid for all of it, in the chain's coin.
	HighestFee Decimal `json:"highest_fee"`
}

// TransferRequested is somebody's, or the engine's, wish to move money. Nothing
// has moved.
type TransferRequested struct {
	// Transfer names it: x<revision of this event>.
	Transfer string `json:"transfer"`
	Kind     string `json:"kind"`
	// Wallet sends; FromPlace and ToPlace are hot, cold or external.
	Wallet    string `json:"wallet"`
	FromPlace string `json:"from_place"`
	ToPlace   string `json:"to_place"`
	// Asset is its name in the ledger, GasAsset that of the chain's coin.
	Asset    string `json:"asset"`
	GasAsset string `json:"gas_asset"`
	Payment
	Reason string `json:"reason"`
	User   string `json:"user"`
	// Hash is what an approval is bound to.
	Hash string `json:"hash"`
	// ApprovalFor says why it needs a second person; empty for not.
	ApprovalFor []string `json:"approval_for,omitempty"`
	// ExpiresAt is when it is over unless it is prepared before.
	ExpiresAt time.Time `json:"expires_at"`
	// Rebalance explains a proposal.
	Rebalance *Rebalance `json:"rebalance,omitempty"`
}

// Rebalance has every number that a proposal rests on, in base asset.
type Rebalance struct {
	Hot       Decimal `json:"hot"`       // cash in the hot wallet, and positions at cost
	HotCash   Decimal `json:"hot_cash"`  // of it, cash
	Deployed  Decimal `json:"deployed"`  // of it, positions at cost
	Cold      Decimal `json:"cold"`      // in the cold wallet
	Transit   Decimal `json:"transit"`   // on its way
	Total     Decimal `json:"total"`     // all of them
	Share     Decimal `json:"share"`     // hot ÷ total
	Target    Decimal `json:"target"`    // hot_wallet_percentage × total
	Low       Decimal `json:"low"`       // 0.8 × target: below it money comes from cold
	High      Decimal `json:"high"`      // min(1.2 × target, 0.20 × total): above it money goes to cold
	GoesTo    Decimal `json:"goes_to"`   // what hot is to be afterwards
	Available Decimal `json:"available"` // what the sending wallet can give
	Smallest  Decimal `json:"smallest"`  // min_rebalance_usd
}

// TransferApproved: the second person agreed to exactly this hash.
type TransferApproved struct {
	Transfer string `json:"transfer"`
	Hash     string `json:"hash"`
	User     string `json:"user"`
}

// TransferRejected ends one that nothing was sent of.
type TransferRejected struct {
	Transfer string `json:"transfer"`
	User     string `json:"user"`
	Reason   string `json:"reason"`
}

// TransferExpired: nobody approved it, or it was not prepared, in time.
type TransferExpired struct {
	Transfer string `json:"transfer"`
}

// TransferPrepared has the transaction with its nonce and fees, before anything is
// signed. It uses the approval up.
type TransferPrepared struct {
	Transfer string `json:"transfer"`
	// Transaction is what internal/chain made of the payment; Digest what gets
	// signed of it, in hex.
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
}

// TransferSigned says which transaction the signature makes, before it is sent.
type TransferSigned struct {
	Transfer string `json:"transfer"`
	Digest   string `json:"digest"`
	TxHash   string `json:"tx_hash"`
	// Raw are the signed bytes of a cold wallet, which nobody here could sign anew.
	// A hot wallet's are made again: the same digest gets the same signature.
	Raw string `json:"raw,omitempty"`
}

// TransferBroadcast: the transaction may be on its way from now on. The money is in
// transit.
type TransferBroadcast struct {
	Transfer string `json:"transfer"`
	TxHash   string `json:"tx_hash"`
}

// TransferRepriced replaces a stuck transaction by one with a higher fee: same
// nonce, recipient and amount, within the approved fee.
type TransferRepriced struct {
	Transfer    string          `json:"transfer"`
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
}

// TransferConfirmed: the money has arrived, for good.
type TransferConfirmed struct {
	Transfer string  `json:"transfer"`
	TxHash   string  `json:"tx_hash"`
	Block    uint64  `json:"block"`
	Fee      Decimal `json:"fee"` // in the chain's coin
}

// Why a transfer failed.
const (
	FailedReverted = "reverted"  // it is on the chain, and nothing moved but the fee
	FailedReplaced = "replaced"  // another transaction used its nonce
	FailedRefused  = "refused"   // it would fail, or cannot be paid: nothing was sent
	FailedNotMoved = "not_moved" // it is on the chain, and the token did not move
	FailedByHand   = "by_hand"   // two people say so
)

// TransferFailed: the money is where it was, less the fee.
type TransferFailed struct {
	Transfer string  `json:"transfer"`
	Code     string  `json:"code"`
	Detail   string  `json:"detail,omitempty"`
	TxHash   string  `json:"tx_hash,omitempty"`
	Fee      Decimal `json:"fee,omitzero"` // in the chain's coin
}

// BalanceReconciled reconciles the ledger with the chain. A difference stops outgoing
// transfers until it is explained.
type BalanceReconciled struct {
	Block     uint64               `json:"block"`
	BlockTime time.Time            `json:"block_time"`
	Lines     []ReconciliationLine `json:"lines"`
}

// ReconciliationLine is one asset in one place.
type ReconciliationLine struct {
	Place string `json:"place"`
	Asset string `json:"asset"`
	// Wallets are those of the place, with what the chain says each of them holds.
	Wallets []WalletReading `json:"wallets"`
	Ledger  Decimal         `json:"ledger"`
	// InTransit is what the ledger has on its way from there: the chain may, or may
	// not yet, have taken it off.
	InTransit Decimal `json:"in_transit,omitzero"`
	Chain     Decimal `json:"chain"`
	// Difference is chain − (ledger and what moves within the place) where no reading
	// agrees, else 0.
	Difference Decimal `json:"difference,omitzero"`
	// Skipped says why the line was not judged.
	Skipped string `json:"skipped,omitempty"`
}

// WalletReading is what the chain says one wallet holds of a line's asset.
type WalletReading struct {
	Wallet string  `json:"wallet"`
	Amount Decimal `json:"amount"`
}

// TreasuryPolicyChanged replaces the treasury's rules.
type TreasuryPolicyChanged struct {
	Policy TreasuryPolicy `json:"policy"`
	Reason string         `json:"reason"`
}

// TransferName names the transfer that a record requested: x and the revision.
func TransferName(revision uint64) string { return recordName("x", revision) }

// Event types of this file.
const (
	TransferRequestedType     = "transfer.requested.v1"
	TransferApprovedType      = "transfer.approved.v1"
	TransferRejectedType      = "transfer.rejected.v1"
	TransferExpiredType       = "transfer.expired.v1"
	TransferPreparedType      = "transfer.prepared.v1"
	TransferSignedType        = "transfer.signed.v1"
	TransferBroadcastType     = "transfer.broadcast.v1"
	TransferRepricedType      = "transfer.repriced.v1"
	TransferConfirmedType     = "transfer.confirmed.v1"
	TransferFailedType        = "transfer.failed.v1"
	BalanceReconciledType     = "balance.reconciled.v1"
	TreasuryPolicyChangedType = "treasury_policy.changed.v1"
)

// EventType implements Event.
func (e *TransferRequested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferApproved) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferRejected) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferExpired) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferPrepared) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferSigned) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferBroadcast) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferRepriced) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferConfirmed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferFailed) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *BalanceReconciled) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TreasuryPolicyChanged) EventType() string { return typeOf(e) }
