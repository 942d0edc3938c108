package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"pets/internal/bench"
)

func (a *app) benchHashesCommand() *cobra.Command {
	var o bench.Options
	c := &cobra.Command{
		Use: "hashes", Short: "Measure what hashing every record costs the appends", Args: cobra.NoArgs,
		Long: "Appends to two stores in turns, in a fresh folder that is removed afterwards. One of them is followed by\n" +
			"what hashes every record; its turn ends when the hashes have come as far as the appends.",
		RunE: func(c *cobra.Command, _ []string) error { return a.benchHashes(c.Context(), o) },
	}
	c.Flags().StringVar(&o.Dir, "dir", "", "a `folder` on the disk to be measured (the one for temporary files by default)")
	c.Flags().IntVar(&o.Rounds, "rounds", 15, "how many turns each contender gets")
	return c
}

func (a *app) benchHashes(ctx context.Context, o bench.Options) error {
	if o.Rounds < 1 {
		return errUsage{errors.New("--rounds must be at least 1")}
	}
	m, err := bench.RunHashes(ctx, o, "a stand-in: leaf hash and frontier of each stream, nothing kept", bench.StandIn)
	if err != nil {
		return err
	}
	return a.printMeasured([]bench.Measured{m})
}
