package money

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/vault"
	"pets/projections"
)

// recoverFlags are the flags of pets wallet recover, and what is known of the wallet.
type recoverFlags struct {
	address string
	index   uint32
	words   int
	drill   bool

	name     string
	expected vault.Address
	wallet   *projections.Wallet // the registered wallet, nil if there is none
}

func (a *app) recoverWalletCommand() *cobra.Command {
	var f recoverFlags
	c := &cobra.Command{
		Use: "recover NAME", Short: "Bring a wallet's key back from its words, or try that with --drill", Args: cobra.ExactArgs(1),
		Long: "Asks for the words on a terminal, without showing them, derives the account, compares its address with\n" +
			"the one that is expected, and puts the key into the keystore. Then the server reads from the chain what\n" +
			"the wallet holds, and a small test transfer can be asked for.\n\n" +
			"--drill compares and records wallet.recovery_tested; the keystore is not touched. For a cold wallet it\n" +
			"is run on the machine that is never connected, and recorded elsewhere with pets wallet record --tested.",
		Example: "  pets wallet recover trading --address 0x8ba1f109551bD432803012645Ac136ddd64DBA72\n  pets wallet recover trading --drill",
		RunE: func(c *cobra.Command, args []string) error {
			f.name = args[0]
			if err := domain.CheckID("wallet", f.name); err != nil {
				return cli.Usage(err)
			}
			if err := cli.CheckWords(f.words); err != nil {
				return err
			}
			return a.recoverWallet(c.Context(), f)
		},
	}
	indexFlag(c, &f.index)
	c.Flags().StringVar(&f.address, "address", "", "the address that the words have to give; by default the registered one")
	c.Flags().IntVar(&f.words, "words", 24, "how many words there are: 12, 15, 18, 21 or 24")
	c.Flags().BoolVar(&f.drill, "drill", false, "only try: record that the words are right, and touch no key")
	return c
}

func (a *app) recoverWallet(ctx context.Context, f recoverFlags) error {
	p, err := a.Prompter("pets wallet recover")
	if err != nil {
		return err
	}
	if err := a.expectAddress(ctx, &f); err != nil {
		return err
	}
	if f.wallet != nil && f.wallet.Place == domain.WalletCold {
		return domain.Errorf(domain.CodeConflict,
			"%s is a cold wallet, and its words are never typed where its store or server can be reached. On the offline machine: %s; then here: %s",
			f.name, a.AdviseElsewhere(a.Config.Portfolio, "wallet", "recover", f.name, "--drill", "--address", f.expected.String()), a.Typed("wallet", "record", f.name, "--tested", "--address", f.expected.String()))
	}
	if f.drill {
		return a.drill(ctx, p, f)
	}
	keys, err := a.NewKeystore()
	if err != nil {
		return err
	}
	defer keys.Wipe()
	entries, err := keys.List()
	if err != nil {
		return err
	}
	if e := sealedAs(entries, f.name); e != nil {
		return a.thereAlready(f.name, e.Address)
	}
	m, err := typedWords(ctx, p, f)
	if err != nil {
		return err
	}
	defer m.Wipe()
	address, err := storeKey(keys, m, f.name, f.index)
	if errors.Is(err, vault.ErrExists) {
		return a.thereAlready(f.name, f.expected)
	}
	if err != nil {
		return err
	}
	m.Wipe()
	p.Say("The key of wallet %s, %s, is in the keystore, sealed under encryption key %s.", f.name, address, keys.Current())
	return a.bookRecovered(ctx, p, f, keys.Current())
}

func (a *app) thereAlready(name string, address vault.Address) error {
	return domain.Errorf(domain.CodeConflict, "wallet %s (%s) already has a key, and no key is ever overwritten; to try its words: %s", name, address, a.Typed("wallet", "recover", name, "--drill"))
}

// expectAddress determines the address that the words have to give: --address, the registered
// address, or both if they are equal.
func (a *app) expectAddress(ctx context.Context, f *recoverFlags) error {
	var err error
	if f.address != "" {
		if f.expected, err = addressOf("--address", f.address); err != nil {
			return err
		}
	}
	wallets, _, err := a.maybeRegistered(ctx) // if they are not known, --address is needed
	if err != nil {
		return err
	}
	f.wallet = registeredAs(wallets, f.name)
	switch {
	case f.wallet == nil && f.address == "":
		return cli.Usage(domain.Invalid("--address", "is needed: wallet %s is not registered as far as can be seen from here, so there is nothing to compare the words with", f.name))
	case f.wallet == nil:
		return nil
	}
	registered, err := addressOf("address", f.wallet.Address)
	if err != nil {
		return err
	}
	if f.address != "" && registered != f.expected {
		return domain.Errorf(domain.CodeConflict, "wallet %s is registered with address %s, not %s", f.name, registered, f.expected)
	}
	f.expected = registered
	return nil
}

// typedWords asks for the words and returns them only if they give the expected address.
func typedWords(ctx context.Context, p *cli.Prompter, f recoverFlags) (*vault.Mnemonic, error) {
	m, err := p.Mnemonic(ctx, f.words)
	if err != nil {
		return nil, err
	}
	address, err := addressAt(m, f.index)
	if err == nil && address != f.expected {
		err = otherAccount(m, f.index, f.expected)
	}
	if err != nil {
		m.Wipe()
		return nil, err
	}
	return m, nil
}

