package petstest

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
)

// Carry writes a file as a person would carry it to another machine.
func (s *Shell) Carry(name string, v any) string {
	s.T.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(s.T, err)
	return s.File(name, string(text))
}
