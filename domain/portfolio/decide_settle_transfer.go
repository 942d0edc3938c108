package portfolio

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/treasury"
)

// TransferSettlement is the outcome that two people found on the chain where the
// server cannot: its endpoints no longer have the state, or disagree permanently,
// or the transaction was not signed here. It is the content of an override of
// kind transfer.
type TransferSettlement struct {
	Transfer string `json:"transfer"`
	// Outcome is confirmed or failed.
	Outcome string         `json:"outcome"`
	TxHash  string         `json:"tx_hash"`
	Block   uint64         `json:"block"`
	Fee     domain.Decimal `json:"fee"` // in the chain's coin, 0 if somebody else paid it
}

// ReadSettlement decodes the content of an override of kind transfer. ok is false for
// anything else, which a decision refuses.
func ReadSettlement(raw json.RawMessage) (s TransferSettlement, ok bool) {
	err := domain.DecodeObject(raw, &s)
	return s, err == nil
}

// settlementOf decodes a settlement and finds the transfer that it would end.
func (d *Decision) settlementOf(portfolio string, raw json.RawMessage) (s TransferSettlement, t *treasury.Transfer, err error) {
	refused := &domain.Error{Code: domain.CodeInvalid, Field: "limits", Message: "must be {transfer, outcome, tx_hash, block, fee} for an override of kind transfer"}
	if err := domain.DecodeObject(raw, &s); err != nil {
		return s, nil, refused
	}
	if t, err = d.requireTransfer(s.Transfer); err != nil {
		return s, nil, err
	}
	switch {
	case portfolio != "":
		return s, t, domain.Invalid("portfolio", "is not allowed with transfer, which concerns this portfolio")
	case t.Status != treasury.Signed && t.Status != treasury.Broadcast && (t.Status != treasury.Prepared || t.NeverSigned()):
		return s, t, domain.Errorf(domain.CodeConflict, "the transfer is %s: it is not on its way, so there is no outcome to record", d.statusOf(t))
	case s.Outcome != string(treasury.Confirmed) && s.Outcome != string(treasury.Failed):
		return s, t, domain.Invalid("limits.outcome", "must be confirmed or failed")
	case !isTxHash(s.TxHash) || s.Block == 0:
		return s, t, domain.Invalid("limits.tx_hash", "and block must name the transaction that used the nonce: 0x and 64 hex digits")
	case s.Fee.Sign() < 0 || !s.Fee.InRange():
		return s, t, domain.Invalid("limits.fee", "must not be negative, nor reach 10^15")
	}
	return s, t, d.checkSettled(s, t)
}

// confirmSettlement ends the transfer, based on its current state.
func (d *Decision) confirmSettlement(o *Override, e *domain.OverrideRecorded) error {
	s, t, err := d.settlementOf(o.Portfolio, o.Limits)
	if err != nil {
		return err
	}
	d.emit(e)
	d.settleTransfer(s, t)
	return nil
}

// settledLines hold the transfer whose outcome a request is about.
func (s *State) settledLines(o *Override) []string {
	var about TransferSettlement
	if json.Unmarshal(o.Limits, &about) != nil {
		return nil
	}
	if t := s.Custody.Transfers[about.Transfer]; t != nil {
		return TransferLines(&t.TransferRequested)
	}
	return nil
}

// settleTransfer ends a transfer on the confirmation of two people.
func (d *Decision) settleTransfer(s TransferSettlement, t *treasury.Transfer) {
	if !t.Moved() {
		hash := t.Last().TxHash
		if hash == "" { // a cold wallet signed it, and the bytes were never imported
			hash = s.TxHash
		}
		d.emit(&domain.TransferBroadcast{Transfer: t.Transfer, TxHash: hash})
	}
	if s.Outcome == string(treasury.Confirmed) {
		d.fact(&domain.TransferConfirmed{Transfer: t.Transfer, TxHash: s.TxHash, Block: s.Block, Fee: s.Fee})
	} else {
		d.fact(&domain.TransferFailed{Transfer: t.Transfer, Code: domain.FailedByHand, TxHash: s.TxHash, Block: s.Block, Fee: s.Fee})
	}
	d.evaluateEnd()
}
