package money

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pets/domain"
	"pets/internal/cli"
	"pets/projections"
)

func (a *app) recordWalletCommand() *cobra.Command {
	var recovered, tested bool
	var address string
	c := &cobra.Command{
		Use: "record NAME", Short: "Record what was done with a wallet's key while no server was running", Args: cobra.ExactArgs(1),
		Long: "Says that the key in the keystore is the wallet's: created here, or with --recovered brought back\n" +
			"from its words. With --tested it says that a drill elsewhere, on the machine of a cold wallet, gave\n" +
			"--address.",
		Example: "  pets wallet record trading\n  pets wallet record vault --tested --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case tested && recovered:
				return cli.Usage(errors.New("--tested and --recovered are two records"))
			case tested != (address != ""):
				return cli.Usage(errors.New("--tested and --address go together: the address that the drill has shown"))
			case tested:
				return a.recordTested(c.Context(), args[0], address)
			}
			return a.recordKey(c.Context(), args[0], recovered)
		},
	}
	c.Flags().BoolVar(&recovered, "recovered", false, "the key was recovered from its words, not drawn")
	c.Flags().BoolVar(&tested, "tested", false, "a drill elsewhere has shown that the words give --address")
	c.Flags().StringVar(&address, "address", "", "the address that the drill has shown")
	return c
}

// recordable returns the registered wallet that a record is about.
func (a *app) recordable(ctx context.Context, name string) (*projections.Wallet, error) {
	wallets, err := a.registered(ctx)
	if err != nil {
		return nil, err
	}
	w := registeredAs(wallets, name)
	if w == nil {
		return nil, domain.Errorf(domain.CodeNotFound, "portfolio %s has no wallet %s; register it first: %s", a.Config.Portfolio, name, a.Typed("wallet", "register", name))
	}
	return w, nil
}

func (a *app) recordTested(ctx context.Context, name, text string) error {
	address, err := addressOf("--address", text)
	if err != nil {
		return err
	}
	if _, err := a.recordable(ctx, name); err != nil {
		return err
	}
	answer, err := a.CarryOut(ctx, testedOrder(name, address))
	if err != nil {
		return err
	}
	return a.Done(answer, "recorded: the words of "+name+" give its address")
}

func (a *app) recordKey(ctx context.Context, name string, recovered bool) error {
	keys, err := a.Keystore()
	if err != nil {
		return err
	}
	defer keys.Wipe()
	w, err := a.recordable(ctx, name)
	if err != nil {
		return err
	}
	if w.KeyID != "" && !recovered {
		return domain.Errorf(domain.CodeConflict, "the key of %s is recorded already; if it was brought back from its words, add --recovered", name)
	}
	// Derive the address from the key itself instead of trusting the file's name.
	address, err := keys.Address(name)
	if err != nil {
		return fmt.Errorf("wallet %s: %w", name, err)
	}
	if address.String() != w.Address {
		return domain.Errorf(domain.CodeConflict, "the key in the keystore is that of %s, and wallet %s is registered with %s", address, name, w.Address)
	}
	path, err := keys.DerivationPath(name)
	if err != nil {
		return err
	}
	entries, err := keys.List()
	if err != nil {
		return err
	}
	e := sealedAs(entries, name)
	if e == nil {
		return domain.Errorf(domain.CodeConflict, "the key of %s has just been removed", name)
	}
	origin := domain.KeyNew
	if recovered {
		origin = domain.KeyRecovered
	}
	answer, err := a.CarryOut(ctx, keyOrder(name, address, origin, path, e.KeyID))
	if err != nil {
		return err
	}
	return a.Done(answer, fmt.Sprintf("recorded: the key of %s, %s, is in the keystore", name, address))
}
