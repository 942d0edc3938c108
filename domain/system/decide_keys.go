package system

import (
	"slices"

	"pets/domain"
	"pets/domain/keys"
)

const (
	// maxWallets limits the list of a rotation, so that its record fits an
	// append.
	maxWallets = 5_000

	// NoRotation stands for the name of the latest rotation before there was any.
	NoRotation = "none"
)

// ClaimWallet ties an address to a portfolio permanently: "a wallet belongs to
// one portfolio". A repeated claim by the same portfolio changes nothing, even
// under another name (one address is a wallet on each chain).
func (d *Decision) ClaimWallet(e *domain.WalletClaimed) error {
	if err := keys.CheckAddress("address", e.Address); err != nil {
		return err
	}
	if err := domain.CheckID("wallet", e.Wallet); err != nil {
		return err
	}
	if err := domain.CheckID("portfolio", e.Portfolio); err != nil {
		return err
	}
	claim, claimed := d.s.encryption.ClaimOf(e.Address)
	switch {
	case claimed && claim.Portfolio != e.Portfolio:
		return &domain.Error{
			Code: domain.CodeConflict, Field: "address",
			Message: "belongs to portfolio " + claim.Portfolio + ": a wallet belongs to one portfolio",
		}
	case claimed:
		d.note(domain.NotedUnchanged, "the address already belongs to this portfolio, as wallet "+claim.Wallet)
		return nil
	case d.s.encryption.Named(e.Wallet, e.Address):
		// The keystore identifies a key by the name of its wallet. Two wallets of
		// one name would look like an exchanged key.
		return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is the name of a wallet with another address; a name is used once across all portfolios"}
	}
	d.emit(e)
	return nil
}

// StartRotation starts sealing wallets under another key, and returns the name of
// the rotation. If a rotation to the same key is open, it is resumed. If there
// are wallets that are not on its list, a new rotation to the same key replaces
// it, with the remaining wallets and the new ones, so that every re-encryption is
// announced by a record.
//
// after, unless it is empty, is the latest rotation that the caller knows of, or
// [NoRotation]. If another one was started since, the caller's list of wallets is
// outdated and must not start a new rotation.
func (d *Decision) StartRotation(e *domain.KeyRotationStarted, after string) error {
	if err := checkRotation(e); err != nil {
		return err
	}
	open, under := d.s.encryption.Open()
	if under && open.To != e.To {
		return domain.Errorf(domain.CodeConflict, "rotation %s to key %s is open, wallets left: %d; finish it first", open.Name, open.To, len(open.Left))
	}
	if under && !slices.ContainsFunc(e.Wallets, func(w string) bool { return !slices.Contains(open.Wallets, w) }) {
		d.emit(&domain.CommandNoted{
			Code: domain.NotedUnchanged, Note: "rotation " + open.Name + " to this key is already open", Of: &open.Revision,
		})
		return nil
	}
	if latest := d.s.latestRotation(); after != "" && after != latest {
		return domain.Errorf(domain.CodeConflict, "another rotation was started since (the latest is %s); read the list of wallets again", latest)
	}
	started := *e
	started.Rotation = domain.RotationName(d.s.Next)
	started.Wallets = slices.Concat(open.Left, e.Wallets)
	slices.Sort(started.Wallets)
	if started.Wallets = slices.Compact(started.Wallets); started.Wallets == nil {
		started.Wallets = []string{}
	}
	d.emit(&started)
	return nil
}

func (s *State) latestRotation() string {
	if name := s.encryption.Latest(); name != "" {
		return name
	}
	return NoRotation
}

func checkRotation(e *domain.KeyRotationStarted) error {
	if err := keys.CheckID("to", e.To); err != nil {
		return err
	}
	if len(e.Wallets) > maxWallets {
		return domain.Invalid("wallets", "may hold at most %d", maxWallets)
	}
	for _, w := range e.Wallets {
		if err := domain.CheckID("wallets", w); err != nil {
			return err
		}
	}
	if e.Reason == "" {
		return nil
	}
	return domain.CheckReason("reason", e.Reason)
}

// RecordReencrypted records that one wallet is sealed under the new key. It
// accepts only the open rotation and a wallet of its list. A repeat, even after
// the rotation has ended, changes nothing.
func (d *Decision) RecordReencrypted(e *domain.KeyReencrypted) error {
	if err := checkReencrypted(e); err != nil {
		return err
	}
	r, err := d.rotation(e.Rotation)
	switch {
	case err != nil:
		return err
	case e.To != r.To:
		return &domain.Error{Code: domain.CodeConflict, Field: "to", Message: "is not " + r.To + ", the key of rotation " + r.Name}
	case !slices.Contains(r.Wallets, e.Wallet):
		return &domain.Error{Code: domain.CodeConflict, Field: "wallet", Message: "is not on the list of rotation " + r.Name}
	case !slices.Contains(r.Left, e.Wallet):
		d.note(domain.NotedUnchanged, "the re-encryption of the wallet in this rotation is already recorded")
		return nil
	}
	if open, under := d.s.encryption.Open(); !under || open.Name != r.Name {
		return errNotOpen(r.Name)
	}
	d.emit(e)
	return nil
}

func checkReencrypted(e *domain.KeyReencrypted) error {
	if err := domain.CheckID("wallet", e.Wallet); err != nil {
		return err
	}
	if err := keys.CheckAddress("address", e.Address); err != nil {
		return err
	}
	if err := keys.CheckID("to", e.To); err != nil {
		return err
	}
	if e.From == keys.Unknown {
		return nil
	}
	if err := keys.CheckID("from", e.From); err != nil {
		return err
	}
	if e.From == e.To {
		return domain.Invalid("from", "is the key that the wallet is sealed under now; give %q if the previous key is not known", keys.Unknown)
	}
	return nil
}

// CompleteRotation ends the open rotation once none of its wallets is left. A
// repeat changes nothing.
func (d *Decision) CompleteRotation(name string) error {
	r, err := d.rotation(name)
	if err != nil {
		return err
	}
	if r.CompletedAt != nil {
		d.note(domain.NotedUnchanged, "the rotation is already completed")
		return nil
	}
	if open, under := d.s.encryption.Open(); !under || open.Name != r.Name {
		return errNotOpen(r.Name)
	}
	if n := len(r.Left); n > 0 {
		return domain.Errorf(domain.CodeConflict, "rotation %s has wallets left: %d, the first is %s", r.Name, n, r.Left[0])
	}
	d.emit(&domain.KeyRotationCompleted{Rotation: r.Name, To: r.To})
	return nil
}

func (d *Decision) rotation(name string) (keys.Rotation, error) {
	r, known := d.s.encryption.Rotation(name)
	if !known {
		return r, &domain.Error{Code: domain.CodeNotFound, Field: "rotation", Message: "is not the name of a key rotation"}
	}
	return r, nil
}

func errNotOpen(name string) error {
	return domain.Errorf(domain.CodeConflict, "rotation %s is no longer open", name)
}
