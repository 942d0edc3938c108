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

// Status is where a transfer stands: requested → approved | rejected | expired →
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

// MaxAttempts bounds the transactions of one transfer: the first and its repricings,
// each of which pays at least a tenth more.
const MaxAttempts = 20

// Attempt is one transaction of a transfer. All of them have the same nonce, so at
// most one of them can ever count.
type Attempt struct {
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"`
	TxHash      string          `json:"tx_hash,omitempty"`
	// Raw are signed bytes that were brought from elsewhere.
	Raw string `json:"raw,omitempty"`
	// Sent: it may be on its way.
	Sent bool `json:"sent,omitempty"`
}

// Transfer is a transfer as its events have left it.
type Transfer struct {
	domain.TransferRequested
	Status      Status    `json:"status"`
	RequestedAt time.Time `json:"requested_at"`
	// ApprovedBy and ApprovedHash say who agreed to what.
	ApprovedBy   string    `json:"approved_by,omitempty"`
	ApprovedHash string    `json:"approved_hash,omitempty"`
	Attempts     []Attempt `json:"attempts,omitempty"`
	// SentAt is when the latest attempt was first sent.
	SentAt time.Time `json:"sent_at,omitzero"`
	// TxHash, Block, Fee, Code and Detail are of its end.
	TxHash string         `json:"tx_hash,omitempty"`
	Block  uint64         `json:"block,omitempty"`
	Fee    domain.Decimal `json:"fee,omitzero"`
	Code   string         `json:"code,omitempty"`
	Detail string         `json:"detail,omitempty"`
	// EndedAt is when nothing more could happen to it.
	EndedAt time.Time `json:"ended_at,omitzero"`
}

// Open reports whether something can still happen to it.
func (t *Transfer) Open() bool {
	switch t.Status {
	case Rejected, Expired, Confirmed, Failed:
		return false
	default:
		return true
	}
}

// Waiting reports whether its money is still where it was, and nothing of it was
// signed: it can be rejected, and it takes what it will send from what is free.
func (t *Transfer) Waiting() bool {
	return t.Status == Requested || t.Status == Approved || t.Status == Prepared
}

// UnderWay reports whether it holds a nonce of its wallet.
func (t *Transfer) UnderWay() bool {
	return t.Status == Prepared || t.Status == Signed || t.Status == Broadcast
}

// Lapsed reports whether its time is over: an approval that was not used in time is
// used no more.
func (t *Transfer) Lapsed(now time.Time) bool {
	return (t.Status == Requested || t.Status == Approved) && !now.Before(t.ExpiresAt)
}

// NeedsApproval reports whether a second person has to agree.
func (t *Transfer) NeedsApproval() bool { return len(t.ApprovalFor) > 0 }

// Last returns the latest attempt, nil before it was prepared.
func (t *Transfer) Last() *Attempt {
	if len(t.Attempts) == 0 {
		return nil
	}
	return &t.Attempts[len(t.Attempts)-1]
}

// Sent reports whether any attempt may be on its way.
func (t *Transfer) Sent() bool {
	for i := range t.Attempts {
		if t.Attempts[i].Sent {
			return true
		}
	}
	return false
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

// UsedNonce reports whether the transfer is over and has used a nonce of its wallet up,
// or a later one: a transaction with it is either the one that was counted already, or
// none that the chain will ever take.
func (t *Transfer) UsedNonce(nonce uint64) bool {
	last := t.Last()
	onChain := t.Status == Confirmed || t.Status == Failed && t.Code != domain.FailedRefused
	return onChain && last != nil && nonce <= last.Nonce
}

// Hash is what an approval is bound to: SHA-256 of transfer id, portfolio, chain,
// asset, amount, from, to, kind and highest fee, each with its length before it.
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

// Intact reports whether the transfer is what was requested and, where somebody had to
// agree, approved: anything else has changed it since, and is a breach. One that waits
// for its approval has none yet.
func (t *Transfer) Intact(portfolio string) bool {
	hash := Hash(portfolio, &t.TransferRequested)
	if hash != t.TransferRequested.Hash {
		return false
	}
	// Whoever can change a transfer can take out why it had to be approved.
	always := t.Kind != domain.TransferInternal || t.FromPlace == domain.WalletCold || t.ToPlace == domain.WalletCold
	return t.Status == Requested || !always && !t.NeedsApproval() || t.ApprovedHash == hash
}

// Matches names the first field in which a payment, read from the bytes that are to
// be signed or sent, is not the one approved; "" for none.
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

// approvalWindow is how far back unapproved transfers are added up.
const approvalWindow = 24 * time.Hour

// ApprovalFor says why a transfer needs a second person. value is its amount in base
// asset, nil where it has none to go by; 0 is none either, because no sum of it would
// ever be too much. recent are the transfers of the same wallet.
func ApprovalFor(e *domain.TransferRequested, value *domain.Decimal, recent domain.Decimal, p *domain.TreasuryPolicy) []string {
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
	switch {
	case value == nil || value.Sign() <= 0:
		why = append(why, "the asset has no mark to hold it against the threshold")
	case p.ApprovalThresholdUSD.Less(*value):
		why = append(why, "it is above the threshold of "+p.ApprovalThresholdUSD.String())
	case p.ApprovalThresholdUSD.Less(recent.Add(*value)):
		why = append(why, "the unapproved transfers of the wallet in 24 h would come to "+recent.Add(*value).String()+", above the threshold of "+p.ApprovalThresholdUSD.String())
	}
	return why
}

// Counts reports whether a transfer counts at a time in the sum of a day of those that
// nobody had to approve.
func (t *Transfer) Counts(now time.Time) bool {
	return !t.NeedsApproval() && t.Status != Rejected && t.Status != Expired && now.Before(t.RequestedAt.Add(approvalWindow))
}

// Claims is what the transfer will still take of an asset out of the place it is sent
// from: its amount until it is on its way, and its highest fee until it is over.
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

// Withdrawable reports whether nothing of it can have reached the chain, so that it may
// be given up: what was signed here and never sent has left no process, what was signed
// elsewhere may have.
func (t *Transfer) Withdrawable() bool {
	if t.Status == Signed {
		return !t.Sent() && !slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.Raw != "" })
	}
	return t.Status == Approved || t.Status == Prepared
}
