package embedded_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore/embedded"
)

// fullDir is a folder on a full disk: there is room for torn bytes only once the spare
// was cut.
type fullDir struct {
	embedded.Dir
	room map[string]bool // the files that were cut
}

type fullFile struct {
	embedded.File
	dir  fullDir
	name string
}

func (d fullDir) Open(name string, mode embedded.Mode) (embedded.File, error) {
	file, err := d.Dir.Open(name, mode)
	if err != nil || !strings.HasPrefix(name, "torn-") && name != spareName {
		return file, err
	}
	return fullFile{file, d, name}, nil
}

func (f fullFile) WriteAt(p []byte, off int64) (int, error) {
	if strings.HasPrefix(f.name, "torn-") && len(f.dir.room) == 0 {
		return 0, syscall.ENOSPC
	}
	return f.File.WriteAt(p, off)
}

func (f fullFile) Truncate(size uint64) error {
	f.dir.room[f.name] = true
	return f.File.Truncate(size)
}

// On a full disk torn bytes are set aside, not deleted, in the room of what holds only
// zeros: "a person can always stop", and for that the store has to open.
func TestTornBytesOnAFullDisk(t *testing.T) {
	l := newTail(t)
	torn := l.whole[:l.from+100]
	f := l.with(l.name, torn).with(spareName, strings.Repeat("\x00", 4*sector))
	cut := map[string]bool{}
	s, err := embedded.Open(dir, embedded.Options{NoFill: true, FS: onDirs{f, func(d embedded.Dir) embedded.Dir { return fullDir{d, cut} }}})
	require.NoError(t, err)
	require.True(t, cut[spareName])
	requireKept(t, s, l.before)
	require.Equal(t, torn[l.from:], f.contents()[s.Torn().File[len(dir)+1:]])
	require.Empty(t, f.contents()[spareName])
	require.NoError(t, s.Close())
}
