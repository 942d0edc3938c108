package treasury

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"pets/domain"
)

// Status is the status of a transfer: requested → approved | rejected | expired →
// prepared → signed → broadcast → confirmed | failed.
type Status string

// The statuses.
const (
	Requested Status = "requested"
	Approved  Status = "approved"
	Rejected  Status = "rejected"
	Expired   Status = "expired"
	Prepared  Status = "prepared"
	Signed    Status = "signed"
	Broadcast Status = "broadcast"
	Confirmed Status = "confirmed"
	Failed    Status = "failed"
)

// MaxAttempts limits the transactions of one transfer: the first and its
// repricings, each of which pays at least a tenth more.
const MaxAttempts = 20

// Attempt is one transaction of a transfer. All attempts have the same nonce, so
// at most one can be included.
type Attempt struct {
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
	TxHash      string          `json:"tx_hash,omitempty"`
	// Raw holds signed bytes that were made elsewhere.
	Raw string `json:"raw,omitempty"`
	// Sent reports that the transaction may be on its way.
	Sent bool `json:"sent,omitempty"`
	// Cancel: the transaction does not pay, and only uses the nonce.
	Cancel bool `json:"cancel,omitempty"`
	// Raise says under which approval of a higher fee it was made; 0 is that of the
	// transfer itself.
	Raise int `json:"raise,omitempty"`
	// MadeUnder is the highest fee of that approval, kept once another raise was approved
	// before anything was signed under it.
	MadeUnder domain.Decimal `json:"made_under,omitzero"`
}

// Transfer is the folded state of a transfer.
type Transfer struct {
	domain.TransferRequested
	Status      Status    `json:"status"`
	RequestedAt time.Time `json:"requested_at"`
	// Unfounded: it is recorded as one that needs no approval, and it needed one by the
	// state before its record. Nobody decided it.
	Unfounded bool `json:"unfounded,omitempty"`
	// FirstApprovedBy is the first of two approvers, and FirstSignature that person's
	// signature; the transfer waits for the second.
	FirstApprovedBy string                    `json:"first_approved_by,omitempty"`
	FirstSignature  *domain.ApprovalSignature `json:"first_signature,omitempty"`
	// FirstSignedAt is when the key of FirstSignature had to count, FirstRevision the record
	// of the first approval.
	FirstSignedAt time.Time `json:"first_signed_at,omitzero"`
	FirstRevision uint64    `json:"first_revision,omitempty"`
	// ApprovedBy and ApprovedHash say who approved which hash, the last of them.
	ApprovedBy   string `json:"approved_by,omitempty"`
	ApprovedHash string `json:"approved_hash,omitempty"`
	// Signature is the last approver's, in a portfolio with signed approvals.
	Signature *domain.ApprovalSignature `json:"signature,omitempty"`
	// SignedAt is when the key of Signature had to count.
	SignedAt time.Time `json:"signed_at,omitzero"`
	// Earlier, FirstEarlier and OwnEarlier: the last approval, the first of two, and that of
	// the transfer itself before its fee was raised, were given without a signature before
	// the portfolio had signed approvals. One without a signature that was given after that is
	// nobody's.
	Earlier      bool `json:"approved_earlier,omitempty"`
	FirstEarlier bool `json:"first_approved_earlier,omitempty"`
	OwnEarlier   bool `json:"own_approved_earlier,omitempty"`

	Attempts []Attempt `json:"attempts,omitempty"`
	// MovedElsewhere: a transaction that is none of the attempts is recorded as sent, on the
	// word of two people. The money has moved all the same: see Moved.
	MovedElsewhere bool `json:"moved_elsewhere,omitempty"`
	// SentAt is when the latest attempt was first sent.
	SentAt time.Time `json:"sent_at,omitzero"`
	// TxHash, Block, Fee, Code and Detail describe its end.
	TxHash string         `json:"tx_hash,omitempty"`
	Block  uint64         `json:"block,omitempty"`
	Fee    domain.Decimal `json:"fee,omitzero"`
	Code   string         `json:"code,omitempty"`
	Detail string         `json:"detail,omitempty"`
	// EndedAt is when the transfer ended.
	EndedAt time.Time `json:"ended_at,omitzero"`
	// Raise is the open request for a higher fee, Raised the one approved last, and Raises
	// how many were approved.
	Raise  *Raise  `json:"raise,omitempty"`
	Raised *Raised `json:"raised,omitempty"`
	Raises int     `json:"raises,omitempty"`
	// BeforeRaises is the approval of the transfer itself, once a higher fee is approved, if
	// it was signed or took two people.
	BeforeRaises *Approval `json:"before_raises,omitempty"`
	// Cancel is set once somebody has asked for it to be cancelled.
	Cancel *Cancel `json:"cancel,omitempty"`
	// Reopened counts how often its recorded end was taken back.
	Reopened int `json:"reopened,omitempty"`
}

