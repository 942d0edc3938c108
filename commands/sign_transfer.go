package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
)

// SignTransfer records the signature of a prepared transfer before it leaves. The server sends it,
// and those who ask for the signature, or bring one of a cold wallet.
type SignTransfer struct {
	Transfer string `json:"transfer"`
	// Raw are the signed bytes that were brought; "" where the key is here.
	Raw string `json:"raw,omitempty"`

	// Digest and TxHash follow from what was prepared: they are no part of the body.
	Digest string `json:"-"`
	TxHash string `json:"-"`
}

// Name implements Command.
func (SignTransfer) Name() string { return "sign_transfer" }

// Roles implements Command.
func (SignTransfer) Roles() []domain.Role { return operators }

// Actor implements Command.
func (SignTransfer) Actor() string { return "" }

// Decide implements PortfolioCommand.
func (c SignTransfer) Decide(d *portfolio.Decision) error {
	return d.SignTransfer(&domain.TransferSigned{Transfer: c.Transfer, Digest: c.Digest, TxHash: c.TxHash, Raw: c.Raw})
}
