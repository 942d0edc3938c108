package portfolio

import (
	"slices"

	"pets/domain"
	"pets/domain/treasury"
)

// requireLive: wallets and transfers are real money.
func (d *Decision) requireLive() error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.s.Mode != domain.ModeLive {
		return domain.Errorf(domain.CodeConflict, "a paper portfolio has no wallets, transfers and signatures")
	}
	return nil
}

// RegisterWallet makes a wallet known, the main one of its place. Registered again it
// may have more assets, and be the main one again; its place, chain and address are
// final.
func (d *Decision) RegisterWallet(e *domain.WalletRegistered) error {
	if err := d.s.CheckWallet(e); err != nil {
		return err
	}
	c := &d.s.Custody
	if old := c.Wallets[e.Wallet]; old != nil && slices.Equal(old.Assets, e.Assets) && c.Main(e.Place) == old {
		d.Note(domain.NotedUnchanged, "the wallet is registered like this")
		return nil
	}
	d.emit(e)
	return nil
}

// CheckWallet refuses a wallet that cannot be registered; nothing is recorded.
func (s *State) CheckWallet(e *domain.WalletRegistered) error {
	d := s.Begin(s.Time, domain.Caller{})
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := treasury.CheckWallet(e); err != nil {
		return err
	}
	c := &s.Custody
	if _, base := assetOf(e, s.BaseAsset); !base {
		return domain.Invalid("assets", "must hold the base asset %s", s.BaseAsset)
	}
	for _, w := range c.Wallets {
		if w.Wallet != e.Wallet && treasury.SameAddress(w.Address, e.Address) && w.Chain == e.Chain {
			return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is that of wallet " + w.Wallet}
		}
	}
	old := c.Wallets[e.Wallet]
	switch {
	case old == nil && len(c.Wallets) >= maxWallets:
		return domain.Errorf(domain.CodeConflict, "a portfolio has at most %d wallets", maxWallets)
	case old != nil && (old.Place != e.Place || old.Chain != e.Chain || old.Address != e.Address):
		return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is registered with another place, chain or address; those are final"}
	}
	return nil
}

func assetOf(e *domain.WalletRegistered, name string) (domain.WalletAsset, bool) {
	w := treasury.Wallet{WalletRegistered: *e}
	return w.Asset(name)
}

// requireWallet finds a wallet whose address is as given.
func (d *Decision) requireWallet(id, address string) (*treasury.Wallet, error) {
	if err := d.requireLive(); err != nil {
		return nil, err
	}
	w := d.s.Custody.Wallets[id]
	switch {
	case w == nil:
		return nil, &domain.Error{Code: domain.CodeNotFound, Field: "wallet", Message: "is not registered in this portfolio"}
	case w.Address != address:
		return nil, &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is not that of the wallet"}
	}
	return w, nil
}

// RecordKey notes that a wallet's key was put into the keystore: drawn there, or
// recovered from its words.
func (d *Decision) RecordKey(origin string, e domain.KeyCreated) error {
	if _, err := d.requireWallet(e.Wallet, e.Address); err != nil {
		return err
	}
	if !isKeyID(e.KeyID) {
		return domain.Invalid("key_id", "must be 8 lower-case hex digits")
	}
	if err := domain.CheckOptionalText("path", e.Path); err != nil {
		return err
	}
	switch origin {
	case domain.KeyNew:
		d.emit(&e)
	case domain.KeyRecovered:
		imported := domain.KeyImported(e)
		d.emit(&imported)
	default:
		return domain.Invalid("origin", "must be created or recovered")
	}
	return nil
}

func isKeyID(s string) bool { return len(s) == 8 && isLowerHex(s) }

func isLowerHex(s string) bool {
	for _, r := range s {
		if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
			return false
		}
	}
	return true
}

// LoadWallet notes that a wallet's key gives its address, and what the chain says it
// holds.
func (d *Decision) LoadWallet(e *domain.WalletLoaded) error {
	w, err := d.requireWallet(e.Wallet, e.Address)
	if err != nil {
		return err
	}
	for i, b := range e.Balances {
		_, known := w.Asset(b.Asset)
		if !known || b.Amount.Sign() < 0 || slices.ContainsFunc(e.Balances[:i], func(o domain.WalletBalance) bool { return o.Asset == b.Asset }) {
			return domain.Invalid("balances", "must name assets of the wallet, each once, with what it holds")
		}
	}
	d.emit(e)
	return nil
}

// TestRecovery notes that somebody's words gave the wallet's address, without a touch
// of the stored key.
func (d *Decision) TestRecovery(e *domain.WalletRecoveryTested) error {
	if _, err := d.requireWallet(e.Wallet, e.Address); err != nil {
		return err
	}
	d.emit(e)
	return nil
}

// UseKey notes that a key was opened for something else than a signature.
func (d *Decision) UseKey(e *domain.KeyUsed) error {
	if _, err := d.requireWallet(e.Wallet, e.Address); err != nil {
		return err
	}
	if err := domain.CheckReason("purpose", e.Purpose); err != nil {
		return err
	}
	d.emit(e)
	return nil
}

// AddAddress puts an address into the book: transfers may go to it from now on, each
// with an approval of its own.
func (d *Decision) AddAddress(e *domain.AddressAdded) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := domain.CheckText("chain", e.Chain); err != nil {
		return err
	}
	if err := treasury.CheckAddress("address", e.Address); err != nil {
		return err
	}
	if err := domain.CheckText("label", e.Label); err != nil {
		return err
	}
	c := &d.s.Custody
	old := c.Book[treasury.ContactKey(e.Chain, e.Address)]
	switch {
	case old == nil && len(c.Book) >= maxContacts:
		return domain.Errorf(domain.CodeConflict, "the address book holds at most %d addresses", maxContacts)
	case old != nil && old.Label == e.Label:
		d.Note(domain.NotedUnchanged, "the address is in the book")
		return nil
	case old != nil:
		return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is in the book under another label; remove it first"}
	}
	e.User = d.caller.User
	d.emit(e)
	return nil
}

// RemoveAddress takes an address out of the book. Transfers to it that nobody has
// prepared will be refused then.
func (d *Decision) RemoveAddress(e *domain.AddressRemoved) error {
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := domain.CheckReason("reason", e.Reason); err != nil {
		return err
	}
	if d.s.Custody.Book[treasury.ContactKey(e.Chain, e.Address)] == nil {
		return &domain.Error{Code: domain.CodeNotFound, Field: "address", Message: "is not in the address book"}
	}
	d.emit(e)
	return nil
}
