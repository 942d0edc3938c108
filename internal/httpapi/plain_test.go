package httpapi

import (
	"bytes"
	"reflect"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// What is written without reflection is what encoding/json writes.
func TestPlainAnswers(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 9, 0, 0, 120, time.UTC)
	events := []commands.EventRef{{Revision: 7, Type: "fill.recorded.v1", ID: uuid.New()}, {Revision: 8, Type: "trade.closed.v1", ID: uuid.New()}}
	none := []commands.Directive{}
	stop := []commands.Directive{{Action: commands.ActionStop, Bots: []string{"a"}, Reason: "x"}}
	why := []domain.Reason{{Code: "limit", Message: "no"}, {Code: "cash", Value: "1 < 2", Limit: "2", Message: "too much & more", Leg: 2}}
	fill := &commands.PaperFill{Venue: "paper", TradeID: "t", Quantity: domain.MustDecimal("1.5"), Price: domain.MustDecimal("0.000000000000000001"), Notional: domain.MustDecimal("-3"), Fee: domain.MustDecimal("0")}
	permit := func(p commands.PermitAnswer) commands.Answer {
		if p.Reasons == nil {
			p.Reasons = []domain.Reason{}
		}
		return commands.Answer{Revision: 8, Events: events, Directives: none, Permit: &p}
	}
	for name, tt := range map[string]struct {
		answer commands.Answer
		plain  bool
	}{
		"of a fact":          {commands.Answer{Revision: 8, Events: events, Directives: none}, true},
		"flagged":            {commands.Answer{Revision: 1 << 60, Events: events[:1], Directives: none, ID: "c7", Flags: []string{"late", "over_permit"}}, true},
		"of nothing":         {commands.Answer{Events: []commands.EventRef{}, Directives: none}, true},
		"without a list":     {commands.Answer{Directives: none}, false},
		"without another":    {commands.Answer{Events: events}, false},
		"directed":           {commands.Answer{Events: events, Directives: stop}, false},
		"replacing":          {commands.Answer{Events: events, Directives: none, Replaces: []string{"o1"}}, false},
		"signed":             {commands.Answer{Events: events, Directives: none, Signature: &commands.SignatureAnswer{}}, false},
		"refused in part":    {commands.Answer{Events: events, Directives: none, Refused: []domain.RefusedMark{{}}}, false},
		"behind":             {commands.Answer{Events: events, Directives: none, ClockBehind: 1}, false},
		"beyond ASCII":       {commands.Answer{Events: events, Directives: none, Flags: []string{"é"}}, false},
		"a quote":            {commands.Answer{Events: events, Directives: none, ID: "\""}, false},
		"an odd type":        {commands.Answer{Events: []commands.EventRef{{Type: "\n"}}, Directives: none}, false},
		"granted":            {permit(commands.PermitAnswer{Allowed: true, PermitID: "p9", ExpiresAt: &at, Reserved: domain.MustDecimal("12.5")}), true},
		"over":               {permit(commands.PermitAnswer{Status: "over", PermitID: "p9", ExpiresAt: &at, Reasons: why}), true},
		"denied":             {permit(commands.PermitAnswer{Reasons: why}), true},
		"filled":             {permit(commands.PermitAnswer{Allowed: true, PermitID: "p9", ExpiresAt: &at, Fill: fill}), true},
		"of an arbitrage":    {permit(commands.PermitAnswer{Allowed: true, Arbitrage: "a1"}), false},
		"of legs":            {permit(commands.PermitAnswer{Legs: []commands.LegAnswer{{}}}), false},
		"until":              {permit(commands.PermitAnswer{Deadline: &at}), false},
		"at a cost":          {permit(commands.PermitAnswer{Cost: &fill.Fee}), false},
		"surely":             {permit(commands.PermitAnswer{SurePayout: &fill.Fee}), false},
		"in other words":     {permit(commands.PermitAnswer{Reasons: []domain.Reason{{Code: "x", Message: "é"}}}), false},
		"a year of 5 digits": {permit(commands.PermitAnswer{ExpiresAt: func() *time.Time { far := at.AddDate(9000, 0, 0); return &far }()}), false},
	} {
		t.Run(name, func(t *testing.T) {
			for _, status := range []batchResult{{Status: 200}, {Status: 200, Replayed: true}, {Status: 200, Short: true}} {
				r := status
				r.Answer = &tt.answer
				b, plain := appendAnswer(nil, &tt.answer)
				if tt.answer.Permit != nil {
					v := permitAnswerOf(&tt.answer)
					r.Answer = v
					b, plain = appendPermit(nil, &v)
				}
				require.Equal(t, tt.plain, plain)
				batched, inBatch := appendBatched(nil, &r)
				require.Equal(t, plain && !r.Short, inBatch)
				if plain {
					requireJSON(t, r.Answer, b)
				}
				if inBatch {
					requireJSON(t, r, batched)
				}
			}
		})
	}
	_, plain := appendBatched(nil, &batchResult{Status: 400, Problem: &Problem{}})
	require.False(t, plain)
}

