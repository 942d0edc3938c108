package keys

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/cli"
)

func (a *app) rotateKeysCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "rotate", Short: "Seal every key in the keystore under ENCRYPTION_KEY", Args: cobra.NoArgs,
		Long: "Re-encrypts every key under the current encryption key, opens each again and compares it, and records\n" +
			"that none is left under a former one. Before: a new key in ENCRYPTION_KEY, the former one in\n" +
			"ENCRYPTION_KEYS_RETIRED, and the server, where one runs, restarted with them. Interrupted anywhere, it\n" +
			"goes on when it is run again. A running server does it with its own keys.",
		RunE: func(c *cobra.Command, _ []string) error {
			report, err := a.rotateKeys(c.Context(), reason)
			if err != nil {
				return err
			}
			return a.printRotation(report)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return c
}

// rotateKeys rotates in this process if no server holds the store. A person with access to the
// store's folder, the keystore and its encryption keys acts as an admin, whatever role they
// have; the record names the person.
func (a *app) rotateKeys(ctx context.Context, reason string) (custody.RotationReport, error) {
	var report custody.RotationReport
	err := a.EitherWay(ctx, cli.TheStore, func(e *commands.Engine) error {
		keys, err := a.Keystore()
		if err != nil {
			return err
		}
		defer keys.Wipe()
		caller := domain.Caller{User: cli.OSUser(), Role: domain.RoleAdmin}
		report, err = custody.New(e, custody.Options{Sealer: keys, Resealing: func(done, total int, wallet string) {
			a.Notes().Line("sealed %d of %d: %s", done, total, wallet)
		}}).RotateKeys(ctx, caller, reason)
		return again(err)
	}, func() error {
		if err := a.sameKeyAsServer(ctx); err != nil {
			return err
		}
		return again(a.ToServer(ctx, "POST", "/v1/keys/rotate", cli.ReasonOf(reason), &report))
	})
	return report, err
}

// again says how to continue a rotation that was interrupted.
func again(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w; run pets keys rotate again to go on, pets keys status says what is left", err)
}

// sameKeyAsServer returns an error if the server has a different encryption key than these
// settings: it would seal under its former key, and the record would look like a rotation.
func (a *app) sameKeyAsServer(ctx context.Context) error {
	current, _, err := a.keyIDs()
	if err != nil || current == "" {
		return err
	}
	var status custody.KeyStatus
	if err := a.FromServer(ctx, "/v1/keys", &status); err != nil {
		return err
	}
	if status.Current != current {
		return domain.Errorf(domain.CodeConflict, "ENCRYPTION_KEY here is %s, and the server was started with %s: restart it first", current, status.Current)
	}
	return nil
}

func (a *app) printRotation(r custody.RotationReport) error {
	if a.JSON {
		return a.PrintJSON(r)
	}
	p := a.Messages()
	for _, w := range r.Resealed {
		p.Line("%s  %s  %s → %s", w.Wallet, w.Address, w.From, w.To)
	}
	switch {
	case r.Completed && len(r.Resealed) == 0:
		p.Line("everything is sealed under %s already (rotation %s)", r.To, r.Rotation)
	case r.Completed:
		p.Line("rotation %s is complete: everything is sealed under %s. pets keys status says which retired keys can go", r.Rotation, r.To)
	default:
		p.Line("nothing was rotated: nothing is sealed")
	}
	return p.Err
}
