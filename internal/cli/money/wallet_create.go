package money

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/evm"
	"pets/internal/vault"
)

// createFlags say where a new wallet belongs.
type createFlags struct {
	index        uint32
	place, chain string
}

func (a *app) createWalletCommand() *cobra.Command {
	var f createFlags
	c := &cobra.Command{
		Use: "create NAME", Short: "Draw a new key; its 24 words are shown once, on a terminal, and three are asked back", Args: cobra.ExactArgs(1),
		Long: "Draws 24 words, shows them once on a terminal, asks three back, derives m/44'/60'/0'/0/i and puts\n" +
			"the key into the keystore, encrypted under ENCRYPTION_KEY. With an admin's PETS_KEY the wallet is\n" +
			"registered with the running server as well; else it says what is left to do.\n\n" +
			"--place cold stores no key and asks no server: run it on a machine that is never connected, and\n" +
			"carry the address, nothing else, to the server.",
		Example: "  pets wallet create trading\n  pets wallet create vault --place cold",
		RunE: func(c *cobra.Command, args []string) error {
			if f.chain == "" {
				f.chain = a.Config.Chain
			}
			if err := checkWallet(args[0], f.place, f.chain); err != nil {
				return err
			}
			p, err := a.Prompter("pets wallet create")
			if err != nil {
				return err
			}
			if a.cannotWipe() {
				return cli.Usage(errors.New("wallet create: this terminal (TERM is not set, or dumb) cannot take back what was shown; use another one"))
			}
			if f.place == domain.WalletCold {
				return a.createCold(c.Context(), p, args[0], f)
			}
			return a.createHot(c.Context(), p, args[0], f)
		},
	}
	indexFlag(c, &f.index)
	c.Flags().StringVar(&f.place, "place", domain.WalletHot, "hot: the key is kept here, encrypted; cold: it is not kept at all")
	c.Flags().StringVar(&f.chain, "chain", "", "the chain it is for (PETS_CHAIN)")
	return c
}

// cannotWipe reports whether the terminal does not support control sequences.
func (a *app) cannotWipe() bool {
	term := ""
	for _, entry := range a.Environ {
		if value, ok := strings.CutPrefix(entry, "TERM="); ok {
			term = value
			break
		}
	}
	return term == "" || term == "dumb"
}

// createCold shows new words and their address, and stores nothing.
func (a *app) createCold(ctx context.Context, p *cli.Prompter, name string, f createFlags) error {
	if err := vault.Harden(); err != nil {
		return err
	}
	m, err := drawWords(ctx, p)
	if err != nil {
		return err
	}
	defer m.Wipe()
	address, err := addressAt(m, f.index)
	if err != nil {
		return err
	}
	p.Say("The address of cold wallet %s, account %d of these words:", name, f.index)
	p.Say("")
	p.Say("    %s", address)
	p.Say("")
	p.Say("No key was stored: the words are all there is. On the machine of the server, with an admin's key:")
	p.Say("    %s", a.registerLine(name, f, address.String()))
	return nil
}

// drawWords generates words, shows them, and checks that the person has written them down.
func drawWords(ctx context.Context, p *cli.Prompter) (*vault.Mnemonic, error) {
	m := vault.NewMnemonic()
	err := p.ShowOnce(ctx, m)
	if err == nil {
		err = p.AskBack(ctx, m)
	}
	if err != nil {
		m.Wipe()
		return nil, fmt.Errorf("no wallet was made, and the words that were shown are worth nothing: %w", err)
	}
	return m, nil
}

// createHot puts a new key into the keystore and then registers the wallet with its address. In
// this order no wallet is registered whose key may be missing.
func (a *app) createHot(ctx context.Context, p *cli.Prompter, name string, f createFlags) error {
	keys, err := a.NewKeystore()
	if err != nil {
		return err
	}
	defer keys.Wipe()
	if err := a.refuseTaken(ctx, p, keys, name); err != nil {
		return err
	}
	m, err := drawWords(ctx, p)
	if err != nil {
		return err
	}
	defer m.Wipe()
	address, err := storeKey(keys, m, name, f.index)
	if err != nil {
		return err
	}
	p.Say("The key of wallet %s is in the keystore, sealed under encryption key %s. Its address:", name, keys.Current())
	p.Say("")
	p.Say("    %s", address)
	p.Say("")
	return a.registerNew(ctx, p, name, f, address, keys.Current())
}

