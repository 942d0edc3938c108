package keys

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/internal/cli"
)

// issuedKey is a new API key with its secret, which the server shows once.
type issuedKey struct {
	Key    string `json:"key"`
	Secret string `json:"secret,omitempty"`
}

// lost is what to say of a key whose first answer was lost: no later one has its secret.
func (k *issuedKey) lost(a *app) error {
	if k.Secret != "" {
		return nil
	}
	return &cli.ToldError{Err: fmt.Errorf("%s is issued, and the secret was lost with the first answer: revoke it and issue another: %s", k.Key, a.Typed("apikey", "revoke", k.Key))}
}

// listedKey is one without its secret.
type listedKey struct {
	Key       string     `json:"key"`
	User      string     `json:"user"`
	Role      string     `json:"role"`
	Portfolio string     `json:"portfolio,omitempty"`
	Bot       string     `json:"bot,omitempty"`
	Note      string     `json:"note,omitempty"`
	IssuedAt  time.Time  `json:"issued_at"`
	RevokedAt *time.Time `json:"revoked_at"`
}

func (a *app) apikeyCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "apikey", Short: "API keys of a running server: issue, revoke, list (with an admin's PETS_KEY); request makes an approver's", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(a.requestKeyCommand(), a.issueKeyCommand(), a.revokeKeyCommand(), a.listKeysCommand())
	return c
}

func (a *app) issueKeyCommand() *cobra.Command {
	body := struct {
		User      string `json:"user"`
		Role      string `json:"role"`
		Portfolio string `json:"portfolio,omitempty"`
		Bot       string `json:"bot,omitempty"`
		Note      string `json:"note,omitempty"`
	}{}
	c := &cobra.Command{
		Use: "issue", Short: "Issue a key; its secret is shown once", Args: cobra.NoArgs,
		Long: "--portfolio binds the key to one portfolio; without it the key is for every one. A key of role admin\n" +
			"is bound to none, one of role bot to --bot in --portfolio, or in PETS_PORTFOLIO.",
		Example: "  pets apikey issue --user alice --role operator\n  pets apikey issue --user bob --role operator --portfolio paper\n  pets apikey issue --user alpha-host --role bot --bot alpha",
		RunE: func(c *cobra.Command, _ []string) error {
			body.Portfolio = a.PortfolioFlag // only the flag binds a key, not PETS_PORTFOLIO
			if body.Bot != "" {
				body.Portfolio = a.Config.Portfolio
			}
			var key issuedKey
			if err := a.ToServer(c.Context(), http.MethodPost, "/v1/api-keys", body, &key); err != nil {
				return err
			}
			const unseen = " is issued, and its secret, which is shown once, is lost: revoke it, and issue another"
			if a.JSON {
				return errors.Join(cli.Told(key.Key+unseen, a.PrintJSON(key)), key.lost(a))
			}
			if err := key.lost(a); err != nil {
				return err
			}
			p := a.Messages()
			of := "for every portfolio"
			switch {
			case body.Bot != "":
				of = "for bot " + body.Bot + " of portfolio " + body.Portfolio + " only"
			case body.Portfolio != "":
				of = "for portfolio " + body.Portfolio + " only"
			}
			p.Line("%s for %s, role %s, %s. Shown once and stored nowhere:", key.Key, body.User, body.Role, of)
			p.Line("")
			p.Line("    %s", key.Secret)
			return cli.Told(key.Key+unseen, p.Err)
		},
	}
	c.Flags().StringVar(&body.User, "user", "", "the person or machine behind the key; two-person rules compare it")
	c.Flags().StringVar(&body.Role, "role", "", "bot, feed, operator, approver, admin or auditor")
	c.Flags().StringVar(&body.Bot, "bot", "", "the bot of a key of role bot, in --portfolio")
	c.Flags().StringVar(&body.Note, "note", "", "a word for the list")
	return c
}

func (a *app) revokeKeyCommand() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "revoke KEY", Short: "Revoke a key by its id; it is refused at once", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			var answer commands.Answer
			if err := a.ToServer(c.Context(), http.MethodDelete, "/v1/api-keys/"+url.PathEscape(args[0]), cli.ReasonOf(a.Printable(reason)), &answer); err != nil {
				return err
			}
			return a.Done(answer, args[0]+" is revoked")
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	return cli.Stops(c)
}

func (a *app) listKeysCommand() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "The keys there are, without their secrets", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			var list struct {
				Keys []listedKey `json:"keys"`
			}
			if err := a.ToServer(c.Context(), http.MethodGet, "/v1/api-keys", nil, &list); err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(list)
			}
			rows := [][]string{{"KEY", "USER", "ROLE", "PORTFOLIO", "BOT", "ISSUED", "REVOKED", "NOTE"}}
			for _, k := range list.Keys {
				revoked := ""
				if k.RevokedAt != nil {
					revoked = cli.Clock(*k.RevokedAt)
				}
				rows = append(rows, []string{k.Key, k.User, k.Role, k.Portfolio, k.Bot, cli.Clock(k.IssuedAt), revoked, k.Note})
			}
			return a.Table(rows)
		},
	}
}
