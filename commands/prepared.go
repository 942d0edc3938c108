package commands

import (
	"encoding/json"

	"pets/domain"
	"pets/domain/portfolio"
)

// Prepared is a payment as a transaction, and the payment that its bytes encode.
type Prepared struct {
	Transaction json.RawMessage `json:"transaction"`
	Nonce       uint64          `json:"nonce"`
	Digest      string          `json:"digest"` // 64 hex digits
	Says        domain.Payment  `json:"says"`
	// Cancel: it pays nothing, and only uses the nonce.
	Cancel bool `json:"cancel,omitempty"`
}

func (p Prepared) domain() portfolio.PreparedTransaction {
	return portfolio.PreparedTransaction{Transaction: p.Transaction, Nonce: p.Nonce, Digest: p.Digest, Says: p.Says, Cancel: p.Cancel}
}
