package commands

import (
	"pets/domain"
	"pets/domain/system"
)

// RegisterApprover registers the public half of an approver's key, which its owner made
// and keeps. The server and the admin never see the other half.
type RegisterApprover struct {
	// User is the person who signs with it; two-person rules compare it.
	User string `json:"user"`
	// PublicKey is the text that pets apikey request prints.
	PublicKey string `json:"public_key"`
	Note      string `json:"note,omitempty"`
}

func (RegisterApprover) spec() *Spec { return registerApprover }

// DecideSystem implements SystemCommand.
func (c RegisterApprover) DecideSystem(d *system.Decision) error {
	return d.RegisterApprover(&domain.ApproverRegistered{User: c.User, PublicKey: c.PublicKey, Note: c.Note})
}

// VouchApprover is the word of a counting approver for another one's key, which then
// counts at once.
type VouchApprover struct {
	Approver string `json:"approver"`
	// Signature is over the subject that the list of approvers shows with the key.
	Signature *domain.ApprovalSignature `json:"signature"`
}

func (VouchApprover) spec() *Spec { return vouchApprover }

// DecideSystem implements SystemCommand.
func (c VouchApprover) DecideSystem(d *system.Decision) error {
	return d.VouchApprover(c.Approver, c.Signature)
}

// RevokeApprover ends an approver's key for good.
type RevokeApprover struct {
	Approver string `json:"approver"`
	Reason   string `json:"reason,omitempty"`
}

func (RevokeApprover) spec() *Spec { return revokeApprover }

// DecideSystem implements SystemCommand.
func (c RevokeApprover) DecideSystem(d *system.Decision) error {
	return d.RevokeApprover(c.Approver, c.Reason)
}
