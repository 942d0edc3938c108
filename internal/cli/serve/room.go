// Package serve implements pets serve: the store, the engine, the API, custody, the metrics and
// the log.
//
// It owns the order in which they start and end. It refuses rules of its own, and secrets in
// the log.
package serve

import (
	"context"

	"github.com/spf13/cobra"

	"pets/internal/cli"
)

// app is a run of the command line; this package's commands are its methods.
type app struct{ *cli.App }

// Commands returns the commands of this package; play runs the demo.
func Commands(c *cli.App, play func(context.Context, *cli.App) error) []*cobra.Command {
	a := &app{c}
	return cli.Under(cli.SetUp, a.serveCommand(play))
}
