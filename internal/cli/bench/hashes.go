package bench

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"pets/commands"
	"pets/eventstore"
	"pets/internal/bench"
	"pets/internal/cli"
	"pets/internal/witness"
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
		return cli.Usage(errors.New("--rounds must be at least 1"))
	}
	m, err := bench.RunHashes(ctx, o, "leaf and tree of each stream, and the witness", a.keepWitness)
	if err != nil {
		return err
	}
	return a.printMeasured([]bench.Measured{m})
}

// levelEvery is how often the measurement learns the position of the witness.
const levelEvery = 200 * time.Microsecond

// keepWitness writes the witness of a store as a server does.
func (a *app) keepWitness(ctx context.Context, store eventstore.Store, level func(eventstore.Position)) (err error) {
	dir, err := os.MkdirTemp("", "pets-bench-witness-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	keeper, _, err := witness.Open(ctx, witness.Options{
		Dir: dir, Store: store, ID: uuid.New(), Urgent: commands.WitnessedAtOnce, Hashed: func(uint64) {},
		Failed: func(what string, err error) { a.Caution(what + ": " + err.Error()) },
	}, false)
	if err != nil {
		return err
	}
	keeper.Start()
	tick := time.NewTicker(levelEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return keeper.Close(context.WithoutCancel(ctx))
		case <-tick.C:
		}
		status := keeper.Status()
		if status.Err != nil {
			return errors.Join(status.Err, keeper.Close(ctx))
		}
		level(status.Position)
	}
}
