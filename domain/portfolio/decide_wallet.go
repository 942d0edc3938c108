package portfolio

import (
	"slices"
	"time"

	"pets/domain"
	"pets/domain/treasury"
)

// requireLive refuses paper portfolios: wallets and transfers are real money.
func (d *Decision) requireLive() error {
	if err := d.requireOpen(); err != nil {
		return err
	}
	if d.s.Mode != domain.ModeLive {
		return domain.Errorf(domain.CodeConflict, "a paper portfolio has no wallets, transfers and signatures")
	}
	return nil
}

// RegisterWallet registers a wallet as the main one of its place. A repeat may
// add assets and make the wallet the main one again. Its place, chain and address
// are final.
func (d *Decision) RegisterWallet(e *domain.WalletRegistered) error {
	if err := d.s.CheckWallet(e); err != nil {
		return err
	}
	c := &d.s.Custody
	if old := c.Wallets[e.Wallet]; old != nil {
		if len(old.Assets) == len(e.Assets) && c.Main(e.Place) == old {
			d.Note(domain.NotedUnchanged, "the wallet is already registered like this")
			return nil
		}
		e.Address = old.Address
	}
	if err := d.checkNewWallets(e); err != nil {
		return err
	}
	e.User = d.caller.User
	d.emit(e)
	return nil
}

// checkNewWallets limits what is registered within a day, whether or not it is
// retired again.
func (d *Decision) checkNewWallets(e *domain.WalletRegistered) error {
	if old := d.s.Custody.Wallets[e.Wallet]; old != nil && len(old.Assets) == len(e.Assets) {
		return nil // it becomes the main one again
	}
	wallets, readings := 1, len(e.Assets)
	for _, w := range d.s.Custody.Wallets {
		if w.Wallet != e.Wallet && d.now.Sub(w.At) < 24*time.Hour {
			wallets, readings = wallets+1, readings+len(w.Assets)
		}
	}
	if wallets > maxNewWallets || readings > maxReadings {
		return domain.Errorf(domain.CodeConflict, "at most %d wallets, with %d assets together, are registered within 24 h; if nobody here did so, revoke the API key that did (pets events --type wallet.registered), and try again later", maxNewWallets, maxReadings)
	}
	return nil
}

// CheckWallet refuses a wallet that cannot be registered, without recording
// anything.
func (s *State) CheckWallet(e *domain.WalletRegistered) error {
	d := s.Begin(s.Time, domain.Caller{})
	if err := d.requireLive(); err != nil {
		return err
	}
	if err := treasury.CheckWallet(e); err != nil {
		return err
	}
	if err := d.checkWalletAssets(e); err != nil {
		return err
	}
	if err := d.checkWalletAddress(e); err != nil {
		return err
	}
	old := s.Custody.Wallets[e.Wallet]
	switch {
	case old == nil && s.Custody.living() >= maxWallets:
		return domain.Errorf(domain.CodeConflict, "a portfolio has at most %d wallets that are not retired", maxWallets)
	case old == nil && len(s.Custody.Wallets) >= maxEverWallets:
		return domain.Errorf(domain.CodeConflict, "a portfolio has at most %d wallets, with those that are retired: open another portfolio", maxEverWallets)
	case old == nil:
		return d.checkLookAlike(e)
	case old.Retired():
		return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is retired, which is final; create another one"}
	case old.Place != e.Place || old.Chain != e.Chain || !treasury.SameAddress(old.Address, e.Address):
		return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is registered with another place, chain or address; those are final"}
	case slices.ContainsFunc(old.Assets, func(a domain.WalletAsset) bool { return !slices.Contains(e.Assets, a) }):
		// If an asset could be removed, its balance would no longer be read, and
		// a loss would go unnoticed.
		return &domain.Error{Code: domain.CodeConflict, Field: "assets", Message: "lack one that the wallet is registered with, or change it; assets can only be added"}
	}
	return nil
}