// Open reports whether the transfer has not ended.
func (t *Transfer) Open() bool {
	switch t.Status {
	case Rejected, Expired, Confirmed, Failed:
		return false
	default:
		return true
	}
}

// Waiting reports whether its money has not moved and nothing of it was signed.
// It can be rejected, and the amount it will send is not free.
func (t *Transfer) Waiting() bool {
	return t.Status == Requested || t.Status == Approved || t.Status == Prepared
}

// UnderWay reports whether it holds a nonce of its wallet.
func (t *Transfer) UnderWay() bool {
	return t.Status == Prepared || t.Status == Signed || t.Status == Broadcast
}

// NeverSigned reports that nothing of it was signed. A prepared transaction of a
// cold wallet does not count: it may have been signed where the key is, and only
// its person knows.
func (t *Transfer) NeverSigned() bool {
	return t.Status == Requested || t.Status == Approved || t.Status == Prepared && t.FromPlace == domain.WalletHot
}

// Lapsed reports whether its time is over before anything of it was signed. An
// approval cannot be used after that.
func (t *Transfer) Lapsed(now time.Time) bool { return t.NeverSigned() && !now.Before(t.ExpiresAt) }

// Urgent reports that it saves money from a leaked key. It goes on while
// everything else is halted, and before what its wallet has under way.
func (t *Transfer) Urgent() bool {
	return t.Kind == domain.TransferSweep || t.Kind == domain.TransferEvacuation
}

// NeedsApproval reports whether a second person has to approve.
func (t *Transfer) NeedsApproval() bool { return len(t.ApprovalFor) > 0 }

// ApprovalsNeeded is how many people have to approve the transfer.
func (t *Transfer) ApprovalsNeeded() int {
	switch {
	case t.Approvals >= approvalsToNew:
		return approvalsToNew
	case t.NeedsApproval() || t.AlwaysApproved():
		return 1
	}
	return 0
}

// AlwaysApproved reports whether a transfer of its kind needs approval whatever its value.
// An attacker who can change a transfer can also remove the reason for its approval.
func (t *Transfer) AlwaysApproved() bool {
	return t.Kind != domain.TransferInternal || t.FromPlace == domain.WalletCold || t.ToPlace == domain.WalletCold
}

// Approve folds an approval in a record, for which a key had to count at a time. With two
// approvers needed, the first is remembered, and the same user again is not the second.
func (t *Transfer) Approve(e *domain.TransferApproved, at time.Time, revision uint64) {
	if e.Signature == nil {
		at = time.Time{}
	}
	if t.Status == Requested && t.Approvals >= approvalsToNew && (t.FirstApprovedBy == "" || e.First || domain.SameUser(t.FirstApprovedBy, e.User)) {
		t.FirstApprovedBy, t.FirstSignature, t.FirstSignedAt, t.FirstRevision, t.FirstEarlier = e.User, e.Signature, at, revision, false
		return
	}
	t.Status = Approved
	t.approve(e, at)
}

func (t *Transfer) approve(e *domain.TransferApproved, at time.Time) {
	t.ApprovedBy, t.ApprovedHash, t.Signature, t.SignedAt, t.Earlier = e.User, e.Hash, e.Signature, at, false
}

