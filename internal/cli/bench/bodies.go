package bench

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"pets/commands"
	"pets/domain"
)

// permitBody asks for a permit. Its short life keeps reservations from adding up over a run.
func permitBody(bot string) string {
	return `{"bot":"` + bot + `","market":"m","outcome":"YES","side":"buy","quantity":"10","limit_price":"0.5","ttl":"50ms"}`
}

// fillBody reports a small fill, in a market of the bot's own.
func fillBody(bot string) string {
	return `{"bot":"` + bot + `","market":"m` + bot + `","outcome":"YES","side":"buy","quantity":"0.01","price":"0.5","trade_id":"` + uuid.NewString() + `"}`
}

func batchItem(command, body string) string {
	return `{"idempotency_key":"` + uuid.NewString() + `","command":"` + command + `","body":` + body + `}`
}

func batchBody(items []string) string { return `{"commands":[` + strings.Join(items, ",") + `]}` }

// fillCommand is fillBody for an engine in this process.
func fillCommand(bot string) commands.RecordFill {
	return commands.RecordFill{
		FillID: domain.FillID{Bot: bot, TradeID: uuid.NewString()}, Instrument: domain.Instrument{Market: "m" + bot, Outcome: "YES"},
		Side: domain.Buy, Quantity: domain.MustDecimal("0.01"), Price: domain.MustDecimal("0.5"),
	}
}

// permitCommand is permitBody for an engine in this process.
func permitCommand(bot string) commands.AskPermit {
	return commands.AskPermit{
		Bot: bot, Instrument: domain.Instrument{Market: "m", Outcome: "YES"}, Side: domain.Buy,
		Quantity: domain.MustDecimal("10"), LimitPrice: domain.MustDecimal("0.5"), TTL: domain.Duration(50 * time.Millisecond),
	}
}
