package domain

import (
	"encoding/json"
	"time"
)

// The kinds of transfers.
const (
	TransferInternal   = "internal"   // between hot and cold, requested by a person
	TransferRebalance  = "rebalance"  // between hot and cold, proposed by the engine
	TransferWithdrawal = "withdrawal" // to an address of the address book
	TransferSweep      = "sweep"      // everything out of a hot wallet, after a breach
	TransferEvacuation = "evacuation" // out of a cold wallet whose words may have leaked
)

// PlaceExternal is the destination of a withdrawal.
const PlaceExternal = "external"

// Payment describes a transfer of money in a form that people can read. An
// approval is bound to its hash, and the signed transaction has to match it.
type Payment struct {
	// Chain is a CAIP-2 id, AssetID a CAIP-19 id, From and To are in EIP-55.
	Chain   string  `json:"chain"`
	AssetID string  `json:"asset_id"`
	From    string  `json:"from"`
	To      string  `json:"to"`
	Amount  Decimal `json:"amount"`
	// HighestFee is the largest total fee, in the chain's coin.
	HighestFee Decimal `json:"highest_fee"`
}

// TransferRequested records a request, by a person or the engine, to move money.
// Nothing has moved yet.
type TransferRequested struct {
	// Transfer is the name of the transfer: x<revision of this event>.
	Transfer string `json:"transfer"`
	Kind     string `json:"kind"`
	// Wallet is the sending wallet. FromPlace and ToPlace are hot, cold or
	// external.
	Wallet    string `json:"wallet"`
	FromPlace string `json:"from_place"`
	ToPlace   string `json:"to_place"`
	// Asset is the asset's name in the ledger. GasAsset is the name of the
	// chain's coin.
	Asset    string `json:"asset"`
	GasAsset string `json:"gas_asset"`
	Payment
	Reason string `json:"reason"`
	User   string `json:"user"`
	// Hash is the hash that an approval is bound to.
	Hash string `json:"hash"`
	// ApprovalFor says why a second person has to approve the transfer, or is
	// empty.
	ApprovalFor []string `json:"approval_for,omitempty"`
	// ToName is what people call the recipient: the name of the wallet, or its label in the
	// address book. ToSince is since when it has been known here. Requests of older builds
	// lack both.
	ToName  string    `json:"to_name,omitempty"`
	ToSince time.Time `json:"to_since,omitzero"`
	// Approvals is how many people have to approve it, if that is more than one.
	Approvals int `json:"approvals,omitempty"`
	// ExpiresAt is when the transfer expires unless it is prepared before.
	ExpiresAt time.Time `json:"expires_at"`
	// Rebalance holds the figures of a proposal by the engine.
	Rebalance *Rebalance `json:"rebalance,omitempty"`
}

// Rebalance holds every figure that a proposal is based on, in base asset.
type Rebalance struct {
	Hot       Decimal `json:"hot"`       // cash in the hot wallet, and positions at cost
	HotCash   Decimal `json:"hot_cash"`  // the part that is cash
	Deployed  Decimal `json:"deployed"`  // the part that is positions, at cost
	Cold      Decimal `json:"cold"`      // in the cold wallet
	Transit   Decimal `json:"transit"`   // in transit
	Total     Decimal `json:"total"`     // sum of the above
	Share     Decimal `json:"share"`     // hot ÷ total
	Target    Decimal `json:"target"`    // hot_wallet_percentage × total
	Low       Decimal `json:"low"`       // 0.8 × target: below it money comes from cold
	High      Decimal `json:"high"`      // min(1.2 × target, 0.20 × total): above it money goes to cold
	GoesTo    Decimal `json:"goes_to"`   // hot value after the transfer
	Available Decimal `json:"available"` // what the sending wallet can give
	Smallest  Decimal `json:"smallest"`  // min_rebalance_usd
}

// TransferApproved records that a person other than the one who asked approved exactly this
// hash. A transfer that needs two approvers has two of these.
type TransferApproved struct {
	Transfer string `json:"transfer"`
	Hash     string `json:"hash"`
	User     string `json:"user"`
	// Signature is User's over what was shown, in a portfolio with signed approvals.
	Signature *ApprovalSignature `json:"signature,omitempty"`
	// First: of two approvals it is the first once more, because the earlier one does not
	// count any more.
	First bool `json:"first,omitempty"`
}

// TransferRejected ends a transfer of which nothing was sent.
type TransferRejected struct {
	Transfer string `json:"transfer"`
	User     string `json:"user"`
	Reason   string `json:"reason"`
	// NotSigned: the user says that the prepared transaction of a cold wallet was never
	// signed.
	NotSigned bool `json:"not_signed,omitempty"`
}

