package money_test

import (
	"testing"

	"pets/internal/pets/petstest"
)

// "A hang-up clears the alternate screen": a terminal that is lost while words are shown keeps
// none of them, and no wallet is made.
func TestAHangUpClearsTheScreen(t *testing.T) {
	s := petstest.New(t)
	s.SetEnv("TERM", "xterm")
	seat := s.AtSeat(t, "wallet", "create", "vault", "--place", "cold")
	seat.ReadWords()
	seat.HangUp()
	afterScreen(t, seat.WaitFor(usualScreen).Ends(1))
}
