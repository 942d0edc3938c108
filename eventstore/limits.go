package eventstore

import (
	"fmt"

	"github.com/google/uuid"
)

// Limits are what a store accepts in one append.
type Limits struct {
	// Bytes limits the sum of [Proposed.Size] over the records of one append.
	Bytes int
	// Records limits the number of records of one append.
	Records int
}

// DefaultLimits are those of the engines of this project: [MaxAppendBytes] and
// [MaxAppendRecords].
func DefaultLimits() Limits { return Limits{Bytes: MaxAppendBytes, Records: MaxAppendRecords} }

// LimitsOf returns what a store accepts in one append: the result of its method
// Limits, or that of the store it wraps, which a wrapper returns by a method
// Unwrap. A store with neither has [DefaultLimits].
func LimitsOf(store Store) Limits {
	for store != nil {
		if own, ok := store.(interface{ Limits() Limits }); ok {
			return own.Limits()
		}
		wrapper, ok := store.(interface{ Unwrap() Store })
		if !ok {
			break
		}
		store = wrapper.Unwrap()
	}
	return DefaultLimits()
}

// Check returns the error that an engine with [DefaultLimits] must give for an
// append before it looks at the stream: Invalid or TooLarge, or nil.
func Check(stream string, expected Expected, records []Proposed) error {
	return DefaultLimits().Check(stream, expected, records)
}

// Check is the same as the function Check for an engine with these limits.
func (l Limits) Check(stream string, expected Expected, records []Proposed) error {
	switch {
	case stream == "" || len(stream) > MaxStreamName:
		return &Invalid{fmt.Sprintf("stream name has %d bytes; it needs 1 to %d", len(stream), MaxStreamName)}
	case expected < NoStream:
		return &Invalid{"expected revision is below NoStream"}
	case len(records) == 0:
		return &Invalid{"an append needs at least one record"}
	case len(records) > l.Records:
		return &TooLarge{"records", len(records), l.Records}
	}
	size := 0
	for i := range records {
		r := &records[i]
		if r.Type == "" || len(r.Type) > MaxTypeName {
			return &Invalid{fmt.Sprintf("type of record %d has %d bytes; it needs 1 to %d", i, len(r.Type), MaxTypeName)}
		}
		if r.ID == uuid.Nil {
			return &Invalid{fmt.Sprintf("record %d has no id", i)}
		}
		if !timeInRange(r.Time) {
			return &Invalid{fmt.Sprintf("time of record %d is not between 1970 and 2262", i)}
		}
		size += r.Size()
	}
	if size > l.Bytes {
		return &TooLarge{"bytes", size, l.Bytes}
	}
	return nil
}
