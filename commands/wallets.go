package commands

import (
	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/system"
)

// RegisterWallet registers a wallet of a place and chain, and makes it the main one of its place. An
// address belongs to one portfolio: see package commands/custody.
type RegisterWallet struct {
	Wallet  string `json:"wallet"`
	Place   string `json:"place"`
	Chain   string `json:"chain"`   // CAIP-2, such as eip155:137
	Address string `json:"address"` // EIP-55
	// Named maps the ledger's names of the assets to CAIP-19 ids. The default is the base
	// asset and the chain's coin, from the registry.
	Named map[string]string `json:"assets,omitempty"`

	// Assets are the registry's entries for them. They are not part of the body.
	Assets []domain.WalletAsset `json:"-"`
}

func (RegisterWallet) spec() *Spec { return registerWallet }

// Decide implements PortfolioCommand.
func (c RegisterWallet) Decide(d *portfolio.Decision) error {
	return d.RegisterWallet(&domain.WalletRegistered{Wallet: c.Wallet, Place: c.Place, Chain: c.Chain, Address: c.Address, Assets: c.Assets})
}

// ClaimWallet ties a wallet's address to a portfolio before the portfolio registers it, so
// that no other portfolio can.
type ClaimWallet struct {
	// Address is 0x and 40 hex digits; capitals make no difference.
	Address   string `json:"address"`
	Wallet    string `json:"wallet"`
	Portfolio string `json:"portfolio"`
}

func (ClaimWallet) spec() *Spec { return claimWallet }

// DecideSystem implements SystemCommand.
func (c ClaimWallet) DecideSystem(d *system.Decision) error {
	return d.ClaimWallet(&domain.WalletClaimed{Address: c.Address, Wallet: c.Wallet, Portfolio: c.Portfolio})
}

// RecordKey notes that a wallet's key was put into the keystore.
type RecordKey struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	// Origin is created or recovered.
	Origin string `json:"origin" enum:"created,recovered"`
	Path   string `json:"path,omitempty"` // BIP-44
	KeyID  string `json:"key_id"`         // of the encryption key
}

func (RecordKey) spec() *Spec { return recordKey }

// Decide implements PortfolioCommand.
func (c RecordKey) Decide(d *portfolio.Decision) error {
	return d.RecordKey(c.Origin, domain.KeyCreated{Wallet: c.Wallet, Address: c.Address, Path: c.Path, KeyID: c.KeyID})
}

// UseKey notes that a key was opened for a purpose other than signing.
type UseKey struct {
	Wallet  string `json:"wallet"`
	Purpose string `json:"purpose"`

	// Address is not part of the body: package commands/custody adds it.
	Address string `json:"-"`
}

func (UseKey) spec() *Spec { return useKey }

// Decide implements PortfolioCommand.
func (c UseKey) Decide(d *portfolio.Decision) error {
	return d.UseKey(&domain.KeyUsed{Wallet: c.Wallet, Address: c.Address, Purpose: c.Purpose})
}

// LoadWallet notes that a wallet's key has its address, and the balances on the chain.
type LoadWallet struct {
	Wallet string `json:"wallet"`

	// The findings are not part of the body: package commands/custody adds them.
	Address  string                 `json:"-"`
	Block    uint64                 `json:"-"`
	Balances []domain.WalletBalance `json:"-"`
}

func (LoadWallet) spec() *Spec { return loadWallet }

// Decide implements PortfolioCommand.
func (c LoadWallet) Decide(d *portfolio.Decision) error {
	return d.LoadWallet(&domain.WalletLoaded{Wallet: c.Wallet, Address: c.Address, Block: c.Block, Balances: c.Balances})
}

// MissKey notes that a wallet's key is not in the keystore any more, or cannot be opened. The
// server sends it.
type MissKey struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
	Detail  string `json:"detail,omitempty"`
}

func (MissKey) spec() *Spec { return missKey }

// Decide implements PortfolioCommand.
func (c MissKey) Decide(d *portfolio.Decision) error {
	return d.MissKey(&domain.WalletKeyMissing{Wallet: c.Wallet, Address: c.Address, Detail: c.Detail})
}

// RetireWallet ends the use of a wallet whose key may have leaked. It is final.
type RetireWallet struct {
	Wallet string `json:"wallet"`
	Reason string `json:"reason"`
}

func (RetireWallet) spec() *Spec { return retireWallet }

// Decide implements PortfolioCommand.
func (c RetireWallet) Decide(d *portfolio.Decision) error {
	return d.RetireWallet(c.Wallet, c.Reason)
}

// TestRecovery notes that the words of a wallet give its address. The stored key was not used.
type TestRecovery struct {
	Wallet  string `json:"wallet"`
	Address string `json:"address"`
}

func (TestRecovery) spec() *Spec { return testRecovery }

// Decide implements PortfolioCommand.
func (c TestRecovery) Decide(d *portfolio.Decision) error {
	return d.TestRecovery(&domain.WalletRecoveryTested{Wallet: c.Wallet, Address: c.Address})
}

// AddAddress adds an address to the address book: transfers may go to it.
type AddAddress struct {
	Chain   string `json:"chain"`   // CAIP-2
	Address string `json:"address"` // EIP-55
	Label   string `json:"label"`
}

func (AddAddress) spec() *Spec { return addAddress }

// Decide implements PortfolioCommand.
func (c AddAddress) Decide(d *portfolio.Decision) error {
	return d.AddAddress(&domain.AddressAdded{Chain: c.Chain, Address: c.Address, Label: c.Label})
}

// RemoveAddress removes an address from the address book.
type RemoveAddress struct {
	Chain   string `json:"chain"`
	Address string `json:"address"`
	Reason  string `json:"reason"`
}

func (RemoveAddress) spec() *Spec { return removeAddress }

// Decide implements PortfolioCommand.
func (c RemoveAddress) Decide(d *portfolio.Decision) error {
	return d.RemoveAddress(&domain.AddressRemoved{Chain: c.Chain, Address: c.Address, Reason: c.Reason})
}
