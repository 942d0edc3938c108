package money

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/vault"
	"pets/projections"
)

// listedWallet is a registered wallet with its key in the local keystore.
type listedWallet struct {
	projections.Wallet
	Key *listedSeal `json:"key"` // null if the key is not here
}

// listedSeal describes a sealed key without opening it.
type listedSeal struct {
	Wallet  string    `json:"wallet"`
	Address string    `json:"address"`
	KeyID   string    `json:"key_id"`
	SealAt  time.Time `json:"sealed_at"`
}

// walletList is the answer of `pets wallet list --json`.
type walletList struct {
	Portfolio string         `json:"portfolio"`
	Wallets   []listedWallet `json:"wallets"`
	// Unregistered lists the keys in the keystore of which the portfolio has no wallet.
	Unregistered []listedSeal `json:"unregistered"`
	// Warnings are about files that others can read, for example.
	Warnings []string `json:"warnings"`
	// KeysKnown is false if the keystore could not be listed.
	KeysKnown bool `json:"keys_known"`
}

func (a *app) listWalletsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The wallets, which keys are here and how sealed, and when recovery was last tried", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			v, err := a.walletList(c.Context())
			if err != nil {
				return err
			}
			for _, w := range v.Warnings {
				a.Tell("WARNING: %v", w)
			}
			if a.JSON {
				return a.PrintJSON(v)
			}
			return a.printWallets(v)
		},
	}
}

func (a *app) walletList(ctx context.Context) (walletList, error) {
	v := walletList{Portfolio: a.Config.Portfolio, Wallets: []listedWallet{}, Unregistered: []listedSeal{}, Warnings: a.exposed()}
	entries, err := a.SealedKeys()
	v.KeysKnown = err == nil
	if err != nil { // the wallets are shown all the same
		v.Warnings = append(v.Warnings, "the keystore cannot be listed: "+err.Error())
	}
	wallets, err := a.registered(ctx)
	if open.IsNowhere(err) {
		v.Warnings = append(v.Warnings, "the wallets of the portfolio are not known: "+err.Error())
	} else if err != nil {
		return v, err
	}
	for _, w := range wallets {
		l := listedWallet{Wallet: w}
		if e := sealedAs(entries, w.Wallet); e != nil {
			s := sealOf(e)
			l.Key = &s
			if s.Address != w.Address {
				v.Warnings = append(v.Warnings, fmt.Sprintf("the key file of wallet %s says %s, and the wallet is registered with %s: someone has tampered with the keystore", w.Wallet, s.Address, w.Address))
			}
		}
		v.Wallets = append(v.Wallets, l)
	}
	v.Warnings = append(v.Warnings, a.unpaid(ctx, wallets)...)
	for i := range entries {
		if registeredAs(wallets, entries[i].Wallet) == nil {
			v.Unregistered = append(v.Unregistered, sealOf(&entries[i]))
		}
	}
	return v, nil
}

// baseView is what a portfolio counts in, of the view of its state.
type baseView struct {
	BaseAsset string `json:"base_asset"`
}

// unpaid says of the main hot wallet that its base asset pays no known order.
func (a *app) unpaid(ctx context.Context, wallets []projections.Wallet) []string {
	var said []string
	base := ""
	for i := range wallets {
		w := &wallets[i]
		if w.Place != domain.WalletHot || !w.Main {
			continue
		}
		if base == "" {
			v, err := readView(ctx, a, "", "/state", func(s *portfolio.State) baseView { return baseView{s.BaseAsset} })
			if err != nil {
				return []string{"whether orders can be paid from wallet " + w.Wallet + " is not known: " + err.Error()}
			}
			base = v.BaseAsset
		}
		for _, asset := range w.Assets {
			if why := a.Unpaid(w.Chain, asset); asset.Asset == base && why != "" {
				said = append(said, "wallet "+w.Wallet+": "+why)
			}
		}
	}
	return said
}

func sealOf(e *vault.Entry) listedSeal {
	return listedSeal{e.Wallet, e.Address.String(), e.KeyID, e.Modified.UTC()}
}

// exposed warns about secret files that users other than their owner can access.
func (a *app) exposed() []string {
	warnings := []string{}
	if err := a.CheckEnvFile(); err != nil {
		warnings = append(warnings, err.Error())
	}
	look := func(path, mend string) {
		info, err := os.Lstat(path)
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			warnings = append(warnings, fmt.Sprintf("others have access to %s (mode %03o): run chmod %s %s", path, info.Mode().Perm(), mend, path))
		}
	}
	look(a.Config.Keystore, "700")
	names, err := os.ReadDir(a.Config.Keystore)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		warnings = append(warnings, "the keystore's folder cannot be read: "+err.Error())
	}
	for _, entry := range names {
		if strings.HasSuffix(entry.Name(), ".key") {
			look(filepath.Join(a.Config.Keystore, entry.Name()), "600")
		}
	}
	return warnings
}

func (a *app) printWallets(v walletList) error {
	now := a.Clock()()
	rows := [][]string{{"WALLET", "PLACE", "CHAIN", "ADDRESS", "KEY", "VERIFIED", "RECOVERY TRIED"}}
	for _, w := range v.Wallets {
		place := w.Place
		if w.Main {
			place += " (main)"
		}
		if w.RetiredAt != nil {
			place += " RETIRED"
		}
		rows = append(rows, []string{w.Wallet.Wallet, place, w.Chain, w.Address, v.keyCell(&w), ago(now, w.LoadedAt), ago(now, w.RecoveryTestedAt)})
	}
	for _, s := range v.Unregistered {
		rows = append(rows, []string{s.Wallet, "NOT REGISTERED", "-", s.Address, "sealed under " + s.KeyID, "-", "-"})
	}
	p := a.Printer()
	if len(rows) == 1 {
		p.Line("no wallets, and no keys; see docs/custody.md")
		return p.Err
	}
	if err := a.Table(rows); err != nil {
		return err
	}
	for _, w := range v.Wallets {
		for _, asset := range w.Assets { // a name alone may stand for another token
			p.Whole(fmt.Sprintf("%s holds %s: %s", w.Wallet.Wallet, asset.Asset, asset.ID))
		}
	}
	for _, w := range v.Wallets {
		if w.Key != nil && w.KeyID == "" {
			p.Line("the key of %s is here and not recorded; run: %s", w.Wallet.Wallet, a.Typed("wallet", "record", w.Wallet.Wallet))
		}
	}
	for _, s := range v.Unregistered {
		p.Line("%s is not registered in %s; an admin runs: %s", s.Wallet, v.Portfolio, a.registerLine(s.Wallet, createFlags{place: domain.WalletHot, chain: a.Config.Chain}, s.Address))
	}
	return p.Err
}

// keyCell describes where a wallet's key is.
func (v *walletList) keyCell(w *listedWallet) string {
	switch {
	case !v.KeysKnown:
		return "NOT KNOWN"
	case w.Key != nil && w.Key.Address != w.Address:
		return "ANOTHER ADDRESS'S"
	case w.Key != nil:
		return "sealed under " + w.Key.KeyID
	case w.Place == domain.WalletCold:
		return "elsewhere"
	default:
		return "NOT HERE"
	}
}

// ago formats how long ago something was.
func ago(now time.Time, t *time.Time) string {
	if t == nil {
		return "never"
	}
	return cli.Clock(*t)[:10] + " (" + cli.Days(now.Sub(*t)) + " ago)"
}
