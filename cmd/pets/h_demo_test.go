package main

import (
	"bytes"
	"context"
	"time"

	"github.com/stretchr/testify/require"
)

// demo plays the demo week, as of the Monday after it was written, into a folder
// and stops the server then.
func (s *shell) demo(folder string) ran {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.ctx)
	defer stop()
	var out, errs bytes.Buffer
	monday := time.Date(2026, 3, 9, 8, 0, 0, 0, time.UTC)
	a := &app{place: place{err: &errs, wall: func() time.Time { return monday }}, out: &out, environ: s.env, dir: s.dir, played: stop}
	code := run(ctx, a, []string{"serve", "--demo", "--store", "embedded:" + folder, "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	return ran{code, out.String(), errs.String()}
}

func (s *shell) playedDemo(folder string) string {
	s.t.Helper()
	r := s.demo(folder)
	require.Equal(s.t, 0, r.code, r.err)
	return r.out
}
