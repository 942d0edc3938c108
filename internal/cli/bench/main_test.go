package bench

import (
	"os"
	"path/filepath"
	"testing"

	"pets/internal/testenv"
)

func TestMain(m *testing.M) {
	code := testenv.Patient(m)
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}
