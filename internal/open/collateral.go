package open

import (
	"slices"
	"strings"

	"pets/domain"
	"pets/internal/evm"
)

// Payable refuses the base asset of a new live portfolio that no known order is paid in: none
// of its orders would ever be signed. At the opening only the name of the asset is known, and
// the chain of PETS_CHAIN; a name that the registry does not have gets its token with the first
// wallet, and is checked there. A chain of which no order is known is another venue's affair.
func (a *Place) Payable(asset string) error {
	registry, err := a.Registry()
	if err != nil {
		return err
	}
	if known, is := evm.Meant(registry, a.Config.Chain, asset); is && known.Symbol != asset {
		return domain.Invalid("base_asset", "reads like %s, which is an asset on %s, and is another name: write it exactly so", known.Symbol, a.Config.Chain)
	}
	meant, pay, err := a.paying(asset)
	if err != nil || len(meant) == 0 || len(pay) == 0 || slices.Contains(pay, asset) {
		return err
	}
	return &domain.Error{
		Code: domain.CodeConflict, Field: "base_asset",
		Message: "is " + asset + ", and no known order on " + a.Config.Chain + " is paid in that, so no order would ever be signed; open the portfolio in what the venue is paid in: " + strings.Join(pay, " or "),
	}
}

// Paid are the names of what the known orders on the chain of PETS_CHAIN are paid in.
func (a *Place) Paid() []string {
	_, pay, err := a.paying("")
	if err != nil {
		return nil
	}
	return pay
}

// paying returns the registry's assets of a name, and the names of those that pay an order.
func (a *Place) paying(asset string) (meant, pay []string, err error) {
	registry, err := a.Registry()
	if err != nil {
		return nil, nil, err
	}
	shapes, err := a.Shapes()
	if err != nil {
		return nil, nil, err
	}
	ids := shapes.Collaterals(a.Config.Chain)
	for _, of := range registry.Assets {
		if of.Chain() != a.Config.Chain {
			continue
		}
		if of.Symbol == asset {
			meant = append(meant, of.ID)
		}
		if slices.Contains(ids, of.ID) {
			pay = append(pay, of.Symbol)
			ids = slices.DeleteFunc(ids, func(id string) bool { return id == of.ID })
		}
	}
	return meant, append(ids, pay...), nil // a token without a name is its id
}

// Unpaid says that no known order is paid in an asset of a chain; "" where one is, or where no
// order of the chain is known.
func (a *Place) Unpaid(chain string, asset domain.WalletAsset) string {
	shapes, err := a.Shapes()
	if err != nil {
		return "the order shapes cannot be read: " + err.Error()
	}
	paying := shapes.Collaterals(chain)
	if len(paying) == 0 || slices.Contains(paying, asset.ID) {
		return ""
	}
	return "no known order on " + chain + " is paid in " + asset.Asset + " (" + asset.ID + "): an order of a bot is refused with wrong_asset. Known orders are paid in " + strings.Join(paying, ", ")
}
