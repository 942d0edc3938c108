package cli_test

import (
	"testing"

	"pets/internal/pets/petstest"
)

func TestMain(m *testing.M) { petstest.Main(m) }
