package soak_test

import (
	"flag"
	"testing"
	"time"

	"pets/internal/pets/petstest"
)

var (
	soakEvents   = flag.Int("soak.events", 0, "record about this many events")
	soakKill     = flag.Duration("soak.kill", 0, "kill the server this often")
	memoryEvents = flag.Int("soak.memory", 0, "print the memory of a server over so many events")
)

func TestMain(m *testing.M) { petstest.Main(m) }

// killEvery is how often the server is killed: as -soak.kill says, or so often that a short
// run has some kills.
func killEvery(usual time.Duration) time.Duration {
	if *soakKill > 0 {
		return *soakKill
	}
	return usual
}
