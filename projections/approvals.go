package projections

import (
	"time"

	"pets/domain"
	"pets/domain/approval"
	"pets/domain/portfolio"
)

// Approval is something that a second person approves, or has approved.
type Approval struct {
	Kind string `json:"kind" enum:"transfer,clear,override"`
	// ID is the name of the transfer, of the override, or of the request to clear.
	ID          string     `json:"id"`
	RequestedBy string     `json:"requested_by"`
	ExpiresAt   *time.Time `json:"expires_at"`
	// Signed: it is approved with a signature over the subject, by a registered key.
	Signed bool `json:"signed"`
	// Subject is what is shown, and signed: pets-approval-v1, ledger, portfolio, kind, the
	// number of lines, and the lines, each ended by a line break.
	Subject approval.Subject `json:"subject"`
	// ApprovedBy and Signature are set for a transfer that was approved.
	ApprovedBy string                    `json:"approved_by,omitempty"`
	Signature  *domain.ApprovalSignature `json:"signature,omitempty"`
}

// ApprovalsOf lists what waits for a second person, oldest first.
func ApprovalsOf(s *portfolio.State, ledger string, now time.Time) []Approval {
	out := []Approval{}
	for _, a := range s.Approvals(ledger, now) {
		out = append(out, approvalOf(a))
	}
	return out
}

// ApprovalOf returns what stands to be approved, or how a transfer was approved; false
// if there is none.
func ApprovalOf(s *portfolio.State, ledger, kind, id string, now time.Time) (Approval, bool) {
	a, known := s.ApprovalOf(ledger, kind, id)
	if waits := a.Waits(now); known && waits {
		return approvalOf(a), true
	}
	if a, approved := s.ApprovedTransfer(ledger, id); kind == approval.KindTransfer && approved {
		v := approvalOf(a)
		t := s.Custody.Transfers[id]
		v.ApprovedBy, v.Signature = t.ApprovedBy, t.Signature
		return v, true
	}
	return Approval{}, false
}

func approvalOf(a portfolio.Approval) Approval {
	return Approval{Kind: a.Kind, ID: a.ID, RequestedBy: a.RequestedBy, ExpiresAt: timeOrNil(a.ExpiresAt), Signed: a.Signed, Subject: a.Subject}
}
