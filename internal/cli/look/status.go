package look

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/httpapi"
)

// statusWithin bounds each request of pets status: it is meant to find out quickly whether the
// server answers.
const statusWithin = 5 * time.Second

// status is the answer of `pets status --json`.
type status struct {
	Server     serverStatus      `json:"server"`
	Portfolios []portfolioStatus `json:"portfolios"`
	// Needs lists what needs a person, for the server and for every portfolio.
	Needs []attention `json:"needs"`
	// Unseen lists what could not be checked, and why.
	Unseen []string `json:"unseen"`
}

type serverStatus struct {
	URL      string     `json:"url,omitempty"`
	Up       bool       `json:"up"`
	Ready    bool       `json:"ready"`
	Version  string     `json:"version,omitempty"`
	Started  *time.Time `json:"started,omitempty"`
	NoAnswer string     `json:"no_answer,omitempty"`
}

// attention is something that a person should look at. Next is the command for it, without "pets".
type attention struct {
	Portfolio string   `json:"portfolio,omitempty"`
	What      string   `json:"what"`
	Next      []string `json:"next,omitempty"`
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Is the server up, and what needs a person, in every portfolio", Args: cobra.NoArgs,
		Long: "Asks the server that is named, or that holds the folder. Without PETS_KEY it can tell whether the\n" +
			"server is up and ready; a key of role auditor is enough for the rest. Exits with 0 if nothing\n" +
			"needs a person, and with 1 if something does or the server does not answer.",
		Example: "  pets status\n  pets status || mail -s \"pets needs you\" olga",
		RunE: func(c *cobra.Command, _ []string) error {
			a.Patience, a.Within = statusWithin, statusWithin
			s := status{Portfolios: []portfolioStatus{}, Needs: []attention{}, Unseen: []string{}}
			failed := a.askStatus(c.Context(), &s)
			if failed != nil {
				s.Server.NoAnswer = failed.Error()
				a.waitingStops(&s)
			}
			err := a.printStatus(&s)
			if err == nil && len(s.Needs) > 0 {
				err = fmt.Errorf("%s a person", howMany(len(s.Needs), "thing needs", "things need"))
			}
			return errors.Join(failed, err)
		},
	}
}

func howMany(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// askStatus asks the server. It returns an error only if the server does not answer.
func (a *app) askStatus(ctx context.Context, s *status) error {
	r, err := a.Remote()
	if err != nil {
		return err
	}
	s.Server.URL = r.URL
	o := a.Asking(r)
	c, err := client.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }() // a close error changes nothing
	if _, err := c.Look(ctx, "/livez"); err != nil {
		return a.Explained(ctx, r, o, err)
	}
	s.Server.Up = true
	ready, err := c.Look(ctx, "/readyz")
	if err != nil {
		return a.Explained(ctx, r, o, err)
	}
	s.Server.Ready = ready.Status == 200
	for line := range strings.Lines(string(ready.Body)) {
		if line = strings.TrimSpace(line); line != "ready" && line != "" {
			s.Needs = append(s.Needs, attention{What: "the server: " + strings.TrimPrefix(line, "warning: ")})
		}
	}
	switch {
	case o.Key == "":
		s.Unseen = append(s.Unseen, "PETS_KEY is not set. A key of role auditor shows the version, and for each portfolio: breakers that are tripped, the emergency stop, transfers that wait, permits that are overdue")
		return nil
	case !s.Server.Ready:
		s.Unseen = append(s.Unseen, "the portfolios are checked once the server is ready")
		return nil
	}
	return a.askPortfolios(ctx, c, s)
}

