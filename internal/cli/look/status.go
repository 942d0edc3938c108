package look

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands/client"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/cli/show"
	"pets/internal/httpapi"
	"pets/internal/open"
	"pets/internal/witness"
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

	unsaid bool // whether it is ready
	barred bool // the folder may not be read, so that nobody was asked
}

// attention is something that a person should look at.
type attention struct {
	Portfolio string `json:"portfolio,omitempty"`
	What      string `json:"what"`
	// Next is the command for it; in JSON its words, without "pets".
	Next cli.Advice `json:"next,omitzero"`
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Is the server up, and what needs a person, in every portfolio", Args: cobra.NoArgs,
		Long: "Asks the server that is named, or that holds the folder. Without PETS_KEY it can tell whether the\n" +
			"server is up and ready; a key of role auditor is enough for the rest. Exits with 0 where nothing\n" +
			"needs a person, with 1 where something does or nobody answers, and with 3 where nothing was found but\n" +
			"not everything was seen: without a key, or with one that is for one portfolio.",
		Example: "  pets status\n  pets status >status.txt 2>&1 || mail -s \"pets needs you\" olga <status.txt",
		RunE: func(c *cobra.Command, _ []string) error {
			a.Patience, a.Within = statusWithin, statusWithin
			s := status{Portfolios: []portfolioStatus{}, Needs: []attention{}, Unseen: []string{}}
			failed := a.askStatus(c.Context(), &s)
			if failed != nil {
				failed = a.withoutAnswer(c.Context(), &s, failed)
				s.Server.NoAnswer = failed.Error()
			}
			err := a.printStatus(&s)
			if err == nil && len(s.Needs) > 0 {
				err = fmt.Errorf("%s a person", howMany(len(s.Needs), "thing needs", "things need"))
			}
			if err == nil && failed == nil && len(s.Unseen) > 0 {
				err = fmt.Errorf("%w: %s may need a person all the same", cli.ErrUnseen, howMany(len(s.Unseen), "thing", "things"))
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
	if _, err := a.Peek(ctx, r, "/livez"); err != nil && !tooMany(err) {
		return a.Explained(ctx, r, a.Asking(r), err)
	}
	s.Server.Up = true
	if err := a.askReady(ctx, r, s); err != nil {
		return a.Explained(ctx, r, a.Asking(r), err)
	}
	if a.Asking(r).Key == "" {
		s.Unseen = append(s.Unseen, "every portfolio: "+a.NoKey()+". A key of role auditor shows the version, and for each portfolio: breakers that are tripped, the emergency stop, transfers that wait, permits that are overdue")
		return nil
	}
	return a.askPortfolios(ctx, r, s)
}

// askReady asks whether the server is ready. One that is asked too often does not say so:
// it is asked once more, and then it is not known.
func (a *app) askReady(ctx context.Context, r *cli.Remote, s *status) error {
	ready, err := a.Peek(ctx, r, "/readyz")
	if tooMany(err) {
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
		ready, err = a.Peek(ctx, r, "/readyz")
	}
	switch {
	case tooMany(err):
		s.Server.unsaid = true
		s.Needs = append(s.Needs, attention{What: "whether the server is ready is not known: this address asks it too often. Ask again in a minute, and look at what else asks from here", Next: a.Advise("status")})
		return nil
	case err != nil:
		return err
	}
	s.Server.Ready = ready.Status == http.StatusOK
	for line := range strings.Lines(string(ready.Body)) {
		if line = strings.TrimSpace(line); line != "ready" && line != "" {
			s.Needs = append(s.Needs, attention{What: "the server: " + strings.TrimPrefix(line, "warning: ")})
		}
	}
	return nil
}

// tooMany reports whether the server refused to answer because it is asked too often.
func tooMany(err error) bool {
	var p *client.Problem
	return errors.As(err, &p) && p.Status == http.StatusTooManyRequests
}

// askPortfolios looks at each of them, also of a server that is not ready: it may answer
// all the same. That the key is not taken is a need, and no silence.
func (a *app) askPortfolios(ctx context.Context, r *cli.Remote, s *status) error {
	raw, err := a.Peek(ctx, r, "/v1/portfolios")
	switch code := client.CodeOf(err); {
	case code == domain.CodeUnauthenticated, code == domain.CodeKeyExpired, code == domain.CodeDenied:
		s.Needs = append(s.Needs, attention{What: "PETS_KEY is refused: " + err.Error()})
		s.Unseen = append(s.Unseen, "every portfolio: the key is refused")
		return nil
	case err != nil && !s.Server.Ready:
		s.Unseen = append(s.Unseen, "the portfolios, which the server does not show now: "+err.Error())
		return nil
	case err != nil:
		return a.Explained(ctx, r, a.Asking(r), err)
	}
	s.Server.Version = raw.Header.Get(httpapi.VersionHeader)
	if t, err := time.Parse(time.RFC3339, raw.Header.Get(httpapi.StartedHeader)); err == nil {
		s.Server.Started = &t
	}
	a.askKeys(ctx, r, s, raw.Header)
	a.askApprovers(ctx, r, s)
	var list show.PortfolioList
	if err := json.Unmarshal(raw.Body, &list); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	if len(list.Portfolios) <= 1 && a.bound(ctx, r) {
		s.Unseen = append(s.Unseen, "every other portfolio: the key is for one only. A key of role auditor that is for all of them shows the rest")
	}
	defer func(id string) { a.Config.Portfolio = id }(a.Config.Portfolio)
	for _, one := range list.Portfolios {
		a.Config.Portfolio = one.Portfolio
		err := a.lookAfter(ctx, s, one)
		if code := client.CodeOf(err); code == domain.CodeUnavailable && !s.Server.Ready {
			s.Unseen = append(s.Unseen, "from "+one.Portfolio+" on, the portfolios, which the server does not show now: "+err.Error())
			return nil
		}
		if err != nil {
			s.Needs = append(s.Needs, attention{Portfolio: one.Portfolio, What: "it cannot be looked at: " + err.Error()})
		}
	}
	return nil
}

// bound reports whether the key is for one portfolio. Only a refusal says so: of such a key
// there is none for any other name, whether or not it exists.
func (a *app) bound(ctx context.Context, r *cli.Remote) bool {
	_, err := a.Peek(ctx, r, "/v1/portfolios/"+uuid.NewString()+"/state")
	return client.CodeOf(err) == domain.CodeDenied
}

// withoutAnswer says what to do where nobody has answered: what can be seen from here.
func (a *app) withoutAnswer(ctx context.Context, s *status, failed error) error {
	if hung := a.Unanswered(failed); hung != "" {
		what := "the server that holds " + hung + " is there and does not answer: " + open.EndIt(hung) + ", and start it again. What it has answered is not lost by that"
		s.Needs = append(s.Needs, attention{What: what, Next: a.Advise("serve")})
	}
	t, err := a.Target()
	switch {
	case err != nil:
		return failed
	case t.URL != "":
		if len(s.Needs) == 0 {
			s.Needs = append(s.Needs, attention{
				What: "the server at " + t.URL + " gives no answer here. On its machine, as the owner of the folder of its store, or as root, this says which process to end, or whether one can be started (DIR is that folder)",
				Next: a.AdviseElsewhere("", "status", "--store", "embedded:DIR"),
			})
		}
		return failed
	}
	if s.Server.barred = open.Barred(t.Dir) != nil; s.Server.barred {
		return failed // of the marker of stops this user may read no more
	}
	start := a.Advise("serve")
	if _, held := open.WriterOf(t.Dir); held || !open.HasStore(t.Dir) {
		a.waitingStops(s, start)
		return failed
	}
	trouble := a.troubleOf(ctx)
	if trouble != nil { // then nobody is told to start one
		start = cli.Advice{}
	}
	a.waitingStops(s, start)
	if trouble != nil {
		s.Needs = append(s.Needs, attention{What: "DO NOT START a server on it as it is: " + trouble.Error() + ". What to do is in docs/runbooks/store.md", Next: a.Advise("verify")})
		return fmt.Errorf("no server holds %s, and its store is in trouble", t.Dir)
	}
	return failed
}

// troubleOf looks into a folder that no server holds, as far as that goes in a few seconds:
// whether it is damaged, or an older copy than its witness has seen.
func (a *app) troubleOf(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusWithin)
	defer cancel()
	seen := witness.See(a.Config.WitnessDir())
	store, err := a.OpenReader()
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // it was only read
	if err := seen.Missing(ctx, store, store.UUID()); err != nil {
		return err
	}
	for _, err := range store.ReadAll(ctx, eventstore.Position{}) {
		if ctx.Err() != nil {
			return nil // pets verify reads all of it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// waitingStops tells of the stops that wait in the marker file for the next server, and how that
// is started, if it may be.
func (a *app) waitingStops(s *status, start cli.Advice) {
	if t, err := a.Target(); err != nil || t.URL != "" {
		return
	}
	all, err := a.Latch(nil).Read()
	if errors.Is(err, fs.ErrPermission) {
		s.Unseen = append(s.Unseen, "the marker of stops, which this user may not read: a stop that waits in it is not shown")
		err = nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.Needs = append(s.Needs, attention{What: "the marker of stops cannot be read: " + err.Error()})
	}
	for _, p := range all {
		what := "an emergency stop (" + p.Kind + ")"
		if !p.Emergency() {
			what = "a stop of " + p.Bot
		}
		s.Needs = append(s.Needs, attention{Portfolio: p.Portfolio, What: what + " HOLDS and is not recorded yet: the next server records it first", Next: start})
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
	for i, n := range needs {
		about := ""
		switch n.Portfolio {
		case "":
		case "*":
			about = "every portfolio: "
		default:
			about = n.Portfolio + ": "
		}
		p.Say(2, "%s%s", about, n.What)
		last := i == len(needs)-1 || needs[i+1].Portfolio != n.Portfolio || !needs[i+1].Next.Equal(n.Next)
		if last {
			p.Advice(n.Next)
		}
	}
}

func (s *serverStatus) describe(now time.Time) string {
	switch {
	case s.barred:
		return "NOT KNOWN: this user may not read the folder of the store"
	case s.URL == "" || !s.Up:
		return strings.TrimSpace(s.URL + " NO ANSWER")
	case s.unsaid:
		return s.URL + " is up; whether it is ready is not known"
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