// refuseTaken refuses a name that a key or a registered wallet already has. If the registered
// wallets are not known, a conflict shows when the wallet is registered.
func (a *app) refuseTaken(ctx context.Context, p *cli.Prompter, keys *evm.Keys, name string) error {
	entries, err := keys.List()
	if err != nil {
		return err
	}
	if e := sealedAs(entries, name); e != nil {
		return domain.Errorf(domain.CodeConflict, "wallet %s has a key already, of address %s; no key is ever overwritten", name, e.Address)
	}
	wallets, why, err := a.maybeRegistered(ctx)
	if err != nil {
		return err
	}
	if why != nil {
		p.Say("It is not known whether a wallet %s is registered: %v", name, why)
	}
	if w := registeredAs(wallets, name); w != nil {
		return domain.Errorf(domain.CodeConflict,
			"wallet %s is registered with address %s, which new words would not give; bring its own words with: %s", name, w.Address, a.Typed("wallet", "recover", name))
	}
	return nil
}

// storeKey derives the key of an account and seals it in the keystore.
func storeKey(keys *evm.Keys, m *vault.Mnemonic, name string, index uint32) (address vault.Address, err error) {
	err = m.Derive(vault.Path(index), nil, func(k *vault.PrivateKey) error {
		address, err = keys.Create(name, vault.Path(index), k)
		return err
	})
	return address, err
}

// registerNew registers a new wallet with the server if PETS_KEY is set.
func (a *app) registerNew(ctx context.Context, p *cli.Prompter, name string, f createFlags, address vault.Address, keyID string) error {
	if a.Config.Key.Reveal() == "" {
		p.Say("It is not registered yet. With an admin's PETS_KEY, on this machine:")
		a.sayNext(p, name, f, address)
		return nil
	}
	var answer commands.Answer
	body := commands.RegisterWallet{Wallet: name, Place: f.place, Chain: f.chain, Address: address.String()}
	if err := a.ToServer(ctx, "POST", "/wallets", body, &answer); err != nil {
		p.Say("The key is stored, but the wallet is NOT registered. What is left to do, with an admin's PETS_KEY:")
		a.sayNext(p, name, f, address)
		return fmt.Errorf("register wallet %s: %w", name, err)
	}
	p.Say("Registered as the main %s wallet of portfolio %s on %s (revision %d).", f.place, a.Config.Portfolio, f.chain, answer.Revision)
	o := keyOrder(name, address, domain.KeyNew, vault.Path(f.index), keyID)
	if err := a.ToServer(ctx, "POST", o.Path, o.Body, &answer); err != nil {
		p.Say("That its key is here is NOT recorded. What is left to do:")
		p.Say("    %s", a.Typed("wallet", "record", name))
		return fmt.Errorf("record the key of wallet %s: %w", name, err)
	}
	p.Say("Its key is recorded (revision %d). Try the way back now, while the paper is at hand:", answer.Revision)
	p.Say("    %s", a.Typed(append([]string{"wallet", "recover", name, "--drill", "--address", address.String()}, indexOption(f.index)...)...))
	p.Say("Let the server open it, too: until then each transfer to it needs an approval, because its key was not found there.")
	p.Say("    %s", a.Typed("wallet", "verify", name))
	return nil
}

// sayNext prints the commands that register a wallet and record its key.
func (a *app) sayNext(p *cli.Prompter, name string, f createFlags, address vault.Address) {
	p.Say("    %s", a.registerLine(name, f, address.String()))
	p.Say("    %s", a.Typed("wallet", "record", name))
}

func (a *app) registerLine(name string, f createFlags, address string) string {
	return a.Typed("wallet", "register", name, "--place", f.place, "--chain", f.chain, "--address", address)
}

func indexOption(index uint32) []string {
	if index == 0 {
		return nil
	}
	return []string{"--index", fmt.Sprint(index)}
}

// keyOrder returns the order that records a key in the keystore.
func keyOrder(name string, address vault.Address, origin, path, keyID string) cli.Order {
	c := commands.RecordKey{Wallet: name, Address: address.String(), Origin: origin, Path: path, KeyID: keyID}
	return cli.Order{Path: walletPath(name, "/key"), Body: keyBody{c.Address, c.Origin, c.Path, c.KeyID}, Command: c}
}

// keyBody is the body of POST …/wallets/{wallet}/key.
type keyBody struct {
	Address string `json:"address"`
	Origin  string `json:"origin"`
	Path    string `json:"path,omitempty"`
	KeyID   string `json:"key_id"`
}
