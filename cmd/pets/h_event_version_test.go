package main

import (
	"context"
	"regexp"
	"time"

	"github.com/stretchr/testify/require"
)

// servedHere serves the store in this process, so that it is the build of the test.
func (s *shell) servedHere() (address string) {
	s.t.Helper()
	ctx, stop := context.WithCancel(s.t.Context())
	errs := &lockedBuffer{}
	a := &app{place: place{err: errs}, out: errs, dir: s.dir, environ: append([]string{"PETS_ADMIN_KEY=" + adminKey}, s.env...)}
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"}) }()
	s.t.Cleanup(func() { stop(); require.Zero(s.t, <-ended, errs.String()) })
	listens := regexp.MustCompile(`"address":"([^"]+)"`)
	require.Eventually(s.t, func() bool { return listens.MatchString(errs.String()) }, 10*time.Second, 5*time.Millisecond, "%s", errs)
	return listens.FindStringSubmatch(errs.String())[1]
}
