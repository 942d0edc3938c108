package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
	"pets/replay"
)

// verifyAnswer is what `pets verify --json` prints.
type verifyAnswer struct {
	Store      verifiedLog       `json:"store"`
	Portfolios []replay.Verified `json:"portfolios"`
	OK         bool              `json:"ok"`
}

// verifiedLog is what was found sound of the log.
type verifiedLog struct {
	Segments  uint64 `json:"segments"`
	Frames    uint64 `json:"frames"`
	Records   uint64 `json:"records"`
	Streams   uint64 `json:"streams"`
	Bytes     uint64 `json:"bytes"`
	TornBytes uint64 `json:"torn_bytes"`
}

func (a *app) verifyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "verify", Short: "Check every byte of the log and fold every portfolio from its beginning", Args: cobra.NoArgs,
		Long: "Checks every frame of the log (checksums, revisions, chain of segments), then folds every\n" +
			"portfolio from its beginning without snapshots: every event decodes, time does not go back,\n" +
			"all postings sum to zero, and books, trades and positions agree. Works beside a running writer.",
		RunE: func(c *cobra.Command, _ []string) error {
			store, err := a.openReader()
			if err != nil {
				return err
			}
			return errors.Join(a.verify(c.Context(), store), store.Close())
		},
	}
}

func (a *app) verify(ctx context.Context, store *embedded.Store) error {
	bar := a.progress("checking the log", 0)
	report, err := store.Verify(ctx, func(done, total int64) { bar.to(done, total) })
	bar.finish()
	if err != nil {
		return err
	}
	v := verifyAnswer{Store: verifiedLog(report), Portfolios: []replay.Verified{}, OK: true}
	ids, err := replay.Portfolios(ctx, store)
	if err != nil {
		return err
	}
	for _, id := range ids {
		bar := a.progress("folding "+id, 0)
		found, err := replay.Verify(ctx, store, commands.Stream(id), func(n uint64) { bar.to(int64(n), 0) }) //nolint:gosec // a count
		bar.finish()
		if err != nil {
			return err
		}
		v.Portfolios = append(v.Portfolios, found)
		v.OK = v.OK && len(found.Problems) == 0
	}
	if err := a.printVerified(v); err != nil {
		return err
	}
	if !v.OK {
		return domain.Errorf(domain.CodeInternal, "the history does not add up; keep the folder as it is, do not write to it, and look at the problems above")
	}
	return nil
}

func (a *app) printVerified(v verifyAnswer) error {
	if a.json {
		return a.printJSON(v)
	}
	p := &printer{w: a.out}
	p.line("log        %d records in %d frames, %d segments, %d bytes: every checksum fits", v.Store.Records, v.Store.Frames, v.Store.Segments, v.Store.Bytes)
	if v.Store.TornBytes > 0 {
		p.line("           %d bytes of an append that was never acknowledged stand at its end", v.Store.TornBytes)
	}
	for _, f := range v.Portfolios {
		verdict := "adds up"
		if len(f.Problems) > 0 {
			verdict = fmt.Sprintf("DOES NOT ADD UP: %d problems", len(f.Problems))
		}
		p.line("%-10s %d events, %d closed trades, %s to %s: %s", f.Portfolio, f.Events, f.Trades, clock(f.From), clock(f.To), verdict)
		p.line("           state hash %s", f.StateHash)
		for _, problem := range f.Problems {
			p.line("           revision %d: %s", problem.Revision, problem.What)
		}
	}
	return p.err
}
