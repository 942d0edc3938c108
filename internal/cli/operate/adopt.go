package operate

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
)

// aboutAdoption is what the second edition changes beside the limits.
const aboutAdoption = "Risk lives in markets from then on: what a bot holds of a market whose outcomes exclude each other is\n" +
	"valued, limited and settled as a whole. A market that is registered becomes exclusive when it is registered\n" +
	"again; prices in force stay. What that changes of the equity counts as a flow, and trips nothing. Nothing\n" +
	"leads back."

func (a *app) adoptCommand() *cobra.Command {
	var reason string
	var yes bool
	c := &cobra.Command{
		Use: "adopt", Short: "Adopt the second edition of the rules, for good (an admin)", Args: cobra.NoArgs,
		Long: "Brings a portfolio under the second edition of the rules: it shows which limits change, and asks. A key\n" +
			"that is not set gets the default of a new portfolio; all others stay.\n\n" + aboutAdoption,
		Example: "  pets limits adopt --reason \"agreed on 3 March\"",
		RunE: func(c *cobra.Command, _ []string) error {
			if err := cli.ReasonNeeded(reason); err != nil {
				return err
			}
			return a.adopt(c, reason, yes)
		},
	}
	c.Flags().StringVar(&reason, "reason", "", "why; it is kept with the record")
	cli.AskFirst(c, &yes, "adopt it without asking")
	return c
}

// adoption is what is shown before a portfolio adopts the second edition.
type adoption struct {
	show.ViewHead
	Mode      domain.Mode   `json:"mode"`
	Clock     domain.Clock  `json:"clock"`
	BaseAsset string        `json:"base_asset"`
	Policy    domain.Policy `json:"policy"`
}

func (a *app) adopt(c *cobra.Command, reason string, yes bool) error {
	if err := a.ActsOnServer(); err != nil {
		return err
	}
	var v adoption
	if err := a.View(c.Context(), "", "", nil, &v); err != nil {
		return err
	}
	changes := v.changes()
	switch {
	case len(changes) > 0:
		if err := a.sayAdoption(&v, changes); err != nil {
			return err
		}
		if err := a.Agree(c.Context(), cli.Question{Text: "Adopt it in " + v.Portfolio + ", for good?", Yes: yes, Flag: "--yes"}); err != nil {
			return err
		}
	case a.KeyGiven: // an earlier run may have adopted it: sent again, it gets that answer
	case a.JSON:
		return a.PrintJSON(v)
	default:
		p := a.Messages()
		p.Line("%s lives by the second edition of the rules, with every limit of it set: there is nothing to adopt", v.Portfolio)
		return p.Err
	}
	body := map[string]any{"adopt": true, "reason": reason}
	err := a.Post(c.Context(), "/limits", body, v.Portfolio+" lives by the second edition of the rules from here on")
	if err == nil {
		return a.Next("see which markets are exclusive; register again those that are to be", "market", "list")
	}
	return a.adoptedByTwo(err, changes)
}

// changes are the limits that adopting changes: key, now, then.
func (v *adoption) changes() [][]string {
	after := v.Policy.Adopted(v.Mode, v.Clock, v.BaseAsset)
	then := limitsOf(&after)
	var out [][]string
	for i, now := range limitsOf(&v.Policy) {
		if now[1] != then[i][1] {
			out = append(out, []string{now[0], now[1], then[i][1]})
		}
	}
	return out
}

// sayAdoption shows what changes, on standard error where the answer is JSON.
func (a *app) sayAdoption(v *adoption, changes [][]string) error {
	if a.JSON {
		for _, l := range changes {
			a.Tell("%s: %s → %s", l[0], l[1], l[2])
		}
		return nil
	}
	p := a.Printer()
	p.Line("%s, revision %d. These limits change; all others stay:", v.Portfolio, v.Revision)
	p.Line("")
	for _, l := range changes {
		p.Line("%-20s%s → %s", l[0], l[1], l[2])
	}
	p.Line("")
	p.Say(0, "%s", strings.ReplaceAll(aboutAdoption, "\n", " "))
	p.Line("")
	return p.Err
}

// adoptedByTwo says how two people adopt what one alone may not, because a limit is loosened by it.
func (a *app) adoptedByTwo(err error, changes [][]string) error {
	var p *client.Problem
	if !errors.As(err, &p) || !strings.Contains(p.Detail, "POST …/overrides") {
		return err
	}
	words := []string{"override", "request", "limits"}
	for _, l := range changes {
		value, _, _ := strings.Cut(l[2], " ")
		words = append(words, l[0]+"="+value)
	}
	said := *p
	said.Detail = strings.ReplaceAll(p.Detail, "POST …/overrides", a.Typed(append(words, "--reason", cli.Unsaid)...))
	return &said
}
