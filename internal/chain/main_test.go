package chain_test

import (
	"os"
	"testing"

	"pets/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Roomy()
	os.Exit(testenv.Patient(m))
}
