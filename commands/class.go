package commands

// Class says what a command is for. Whoever has to choose what is still taken under
// pressure chooses by it: a disk that is nearly full, a clock that is wrong, a key that
// has used up its budget, a queue that is long.
type Class int

// The classes. What a command may do is decided by the domain; its class never lets
// anything through that the domain refuses.
const (
	// ClassOther is everything else: permits, starts, signatures, transfers, limits, keys.
	// It is what waits or is refused under pressure.
	ClassOther Class = iota
	// ClassFact records what has already happened outside: fills, settlements, marks,
	// flows, the fate of transfers and of permits. Refusing one loses money on paper only,
	// but then the books are wrong.
	ClassFact
	// ClassStop stops something: a bot, a portfolio, a key, a transfer. Nothing goes
	// before it, and nothing keeps it waiting.
	ClassStop
)

// classes are the commands that are not ClassOther, by name. A test holds the list
// against all commands, so that a new one is classed by decision.
var classes = map[string]Class{
	"engage_stop":     ClassStop,
	"stop_bot":        ClassStop,
	"revoke_api_key":  ClassStop,
	"reject_transfer": ClassStop,

	"record_fill":        ClassFact,
	"confirm_fill":       ClassFact,
	"void_fill":          ClassFact,
	"record_trade":       ClassFact,
	"settle_market":      ClassFact,
	"redeem_position":    ClassFact,
	"mark_prices":        ClassFact,
	"record_deposit":     ClassFact,
	"record_withdrawal":  ClassFact,
	"record_fee":         ClassFact,
	"place_permit":       ClassFact,
	"release_permit":     ClassFact,
	"time_out_legs":      ClassFact,
	"confirm_transfer":   ClassFact,
	"fail_transfer":      ClassFact,
	"expire_transfers":   ClassFact,
	"reconcile":          ClassFact,
	"record_reencrypted": ClassFact,
}

// ClassOf returns the class of a command.
func ClassOf(c Command) Class { return ClassNamed(c.Name()) }

// ClassNamed returns the class of the command of a name; a name that no command has is
// ClassOther.
func ClassNamed(name string) Class { return classes[name] }

// Keeps is how much space of a reserve a class has to leave: what is above a
// quarter of it is for facts, too, and the rest for stops alone.
func (c Class) Keeps(reserve int64) int64 {
	switch c {
	case ClassStop:
		return 0
	case ClassFact:
		return reserve / 4
	default:
		return reserve
	}
}
