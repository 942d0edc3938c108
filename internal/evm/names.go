package evm

import (
	"pets/domain"
	"pets/domain/treasury"
	"pets/internal/chain"
)

// Meant returns the asset of a chain whose symbol a name is, or reads like: a person takes
// usdc and "USDC " for USDC, so such a name must not stand for another token.
func Meant(r *chain.Registry, chainID, name string) (asset chain.Asset, known bool) {
	for _, a := range r.Assets {
		switch {
		case a.Chain() != chainID:
		case a.Symbol == name:
			return a, true
		case !known && treasury.Readable(a.Symbol) == treasury.Readable(name):
			asset, known = a, true
		}
	}
	return asset, known
}

// checkName refuses a name of the ledger for an asset that the registry knows under another
// one, or a name under which it knows another asset. What the registry does not name may have
// any name.
func (s *Signatory) checkName(name string, a chain.Asset) error {
	meant, known := Meant(s.registry, a.Chain(), name)
	switch {
	case known && meant.ID != a.ID:
		return &domain.Error{Code: domain.CodeConflict, Field: "assets", Message: "name " + a.ID + " " + name + ", and the registry has " + meant.ID + " as " + meant.Symbol + ": what is sent as the one would be counted as the other. The registry calls this token " + a.Symbol}
	case known && meant.Symbol != name:
		return domain.Invalid("assets", "name %s %q; it reads like %s, and has to be written exactly so", a.ID, name, meant.Symbol)
	}
	return nil
}

// token returns the asset whose contract an address is, on a chain of the registry.
func (s *Signatory) token(address chain.Address) (symbol string, is bool) {
	for _, a := range s.registry.Assets {
		if !a.Native() && a.Contract() == address {
			return a.Symbol, true
		}
	}
	return "", false
}
