package commands

import (
	"encoding/json"
	"strconv"
	"time"

	"pets/domain"
)

// canonical returns the canonical body of a request: its command as encoding/json writes it.
// The commands that bots send all the time are written without reflection. What has a text
// that JSON escapes is left to encoding/json, and so is everything else.
func canonical(r *Request) ([]byte, error) {
	b := body{out: make([]byte, 0, 256)}
	if b.command(r.Command) {
		return b.out, nil
	}
	return canonicalGeneral(r)
}

// canonicalGeneral is canonical by encoding/json.
func canonicalGeneral(r *Request) ([]byte, error) {
	out, err := json.Marshal(r.Command)
	if err != nil {
		return nil, &domain.Error{Code: domain.CodeInvalid, Message: "the command has no canonical form", Cause: err}
	}
	return out, nil
}

// body writes a JSON object of fields.
type body struct {
	out []byte
	// other: it has a value that is not written here.
	other bool
}

// command writes a command. It returns false if that is left to encoding/json.
func (b *body) command(c Command) bool {
	switch c := c.(type) {
	case AskPermit:
		if len(c.Legs) > 0 {
			return false
		}
		b.askPermit(&c)
	case RecordFill:
		b.recordFill(&c)
	case RecordTrade:
		b.recordTrade(&c)
	case PlacePermit:
		b.text("permit", c.Permit)
		b.time("expires_at", c.ExpiresAt)
	case ReleasePermit:
		b.text("permit", c.Permit)
		b.ifText("reason", c.Reason)
	default:
		return false
	}
	b.out = append(b.out, '}')
	return !b.other
}

func (b *body) askPermit(c *AskPermit) {
	b.text("bot", c.Bot)
	b.instrument(c.Instrument)
	b.ifText("kind", string(c.Kind))
	b.text("side", string(c.Side))
	b.decimal("quantity", c.Quantity)
	b.decimal("limit_price", c.LimitPrice)
	b.ifDecimal("fee", c.Fee)
	if c.ReduceOnly {
		b.key("reduce_only")
		b.out = append(b.out, "true"...)
	}
	b.ifText("ttl", durationText(c.TTL))
	b.ifText("intent", string(c.Intent))
	b.ifText("group", c.Group)
	b.ifText("time_in_force", string(c.TimeInForce))
	if c.PaperFill {
		b.key("paper_fill")
		b.out = append(b.out, "true"...)
	}
	b.ifText("leg_timeout", durationText(c.LegTimeout))
}

func (b *body) recordFill(c *RecordFill) {
	b.text("bot", c.Bot)
	b.ifText("venue", c.Venue)
	b.text("trade_id", c.TradeID)
	if c.Leg != 0 {
		b.key("leg")
		b.out = strconv.AppendInt(b.out, int64(c.Leg), 10)
	}
	b.instrument(c.Instrument)
	b.text("side", string(c.Side))
	b.decimal("quantity", c.Quantity)
	b.decimal("price", c.Price)
	b.ifDecimal("notional", c.Notional)
	if !c.Fee.IsZero() {
		b.decimal("fee", c.Fee)
	}
	b.ifText("fee_asset", c.FeeAsset)
	b.ifText("permit_id", c.PermitID)
	b.ifText("status", c.Status)
	b.time("effective_at", c.EffectiveAt)
}

func (b *body) recordTrade(c *RecordTrade) {
	b.text("bot", c.Bot)
	b.text("market", c.Market)
	b.decimal("pnl", c.PnL)
	if !c.Fee.IsZero() {
		b.decimal("fee", c.Fee)
	}
	b.text("trade_id", c.TradeID)
	b.time("effective_at", c.EffectiveAt)
}

// key begins a field.
func (b *body) key(name string) {
	before := byte(',')
	if len(b.out) == 0 {
		before = '{'
	}
	b.out = append(append(append(b.out, before, '"'), name...), '"', ':')
}

// text writes a field. A character that JSON escapes, or may escape, leaves the command to
// encoding/json.
func (b *body) text(name, text string) {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ' || c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			b.other = true
			return
		}
	}
	b.key(name)
	b.out = append(append(append(b.out, '"'), text...), '"')
}

func (b *body) ifText(name, text string) {
	if text != "" {
		b.text(name, text)
	}
}

func (b *body) instrument(i domain.Instrument) {
	b.text("market", i.Market)
	b.ifText("outcome", i.Outcome)
}

func (b *body) decimal(name string, d domain.Decimal) {
	b.key(name)
	out, err := d.AppendText(append(b.out, '"'))
	b.out, b.other = append(out, '"'), b.other || err != nil
}

func (b *body) ifDecimal(name string, d *domain.Decimal) {
	if d != nil {
		b.decimal(name, *d)
	}
}

func (b *body) time(name string, t *time.Time) {
	if t == nil {
		return
	}
	b.key(name)
	out, err := t.AppendText(append(b.out, '"'))
	b.out, b.other = append(out, '"'), b.other || err != nil
}

// durationText is the text of a duration, "" for 0, which is left out.
func durationText(d domain.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}
