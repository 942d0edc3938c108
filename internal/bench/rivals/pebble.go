package main

import (
	"encoding/binary"
	"io"

	"github.com/cockroachdb/pebble/v2"
)

// openPebble keys records by writer and number, and lets pebble's own commit
// pipeline group the flushes of its log.
func openPebble(dir string) (put func(writer int, record []byte) error, closer io.Closer, err error) {
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}})
	if err != nil {
		return nil, nil, err
	}
	next := make([]uint64, 1<<10)
	return func(writer int, record []byte) error {
		key := make([]byte, 0, 16)
		key = binary.BigEndian.AppendUint64(key, uint64(writer)) //nolint:gosec // not negative
		key = binary.BigEndian.AppendUint64(key, next[writer])
		next[writer]++
		return db.Set(key, record, pebble.Sync)
	}, db, nil
}

// silent is a logger that says nothing of what goes well.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic("pebble: " + format)
}
