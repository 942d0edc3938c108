package main

import (
	"encoding/json"

	"github.com/stretchr/testify/require"
)

func (s *shell) carry(name string, v any) string {
	s.t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(s.t, err)
	return s.file(name, string(text))
}
