package money

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/notice"
	"pets/internal/vault"
)

// verdict is the result of verifying one wallet's key.
type verdict struct {
	// unchecked means that the key was not opened, so it is neither good nor bad.
	unchecked bool
	Wallet    string `json:"wallet"`
	Address   string `json:"address,omitempty"`
	OK        bool   `json:"ok"`
	// Problem says what is wrong; Revision is the record of a good key.
	Problem  string `json:"problem,omitempty"`
	Revision uint64 `json:"revision,omitempty"`

	loaded *domain.WalletLoaded
}

func (a *app) verifyWalletCommand() *cobra.Command {
	var offline, load bool
	c := &cobra.Command{
		Use: "verify [NAME]", Short: "Open a wallet's key, or every one, and compare it with its address", Args: cobra.MaximumNArgs(1),
		Long: "Opens keys, compares each with its file and with the registered address, and records key.used:\n" +
			"through the server where one runs, else here. --load has the server read from the chain, too, what\n" +
			"the wallet holds. --offline looks at the keystore alone, and needs no store.",
		Example: "  pets wallet verify\n  pets wallet verify trading --load\n  pets wallet verify --offline",
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case offline && load:
				return cli.Usage(errors.New("--offline asks no server, so it cannot --load"))
			case load && len(args) == 0:
				return cli.Usage(errors.New("--load is for one wallet: name it"))
			case offline:
				return a.verifyKeystore(args)
			}
			if a.Patience == 0 && !load { // loading waits for the chain; for a bad key retrying is useless
				a.Patience = reachWithin
			}
			found, err := a.verifyWallets(c.Context(), args, load)
			if err != nil {
				return err
			}
			return a.pronounce(found)
		},
	}
	c.Flags().BoolVar(&offline, "offline", false, "look at the keystore alone: every blob opens, and holds what its file says")
	c.Flags().BoolVar(&load, "load", false, "have the server read from the chain what the wallet holds")
	return c
}

// verifyKeystore needs neither store nor server: it is for backups, and for a recovery with
// nothing but the keystore.
func (a *app) verifyKeystore(args []string) error {
	keys, err := a.Keystore()
	if err != nil {
		return err
	}
	defer keys.Wipe()
	problems, err := keys.Check()
	if err != nil {
		return err
	}
	found := []verdict{}
	names, err := keyFiles(a.Config.Keystore)
	if err != nil {
		return err
	}
	for _, name := range names {
		if problems[name] != nil {
			continue
		}
		v := verdict{Wallet: name, OK: true}
		if address, err := keys.Address(name); err != nil {
			v.OK, v.Problem = false, err.Error()
		} else {
			v.Address = address.String()
		}
		found = append(found, v)
	}
	for _, name := range slices.Sorted(maps.Keys(problems)) {
		found = append(found, verdict{Wallet: name, Problem: problems[name].Error()})
	}
	if len(args) == 1 {
		found = slices.DeleteFunc(found, func(v verdict) bool { return v.Wallet != args[0] })
		if len(found) == 0 {
			return fmt.Errorf("wallet %s: %w", args[0], vault.ErrNotFound)
		}
	}
	return a.pronounce(found)
}

// keyFiles returns the wallets that have a key file, by the file names <wallet>.<address>.key. A
// damaged file does not hide the others.
func keyFiles(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	var names []string
	for _, e := range entries {
		stem, isKey := strings.CutSuffix(e.Name(), ".key")
		if dot := strings.LastIndexByte(stem, '.'); isKey && dot > 0 && domain.CheckID("wallet", stem[:dot]) == nil {
			names = append(names, stem[:dot])
		}
	}
	return slices.Compact(names), err
}

