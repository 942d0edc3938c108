package domain

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// fillByLots is a fill.recorded.v1 as it is stored today, in a build whose v2 counts in
// shares where v1 counted in lots of ten.
type fillByLots FillRecorded

func inShares(old *fillByLots) *FillRecorded {
	e := FillRecorded(*old)
	ten := MustDecimal("10")
	e.Quantity, e.Price = old.Quantity.Mul(ten), old.Price.Div(ten)
	return &e
}

// "A v2 goes through up for every reader": what is stored as v1 is decoded as the current
// version, under its name; what is stored as v2 is not changed again.
func TestAnOldVersionIsReadAsTheCurrentOne(t *testing.T) {
	stored := RawEvent{FillRecordedType, golden(t, FillRecordedType)}
	before, err := Decode(stored.Type, stored.Data)
	require.NoError(t, err)
	old, is := before.(*FillRecorded)
	require.True(t, is)

	PretendVersion(t, "fill.recorded.v2", inShares)
	e, err := Decode(stored.Type, stored.Data)
	require.NoError(t, err)
	fill, is := e.(*FillRecorded)
	require.True(t, is)
	require.Equal(t, old.Quantity.Mul(MustDecimal("10")), fill.Quantity)
	require.Equal(t, "fill.recorded.v2", fill.EventType())
	require.Equal(t, "fill.recorded.v2", CurrentType(stored.Type))
	require.Equal(t, fill, Viewer{Bot: old.Bot, Holds: nobody}.Sees(fill))
	require.Contains(t, EventTypes(), "fill.recorded.v1")
	require.Contains(t, EventTypes(), "fill.recorded.v2")

	current, err := stored.Current()
	require.NoError(t, err)
	require.Equal(t, "fill.recorded.v2", current.Type)
	again, err := current.Current()
	require.NoError(t, err)
	require.Equal(t, current, again)
	e, err = Decode(current.Type, current.Data)
	require.NoError(t, err)
	require.Equal(t, fill, e)

	_, err = Decode(stored.Type, []byte(`{"lots":"1"}`))
	require.ErrorContains(t, err, `decode fill.recorded.v1: json: unknown field "lots"`)
	_, err = RawEvent{stored.Type, []byte(`{"lots":"1"}`)}.Current()
	require.Error(t, err)
}

// Without its upcaster an old version is unknown: no reader guesses what it meant.
func TestAnOldVersionWithoutItsUpcasterIsUnknown(t *testing.T) {
	var deleted func(*fillByLots) *FillRecorded
	PretendVersion(t, "fill.recorded.v2", deleted)
	_, err := Decode(FillRecordedType, golden(t, FillRecordedType))
	var unknown *UnknownTypeError
	require.ErrorAs(t, err, &unknown)
	require.Equal(t, FillRecordedType, unknown.Type)
}

// What a test pretends ends with it.
func TestAPretendedVersionEndsWithItsTest(t *testing.T) {
	t.Run("pretends", func(t *testing.T) {
		PretendVersion(t, "fill.recorded.v2", inShares)
		require.Equal(t, "fill.recorded.v2", (&FillRecorded{}).EventType())
	})
	require.Equal(t, "fill.recorded.v1", (&FillRecorded{}).EventType())
	require.NotContains(t, EventTypes(), "fill.recorded.v2")
}

type first struct {
	Text string `json:"text"`
}

type second struct {
	Text string `json:"text"`
}

// An event two versions old goes through both upcasters, in order.
func TestUpcastersFollowEachOther(t *testing.T) {
	before := events
	t.Cleanup(func() { events = before })
	events = mustTable([]row{
		formerly("bot.stopped.v1", func(e *first) *second { return &second{e.Text + "+2"} }),
		hidden[BotStopped]("bot.stopped.v3"),
		formerly("bot.stopped.v2", func(e *second) *BotStopped { return &BotStopped{Reason: e.Text + "+3"} }),
	})
	e, err := Decode("bot.stopped.v1", []byte(`{"text":"1"}`))
	require.NoError(t, err)
	require.Equal(t, &BotStopped{Reason: "1+2+3"}, e)
	require.Equal(t, "bot.stopped.v3", CurrentType("bot.stopped.v1"))
	require.Equal(t, "bot.stopped.v3", e.EventType())
}

