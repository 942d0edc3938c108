package projections_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/projections"
)

func TestPiecesInMemory(t *testing.T) {
	var m projections.PiecesInMemory
	var refs []projections.Piece
	for _, text := range []string{"one", "", "three"} {
		r, err := m.Append([]byte(text))
		require.NoError(t, err)
		refs = append(refs, r)
	}
	for i, text := range []string{"one", "", "three"} {
		b, err := m.Read(refs[i])
		require.NoError(t, err)
		require.Equal(t, text, string(b))
	}
	for name, wrong := range map[string]projections.Piece{
		"another checksum": {At: 0, Length: 3, Sum: 1},
		"beyond the end":   {At: 6, Length: 3, Sum: refs[2].Sum},
		"no place":         {At: ^uint64(0), Length: 3},
	} {
		_, err := m.Read(wrong)
		require.ErrorIs(t, err, projections.ErrPiece, name)
	}
}
