package treasury

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"pets/domain"
)

// Wallet is one wallet of the portfolio. It holds no key.
type Wallet struct {
	domain.WalletRegistered
	// At is the time and Revision the record of its registration. The latest
	// wallet of a place is the main one.
	At       time.Time `json:"at"`
	Revision uint64    `json:"revision"`
	// KeyID names the encryption key that its key was first sealed under, or ""
	// if its key is kept elsewhere.
	KeyID string `json:"key_id,omitempty"`
	// LoadedAt is when its key was last compared with the address. TestedAt is
	// when its words were last shown to give the address.
	LoadedAt time.Time `json:"loaded_at,omitzero"`
	TestedAt time.Time `json:"tested_at,omitzero"`
	// RetiredAt is when the wallet was retired: nothing is sent to it any more, and
	// money leaves it by a sweep or an evacuation only.
	RetiredAt time.Time `json:"retired_at,omitzero"`
}

// Retired reports whether the wallet is no longer used.
func (w *Wallet) Retired() bool { return !w.RetiredAt.IsZero() }

// Asset returns an asset by its name in the ledger.
func (w *Wallet) Asset(name string) (domain.WalletAsset, bool) {
	i := slices.IndexFunc(w.Assets, func(a domain.WalletAsset) bool { return a.Asset == name })
	if i < 0 {
		return domain.WalletAsset{}, false
	}
	return w.Assets[i], true
}

// IsToken reports whether an address on a chain is the contract of an asset.
func IsToken(a domain.WalletAsset, chain, address string) bool {
	return strings.EqualFold(a.ID, chain+"/erc20:"+address)
}

// Gas returns the coin that fees are paid in.
func (w *Wallet) Gas() (domain.WalletAsset, bool) {
	i := slices.IndexFunc(w.Assets, func(a domain.WalletAsset) bool { return a.Native })
	if i < 0 {
		return domain.WalletAsset{}, false
	}
	return w.Assets[i], true
}

// Contact is an address of the address book, which transfers may go to.
type Contact struct {
	domain.AddressAdded
	At time.Time `json:"at"`
}

// ContactKey identifies a contact: the same address on two chains is two
// contacts.
func ContactKey(chain, address string) string { return chain + "|" + strings.ToLower(address) }

// SameAddress compares two addresses, ignoring case, which is only a checksum.
func SameAddress(a, b string) bool { return strings.EqualFold(a, b) }

// CheckAddress checks the form of an address: 0x and 40 hex digits. It does not
// verify the checksum, because the domain does not hash.
func CheckAddress(field, address string) error {
	digits, ok := strings.CutPrefix(address, "0x")
	if _, err := hex.DecodeString(digits); !ok || err != nil || len(digits) != 40 {
		return domain.Invalid(field, "must be an address: 0x and 40 hex digits")
	}
	if strings.Trim(digits, "0") == "" {
		return domain.Invalid(field, "is the zero address: money sent there is lost")
	}
	return nil
}

// CheckWallet checks the fields of a wallet.
func CheckWallet(e *domain.WalletRegistered) error {
	if err := domain.CheckID("wallet", e.Wallet); err != nil {
		return err
	}
	if e.Place != domain.WalletHot && e.Place != domain.WalletCold {
		return domain.Invalid("place", "must be \"hot\" or \"cold\"")
	}
	if e.Wallet == domain.WalletHot || e.Wallet == domain.WalletCold {
		return domain.Invalid("wallet", "must not be hot or cold: these names mean the main wallet of a place")
	}
	if CheckAddress("wallet", e.Wallet) == nil {
		return domain.Invalid("wallet", "must not look like an address: a transfer can name either as its destination")
	}
	if err := domain.CheckText("chain", e.Chain); err != nil {
		return err
	}
	if err := CheckAddress("address", e.Address); err != nil {
		return err
	}
	if len(e.Assets) == 0 || len(e.Assets) > 100 {
		return domain.Invalid("assets", "must hold 1 to 100 assets")
	}
	return checkAssets(e)
}

func checkAssets(e *domain.WalletRegistered) error {
	native, seen := 0, map[string]bool{}
	for _, a := range e.Assets {
		if err := domain.CheckText("assets", a.Asset); err != nil {
			return err
		}
		switch {
		case strings.Contains(a.Asset, "|") || len(a.Asset) > 128:
			return domain.Invalid("assets", "must be at most 128 bytes each, without |")
		case !strings.HasPrefix(a.ID, e.Chain+"/"):
			return domain.Invalid("assets", "must have CAIP-19 ids on the wallet's chain %s", e.Chain)
		case a.Decimals < 0 || a.Decimals > domain.Scale:
			return domain.Invalid("assets", "must have 0 to %d decimals", domain.Scale)
		case seen[a.Asset] || seen[strings.ToLower(a.ID)]:
			return domain.Invalid("assets", "names an asset twice")
		}
		seen[a.Asset], seen[strings.ToLower(a.ID)] = true, true
		if a.Native {
			native++
		}
	}
	if native != 1 {
		return domain.Invalid("assets", "must hold exactly one coin for the chain's fees")
	}
	return nil
}