// A registry that contradicts itself does not start.
func TestARegistryThatContradictsItself(t *testing.T) {
	up := func(*first) *BotStopped { return &BotStopped{} }
	for want, rows := range map[string][]row{
		`"bot.stopped" is not of the form name.v1`:          {hidden[BotStopped]("bot.stopped")},
		`"bot.stopped.v0" is not of the form name.v1`:       {hidden[BotStopped]("bot.stopped.v0")},
		`"bot.stopped.vx" is not of the form name.v1`:       {hidden[BotStopped]("bot.stopped.vx")},
		"bot.stopped.v1 has two rows":                       {hidden[BotStopped]("bot.stopped.v1"), hidden[BotStarted]("bot.stopped.v1")},
		"has two rows: bot.stopped.v1 and bot.stopped.v2":   {hidden[BotStopped]("bot.stopped.v1"), hidden[BotStopped]("bot.stopped.v2")},
		"both bot.stopped.v1 and bot.stopped.v2 would be":   {hidden[BotStarted]("bot.stopped.v1"), hidden[BotStopped]("bot.stopped.v2")},
		"bot.stopped.v1 is converted to *domain.BotStopped": {formerly("bot.stopped.v1", up)},
		"bot.stopped.v2 is converted to *domain.BotStopped": {formerly("bot.stopped.v2", up), hidden[BotStopped]("bot.stopped.v1")},
		"bot.started.v1 is converted to *domain.BotStopped": {formerly("bot.started.v1", up), hidden[BotStopped]("bot.stopped.v2")},
	} {
		_, err := newTable(rows)
		require.ErrorContains(t, err, want)
		require.Panics(t, func() { mustTable(rows) })
	}
}

// strange is an event that nobody gave a row.
type strange struct{}

func (*strange) EventType() string { return "of.nobody.v1" }

// What nobody could read back is not written, and not shown to a bot.
func TestAnEventWithoutARowIsNotWritten(t *testing.T) {
	_, err := Encode(&strange{})
	require.EqualError(t, err, "encode *domain.strange: the event has no row in the registry")
	require.Equal(t, "*domain.strange", typeOf(&strange{}))
	require.Nil(t, Viewer{Bot: "a", Holds: nobody}.Sees(&strange{}))
}

// Every struct that calls itself an event has a row.
func TestEveryEventHasARow(t *testing.T) {
	packages, err := parser.ParseDir(token.NewFileSet(), ".", func(f fs.FileInfo) bool { return !strings.HasSuffix(f.Name(), "_test.go") }, 0) //nolint:staticcheck // one folder, no build tags
	require.NoError(t, err)
	rows := map[string]bool{}
	for _, r := range events.rows {
		if r.up == nil {
			rows[r.goType.Elem().Name()] = true
		}
	}
	found := 0
	ast.Inspect(packages["domain"], func(n ast.Node) bool {
		f, is := n.(*ast.FuncDecl)
		if !is || f.Recv == nil || f.Name.Name != "EventType" {
			return true
		}
		found++
		pointer, is := f.Recv.List[0].Type.(*ast.StarExpr)
		require.True(t, is)
		name, is := pointer.X.(*ast.Ident)
		require.True(t, is)
		require.True(t, rows[name.Name], "%s has no row in the registry", name.Name)
		return true
	})
	require.Equal(t, len(rows), found)
}

// People read an event's name without its version.
func TestEventName(t *testing.T) {
	for stored, name := range map[string]string{
		"fill.recorded.v1": "fill.recorded", "fill.recorded.v12": "fill.recorded", "fill.recorded": "fill.recorded", "a.very.old": "a.very.old", "": "",
	} {
		require.Equal(t, name, EventName(stored))
	}
	require.Equal(t, "fill.rec", CurrentType("fill.rec"), "what is not known stays")
}