// A field that an answer gets later is not lost: it is written, or the answer is not plain.
func TestNoFieldOfAPlainAnswerIsLost(t *testing.T) {
	t.Parallel()
	whole := func() *commands.Answer {
		return &commands.Answer{Events: []commands.EventRef{}, Directives: []commands.Directive{}, Permit: &commands.PermitAnswer{
			Reasons: []domain.Reason{{}}, Fill: &commands.PaperFill{},
		}}
	}
	check := func(a *commands.Answer) {
		if a.Permit != nil {
			v := permitAnswerOf(a)
			if b, plain := appendPermit(nil, &v); plain {
				requireJSON(t, v, b)
			}
		} else if b, plain := appendAnswer(nil, a); plain {
			requireJSON(t, a, b)
		}
	}
	each := func(of func(*commands.Answer) any) {
		for i := range reflect.TypeOf(of(whole())).Elem().NumField() {
			a := whole()
			v := reflect.ValueOf(of(a)).Elem()
			if !v.Type().Field(i).IsExported() {
				continue
			}
			if _, is := of(a).(*commands.Answer); is && v.Type().Field(i).Name != "Permit" {
				a.Permit = nil
			}
			fill(v.Field(i))
			check(a)
		}
	}
	each(func(a *commands.Answer) any { return a })
	each(func(a *commands.Answer) any { return a.Permit })
	each(func(a *commands.Answer) any { return &a.Permit.Reasons[0] })
	each(func(a *commands.Answer) any { return a.Permit.Fill })
	a := whole()
	a.Permit, a.Events = nil, []commands.EventRef{{}}
	for i := range reflect.TypeFor[commands.EventRef]().NumField() {
		fill(reflect.ValueOf(&a.Events[0]).Elem().Field(i))
	}
	check(a)

	r := &batchResult{Status: 200, Answer: &commands.Answer{Events: []commands.EventRef{}, Directives: []commands.Directive{}}}
	for i := range reflect.TypeFor[batchResult]().NumField() {
		one := *r
		if f := reflect.ValueOf(&one).Elem().Field(i); f.Kind() != reflect.Interface {
			fill(f)
		}
		if b, plain := appendBatched(nil, &one); plain {
			requireJSON(t, one, b)
		}
	}
}

// fill makes a value another one than its zero value.
func fill(v reflect.Value) {
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.String:
		v.SetString("x")
	case reflect.Int, reflect.Int64:
		v.SetInt(7)
	case reflect.Uint64:
		v.SetUint(7)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
	case reflect.Array:
		fill(v.Index(0))
	default:
		if d, is := v.Addr().Interface().(*domain.Decimal); is {
			*d = domain.MustDecimal("1.5")
		}
	}
}

func requireJSON(t *testing.T, v any, got []byte) {
	t.Helper()
	var want bytes.Buffer
	require.NoError(t, appendJSON(&want, v))
	require.Equal(t, want.String(), string(got))
}