// checkLookAlike refuses a new wallet whose name or address is made to look like another one.
func (d *Decision) checkLookAlike(e *domain.WalletRegistered) error {
	if err := d.checkWalletName(e); err != nil {
		return err
	}
	for _, w := range d.s.Custody.SortedWallets() {
		if treasury.LookAlike(w.Address, e.Address) {
			return lookAlike("the address of wallet " + w.Wallet)
		}
	}
	for _, c := range d.s.Custody.SortedBook() {
		if treasury.LookAlike(c.Address, e.Address) {
			return lookAlike("the address of " + c.Label + " in the book")
		}
	}
	return nil
}

// checkWalletName refuses a name that a person takes for another one, and the contract of a
// token as an address.
func (d *Decision) checkWalletName(e *domain.WalletRegistered) error {
	if err := d.s.notToken("address", e.Chain, e.Address); err != nil {
		return err
	}
	for _, a := range e.Assets {
		if treasury.IsToken(a, e.Chain, e.Address) {
			return aToken("address", a.Asset)
		}
	}
	read := treasury.Readable(e.Wallet)
	if read == treasury.Readable(domain.WalletHot) || read == treasury.Readable(domain.WalletCold) {
		return domain.Invalid("wallet", "reads like hot or cold: these names mean the main wallet of a place")
	}
	for _, w := range d.s.Custody.SortedWallets() {
		if treasury.Readable(w.Wallet) == read {
			return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "reads like the name of wallet " + w.Wallet + "; choose one that nobody takes for it"}
		}
	}
	for _, c := range d.s.Custody.SortedBook() {
		if treasury.Readable(c.Label) == read {
			return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is, or reads like, the label of " + c.Address + " in the book; choose one that nobody takes for it"}
		}
	}
	return nil
}

// notToken refuses the contract of a token that a wallet holds as a recipient.
func (s *State) notToken(field, chain, address string) error {
	for _, w := range s.Custody.SortedWallets() {
		for _, a := range w.Assets {
			if treasury.IsToken(a, chain, address) {
				return aToken(field, a.Asset)
			}
		}
	}
	return nil
}

func aToken(field, asset string) error {
	return domain.Invalid(field, "is the contract of the token %s: what is sent to it is lost", asset)
}

// checkWalletAssets requires that an asset has one token per chain in all
// wallets. An amount sent as one token and counted as another would be missing in
// both.
func (d *Decision) checkWalletAssets(e *domain.WalletRegistered) error {
	if _, base := assetOf(e, d.s.BaseAsset); !base {
		return domain.Invalid("assets", "must hold the base asset %s", d.s.BaseAsset)
	}
	readings, ever := len(e.Assets), len(e.Assets)
	for _, w := range d.s.Custody.SortedWallets() {
		if w.Wallet == e.Wallet {
			continue
		}
		if ever += len(w.Assets); !w.Retired() {
			readings += len(w.Assets)
		}
		for _, a := range w.Assets {
			if known, ok := assetOf(e, a.Asset); ok && w.Chain == e.Chain && known != a {
				return &domain.Error{Code: domain.CodeConflict, Field: "assets", Message: "have another token for " + a.Asset + " than wallet " + w.Wallet}
			}
		}
	}
	switch {
	case readings > maxReadings:
		return domain.Errorf(domain.CodeConflict, "the wallets of a portfolio that are not retired hold at most %d assets together", maxReadings)
	case ever > maxEverReadings:
		return domain.Errorf(domain.CodeConflict, "the wallets of a portfolio hold at most %d assets together, with those that are retired: open another portfolio", maxEverReadings)
	}
	return nil
}

// checkWalletAddress requires that an address belongs to one wallet, and that no
// transfer to it as an external address is open.
func (d *Decision) checkWalletAddress(e *domain.WalletRegistered) error {
	if own := d.s.ownAddress(e.Chain, e.Address); own != nil && own.Wallet != e.Wallet {
		return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is the address of wallet " + own.Wallet}
	}
	for _, t := range d.s.Custody.OpenTransfers() {
		if t.ToPlace == domain.PlaceExternal && t.Chain == e.Chain && treasury.SameAddress(t.To, e.Address) {
			return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is the external recipient of transfer " + t.Transfer + "; wait until that has ended"}
		}
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
	case !treasury.SameAddress(w.Address, address):
		return nil, &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is not the address of the wallet"}
	}
	return w, nil
}

// RecordKey records that a wallet's key was put into the keystore, generated
// there or recovered from its words.
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

