package torture

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

const (
	roleEnv   = "PETS_TORTURE_ROLE"
	folderEnv = "PETS_TORTURE_FOLDER"

	// workerSegment is so small that a worker begins a segment many times a
	// second: the moments around that are the dangerous ones.
	workerSegment = 32 << 10
	workerStreams = 6
)

// What a worker prints, one line per write, so that no two lines mix. An
// acknowledgement is "<stream> <number of its records that are safe>".
const (
	sayPID      = "pid"      // its own, which is not that of its strace
	sayOpen     = "open"     // the store is open
	sayPoisoned = "poisoned" // an append failed as a write error must
	sayReadable = "readable" // and all that was acknowledged can be read still
)

// errExpected ends a worker whose store was poisoned as it should be.
var errExpected = errors.New("poisoned, and still readable")

func exitOf(err error) int {
	if errors.Is(err, errExpected) {
		return 3
	}
	return 1
}

var roles = map[string]func(folder string) error{
	"append":       func(folder string) error { return appendWorker(folder, workerSegment) },
	"append large": func(folder string) error { return appendWorker(folder, 0) }, // segments as in production
	"read":         readWorker,
	"soak":         soakWorker,
}

// appendRole is that of the i-th writer of a test: most begin new segments all
// the time, some never get to the end of one.
func appendRole(i int) string {
	if i%4 == 3 {
		return "append large"
	}
	return "append"
}

func say(format string, args ...any) { fmt.Printf(format+"\n", args...) }

// appendWorker appends to several streams at once until it dies or an append
// fails, and tells what was acknowledged.
func appendWorker(folder string, segmentBytes uint64) error {
	say("%s %d", sayPID, os.Getpid())
	s, err := embedded.Open(folder, embedded.Options{SegmentBytes: segmentBytes})
	if err != nil {
		return err
	}
	say("%s 0", sayOpen)
	acked := newLedger()
	failed := make([]error, workerStreams)
	var group sync.WaitGroup
	for i := range workerStreams {
		group.Go(func() { failed[i] = appendTo(s, fmt.Sprintf("s%d", i), acked) })
	}
	group.Wait()
	for _, err := range failed {
		var unavailable *eventstore.Unavailable
		if !errors.As(err, &unavailable) || !unavailable.Poisoned {
			return fmt.Errorf("not poisoned: %w", err)
		}
	}
	fmt.Fprintln(os.Stderr, failed[0])
	say("%s 0", sayPoisoned)
	// Reads of what was durable before go on.
	if err := acked.missing(context.Background(), s); err != nil {
		return err
	}
	say("%s 0", sayReadable)
	_ = s.Close() // it may report the error once more
	return errExpected
}

func appendTo(s *embedded.Store, name string, acked *ledger) error {
	n := 0
	head, err := s.Head(context.Background(), name)
	var notFound *eventstore.NotFound
	switch {
	case err == nil:
		n = int(head) + 1
	case !errors.As(err, &notFound):
		return err
	}
	for {
		k := n%3 + 1
		if n%16 < 2 { // and now and then a frame of many sectors
			k = 60
		}
		if _, err := s.Append(context.Background(), name, eventstore.Expected(n-1), storetest.Propose(name, n, k)); err != nil {
			return err
		}
		n += k
		acked.atLeast(name, n)
		say("%s %d", name, n)
	}
}

// readWorker opens a store for reading, waits for a line, and reads everything.
// What it cannot read is an error like any other: not a crash, for which Go has
// another exit status.
func readWorker(folder string) error {
	say("%s %d", sayPID, os.Getpid())
	s, err := embedded.OpenReadOnly(folder, embedded.Options{})
	if err != nil {
		return err
	}
	say("%s 0", sayOpen)
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		return err
	}
	n := 0
	for _, err := range s.ReadAll(context.Background(), eventstore.Position{}) {
		if err != nil {
			return err
		}
		n++
	}
	say("%s %d", sayReadable, n)
	return s.Close()
}
