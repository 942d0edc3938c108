package modeltest

import (
	"os"
	"testing"

	"pets/internal/testenv"
)

// TestMain lets every property draw a part of its cases; a long run draws all.
func TestMain(m *testing.M) {
	testenv.Checks(100, 40, 100)
	testenv.Roomy()
	os.Exit(m.Run())
}