func isKeyID(s string) bool { return len(s) == 8 && domain.IsLowerHex(s) }

// LoadWallet records that a wallet's key gives its address, and the balances that
// the chain reports.
func (d *Decision) LoadWallet(e *domain.WalletLoaded) error {
	w, err := d.requireWallet(e.Wallet, e.Address)
	if err != nil {
		return err
	}
	for i, b := range e.Balances {
		_, known := w.Asset(b.Asset)
		if !known || b.Amount.Sign() < 0 || !b.Amount.InRange() || slices.ContainsFunc(e.Balances[:i], func(o domain.WalletBalance) bool { return o.Asset == b.Asset }) {
			return domain.Invalid("balances", "must name assets of the wallet, each once, with its balance")
		}
	}
	d.emit(e)
	return nil
}

// TestRecovery records that a person's words gave the wallet's address. The
// stored key is not used.
func (d *Decision) TestRecovery(e *domain.WalletRecoveryTested) error {
	if _, err := d.requireWallet(e.Wallet, e.Address); err != nil {
		return err
	}
	d.emit(e)
	return nil
}

// UseKey records that a key was opened for something other than a signature.
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

// AddAddress adds an address to the book: transfers may go to it from now on,
// each with an approval of its own.
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
	c := &d.s.Custody
	old := c.Book[treasury.ContactKey(e.Chain, e.Address)]
	if old == nil || old.Label != e.Label {
		if err := treasury.CheckLabel("label", e.Label); err != nil {
			return err
		}
	}
	if err := d.s.notToken("address", e.Chain, e.Address); err != nil {
		return err
	}
	if w := d.s.retiredAt(e.Address); w != nil {
		return &domain.Error{Code: domain.CodeDenied, Field: "address", Message: "is the address of wallet " + w.Wallet + ", which is retired: whoever has its key has what is sent there, on every chain"}
	}
	switch own := d.s.ownAddress(e.Chain, e.Address); {
	case own != nil:
		return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is the address of wallet " + own.Wallet + ", which needs no entry"}
	case old == nil && len(c.Book) >= maxContacts:
		return domain.Errorf(domain.CodeConflict, "the address book holds at most %d addresses", maxContacts)
	case old != nil && old.Label == e.Label:
		d.Note(domain.NotedUnchanged, "the address is already in the book")
		return nil
	case old != nil:
		return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "is in the book under another label; remove it first"}
	}
	if err := d.distinct(e.Address, e.Label); err != nil {
		return err
	}
	e.User = d.caller.User
	d.emit(e)
	return nil
}

// distinct refuses an address and a label that a person would take for others that are known:
// an attacker makes an address with the ends of one, and a label that reads like one. The same
// address on another chain may have the same label.
func (d *Decision) distinct(address, label string) error {
	c := &d.s.Custody
	read := treasury.Readable(label)
	for _, other := range c.SortedBook() {
		switch {
		case treasury.LookAlike(other.Address, address):
			return lookAlike("the address of " + other.Label + " in the book")
		case !treasury.SameAddress(other.Address, address) && treasury.Readable(other.Label) == read:
			return &domain.Error{Code: domain.CodeConflict, Field: "label", Message: "is, or reads like, the label of another address of the book, " + other.Address + "; choose one that nobody takes for it"}
		}
	}
	for _, w := range c.SortedWallets() {
		switch {
		case treasury.LookAlike(w.Address, address):
			return lookAlike("the address of wallet " + w.Wallet)
		case treasury.Readable(w.Wallet) == read:
			return &domain.Error{Code: domain.CodeConflict, Field: "label", Message: "is, or reads like, the name of a wallet; choose another"}
		}
	}
	if read == treasury.Readable(domain.WalletHot) || read == treasury.Readable(domain.WalletCold) {
		return domain.Invalid("label", "must not be hot or cold: these names mean the wallets")
	}
	return nil
}

func lookAlike(of string) error {
	return &domain.Error{Code: domain.CodeConflict, Field: "address", Message: "has the same first and last four digits as " + of + ", and is another one: it was made to be taken for it. Compare all 40 digits with what its owner has given you by another way"}
}

// RemoveAddress removes an address from the book. Transfers to it that are not
// prepared yet will be refused.
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
