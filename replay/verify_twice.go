package replay

import (
	"github.com/google/uuid"

	"pets/domain"
)

// checkTwice requires that no fact is booked twice, and no command recorded twice: that the log
// has it once more means that it was not found when it was decided.
func (v *verifier) checkTwice(meta domain.Metadata, e domain.Event) {
	if before, twice := v.state.Repeats(e); twice {
		v.problem("the fact of this event is already booked by revision %d: void the later fill, or correct the money by an adjustment", before)
	}
	id, err := uuid.Parse(meta.CommandID)
	if err != nil {
		return // said by the decoder
	}
	if id != v.command {
		if before, known := v.commands[id]; known {
			v.problem("its command %s is already recorded by revision %d", id, before)
		} else {
			v.commands[id] = v.rev
		}
	}
	v.command = id
}