// verifyWallets opens the keys of wallets and compares them with the registered addresses.
func (a *app) verifyWallets(ctx context.Context, args []string, load bool) ([]verdict, error) {
	wallets, err := a.registered(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, w := range wallets {
		if len(args) == 1 && w.Wallet == args[0] || len(args) == 0 && w.Place == domain.WalletHot && w.RetiredAt == nil {
			names = append(names, w.Wallet)
		}
	}
	if len(names) == 0 && len(args) == 1 {
		return nil, domain.Errorf(domain.CodeNotFound, "portfolio %s has no wallet %s; --offline looks at the keystore alone", a.Config.Portfolio, args[0])
	}
	found := []verdict{}
	add := func(name string, answer commands.Answer, loaded *domain.WalletLoaded, err error) {
		v := verdict{Wallet: name, Address: registeredAs(wallets, name).Address, OK: err == nil, Revision: answer.Revision, loaded: loaded}
		if err != nil {
			v.Problem, v.unchecked = err.Error(), notOpened(err)
		}
		found = append(found, v)
	}
	err = a.EitherWay(ctx, cli.APortfolio, func(e *commands.Engine) error {
		if load {
			return cli.Usage(errors.New("--load: no server runs here, and only a server reads the chain"))
		}
		return a.verifyHere(ctx, e, names, add)
	}, func() error {
		for _, name := range names {
			var answer commands.Answer
			var loaded *domain.WalletLoaded
			err := a.ToServer(ctx, "POST", walletPath(name, "/verify"), struct{}{}, &answer)
			if err == nil && load {
				loaded, err = a.loadWallet(ctx, name)
			}
			add(name, answer, loaded, err)
		}
		return nil
	})
	return found, err
}

// verifyHere does in this process what the server would do.
func (a *app) verifyHere(ctx context.Context, e *commands.Engine, names []string, add func(string, commands.Answer, *domain.WalletLoaded, error)) error {
	keys, err := a.Keystore()
	if err != nil {
		return err
	}
	defer keys.Wipe()
	c := custody.New(e, custody.Options{Signer: keys, Notify: a.notifyHere})
	for _, name := range names {
		answer, err := c.VerifyWallet(ctx, a.Config.Portfolio, commands.Request{
			Caller: domain.Caller{User: cli.OSUser(), Role: domain.RoleOperator}, Key: uuid.NewString(),
			Command: commands.UseKey{Wallet: name, Purpose: "verify"},
		})
		add(name, answer, nil, err)
	}
	return nil
}

// notifyHere prints a notice that a server would log as an error.
func (a *app) notifyHere(n notice.Notice) {
	a.Tell("portfolio %s: %s", n.Portfolio, n.Text())
}

// notOpened reports whether an error means that a key was not opened. That is not a bad key,
// which would be a sign of a breach.
func notOpened(err error) bool {
	return domain.CodeOf(err) == domain.CodeDenied || domain.CodeOf(err) == domain.CodeUnauthenticated || domain.CodeOf(err) == domain.CodeKeyExpired || strings.Contains(err.Error(), "no keystore is open")
}

// pronounce prints the verdicts. It returns an error if a key is bad or was not opened.
func (a *app) pronounce(found []verdict) error {
	bad, unchecked := 0, 0
	for _, v := range found {
		switch {
		case v.unchecked:
			unchecked++
		case !v.OK:
			bad++
		}
	}
	if a.JSON {
		if err := a.PrintJSON(struct {
			OK      bool      `json:"ok"`
			Wallets []verdict `json:"wallets"`
		}{bad+unchecked == 0, found}); err != nil {
			return err
		}
	} else if err := a.printVerdicts(found); err != nil {
		return err
	}
	switch {
	case bad > 0:
		return domain.Errorf(domain.CodeConflict, "%d of %d keys are not what they should be", bad, len(found))
	case unchecked > 0:
		return domain.Errorf(domain.CodeUnavailable, "%d of %d keys were not looked at; %s does, beside the keystore", unchecked, len(found), a.Typed("wallet", "verify", "--offline"))
	}
	return nil
}

func (a *app) printVerdicts(found []verdict) error {
	p := a.Messages()
	if len(found) == 0 {
		p.Line("no hot wallets, and nothing to verify")
	}
	for _, v := range found {
		switch {
		case v.unchecked:
			p.Line("%s: NOT CHECKED: %s", v.Wallet, v.Problem)
		case !v.OK:
			p.Line("%s: BAD: %s", v.Wallet, v.Problem)
		case v.Revision == 0:
			p.Line("%s: its key opens, and is that of %s", v.Wallet, v.Address)
		default:
			p.Line("%s: its key opens, and is that of %s (revision %d)", v.Wallet, v.Address, v.Revision)
		}
		if v.loaded != nil {
			sayBalances(p, v.Wallet, v.loaded)
		}
	}
	return p.Err
}
