package tradefile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// "Several files are merged by time, stably (ties: order of files on the command
// line, then of rows)."
func TestMergeIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.SliceOfN(rapid.IntRange(0, 5), 0, 12), 1, 4).Draw(t, "seconds per file")
		var places []place
		for f, file := range seconds {
			for i, s := range file {
				places = append(places, place{file: uint32(f), offset: uint32(i), nanos: int64(s)})
			}
		}
		want := slices.Clone(places)
		slices.SortStableFunc(want, func(a, b place) int { return cmp.Compare(a.nanos, b.nanos) })
		if merge(places); !slices.Equal(places, want) {
			t.Fatalf("got %v, want %v", places, want)
		}
	})
}

func TestFilesAreMergedByTimeThenFileThenRow(t *testing.T) {
	row := func(second int, market string) string {
		return fmt.Sprintf("2026-02-01T10:00:%02dZ,,%s,Yes,1\n", second, market)
	}
	p := mustRead(t, Options{},
		settleHeader+row(2, "a1")+row(1, "a2")+row(2, "a3"),
		settleHeader+row(2, "b1")+row(0, "b2")+row(1, "b3"))
	var got []string
	for _, r := range p.rows() {
		got = append(got, r.Settlement.Market)
	}
	if want := "b2 a2 b3 a1 a3 b1"; strings.Join(got, " ") != want {
		t.Errorf("order %v, want %s", got, want)
	}
}

func TestBotsComeInOrderOfFirstAppearance(t *testing.T) {
	p := mustRead(t, Options{Bot: "w"},
		fillsHeader+"2026-02-01T10:00:03Z,c,m,Yes,buy,1,0.5,0,T1\n2026-02-01T10:00:01Z,b,m,Yes,buy,1,0.5,0,T1\n",
		settleHeader+"2026-02-01T10:00:00Z,,m,Yes,1\n2026-02-01T10:00:04Z,d,m,Yes,1\n",
		walletHeader+"2026-02-01T10:00:02Z,rebate,,,,,,1,\n")
	if want := []string{"b", "w", "c", "d"}; !slices.Equal(p.Bots, want) {
		t.Errorf("bots %v, want %v", p.Bots, want)
	}
}

// "Rows without an id get the hash of the row's bytes and its occurrence number."
func TestOccurrencesCountOverAllFilesOfTheRun(t *testing.T) {
	const twice = "2026-02-01T10:00:00Z,trade,m,Yes,buy,1,0.5,-0.5,\n"
	p := mustRead(t, Options{}, walletHeader+twice+twice, walletHeader+twice)
	ids := make(map[string]bool)
	for i, r := range p.rows() {
		occurrence := "#" + strconv.Itoa(i+1)
		if !strings.HasSuffix(r.Key, occurrence) || !strings.HasSuffix(r.Fill.TradeID, occurrence) {
			t.Errorf("row %d: key %s, trade id %s; want both to end in %s", i, r.Key, r.Fill.TradeID, occurrence)
		}
		if !strings.Contains(r.Key, "/"+r.Fill.TradeID[:16]) {
			t.Errorf("trade id %s does not begin with the hash in %s", r.Fill.TradeID, r.Key)
		}
		ids[r.Key] = true
	}
	if len(ids) != 3 {
		t.Errorf("%d keys for 3 rows", len(ids))
	}
	// Which file is named first, and what it is called, changes no key.
	again := mustRead(t, Options{}, walletHeader+twice, walletHeader+twice+twice)
	for i, r := range again.rows() {
		if r.Key != p.rows()[i].Key {
			t.Errorf("row %d: key %s in another order of files, %s before", i, r.Key, p.rows()[i].Key)
		}
	}
}

// A row set aside takes no occurrence number from a good one, and its place in
// the tape stays its own.
func TestBadRowsKeepTheNumbersOfTheOthers(t *testing.T) {
	p := mustRead(t, Options{KeepBad: true}, tapeHeader+
		"1770000000457,m1,t1,Up,buy,0.97,1.03\n"+
		"1770000000458,m1,t1,Up,buy,1.97,1.03\n"+
		"1770000000459,m1,t1,Up,buy,0.97,1.03\n")
	if len(p.rows()) != 2 || p.rows()[1].Fill.TradeID != "3" || p.rows()[1].Fill.Bot != "bot3" {
		t.Errorf("got\n%s\nwant trade ids 1 and 3", dump(p))
	}
	if f := p.Files[0]; f.Rows != 2 || f.Bad != 1 {
		t.Errorf("summary %+v, want 2 rows and 1 bad", f)
	}
}
