package petstest

import (
	"context"
	"regexp"
	"time"

	"github.com/stretchr/testify/require"

	"pets/internal/cli"
	"pets/internal/cli/clitest"
	"pets/internal/open"
	"pets/internal/pets"
)

// ServedHere serves the store in this process, that is, with the build under test.
func (s *Shell) ServedHere() (address string) {
	s.T.Helper()
	return s.ServedBy(nil)
}

// ServedBy is ServedHere by another clock than that of the machine.
func (s *Shell) ServedBy(wall func() time.Time) (address string) {
	s.T.Helper()
	ctx, stop := context.WithCancel(s.T.Context())
	errs := &clitest.Buffer{}
	a := &cli.App{Place: open.Place{Err: errs, Wall: wall}, Out: errs, Dir: s.Dir, Environ: append([]string{"PETS_ADMIN_KEY=" + AdminKey}, s.Env...)}
	ended := make(chan int, 1)
	go func() {
		ended <- pets.Run(ctx, a, []string{"serve", "--listen", "127.0.0.1:0", "--metrics-listen", "off"})
	}()
	s.T.Cleanup(func() { stop(); require.Zero(s.T, <-ended, errs.String()) })
	listens := regexp.MustCompile(`"address":"([^"]+)"`)
	require.Eventually(s.T, func() bool { return listens.MatchString(errs.String()) }, 10*time.Second, 5*time.Millisecond, "%s", errs)
	return listens.FindStringSubmatch(errs.String())[1]
}