// askPortfolios checks every portfolio. A refused key is reported as something that needs a person.
func (a *app) askPortfolios(ctx context.Context, c *client.Client, s *status) error {
	raw, err := c.Look(ctx, "/v1/portfolios")
	switch code := client.CodeOf(err); {
	case code == domain.CodeUnauthenticated, code == domain.CodeDenied:
		s.Needs = append(s.Needs, attention{What: "PETS_KEY is refused: " + err.Error()})
		return nil
	case err != nil:
		return err
	}
	s.Server.Version = raw.Header.Get(httpapi.VersionHeader)
	if t, err := time.Parse(time.RFC3339, raw.Header.Get(httpapi.StartedHeader)); err == nil {
		s.Server.Started = &t
	}
	var list show.PortfolioList
	if err := json.Unmarshal(raw.Body, &list); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	if len(list.Portfolios) == 0 {
		s.Unseen = append(s.Unseen, "there is no portfolio that the key may see")
	}
	defer func(id string) { a.Config.Portfolio = id }(a.Config.Portfolio)
	for _, one := range list.Portfolios {
		a.Config.Portfolio = one.Portfolio
		if err := a.lookAfter(ctx, s, one); err != nil {
			s.Needs = append(s.Needs, attention{Portfolio: one.Portfolio, What: "it cannot be looked at: " + err.Error()})
		}
	}
	return nil
}

// waitingStops adds the stops that wait in the marker file for the next server.
func (a *app) waitingStops(s *status) {
	if t, err := a.Target(); err != nil || t.URL != "" {
		return
	}
	all, err := a.Latch(nil).Read()
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Needs = append(s.Needs, attention{What: "the marker of stops cannot be read: " + err.Error()})
	}
	for _, p := range all {
		what := "an emergency stop (" + p.Kind + ")"
		if !p.Emergency() {
			what = "a stop of " + p.Bot
		}
		s.Needs = append(s.Needs, attention{Portfolio: p.Portfolio, What: what + " HOLDS and is not recorded yet: the next server records it first", Next: []string{"serve"}})
	}
}

func (a *app) printStatus(s *status) error {
	if a.JSON {
		return a.PrintJSON(s)
	}
	p := a.Printer()
	p.Line("%-11s %s", "server", s.Server.describe(a.Clock()()))
	for i := range s.Portfolios {
		one := &s.Portfolios[i]
		p.Line("%-11s %s", one.Portfolio, one.describe())
	}
	for _, why := range s.Unseen {
		p.Line("%-11s %s", "not seen", why)
	}
	p.Line("")
	if len(s.Needs) == 0 && s.Server.NoAnswer == "" {
		so := ""
		if len(s.Unseen) > 0 {
			so = ", of what was seen"
		}
		p.Line("nothing needs a person%s", so)
		return p.Err
	}
	if len(s.Needs) > 0 {
		p.Line("NEEDS A PERSON")
	}
	a.printNeeds(p, s.Needs)
	return p.Err
}

// printNeeds prints the list. Successive entries of a portfolio with the same next command share it.
func (a *app) printNeeds(p *cli.Printer, needs []attention) {
	defer func(before string) { a.PortfolioFlag = before }(a.PortfolioFlag)
	for i, n := range needs {
		about := ""
		if n.Portfolio != "" {
			about = n.Portfolio + ": "
		}
		p.Say(2, "%s%s", about, n.What)
		last := i == len(needs)-1 || needs[i+1].Portfolio != n.Portfolio || !slices.Equal(needs[i+1].Next, n.Next)
		if len(n.Next) == 0 || !last {
			continue
		}
		if a.PortfolioFlag = n.Portfolio; n.Portfolio == a.Config.Portfolio || n.Portfolio == "*" {
			a.PortfolioFlag = ""
		}
		a.Command(p, n.Next...)
	}
}

func (s *serverStatus) describe(now time.Time) string {
	switch {
	case s.URL == "" || !s.Up:
		return strings.TrimSpace(s.URL + " NO ANSWER")
	case !s.Ready:
		return s.URL + " is up, and NOT READY"
	}
	text := s.URL + " is up and ready"
	if s.Version != "" {
		text += ", version " + s.Version
	}
	if s.Started != nil {
		text += ", for " + domain.Duration(now.Sub(*s.Started).Truncate(time.Second)).String()
	}
	return text
}
