package replay_test

import (
	"os"
	"testing"

	"pets/internal/testenv"
)

func TestMain(m *testing.M) {
	testenv.Roomy()
	os.Exit(m.Run())
}
