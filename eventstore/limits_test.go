package eventstore_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/memory"
)

type limited struct{ eventstore.Store }

func (limited) Limits() eventstore.Limits { return eventstore.Limits{Bytes: 200, Records: 2} }

type wrapper struct{ eventstore.Store }

func (w wrapper) Unwrap() eventstore.Store { return w.Store }

type opaque struct{ eventstore.Store }

// A store says its limits, and so does what wraps it.
func TestLimitsOf(t *testing.T) {
	tight := limited{}.Limits()
	for want, stores := range map[eventstore.Limits][]eventstore.Store{
		eventstore.DefaultLimits(): {nil, memory.New(), wrapper{memory.New()}, wrapper{}, opaque{limited{}}},
		tight:                      {limited{}, wrapper{limited{}}, wrapper{wrapper{limited{}}}},
	} {
		for _, s := range stores {
			require.Equal(t, want, eventstore.LimitsOf(s))
		}
	}
	record := eventstore.Proposed{ID: uuid.Max, Type: "t", Time: time.Unix(0, 0)}
	full := record
	full.Data = make([]byte, 200-2*65)
	require.NoError(t, tight.Check("s", eventstore.NoStream, []eventstore.Proposed{record, full}))
	full.Data = append(full.Data, 'x')
	var large *eventstore.TooLarge
	require.ErrorAs(t, tight.Check("s", eventstore.NoStream, []eventstore.Proposed{record, full}), &large)
	require.Equal(t, eventstore.TooLarge{What: "bytes", Size: 201, Limit: 200}, *large)
	require.ErrorAs(t, tight.Check("s", eventstore.NoStream, []eventstore.Proposed{record, record, record}), &large)
	require.Equal(t, eventstore.TooLarge{What: "records", Size: 3, Limit: 2}, *large)
}
