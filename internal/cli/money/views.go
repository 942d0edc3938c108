package money

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// readView reads a view from the named server; without one it folds the folder, which a running
// server may hold.
func readView[V any](ctx context.Context, a *app, at, path string, of func(*portfolio.State) V) (V, error) {
	var v V
	if asks, err := a.AsksServer(); err != nil || asks {
		return v, errors.Join(err, a.View(ctx, at, path, nil, &v))
	}
	err := a.Look(ctx, at, nil, func(s *portfolio.State) error {
		v = of(s)
		return nil
	})
	return v, err
}

// transfersNow asks the server for the transfers as of a revision or later.
func (a *app) transfersNow(ctx context.Context, revision uint64) (show.TransfersView, error) {
	var v show.TransfersView
	path := "/transfers"
	if revision > 0 {
		path += fmt.Sprintf("?min_revision=%d", revision)
	}
	return v, a.ToServer(ctx, http.MethodGet, path, nil, &v)
}

// names maps addresses to their owners and assets to their names.
type names struct {
	wallets  []projections.Wallet
	book     []projections.Contact
	registry *chain.Registry
}

// namesAt reads the names as of a moment.
func (a *app) namesAt(ctx context.Context, at string) (*names, error) {
	registry, err := a.Registry()
	if err != nil {
		return nil, err
	}
	wallets, err := readView(ctx, a, at, "/wallets", show.WalletsOf)
	if err != nil {
		return nil, err
	}
	book, err := readView(ctx, a, at, "/address-book", show.BookOf)
	return &names{wallets.Wallets, book.Addresses, registry}, err
}

// whose describes the owner of an address, or says that it is unknown.
func (n *names) whose(chainID, address string) string {
	for _, w := range n.wallets {
		if w.Chain == chainID && treasury.SameAddress(w.Address, address) {
			return fmt.Sprintf("our %s wallet %s, since %s", w.Place, w.Wallet, cli.Clock(w.RegisteredAt))
		}
	}
	for _, c := range n.book {
		if c.Chain == chainID && treasury.SameAddress(c.Address, address) {
			return fmt.Sprintf("%q in the address book, since %s, put there by %s", c.Label, cli.Clock(c.AddedAt), c.AddedBy)
		}
	}
	return "NOT ONE OF OURS, and not in the address book (any more)"
}

// assetName returns the name of an asset in the local registry. The ledger's name was chosen by
// the person who registered the wallet and is not enough.
func (n *names) assetName(t *projections.Transfer) string {
	asset, err := n.registry.Asset(t.Payment.AssetID)
	switch {
	case err != nil:
		return t.Asset + " (the asset registry here does not know it: set PETS_ASSET_REGISTRY to the server's, and look again)"
	case asset.Symbol != t.Asset:
		return fmt.Sprintf("%s, which the asset registry here calls %s", t.Asset, asset.Symbol)
	}
	return asset.Symbol
}

func (n *names) chainName(id string) string {
	c, err := n.registry.Chain(id)
	if err != nil {
		return id + " (not in the asset registry here)"
	}
	return c.Name + " (" + id + ")"
}
