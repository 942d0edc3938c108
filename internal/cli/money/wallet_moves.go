package money

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/projections"
)

// walletMoves returns the wallet commands that go through the server.
func (a *app) walletMoves() []*cobra.Command {
	return []*cobra.Command{a.walletRegisterCommand(), a.walletRetireCommand(), a.walletSweepCommand()}
}

func (a *app) walletRetireCommand() *cobra.Command {
	var reason string
	var yes bool
	c := &cobra.Command{
		Use: "retire NAME --reason TEXT", Args: cobra.ExactArgs(1),
		Short: "Never use a wallet again whose key may have leaked (through the server)",
		Long: "Nothing is sent to the wallet any more and it signs no orders. What it holds still counts, and leaves\n" +
			"it by pets wallet sweep or, if it is cold, pets cold evacuate only. It is final: register another wallet.",
		Example: "  pets wallet retire hot-1 --reason \"its key leaked\"",
		RunE: func(c *cobra.Command, args []string) error {
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			if err := a.ActsOnServer(); err != nil {
				return err
			}
			question := cli.Question{Text: fmt.Sprintf("Retire %s for ever, so that another wallet has to be registered?", args[0]), Yes: yes, Flag: "--yes: it is final"}
			if err := a.Agree(c.Context(), question); err != nil {
				return err
			}
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodPost, walletPath(args[0], "/retire"), cli.ReasonOf(reason), &answer); err != nil {
				return err
			}
			return a.Done(answer, args[0]+" is retired for ever: nothing is sent to it any more, and money leaves it by a sweep or an evacuation only")
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	cli.AskFirst(c, &yes, "do not ask")
	return c
}

func (a *app) walletRegisterCommand() *cobra.Command {
	body := commands.RegisterWallet{}
	var assets []string
	c := &cobra.Command{
		Use: "register NAME --place hot|cold --address 0x…", Args: cobra.ExactArgs(1),
		Short: "Make a wallet known, the main one of its place (through the server, with an admin's key)",
		Long: "Its address belongs to this portfolio from then on. Its place, chain and address are final;\n" +
			"registered again it may have more assets. The key of a cold wallet is never on this machine.",
		Example: "  pets wallet register hot-1 --place hot --address 0x…\n" +
			"  pets wallet register vault-1 --place cold --address 0x… --asset pUSD=eip155:137/erc20:0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB",
		RunE: func(c *cobra.Command, args []string) error {
			body.Wallet = args[0]
			if body.Chain == "" {
				body.Chain = a.Config.Chain
			}
			var err error
			if body.Named, err = cli.NamedPairs("--asset", "NAME=CAIP-19 id", assets); err != nil {
				return err
			}
			return a.registerWallet(c.Context(), body)
		},
	}
	c.Flags().StringVar(&body.Place, "place", "", "hot or cold")
	c.Flags().StringVar(&body.Address, "address", "", "with its checksum (EIP-55)")
	c.Flags().StringVar(&body.Chain, "chain", "", "its chain (PETS_CHAIN)")
	c.Flags().StringSliceVar(&assets, "asset", nil, "an asset as `NAME=CAIP-19 id`; again for more (by default the base asset and the chain's coin)")
	return c
}

func (a *app) registerWallet(ctx context.Context, body commands.RegisterWallet) error {
	switch {
	case body.Place != domain.WalletHot && body.Place != domain.WalletCold:
		return cli.Usage(domain.Invalid("--place", "must be hot or cold"))
	case body.Address == "":
		return cli.Usage(domain.Invalid("--address", "is needed"))
	}
	var answer commands.Answer
	if err := a.ToServer(ctx, http.MethodPost, "/wallets", body, &answer); err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(answer)
	}
	var v show.WalletsView
	if err := a.ToServer(ctx, http.MethodGet, fmt.Sprintf("/wallets?min_revision=%d", answer.Revision), nil, &v); err != nil {
		return err
	}
	p := a.Messages()
	for i := range v.Wallets {
		if w := &v.Wallets[i]; w.Wallet == body.Wallet {
			p.Line("%s is the main %s wallet of %s (revision %d)", w.Wallet, w.Place, v.Portfolio, answer.Revision)
			p.Line("  address  %s on %s", w.Address, w.Chain)
			p.Line("  assets   %s", assetList(w))
		}
	}
	return p.Err
}

func assetList(w *projections.Wallet) string {
	all := make([]string, 0, len(w.Assets))
	for _, s := range w.Assets {
		what := fmt.Sprintf("%s = %s (%d decimals)", s.Asset, s.ID, s.Decimals)
		if s.Native {
			what += ", the coin for fees"
		}
		all = append(all, what)
	}
	return strings.Join(all, "; ")
}
