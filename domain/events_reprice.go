package domain

import "time"

// The events that free a transfer that stands still, or whose recorded end is not what
// the chain has.

// TransferReopened takes back the recorded end of a transfer, because the chain does not
// have it: a reorganisation removed it, or two people recorded an outcome that never was.
// The postings of that end are reversed, its fee included. The transfer is on its way
// again, and ends as the chain decides.
type TransferReopened struct {
	Transfer string `json:"transfer"`
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"`
	// Block is the newest block at which the chain was asked.
	Block uint64 `json:"block"`
}

// The reasons why a transfer is reopened.
const (
	// ReopenedUnused: no transaction has used its nonce.
	ReopenedUnused = "nonce_unused"
	// ReopenedOtherwise: its nonce was used, with another outcome than the recorded one.
	ReopenedOtherwise = "other_outcome"
)

// TransferRaiseRequested asks for a higher fee for a transfer. Nothing changes before
// another user has approved the new hash.
type TransferRaiseRequested struct {
	Transfer string `json:"transfer"`
	// HighestFee is the new largest total fee, in the chain's coin.
	HighestFee Decimal `json:"highest_fee"`
	// Hash is what the new approval is bound to: that of the transfer with this fee.
	Hash   string `json:"hash"`
	User   string `json:"user"`
	Reason string `json:"reason"`
	// ExpiresAt is when the request lapses unless it is approved before.
	ExpiresAt time.Time `json:"expires_at"`
}

// TransferCancelRequested asks for a transfer to be cancelled: a transaction with its
// nonce that pays nothing to the wallet itself. The chain decides which one it takes.
type TransferCancelRequested struct {
	Transfer string `json:"transfer"`
	// AssetID is the chain's coin, of which 0 is paid. HighestFee is the largest total fee
	// of the cancelling transaction, in that coin.
	AssetID    string  `json:"asset_id"`
	HighestFee Decimal `json:"highest_fee"`
	// Hash is that of the cancelling payment, for the file that a cold wallet signs.
	Hash   string `json:"hash"`
	User   string `json:"user"`
	Reason string `json:"reason"`
}

// TransferCancel is the kind that the hash of a cancelling payment names. No transfer has
// it.
const TransferCancel = "cancel"

// The event types of this file.
const (
	TransferReopenedType        = "transfer.reopened.v1"
	TransferRaiseRequestedType  = "transfer.raise_requested.v1"
	TransferCancelRequestedType = "transfer.cancel_requested.v1"
)

// EventType implements Event.
func (e *TransferReopened) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferRaiseRequested) EventType() string { return typeOf(e) }

// EventType implements Event.
func (e *TransferCancelRequested) EventType() string { return typeOf(e) }