// ApprovedEarlier folds that approvals are signed from now on: what was approved by API key
// alone until then lacks a signature for that reason, and not because nobody approved it.
func (t *Transfer) ApprovedEarlier() {
	t.Earlier = t.ApprovedBy != "" && t.Signature == nil
	t.FirstEarlier = t.FirstApprovedBy != "" && t.FirstSignature == nil
	t.OwnEarlier = t.Raised != nil && (t.BeforeRaises == nil || t.BeforeRaises.Signature == nil)
}

// ApprovedTimes is how many people have approved the transfer.
func (t *Transfer) ApprovedTimes() int {
	n := 0
	for _, by := range []string{t.FirstApprovedBy, t.ApprovedBy} {
		if by != "" {
			n++
		}
	}
	return n
}

// Last returns the latest attempt, nil before it was prepared.
func (t *Transfer) Last() *Attempt {
	if len(t.Attempts) == 0 {
		return nil
	}
	return &t.Attempts[len(t.Attempts)-1]
}

// Sent reports whether any attempt may be on its way. Whether the money has moved is
// another question: see Moved.
func (t *Transfer) Sent() bool {
	for i := range t.Attempts {
		if t.Attempts[i].Sent {
			return true
		}
	}
	return false
}

// Moved reports whether its amount has left its place, whichever transaction took it. An
// end that gives the amount back does not change it.
func (t *Transfer) Moved() bool { return t.MovedElsewhere || t.Sent() }

// EverSigned reports whether a signature of any attempt is known here.
func (t *Transfer) EverSigned() bool {
	return slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.TxHash != "" })
}

// AttemptsLeft reports whether the transfer may have another transaction. Each raise of
// the fee that was approved, and a cancellation, allows as many again.
func (t *Transfer) AttemptsLeft() bool {
	most := MaxAttempts * (1 + t.Raises)
	if t.Cancel != nil {
		most += MaxAttempts * t.Cancel.Times
	}
	return len(t.Attempts) < most
}

// HasDigest reports whether a digest is of one of its attempts.
func (t *Transfer) HasDigest(digest string) bool {
	return slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.Digest == digest })
}

// HasHash reports whether a transaction is one of its attempts.
func (t *Transfer) HasHash(hash string) bool {
	for i := range t.Attempts {
		if t.Attempts[i].TxHash == hash && hash != "" {
			return true
		}
	}
	return false
}

// UsedNonce reports whether the transfer has ended and has used up a nonce of its
// wallet, or a later one. A transaction with that nonce is either the one already
// counted, or one that the chain will never accept.
func (t *Transfer) UsedNonce(nonce uint64) bool {
	last := t.Last()
	return t.EndedOnChain() && last != nil && nonce <= last.Nonce
}

// EndedOnChain reports whether the recorded end of the transfer is that of a transaction
// in a block, which the chain can contradict.
func (t *Transfer) EndedOnChain() bool {
	return t.Status == Confirmed || t.Status == Failed && t.Code != domain.FailedRefused
}

// EndedBy reports whether a transaction, by its hash, has ended the transfer: it made the
// payment, or is one of its own and did not. A stranger's that used the nonce is not meant.
func (t *Transfer) EndedBy(hash string) bool {
	if hash == "" || t.TxHash != hash || !t.EndedOnChain() {
		return false
	}
	return t.Status == Confirmed || t.Code != domain.FailedReplaced && t.HasHash(hash)
}

