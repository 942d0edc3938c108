package several_test

import (
	"testing"

	"pets/internal/pets/petstest"
)

func TestMain(m *testing.M) { petstest.Main(m) }
