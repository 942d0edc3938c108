package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "The version of this binary", Args: cobra.NoArgs,
		// A broken configuration does not keep a binary from saying what it is.
		PersistentPreRunE: func(*cobra.Command, []string) error { return nil },
		RunE: func(*cobra.Command, []string) error {
			v := map[string]string{"version": a.versionText(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH}
			if a.json {
				return a.printJSON(v)
			}
			_, err := fmt.Fprintf(a.out, "pets %s (%s, %s)\n", v["version"], v["go"], v["platform"])
			return err
		},
	}
}

// setupCommands are the commands of this room.
func setupCommands(a *app) []*cobra.Command {
	return under(setUp, a.importCommand(), local(a.versionCommand()))
}