// Hash returns the value that an approval is bound to: SHA-256 of transfer id,
// portfolio, chain, asset, amount, from, to, kind and highest fee, each preceded
// by its length.
func Hash(portfolio string, e *domain.TransferRequested) string {
	h := sha256.New()
	var length [8]byte
	for _, part := range []string{
		"pets transfer approval 1", e.Transfer, portfolio, e.Chain, e.AssetID, e.Amount.String(), e.From, e.To, e.Kind, e.HighestFee.String(),
	} {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return hex.EncodeToString(h.Sum(nil))
}

// Intact reports whether the transfer is still what was requested and, if it
// needs approval, what was approved. Otherwise it was changed afterwards, which
// is a breach. A transfer that waits for approval has no approved hash yet.
func (t *Transfer) Intact(portfolio string) bool {
	hash := Hash(portfolio, &t.TransferRequested)
	if hash != t.TransferRequested.Hash {
		return false
	}
	return t.Status == Requested || !t.AlwaysApproved() && !t.NeedsApproval() || t.ApprovedHash == hash
}

// Matches compares a payment, read from the bytes to be signed or sent, with the
// approved one. It returns the first field that differs, or "".
func (t *Transfer) Matches(p domain.Payment) string {
	switch {
	case p.Chain != t.Chain:
		return "chain"
	case !SameAddress(p.AssetID, t.AssetID): // a CAIP-19 id ends in one
		return "asset"
	case !SameAddress(p.From, t.From):
		return "from"
	case !SameAddress(p.To, t.To):
		return "to"
	case p.Amount != t.Amount:
		return "amount"
	case t.HighestFee.Less(p.HighestFee):
		return "highest_fee"
	}
	return ""
}

// approvalWindow is the period over which unapproved transfers are summed.
const approvalWindow = 24 * time.Hour

// ApprovalFor says why a transfer needs a second person, or returns "". value is
// its amount in base asset, or nil if the asset has no mark that counts; 0 counts
// as nil, because a sum of zeros never reaches a threshold. recent is the value of
// the unapproved transfers of the same wallet, nil if one of them has none.
func ApprovalFor(e *domain.TransferRequested, value, recent *domain.Decimal, p *domain.TreasuryPolicy) []string {
	var why []string
	if e.FromPlace == domain.WalletCold || e.ToPlace == domain.WalletCold {
		why = append(why, "it touches the cold wallet")
	}
	if e.ToPlace == domain.PlaceExternal {
		why = append(why, "it leaves the portfolio")
	}
	if e.Kind == domain.TransferSweep {
		why = append(why, "it is a sweep")
	}
	if e.Kind == domain.TransferEvacuation {
		why = append(why, "it is an evacuation")
	}
	switch {
	case value == nil || value.Sign() <= 0:
		why = append(why, "the asset has no mark of a feed to compare it with the threshold")
	case p.ApprovalThresholdUSD.Less(*value):
		why = append(why, "it is above the threshold of "+p.ApprovalThresholdUSD.String())
	case recent == nil:
		why = append(why, "an unapproved transfer of the wallet in 24 h has no value to compare with the threshold")
	case p.ApprovalThresholdUSD.Less(recent.Add(*value)):
		why = append(why, "the unapproved transfers of the wallet in 24 h would come to "+recent.Add(*value).String()+", above the threshold of "+p.ApprovalThresholdUSD.String())
	}
	return why
}

// Counts reports whether a transfer is part of the daily sum of unapproved
// transfers at a time.
func (t *Transfer) Counts(now time.Time) bool {
	return !t.NeedsApproval() && t.Status != Rejected && t.Status != Expired && now.Before(t.RequestedAt.Add(approvalWindow))
}

// Claims is what the transfer will still take of an asset from the place it is
// sent from: its amount until it is sent, and its highest fee until it has ended.
func (t *Transfer) Claims(asset string) domain.Decimal {
	claim := domain.Zero
	if !t.Open() {
		return claim
	}
	if t.Asset == asset && t.Status != Broadcast {
		claim = t.Amount
	}
	if t.GasAsset == asset {
		claim = claim.Add(t.HighestFee)
	}
	return claim
}

// Withdrawable reports whether nothing of it can have reached the chain, so that
// it may be abandoned. A transaction signed by this server and never sent has not
// left the process; one signed elsewhere may have been sent.
func (t *Transfer) Withdrawable() bool {
	if t.Status == Signed {
		return !t.Moved() && !slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.Raw != "" })
	}
	return t.Status == Approved || t.Status == Prepared
}
