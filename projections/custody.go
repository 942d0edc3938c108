package projections

import (
	"encoding/json"
	"slices"
	"time"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
)

// Wallet is one wallet of a portfolio, without any secret.
type Wallet struct {
	Wallet string `json:"wallet"`
	Place  string `json:"place" enum:"hot,cold"`
	// Main reports that this wallet is used for transfers from or to the place,
	// for proposals and for orders.
	Main         bool                 `json:"main"`
	Chain        string               `json:"chain"`
	Address      string               `json:"address"`
	Assets       []domain.WalletAsset `json:"assets"`
	KeyID        string               `json:"key_id,omitempty"` // "" if its key is kept elsewhere
	RegisteredAt time.Time            `json:"registered_at"`
	// LoadedAt is when the key was last compared with the address.
	// RecoveryTestedAt is when its words were last shown to give the address.
	LoadedAt         *time.Time `json:"loaded_at"`
	RecoveryTestedAt *time.Time `json:"recovery_tested_at"`
	// RetiredAt is when the wallet was retired: nothing is sent to it any more.
	RetiredAt *time.Time `json:"retired_at,omitempty"`
}

// WalletsOf lists the wallets by name.
func WalletsOf(s *portfolio.State) []Wallet {
	c := &s.Custody
	out := []Wallet{}
	for _, w := range c.SortedWallets() {
		out = append(out, Wallet{
			Wallet: w.Wallet, Place: w.Place, Main: c.Main(w.Place) == w, Chain: w.Chain, Address: w.Address, Assets: slices.Clone(w.Assets),
			KeyID: w.KeyID, RegisteredAt: w.At, LoadedAt: timeOrNil(w.LoadedAt), RecoveryTestedAt: timeOrNil(w.TestedAt),
			RetiredAt: timeOrNil(w.RetiredAt),
		})
	}
	return out
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// Contact is an address that transfers may go to.
type Contact struct {
	Chain   string    `json:"chain"`
	Address string    `json:"address"`
	Label   string    `json:"label"`
	AddedBy string    `json:"added_by"`
	AddedAt time.Time `json:"added_at"`
}

// BookOf lists the address book by label.
func BookOf(s *portfolio.State) []Contact {
	out := []Contact{}
	for _, c := range s.Custody.SortedBook() {
		out = append(out, Contact{c.Chain, c.Address, c.Label, c.User, c.At})
	}
	return out
}

// Transfer is one transfer and its status.
type Transfer struct {
	Transfer string          `json:"transfer"`
	Status   treasury.Status `json:"status"`
	Kind     string          `json:"kind" enum:"internal,rebalance,withdrawal,sweep,evacuation"`
	Wallet   string          `json:"wallet"`
	From     string          `json:"from"` // hot or cold
	To       string          `json:"to"`   // hot, cold or external
	Asset    string          `json:"asset"`
	GasAsset string          `json:"gas_asset"`
	// ToName is what the recipient was called when the transfer was requested, the wallet's
	// name or the label of the address book, and ToSince since when it had been known.
	ToName  string     `json:"to_name,omitempty"`
	ToSince *time.Time `json:"to_since,omitempty"`
	// Hash is what an approval is bound to.
	Payment domain.Payment `json:"payment"`
	Hash    string         `json:"hash"`
	Reason  string         `json:"reason"`
	// ApprovalFor says why a second person has to approve it, or is empty.
	ApprovalFor []string  `json:"approval_for"`
	RequestedBy string    `json:"requested_by"`
	RequestedAt time.Time `json:"requested_at"`
	ExpiresAt   time.Time `json:"expires_at"`
	// Approvals is how many people have to approve it, if that is more than one, and
	// Approved how many of them did.
	Approvals int `json:"approvals,omitempty"`
	Approved  int `json:"approved,omitempty"`
	// FirstApprovedBy is the first of two approvers, FirstSignature that person's.
	FirstApprovedBy string                    `json:"first_approved_by,omitempty"`
	FirstSignature  *domain.ApprovalSignature `json:"first_signature,omitempty"`
	ApprovedBy      string                    `json:"approved_by,omitempty"`
	// Signature is the last approver's, in a portfolio with signed approvals.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
	EndedAt   *time.Time                `json:"ended_at"`
	// Attempts are its transactions, oldest first. At most one of them is
	// included in the chain.
	Attempts []Attempt `json:"attempts"`
	TxHash   string    `json:"tx_hash,omitempty"`
	Block    uint64    `json:"block,omitempty"`
	// Fee is what was paid, in the chain's coin.
	Fee    domain.Decimal `json:"fee,omitzero"`
	Code   string         `json:"code,omitempty"`   // why it failed
	Detail string         `json:"detail,omitempty"` // why it failed, or was rejected
	// Rebalance holds the figures of a proposal.
	Rebalance *domain.Rebalance `json:"rebalance,omitempty"`
	// Raise is a request for a higher fee that waits for a second person, Raised the one that
	// was approved last.
	Raise  *Raise `json:"raise,omitempty"`
	Raised *Raise `json:"raised,omitempty"`
	// BeforeRaises is what two approvers agreed to before the fee was raised.
	BeforeRaises *EarlierApproval `json:"before_raises,omitempty"`
	// Cancel says what cancels the transfer, once somebody has asked for that.
	Cancel *Cancel `json:"cancel,omitempty"`
	// Reopened counts how often its recorded end was taken back, because the chain did not
	// have it.
	Reopened int `json:"reopened,omitempty"`
	// FeeNow is the most that it may cost now, where that is less than highest_fee: the approval
	// of the higher fee has lapsed. FeeLapsed means that its latest transaction was made under
	// such an approval, and is not signed any more.
	FeeNow    domain.Decimal `json:"fee_now,omitzero"`
	FeeLapsed bool           `json:"fee_lapsed,omitempty"`
	// Barred says why nothing more of it is signed or sent, whatever else is cleared or reset:
	// its recipient was removed or retired, or the stop that allowed it is over.
	Barred string `json:"barred,omitempty"`
	// ToSign is there while its latest transaction waits for a signature on the machine of a
	// cold wallet.
	ToSign *ToSign `json:"to_sign,omitempty"`
}

// ToSign is a transaction that waits for a signature on the machine of a cold wallet.
type ToSign struct {
	// What it is: a cancellation pays nothing, from the wallet to itself.
	What string `json:"what" enum:"payment,cancellation"`
	// Not says why it must not be signed now. It is not handed out then.
	Not string `json:"not,omitempty"`
	// Way is what leads on then: wait; end it, by a rejection if it was never signed and by a
	// cancellation if it was; have it made again; or look what happened.
	Way portfolio.Way `json:"way,omitempty" enum:"wait,end,again,look"`
}

// What a transaction to be signed is.
const (
	ToSignPayment      = "payment"
	ToSignCancellation = "cancellation"
)

func toSignOf(s *portfolio.State, t *treasury.Transfer, now time.Time) *ToSign {
	of := s.ToSign(t, now)
	if of == nil {
		return nil
	}
	v := &ToSign{What: ToSignPayment, Way: of.Way}
	if of.Cancels {
		v.What = ToSignCancellation
	}
	if of.Not != nil {
		v.Not = of.Not.Error()
	}
	return v
}

// Raise is a request for a higher fee. It is approved like the transfer, by its own hash.
type Raise struct {
	HighestFee domain.Decimal `json:"highest_fee"`
	// Former is the highest fee before it.
	Former      domain.Decimal `json:"former"`
	Hash        string         `json:"hash"`
	Reason      string         `json:"reason"`
	RequestedBy string         `json:"requested_by"`
	ExpiresAt   time.Time      `json:"expires_at"`
}

// EarlierApproval is the approval of a transfer with its first highest fee.
type EarlierApproval struct {
	HighestFee domain.Decimal `json:"highest_fee"`
	Hash       string         `json:"hash"`
	ApprovedBy string         `json:"approved_by"`
	// Signature is that of approved_by. The one of first_approved_by is first_signature.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
}

// Cancel is a request to use the nonce of a transfer for nothing.
type Cancel struct {
	// Payment pays 0 coins from the wallet to itself. Hash is its hash.
	Payment     domain.Payment `json:"payment"`
	Hash        string         `json:"hash"`
	Reason      string         `json:"reason"`
	RequestedBy string         `json:"requested_by"`
}

// Attempt is one transaction, without its signature.
type Attempt struct {
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
	TxHash      string          `json:"tx_hash,omitempty"`
	Sent        bool            `json:"sent"`
	// Cancel: it does not pay, and only uses the nonce.
	Cancel bool `json:"cancel,omitempty"`
}

// TransfersOf lists the remembered transfers that keep accepts, oldest first, as of the last
// record.
func TransfersOf(s *portfolio.State, keep func(*treasury.Transfer) bool) []Transfer {
	return TransfersAt(s, s.Time, keep)
}

// TransfersAt is TransfersOf at a later time: what may be signed ends without a record.
func TransfersAt(s *portfolio.State, now time.Time, keep func(*treasury.Transfer) bool) []Transfer {
	out := []Transfer{}
	for _, t := range s.Custody.SortedTransfers() {
		if keep(t) {
			v := transferOf(s, t, now)
			v.ToSign = toSignOf(s, t, now)
			out = append(out, v)
		}
	}
	return out
}

// GoingOn lists the transfers that clearing the emergency stop does not end, oldest
// first.
func GoingOn(s *portfolio.State) []Transfer {
	out := []Transfer{}
	for _, t := range s.GoesOn() {
		out = append(out, transferOf(s, t, s.Time))
	}
	return out
}

// transferOf renders one transfer of a state, as of a time.
func transferOf(s *portfolio.State, t *treasury.Transfer, now time.Time) Transfer {
	v := Transfer{
		Transfer: t.Transfer, Status: t.Status, Kind: t.Kind, Wallet: t.Wallet, From: t.FromPlace, To: t.ToPlace, Asset: t.Asset, GasAsset: t.GasAsset,
		Payment: t.Payment, Hash: t.Hash, Reason: t.Reason, ApprovalFor: append([]string{}, t.ApprovalFor...), RequestedBy: t.User,
		RequestedAt: t.RequestedAt, ExpiresAt: t.ExpiresAt, ApprovedBy: t.ApprovedBy, Signature: t.Signature, EndedAt: timeOrNil(t.EndedAt), Attempts: []Attempt{},
		TxHash: t.TxHash, Block: t.Block, Fee: t.Fee, Code: t.Code, Detail: t.Detail, Rebalance: t.Rebalance,
		ToName: t.ToName, ToSince: timeOrNil(t.ToSince),
	}
	if t.Approvals > 1 {
		v.Approvals, v.Approved, v.FirstApprovedBy, v.FirstSignature = t.Approvals, t.ApprovedTimes(), t.FirstApprovedBy, t.FirstSignature
	}
	for _, a := range t.Attempts {
		v.Attempts = append(v.Attempts, Attempt{a.Transaction, a.Nonce, a.Digest, a.TxHash, a.Sent, a.Cancel})
	}
	v.Reopened, v.FeeLapsed = t.Reopened, t.Open() && t.Unsigned() && t.RaiseLapsed(now)
	if fee := t.FeeAt(now); fee != t.HighestFee {
		v.FeeNow = fee
	}
	if err := s.Barred(t); t.Open() && err != nil {
		v.Barred = err.Error()
	}
	if r := t.WaitingRaise(now); r != nil {
		v.Raise = raiseOf(r)
	}
	if r := t.Raised; r != nil {
		v.Raised = raiseOf(&r.Raise)
	}
	if b := t.BeforeRaises; b != nil && t.Approvals > 1 {
		v.BeforeRaises = &EarlierApproval{b.HighestFee, b.Hash, b.User, b.Signature}
	}
	if c := t.Cancel; c != nil {
		v.Cancel = &Cancel{c.Payment, c.Hash, c.Reason, c.User}
	}
	return v
}

// Treasury says where the money is, where it should be, and what prevents a move.
type Treasury struct {
	Policy domain.TreasuryPolicy `json:"policy"`
	// Figures are the current figures of a proposal.
	Figures domain.Rebalance `json:"figures"`
	// Proposal is the current proposal, absent if there is none. Why says why
	// there is none.
	Proposal *Proposal `json:"proposal,omitempty"`
	Why      string    `json:"why,omitempty"`
	// HotAboveSince is when the hot wallet began to hold more than 0.20 of the
	// total, or null. After 24 h IncreasesDenied is set.
	HotAboveSince   *time.Time `json:"hot_above_since"`
	IncreasesDenied bool       `json:"increases_denied"`
	// ReconciledAt is when the ledger was last reconciled with the chain.
	// Differences are the unexplained differences; they block outgoing transfers.
	ReconciledAt *time.Time   `json:"reconciled_at"`
	Differences  []Difference `json:"differences"`
}

// Proposal is a move between the wallets.
type Proposal struct {
	From   string         `json:"from"`
	To     string         `json:"to"`
	Amount domain.Decimal `json:"amount"`
}

// Difference is chain − ledger of an asset in a place.
type Difference struct {
	Place      string         `json:"place"`
	Asset      string         `json:"asset"`
	Difference domain.Decimal `json:"difference"`
	// Unsure says why nothing is to be booked for it now: something was booked since it was
	// measured, or a transaction of the place is on its way. Then reconcile first.
	Unsure string `json:"unsure,omitempty"`
}

// TreasuryOf renders the treasury at a time.
func TreasuryOf(s *portfolio.State, now time.Time) Treasury {
	p := s.PlanRebalanceAt(now)
	c := &s.Custody
	v := Treasury{
		Policy: c.Policy, Figures: p.Rebalance, Why: p.Why, HotAboveSince: timeOrNil(c.HotAbove), IncreasesDenied: s.HotTooLong(now),
		ReconciledAt: timeOrNil(c.Reconciled), Differences: []Difference{},
	}
	v.Figures.Share = v.Figures.Share.Ratio()
	if p.Why == "" {
		v.Proposal = &Proposal{p.Move.From, p.Move.To, p.Move.Amount}
	}
	for _, d := range c.OpenDifferences() {
		v.Differences = append(v.Differences, Difference(d))
	}
	return v
}

func raiseOf(r *treasury.Raise) *Raise {
	return &Raise{r.HighestFee, r.Former, r.Hash, r.Reason, r.User, r.ExpiresAt}
}
