package petstest

import (
	"bytes"
	"context"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/open"
	"pets/internal/pets"
)

// Demo plays the demo week into a folder, on the Monday after that week, and then stops the
// server.
func (s *Shell) Demo(folder string) Ran {
	s.T.Helper()
	ctx, stop := context.WithCancel(s.Ctx)
	defer stop()
	var out, errs bytes.Buffer
	monday := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	a := &cli.App{Place: open.Place{Err: &errs, Wall: func() time.Time { return monday }}, Out: &out, Environ: s.Env, Dir: s.Dir, Played: stop}
	code := pets.Run(ctx, a, []string{"serve", "--demo", "--store", "embedded:" + folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	return Ran{code, out.String(), errs.String()}
}

// PlayedDemo plays the demo into a folder and ends its server.
func (s *Shell) PlayedDemo(folder string) string {
	s.T.Helper()
	r := s.Demo(folder)
	require.Equal(s.T, 0, r.Code, r.Err)
	return r.Out
}
