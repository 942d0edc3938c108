package httpapi

import (
	"net/http"
	"strconv"

	"pets/commands"
	"pets/domain"
)

// The answers that bots wait for, to permits and to facts, are written without reflection.
// Each function appends what encoding/json would write, and returns false for an answer
// that has more than most: that one goes the general way.

// writeAnswer answers a command.
func writeAnswer(w http.ResponseWriter, a *commands.Answer) {
	if a.Permit != nil {
		v := permitAnswerOf(a)
		if b, plain := appendPermit(make([]byte, 0, usualAnswer), &v); plain {
			writePlain(w, b)
			return
		}
		writeJSON(w, http.StatusOK, v)
		return
	}
	if b, plain := appendAnswer(make([]byte, 0, usualAnswer), a); plain {
		writePlain(w, b)
		return
	}
	writeJSON(w, http.StatusOK, a)
}

// usualAnswer is longer than most answers.
const usualAnswer = 768

func writePlain(w http.ResponseWriter, b []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(append(b, '\n')) // a caller who has disconnected needs no answer
}

func appendAnswer(b []byte, a *commands.Answer) (_ []byte, plain bool) {
	if len(a.Directives) > 0 || a.Directives == nil || len(a.Replaces) > 0 || a.Permit != nil || a.Signature != nil || len(a.Refused) > 0 || len(a.WaitingMarks) > 0 || a.ClockBehind != 0 {
		return b, false
	}
	b = strconv.AppendUint(append(b, `{"revision":`...), a.Revision, 10)
	b, plain = appendEvents(append(b, `,"events":`...), a.Events)
	b = append(b, `,"directives":[]`...)
	if a.ID != "" {
		b, plain = appendText(append(b, `,"id":`...), a.ID, plain)
	}
	if len(a.Flags) > 0 {
		b = append(b, `,"flags":`...)
		for i, flag := range a.Flags {
			b, plain = appendText(append(b, listed(i)), flag, plain)
		}
		b = append(b, ']')
	}
	return append(b, '}'), plain
}

func appendPermit(b []byte, v *permitAnswered) (_ []byte, plain bool) {
	p := &v.PermitAnswer
	if len(v.Directives) > 0 || v.Directives == nil || p.Reasons == nil || p.Arbitrage != "" || len(p.Legs) > 0 || p.Deadline != nil || p.Cost != nil || p.SurePayout != nil || v.ClockBehind != 0 || v.Preview {
		return b, false
	}
	plain = true
	b = strconv.AppendBool(append(b, `{"allowed":`...), p.Allowed)
	if p.Status != "" {
		b, plain = appendText(append(b, `,"status":`...), p.Status, plain)
	}
	if p.PermitID != "" {
		b, plain = appendText(append(b, `,"permit_id":`...), p.PermitID, plain)
	}
	if p.ExpiresAt != nil {
		text, err := p.ExpiresAt.MarshalText()
		if err != nil {
			return b, false
		}
		b = append(append(append(b, `,"expires_at":"`...), text...), '"')
	}
	b = appendDecimal(append(b, `,"reserved":`...), p.Reserved)
	b, plain = appendReasons(append(b, `,"reasons":[`...), p.Reasons, plain)
	if f := p.Fill; f != nil {
		b, plain = appendText(append(b, `,"fill":{"venue":`...), f.Venue, plain)
		b, plain = appendText(append(b, `,"trade_id":`...), f.TradeID, plain)
		b = appendDecimal(append(b, `,"quantity":`...), f.Quantity)
		b = appendDecimal(append(b, `,"price":`...), f.Price)
		b = appendDecimal(append(b, `,"notional":`...), f.Notional)
		b = append(appendDecimal(append(b, `,"fee":`...), f.Fee), '}')
	}
	b = strconv.AppendUint(append(b, `,"revision":`...), v.Revision, 10)
	b, all := appendEvents(append(b, `,"events":`...), v.Events)
	return append(b, `,"directives":[]}`...), plain && all
}

// appendBatched appends one result of a batch.
func appendBatched(b []byte, r *batchResult) (_ []byte, plain bool) {
	if r.Problem != nil || r.Short {
		return b, false
	}
	b = strconv.AppendInt(append(b, `{"status":`...), int64(r.Status), 10)
	if r.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	b = append(b, `,"answer":`...)
	switch a := r.Answer.(type) {
	case *commands.Answer:
		b, plain = appendAnswer(b, a)
	case permitAnswered:
		b, plain = appendPermit(b, &a)
	}
	return append(b, '}'), plain
}

func appendReasons(b []byte, reasons []domain.Reason, plain bool) ([]byte, bool) {
	for i := range reasons {
		r := &reasons[i]
		if i > 0 {
			b = append(b, ',')
		}
		b, plain = appendText(append(b, `{"code":`...), string(r.Code), plain)
		if r.Value != "" {
			b, plain = appendText(append(b, `,"value":`...), r.Value, plain)
		}
		if r.Limit != "" {
			b, plain = appendText(append(b, `,"limit":`...), r.Limit, plain)
		}
		b, plain = appendText(append(b, `,"message":`...), r.Message, plain)
		if r.Leg != 0 {
			b = strconv.AppendInt(append(b, `,"leg":`...), int64(r.Leg), 10)
		}
		b = append(b, '}')
	}
	return append(b, ']'), plain
}

func appendEvents(b []byte, events []commands.EventRef) (_ []byte, plain bool) {
	if len(events) == 0 {
		return append(b, "[]"...), events != nil
	}
	plain = true
	for i := range events {
		e := &events[i]
		b = strconv.AppendUint(append(append(b, listed(i)), `{"revision":`...), e.Revision, 10)
		b, plain = appendText(append(b, `,"type":`...), e.Type, plain)
		b = append(append(append(b, `,"id":"`...), e.ID.String()...), `"}`...)
	}
	return append(b, ']'), plain
}

// listed returns what comes before an element of a list.
func listed(i int) byte {
	if i == 0 {
		return '['
	}
	return ','
}

func appendDecimal(b []byte, d domain.Decimal) []byte {
	b, _ = d.AppendText(append(b, '"'))
	return append(b, '"')
}

// appendText appends a string of ASCII without escapes. plain is handed on, and false for
// any other.
func appendText(b []byte, text string, plain bool) ([]byte, bool) {
	for i := range len(text) {
		if c := text[i]; c < ' ' || c >= 0x7f || c == '"' || c == '\\' {
			return b, false
		}
	}
	return append(append(append(b, '"'), text...), '"'), plain
}
