package memory_test

import (
	"testing"

	"pets/eventstore"
	"pets/eventstore/memory"
	"pets/eventstore/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(*testing.T) eventstore.Store { return memory.New() })
}
