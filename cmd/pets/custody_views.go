package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/domain/treasury"
	"pets/internal/chain"
	"pets/projections"
)

// Views of wallets and transfers, as the server answers them.
type (
	viewHead struct {
		Portfolio string    `json:"portfolio"`
		Revision  uint64    `json:"revision"`
		Time      time.Time `json:"time"`
	}
	transfersView struct {
		viewHead
		Transfers []projections.Transfer `json:"transfers"`
	}
	walletsView struct {
		viewHead
		Wallets []projections.Wallet `json:"wallets"`
	}
	bookView struct {
		viewHead
		Addresses []projections.Contact `json:"addresses"`
	}
	treasuryView struct {
		viewHead
		projections.Treasury
	}
)

func headOf(s *portfolio.State) viewHead { return viewHead{s.Portfolio, s.Next - 1, s.Time} }

func transfersOf(s *portfolio.State) transfersView {
	return transfersView{headOf(s), projections.TransfersOf(s, func(*treasury.Transfer) bool { return true })}
}

func walletsOf(s *portfolio.State) walletsView {
	return walletsView{headOf(s), projections.WalletsOf(s)}
}

func bookOf(s *portfolio.State) bookView { return bookView{headOf(s), projections.BookOf(s)} }

// treasuryOf renders it at the time of the last record: what the past could not know is
// not told of it.
func treasuryOf(s *portfolio.State) treasuryView {
	return treasuryView{headOf(s), projections.TreasuryOf(s, s.Time)}
}

// readView asks the server that is named, or folds the folder, which may lie beside a
// running server.
func readView[V any](ctx context.Context, a *app, at, path string, of func(*portfolio.State) V) (V, error) {
	var v V
	if asks, err := a.asksServer(); err != nil || asks {
		return v, errors.Join(err, a.view(ctx, at, path, nil, &v))
	}
	err := a.look(ctx, at, nil, func(s *portfolio.State) error {
		v = of(s)
		return nil
	})
	return v, err
}

// transfersNow asks the server. After a command it waits for what that recorded.
func (a *app) transfersNow(ctx context.Context, revision uint64) (transfersView, error) {
	var v transfersView
	path := "/transfers"
	if revision > 0 {
		path += fmt.Sprintf("?min_revision=%d", revision)
	}
	return v, a.toServer(ctx, http.MethodGet, path, nil, &v)
}

// named finds a transfer.
func (v *transfersView) named(id string) (*projections.Transfer, error) {
	for i := range v.Transfers {
		if v.Transfers[i].Transfer == id {
			return &v.Transfers[i], nil
		}
	}
	return nil, domain.Errorf(domain.CodeNotFound, "there is no transfer %q in %s among those that are open and the last 1,000 that are over; pets transfers lists them", id, v.Portfolio)
}

// names tell whose an address is, and what an asset is called.
type names struct {
	wallets  []projections.Wallet
	book     []projections.Contact
	registry *chain.Registry
}

// namesAt reads them as of a moment.
func (a *app) namesAt(ctx context.Context, at string) (*names, error) {
	registry, err := a.registry()
	if err != nil {
		return nil, err
	}
	wallets, err := readView(ctx, a, at, "/wallets", walletsOf)
	if err != nil {
		return nil, err
	}
	book, err := readView(ctx, a, at, "/address-book", bookOf)
	return &names{wallets.Wallets, book.Addresses, registry}, err
}

// whose says whose an address is, or that nobody knows.
func (n *names) whose(chainID, address string) string {
	for _, w := range n.wallets {
		if w.Chain == chainID && treasury.SameAddress(w.Address, address) {
			return fmt.Sprintf("our %s wallet %s, since %s", w.Place, w.Wallet, clock(w.RegisteredAt))
		}
	}
	for _, c := range n.book {
		if c.Chain == chainID && treasury.SameAddress(c.Address, address) {
			return fmt.Sprintf("%q in the address book, since %s, put there by %s", c.Label, clock(c.AddedAt), c.AddedBy)
		}
	}
	return "NOT ONE OF OURS, and not in the address book (any more)"
}

// assetName says what the registry here calls an asset. The ledger's name alone would be
// the word of whoever registered the wallet.
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

// decimalFlag is an amount on the command line.
type decimalFlag struct{ domain.Decimal }

func (d *decimalFlag) Type() string { return "amount" }

func (d *decimalFlag) Set(s string) error {
	v, err := domain.ParseDecimal(s)
	if err != nil {
		return errors.New("is not a plain decimal number, such as 250 or 0.5")
	}
	d.Decimal = v
	return nil
}

// moneyCommands are those that look after the money: transfers, approvals, treasury.
func (a *app) moneyCommands() []*cobra.Command {
	return []*cobra.Command{
		a.sends(a.transferCommand()), a.transfersCommand(), a.approvalsCommand(), a.approveCommand(), a.rejectCommand(),
		a.treasuryCommand(), a.rebalanceCommand(), a.reconcileCommand(), a.addressBookCommand(),
	}
}

// reasonNeeded refuses a command without a reason before anything is sent.
func reasonNeeded(reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errUsage{domain.Invalid("--reason", "is needed; it is kept with the record")}
	}
	return nil
}
