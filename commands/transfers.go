package commands

import (
	"encoding/json"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// RequestTransfer asks for a transfer. No money moves before the transfer is approved, if it needs
// approval, prepared, signed and sent.
type RequestTransfer portfolio.TransferRequest

func (RequestTransfer) spec() *Spec { return requestTransfer }

// Decide implements PortfolioCommand.
func (c RequestTransfer) Decide(d *portfolio.Decision) error {
	return d.RequestTransfer(portfolio.TransferRequest(c))
}

// ApproveTransfer is the second person's approval of a transfer, bound to its hash.
type ApproveTransfer struct {
	Transfer string `json:"transfer"`
	Hash     string `json:"hash"`
	// Signature is the approver's over what stands to be approved.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
}

func (ApproveTransfer) spec() *Spec { return approveTransfer }

// Decide implements PortfolioCommand.
func (c ApproveTransfer) Decide(d *portfolio.Decision) error {
	d.SignedWith(c.Signature)
	return d.ApproveTransfer(c.Transfer, c.Hash)
}

// RejectTransfer ends a transfer that was not sent.
type RejectTransfer struct {
	Transfer string `json:"transfer"`
	Reason   string `json:"reason"`
	// Signed says whether the prepared transaction of a cold wallet was signed on the
	// machine with the key. Only for such a transfer it has to be said.
	Signed *bool `json:"signed,omitempty"`
}

func (RejectTransfer) spec() *Spec { return rejectTransfer }

// Decide implements PortfolioCommand.
func (c RejectTransfer) Decide(d *portfolio.Decision) error {
	if c.Signed != nil && !*c.Signed {
		return d.RejectUnsigned(c.Transfer, c.Reason)
	}
	return d.RejectTransfer(c.Transfer, c.Reason)
}

// RaiseFee asks for a higher fee for an approved transfer. Another user has to approve it,
// by the new hash.
type RaiseFee struct {
	Transfer string `json:"transfer"`
	// HighestFee is the new largest total fee, in the chain's coin.
	HighestFee domain.Decimal `json:"highest_fee"`
	Reason     string         `json:"reason"`
}

func (RaiseFee) spec() *Spec { return raiseFee }

// Decide implements PortfolioCommand.
func (c RaiseFee) Decide(d *portfolio.Decision) error {
	return d.RequestRaise(c.Transfer, c.HighestFee, c.Reason)
}

// CancelTransfer asks for a transfer that holds a nonce to be cancelled, by a transaction
// of the wallet to itself with that nonce.
type CancelTransfer struct {
	Transfer string `json:"transfer"`
	// HighestFee is the most that this may cost, in the chain's coin; max_transfer_fee by
	// default.
	HighestFee domain.Decimal `json:"highest_fee,omitzero"`
	Reason     string         `json:"reason"`
}

func (CancelTransfer) spec() *Spec { return cancelTransfer }

// Decide implements PortfolioCommand.
func (c CancelTransfer) Decide(d *portfolio.Decision) error {
	return d.RequestCancel(c.Transfer, c.HighestFee, c.Reason)
}

// ReopenTransfer takes back a recorded end that the chain does not have. The server sends
// it.
type ReopenTransfer struct {
	Transfer string `json:"transfer"`
	Code     string `json:"code"`
	Detail   string `json:"detail,omitempty"`
	Block    uint64 `json:"block"`
}

func (ReopenTransfer) spec() *Spec { return reopenTransfer }

// Decide implements PortfolioCommand.
func (c ReopenTransfer) Decide(d *portfolio.Decision) error {
	return d.ReopenTransfer(&domain.TransferReopened{Transfer: c.Transfer, Code: c.Code, Detail: c.Detail, Block: c.Block})
}

// PrepareAgain prepares the unsigned transaction of a cold wallet again, with the current
// fees and the same nonce.
type PrepareAgain struct {
	Transfer string `json:"transfer"`

	// Prepared is not part of the body: package commands/custody adds it.
	Prepared Prepared `json:"-"`
}

func (PrepareAgain) spec() *Spec { return prepareAgain }

// Decide implements PortfolioCommand.
func (c PrepareAgain) Decide(d *portfolio.Decision) error {
	if t := d.State().Custody.Transfers[c.Transfer]; t != nil && (t.Cancel != nil || t.Status != treasury.Prepared) {
		return d.RepriceTransfer(c.Transfer, c.Prepared.domain())
	}
	return d.PrepareTransfer(c.Transfer, c.Prepared.domain())
}

// PrepareTransfer records the transaction of an approved transfer before anything is signed. The server
// sends it.
type PrepareTransfer struct {
	Transfer string `json:"transfer"`
	// Prepared is the transaction, and what its bytes say.
	Prepared Prepared `json:"prepared"`
}

func (PrepareTransfer) spec() *Spec { return prepareTransfer }

// Decide implements PortfolioCommand.
func (c PrepareTransfer) Decide(d *portfolio.Decision) error {
	return d.PrepareTransfer(c.Transfer, c.Prepared.domain())
}

// SignTransfer records the signature of a prepared transfer before it is released. It is sent by the
// server, by an operator who asks for the signature, or by one who imports that of a cold wallet.
type SignTransfer struct {
	Transfer string `json:"transfer"`
	// Raw are the imported signed bytes, or "" if this server has the key.
	Raw string `json:"raw,omitempty"`

	// Digest and TxHash follow from the prepared transaction and are not part of the body.
	Digest string `json:"-"`
	TxHash string `json:"-"`
}

func (SignTransfer) spec() *Spec { return signTransfer }

// Decide implements PortfolioCommand.
func (c SignTransfer) Decide(d *portfolio.Decision) error {
	return d.SignTransfer(&domain.TransferSigned{Transfer: c.Transfer, Digest: c.Digest, TxHash: c.TxHash, Raw: c.Raw})
}

// BroadcastTransfer records that a transaction may be on its way from now on. The server sends it.
type BroadcastTransfer struct {
	Transfer string `json:"transfer"`
	TxHash   string `json:"tx_hash"`
}

func (BroadcastTransfer) spec() *Spec { return broadcastTransfer }

// Decide implements PortfolioCommand.
func (c BroadcastTransfer) Decide(d *portfolio.Decision) error {
	return d.BroadcastTransfer(c.Transfer, c.TxHash)
}

// RepriceTransfer records the transaction that replaces a stuck one. The server sends it.
type RepriceTransfer struct {
	Transfer string `json:"transfer"`
	// Prepared is the transaction, and what its bytes say.
	Prepared Prepared `json:"prepared"`
}

func (RepriceTransfer) spec() *Spec { return repriceTransfer }

// Decide implements PortfolioCommand.
func (c RepriceTransfer) Decide(d *portfolio.Decision) error {
	return d.RepriceTransfer(c.Transfer, c.Prepared.domain())
}

// ConfirmTransfer records that the money of a transfer has arrived for good. The server sends it.
type ConfirmTransfer struct {
	Transfer string         `json:"transfer"`
	TxHash   string         `json:"tx_hash"`
	Block    uint64         `json:"block"`
	Fee      domain.Decimal `json:"fee"`
}

func (ConfirmTransfer) spec() *Spec { return confirmTransfer }

// Decide implements PortfolioCommand.
func (c ConfirmTransfer) Decide(d *portfolio.Decision) error {
	return d.ConfirmTransfer(&domain.TransferConfirmed{Transfer: c.Transfer, TxHash: c.TxHash, Block: c.Block, Fee: c.Fee})
}

// FailTransfer records that a transfer has failed for good. The server sends it.
type FailTransfer struct {
	Transfer string         `json:"transfer"`
	Code     string         `json:"code"`
	Detail   string         `json:"detail,omitempty"`
	TxHash   string         `json:"tx_hash,omitempty"`
	Block    uint64         `json:"block,omitempty"`
	Fee      domain.Decimal `json:"fee,omitzero"`
}

func (FailTransfer) spec() *Spec { return failTransfer }

// Decide implements PortfolioCommand.
func (c FailTransfer) Decide(d *portfolio.Decision) error {
	return d.FailTransfer(&domain.TransferFailed{Transfer: c.Transfer, Code: c.Code, Detail: c.Detail, TxHash: c.TxHash, Block: c.Block, Fee: c.Fee})
}

// ExpireTransfers records transfers that have expired. The server sends it if no other command comes
// that would record them.
type ExpireTransfers struct{}

func (ExpireTransfers) spec() *Spec { return expireTransfers }

// Decide implements PortfolioCommand.
func (ExpireTransfers) Decide(d *portfolio.Decision) error {
	return d.ExpireTransfers()
}

// ProposeRebalance proposes a transfer between the wallets if one is due.
type ProposeRebalance struct{}

func (ProposeRebalance) spec() *Spec { return proposeRebalance }

// Decide implements PortfolioCommand.
func (ProposeRebalance) Decide(d *portfolio.Decision) error {
	return d.ProposeRebalance()
}

// ChangeTreasuryPolicy replaces parts of the treasury's rules.
type ChangeTreasuryPolicy struct {
	// Policy is a JSON object of treasury policy keys and values.
	Policy json.RawMessage `json:"policy"`
	Reason string          `json:"reason"`
}

func (ChangeTreasuryPolicy) spec() *Spec { return changeTreasuryPolicy }

// Decide implements PortfolioCommand.
func (c ChangeTreasuryPolicy) Decide(d *portfolio.Decision) error {
	return d.ChangeTreasuryPolicy(c.Policy, c.Reason)
}

// Reconcile compares the ledger with the chain. The chain's balances are not part of the body: package
// commands/custody adds them.
type Reconcile struct {
	Block     uint64              `json:"-"`
	BlockTime time.Time           `json:"-"`
	Readings  []portfolio.Reading `json:"-"`
	// Agreed: the readings agreed with the ledger when they were compared. If they no longer
	// do, the ledger has changed, and the readings are outdated.
	Agreed bool `json:"-"`
}

func (Reconcile) spec() *Spec { return reconcile }

// Decide implements PortfolioCommand.
func (c Reconcile) Decide(d *portfolio.Decision) error {
	if c.Agreed {
		found, err := d.State().Differences(c.Readings)
		if err == nil && len(found) > 0 {
			return ErrLedgerChanged
		}
	}
	return d.Reconcile(c.Block, c.BlockTime, c.Readings)
}
