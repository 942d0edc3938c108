package petstest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
)

// Carry writes v to a file, as a person carries a file to another machine.
func (s *Shell) Carry(name string, v any) string {
	s.T.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(s.T, err)
	return s.File(name, string(text))
}