// drill checks the words and records wallet.recovery_tested; it does not touch the keystore.
func (a *app) drill(ctx context.Context, p *cli.Prompter, f recoverFlags) error {
	if err := vault.Harden(); err != nil {
		return err
	}
	m, err := typedWords(ctx, p, f)
	if err != nil {
		return err
	}
	m.Wipe()
	p.Say("The words give %s: wallet %s can be recovered from them. No key was touched.", f.expected, f.name)
	later := a.Typed("wallet", "record", f.name, "--tested", "--address", f.expected.String())
	if f.wallet == nil {
		p.Say("That is not recorded: the wallet is not registered as far as can be seen from here. Where the server runs:")
		p.Say("    %s", later)
		return nil
	}
	answer, err := a.CarryOut(ctx, testedOrder(f.name, f.expected))
	if err != nil {
		p.Say("That is NOT recorded. What is left to do:")
		p.Say("    %s", later)
		return fmt.Errorf("record the drill: %w", err)
	}
	p.Say("Recorded (revision %d).", answer.Revision)
	return nil
}

func testedOrder(name string, address vault.Address) cli.Order {
	c := commands.TestRecovery{Wallet: name, Address: address.String()}
	return cli.Order{Path: walletPath(name, "/recovery-test"), Body: map[string]string{"address": c.Address}, Command: c}
}

func walletPath(name, rest string) string { return "/wallets/" + url.PathEscape(name) + rest }

// bookRecovered records the key, has the server load the wallet, and offers a test transfer.
func (a *app) bookRecovered(ctx context.Context, p *cli.Prompter, f recoverFlags, keyID string) error {
	record, load := a.Typed("wallet", "record", f.name, "--recovered"), a.Typed("wallet", "verify", f.name, "--load")
	if f.wallet == nil {
		p.Say("It is not registered as far as can be seen from here. What is left to do, with an admin's PETS_KEY:")
		p.Say("    %s", a.registerLine(f.name, createFlags{place: domain.WalletHot, chain: a.Config.Chain}, f.expected.String()))
		p.Say("    %s", record)
		p.Say("    %s", load)
		return nil
	}
	answer, err := a.CarryOut(ctx, keyOrder(f.name, f.expected, domain.KeyRecovered, vault.Path(f.index), keyID))
	if err != nil {
		p.Say("That it was recovered is NOT recorded. What is left to do:")
		p.Say("    %s", record)
		p.Say("    %s", load)
		return fmt.Errorf("record the key: %w", err)
	}
	p.Say("Recorded (revision %d).", answer.Revision)
	if a.Config.Key.Reveal() == "" {
		p.Say("What it holds has not been read: a server does that. While one runs, with an operator's PETS_KEY:")
		p.Say("    %s", load)
		return nil
	}
	balances, err := a.loadWallet(ctx, f.name)
	if err != nil {
		p.Say("What it holds could NOT be read from the chain. What is left to do:")
		p.Say("    %s", load)
		return fmt.Errorf("load wallet %s: %w", f.name, err)
	}
	sayBalances(a.Messages(), f.name, balances)
	return a.offerTest(ctx, p, f)
}

// loadWallet makes the server read the wallet's balances from the chain, and returns what it recorded.
func (a *app) loadWallet(ctx context.Context, name string) (*domain.WalletLoaded, error) {
	var answer commands.Answer
	if err := a.ToServer(ctx, "POST", walletPath(name, "/load"), struct{}{}, &answer); err != nil {
		return nil, err
	}
	if answer.Revision == 0 {
		return nil, domain.Errorf(domain.CodeInternal, "the server did not say where the balances are recorded")
	}
	var history struct {
		Events []cli.EventLine `json:"events"`
	}
	path := fmt.Sprintf("/events?after=%d&limit=1&types=%s&min_revision=%d", answer.Revision-1, domain.WalletLoadedType, answer.Revision)
	if err := a.FromServer(ctx, path, &history); err != nil {
		return nil, err
	}
	if len(history.Events) == 1 {
		e, err := domain.Decode(history.Events[0].Type, history.Events[0].Data)
		if err != nil {
			return nil, err
		}
		if loaded, is := e.(*domain.WalletLoaded); is && loaded.Wallet == name {
			return loaded, nil
		}
	}
	return nil, domain.Errorf(domain.CodeInternal, "revision %d does not hold the balances", answer.Revision)
}

func sayBalances(p *cli.Printer, name string, loaded *domain.WalletLoaded) {
	p.Line("By block %d of the chain, %s holds:", loaded.Block, name)
	for _, b := range loaded.Balances {
		p.Line("    %s %s", b.Amount, b.Asset)
	}
}

// offerTest offers a small test transfer to the cold wallet. It needs a second person's approval,
// and the money stays with us.
func (a *app) offerTest(ctx context.Context, p *cli.Prompter, f recoverFlags) error {
	p.Say("A small transfer to the cold wallet would show that this key can pay. It waits for a second person.")
	text, err := p.Line(ctx, "Amount in the base asset, or nothing for none: ")
	if err != nil || text == "" {
		return err
	}
	amount, err := domain.ParseDecimal(text)
	if err != nil {
		return cli.OnFlag("amount", err)
	}
	err = a.Agree(ctx, cli.Question{Text: fmt.Sprintf("Ask for a transfer of %s from %s to the cold wallet?", amount, f.name), At: p})
	if errors.Is(err, cli.ErrNotAgreed) {
		p.Say("Nothing was asked for.")
		return nil
	}
	if err != nil {
		return err
	}
	var answer commands.Answer
	body := commands.RequestTransfer{From: f.name, To: domain.WalletCold, Amount: amount, Reason: "test after recovery"}
	if err := a.ToServer(ctx, "POST", "/transfers", body, &answer); err != nil {
		return fmt.Errorf("ask for the test transfer: %w", err)
	}
	p.Say("Asked for as %s; it waits for the approval of another user (with a key of role approver): %s", answer.ID, a.Typed("approve", answer.ID))
	return nil
}
