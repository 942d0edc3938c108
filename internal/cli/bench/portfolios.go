package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/internal/cli"
	"pets/internal/open"
)

// portfoliosOptions are the flags of pets bench portfolios.
type portfoliosOptions struct {
	dir     string
	n       int
	seconds int
}

// The goals for many portfolios, in seconds.
const (
	startGoal    = 3
	stopAllGoal  = 2
	gracefulGoal = 5
)

// took is one line of the result.
type took struct {
	What    string  `json:"what"`
	Seconds float64 `json:"seconds"`
	Want    float64 `json:"want,omitempty"` // 0 means no goal
	// Missing is the number of portfolios without a result.
	Missing int    `json:"missing"`
	Note    string `json:"note,omitempty"`
}

func (t took) line() string {
	s := fmt.Sprintf("%8.2f s   %s", t.Seconds, t.What)
	switch {
	case t.Want > 0 && t.Missing == 0 && t.Seconds <= t.Want:
		s += fmt.Sprintf("   ≤ %g s reached", t.Want)
	case t.Want > 0:
		s += fmt.Sprintf("   ≤ %g s MISSED", t.Want)
	}
	if t.Missing > 0 {
		s += fmt.Sprintf("; not done for %d portfolios", t.Missing)
	}
	if t.Note != "" {
		s += "; " + t.Note
	}
	return s
}

func (a *app) benchPortfoliosCommand() *cobra.Command {
	var o portfoliosOptions
	c := &cobra.Command{
		Use: "portfolios", Short: "Measure a server with many portfolios: its start, stopping all of them, its end", Args: cobra.NoArgs,
		Long: "Makes a folder with many open portfolios, which is removed afterwards, starts pets serve on it, stops\n" +
			"everything over HTTP, waits until every portfolio has its emergency stop on disk, and ends the server.",
		RunE: func(c *cobra.Command, _ []string) error { return a.benchPortfolios(c.Context(), o) },
	}
	c.Flags().StringVar(&o.dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	c.Flags().IntVarP(&o.n, "number", "n", 10_000, "how many portfolios there are")
	c.Flags().IntVar(&o.seconds, "seconds", 60, "how long to wait for stops that are not recorded yet, and for the end")
	return c
}

func (a *app) benchPortfolios(ctx context.Context, o portfoliosOptions) (err error) {
	if o.n < 1 || o.seconds < 1 {
		return cli.Usage(errors.New("--number and --seconds must be at least 1"))
	}
	dir, err := os.MkdirTemp(o.dir, "pets-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	store, admin := filepath.Join(dir, "store"), ""
	err = seed(ctx, store, func(s *seeder) (err error) {
		if admin, err = s.admin(ctx); err != nil {
			return err
		}
		return each(ctx, o.n, 64, func(i int) error { return s.open(ctx, fmt.Sprintf("p-%05d", i), "bot") })
	})
	if err != nil {
		return err
	}
	server, err := a.startServer(ctx, dir, store)
	if err != nil {
		return err
	}
	lines := []took{{What: fmt.Sprintf("pets serve, from its start until it is ready, %d portfolios", o.n), Seconds: server.took.Seconds(), Want: startGoal}}
	stops, err := stopEverything(ctx, server, admin, o)
	if err != nil {
		return errors.Join(err, server.kill())
	}
	lines = append(lines, stops...)
	end := took{What: "a graceful stop of pets serve", Want: gracefulGoal}
	lasted, err := server.shut(time.Duration(o.seconds) * time.Second)
	if end.Seconds = lasted.Seconds(); err != nil { // shut has killed it
		end.Missing, end.Note = o.n, err.Error()
	}
	lines = append(lines, end)
	lines = append(lines, a.startAgain(ctx, dir, store, o.n))
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if a.JSON {
		return a.PrintJSON(lines)
	}
	p := a.Messages()
	for _, l := range lines {
		p.Line("%s", l.line())
	}
	return p.Err
}

// startAgain starts a server on the folder that the first one left. A failure is part of the
// result, and does not drop the lines before.
func (a *app) startAgain(ctx context.Context, dir, store string, n int) took {
	line := took{What: "the next start, until it is ready", Want: startGoal}
	began := time.Now()
	s, err := a.startServer(ctx, dir, store)
	line.Seconds = time.Since(began).Seconds()
	if err == nil {
		err = s.kill()
	}
	if err != nil {
		line.Missing, line.Note = n, err.Error()
	}
	return line
}

// stopEverything sends one stop for all portfolios, and then reads the log beside the server until
// every portfolio has its stop there.
func stopEverything(ctx context.Context, s *childServer, admin string, o portfoliosOptions) ([]took, error) {
	way := stopWays(s, admin)[0]
	way.client.Timeout = time.Minute
	began := time.Now()
	status, answer, err := way.post(ctx, "/v1/emergency-stop", `{"kind":"manual","reason":"pets bench"}`)
	answered := time.Since(began)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK && status != http.StatusAccepted {
		return nil, errors.New(problemLine(status, answer))
	}
	var v struct{ Portfolios []commands.Stopped }
	if err := json.Unmarshal(answer, &v); err != nil {
		return nil, err
	}
	later := 0
	for _, p := range v.Portfolios {
		if !p.Recorded {
			later++
		}
	}
	lines := []took{{
		What: "stop everything, until it is answered", Seconds: answered.Seconds(), Want: stopAllGoal, Missing: o.n - len(v.Portfolios),
		Note: fmt.Sprintf("status %d, %d of them to be recorded later", status, later),
	}}
	// Reading starts only now, because it takes time from the server.
	missing := o.n
	for last := began.Add(time.Duration(o.seconds) * time.Second); missing > 0 && ctx.Err() == nil; {
		if missing, err = withoutStop(ctx, s.dir, o.n); err != nil {
			return nil, err
		}
		if time.Now().After(last) {
			break
		}
		if missing > 0 {
			pause(ctx, 200*time.Millisecond)
		}
	}
	lines = append(lines, took{What: "stop everything, until every stop is in the log", Seconds: time.Since(began).Seconds(), Want: stopAllGoal, Missing: missing})
	return lines, ctx.Err()
}

// withoutStop counts the portfolios whose stream has no emergency stop. It reads the files, so that
// the result does not depend on the server's answers.
func withoutStop(ctx context.Context, folder string, n int) (int, error) {
	store, err := open.ReadFolder(folder)
	if err != nil {
		return n, err
	}
	stopped := map[string]bool{}
	for r, err := range store.ReadAll(ctx, eventstore.Position{}) {
		if err != nil {
			return n, errors.Join(err, store.Close())
		}
		if isStop(r) {
			stopped[r.Stream] = true
		}
	}
	return n - len(stopped), store.Close()
}

func isStop(r eventstore.Record) bool { return r.Type == domain.EmergencyStopEngagedType }
