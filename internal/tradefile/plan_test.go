package tradefile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// Rows are checked before anything is booked, and read again when their turn comes. A file
// that is changed or removed in between changes nothing of that.
func TestRowsAreThoseThatWereChecked(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f.csv")
	const row = at + "a,m,Yes,buy,1,0.5,0,T1"
	require.NoError(t, os.WriteFile(path, []byte(fillsHeader+row+"\n"), 0o600))
	p, err := Read(context.Background(), []string{path}, Options{}, nil)
	require.NoError(t, err)
	want := p.rows()[0]
	require.NoError(t, os.WriteFile(path, []byte(strings.ReplaceAll(fillsHeader+row+"\n", "0.5", "0.9")), 0o600))
	got := p.rows()[0]
	require.Equal(t, want.Fill, got.Fill)
	require.Equal(t, want.Key, got.Key)
	require.Equal(t, row, got.Raw())
	require.NoError(t, os.Remove(path))
	require.Equal(t, 36, got.Column("price"))
}

// "An import keeps the text of the files, 32 bytes for each row": and no list that is
// twice as long as it has to be.
func TestARowKeeps32Bytes(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(place{}), uintptr(32))
	const rows = 50_000
	var b strings.Builder
	b.WriteString(settleHeader)
	for i := range rows {
		fmt.Fprintf(&b, "2026-02-01T10:00:%02dZ,,market %d,Yes,1\n", i%60, i%7)
	}
	p := mustRead(t, Options{}, b.String())
	require.Equal(t, rows, p.Len())
	require.LessOrEqual(t, cap(p.places), rows*5/4)
}