// TransferExpired records that a transfer was not approved or not prepared in
// time.
type TransferExpired struct {
	Transfer string `json:"transfer"`
}

// TransferPrepared holds the transaction with its nonce and fees, before anything
// is signed. It uses up the approval.
type TransferPrepared struct {
	Transfer string `json:"transfer"`
	// Transaction is the transaction that internal/chain built for the payment.
	// Digest is the value to be signed, in hex.
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
}

// TransferSigned records the hash of the signed transaction, before it is sent.
type TransferSigned struct {
	Transfer string `json:"transfer"`
	Digest   string `json:"digest"`
	TxHash   string `json:"tx_hash"`
	// Raw holds the signed bytes of a cold wallet, which the server cannot sign
	// again. The signature of a hot wallet is not stored: signing the same digest
	// gives the same signature.
	Raw string `json:"raw,omitempty"`
}

// TransferBroadcast records that the transaction may be on its way. The money
// counts as in transit from now on.
type TransferBroadcast struct {
	Transfer string `json:"transfer"`
	TxHash   string `json:"tx_hash"`
}

// TransferRepriced replaces a stuck transaction by one with a higher fee and the
// same nonce, recipient and amount, within the approved fee; or, if it was to be
// cancelled, by one with the same nonce that pays nothing to the wallet itself.
type TransferRepriced struct {
	Transfer    string          `json:"transfer"`
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
	Cancel      bool            `json:"cancel,omitempty"`
}

// TransferConfirmed records that the money has arrived and the block is final.
type TransferConfirmed struct {
	Transfer string  `json:"transfer"`
	TxHash   string  `json:"tx_hash"`
	Block    uint64  `json:"block"`
	Fee      Decimal `json:"fee"` // in the chain's coin
}

// The reasons why a transfer failed.
const (
	FailedReverted = "reverted"  // the transaction is on the chain, but moved nothing except the fee
	FailedReplaced = "replaced"  // another transaction used its nonce
	FailedRefused  = "refused"   // it would fail, or cannot be paid for: nothing was sent
	FailedNotMoved = "not_moved" // the transaction is on the chain, but the token did not move
	FailedByHand   = "by_hand"   // two people declared it failed
	FailedCancel   = "cancelled" // the transaction that cancels it used its nonce
)

// TransferFailed records that the money stayed where it was, less the fee.
type TransferFailed struct {
	Transfer string `json:"transfer"`
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"`
	TxHash   string `json:"tx_hash,omitempty"`
	// Block is the block of that transaction, if there is one. Older builds did not record
	// it.
	Block uint64  `json:"block,omitempty"`
	Fee   Decimal `json:"fee,omitzero"` // in the chain's coin
}

// BalanceReconciled records a comparison of the ledger with the chain. A
// difference blocks outgoing transfers until it is explained.
type BalanceReconciled struct {
	Block     uint64               `json:"block"`
	BlockTime time.Time            `json:"block_time"`
	Lines     []ReconciliationLine `json:"lines"`
}

// ReconciliationLine is the comparison for one asset in one place.
type ReconciliationLine struct {
	Place string `json:"place"`
	Asset string `json:"asset"`
	// Wallets are the wallets of the place, with the balance that the chain
	// reports for each.
	Wallets []WalletReading `json:"wallets"`
	Ledger  Decimal         `json:"ledger"`
	// InTransit is what the ledger has in transit from the place. The chain may
	// or may not have deducted it yet.
	InTransit Decimal `json:"in_transit,omitzero"`
	Chain     Decimal `json:"chain"`
	// Difference is chain − (ledger and transfers within the place) if no reading
	// agrees, else 0.
	Difference Decimal `json:"difference,omitzero"`
	// Skipped says why the line was not compared.
	Skipped string `json:"skipped,omitempty"`
}

// WalletReading is one wallet's balance of a line's asset, as the chain reports
// it.
type WalletReading struct {
	Wallet string  `json:"wallet"`
	Amount Decimal `json:"amount"`
}

// TreasuryPolicyChanged replaces the treasury's rules.
type TreasuryPolicyChanged struct {
	Policy TreasuryPolicy `json:"policy"`
	Reason string         `json:"reason"`
}

// TransferName returns the name of the transfer that a record requested: x and
// the revision.
func TransferName(revision uint64) string { return recordName("x", revision) }

// The event types of this file.
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
