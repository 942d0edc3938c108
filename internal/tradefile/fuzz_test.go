package tradefile

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"
)

// FuzzRead: whatever a file holds, it is read or refused with a place in it.
func FuzzRead(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.csv*"))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, false)
	}
	for _, text := range []string{
		"", "\n", "\r", "\"", "time,\"\n\"", fillsHeader + "\"\"\"", fillsHeader + "\"a\"b,\"\n", settleHeader + "x\n\r\n,,,,\r",
		walletHeader + "2026-02-01T09:00:00Z,rebate,,,,,,1,\"a\n\"\"b\"\n", "\xef\xbb\xbf" + tapeHeader + "-1,m,t,Up,buy,0,1",
		zipped(f, settleHeader+"2026-02-01T10:00:00Z,,m,Yes,1"),
	} {
		f.Add([]byte(text), true)
	}
	small := limits{bytes: 1 << 20, rows: 1000, bad: 100, row: 4 << 10, cell: 1 << 10, cells: 64}
	f.Fuzz(func(t *testing.T, stored []byte, asTrades bool) {
		for _, keepBad := range []bool{false, true} {
			r, err := newReader(Options{KeepBad: keepBad, AsTrades: asTrades}, small)
			if err != nil {
				t.Fatal(err)
			}
			if err := r.add(context.Background(), "f.csv", stored); err != nil {
				checkRefusal(t, err)
				continue
			}
			checkPlan(t, r.plan())
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if text := err.Error(); len(text) > 2000 || !utf8.ValidString(text) {
		t.Errorf("unfit to print: %d bytes, %q", len(text), text)
	}
	var bad *BadRow
	var file *FileError
	switch {
	case errors.As(err, &bad):
		if bad.Line < 1 || bad.Column < 1 || bad.Reason == "" {
			t.Errorf("no place or reason: %+v", bad)
		}
	case !errors.As(err, &file):
		t.Errorf("%T is neither BadRow nor FileError", err)
	}
}

func checkPlan(t *testing.T, p *Plan) {
	t.Helper()
	numbered := make(map[string]bool)
	rows := p.rows()
	for i, row := range rows {
		if i > 0 && row.Time.Before(rows[i-1].Time) {
			t.Errorf("row %d is earlier than the one before", i)
		}
		facts := 0
		for _, set := range []bool{row.Fill != nil, row.Settlement != nil, row.Trade != nil, row.Redeem != nil, row.Rebate != nil, row.Funding != nil, row.Movement != nil, row.Fee != nil, row.Market != nil, row.Sets != nil} {
			if set {
				facts++
			}
		}
		if facts != 1 || row.Key == "" || row.Line < 2 {
			t.Errorf("row %d: %d facts, key %q, line %d", i, facts, row.Key, row.Line)
		}
		if !row.hasID() && row.Fill == nil && row.Trade == nil {
			if numbered[row.Key] {
				t.Errorf("key %s twice", row.Key)
			}
			numbered[row.Key] = true
		}
	}
	if f := p.Files[0]; f.Rows != len(rows) || f.Bad != len(p.Bad) {
		t.Errorf("summary %+v of %d rows and %d bad", f, len(rows), len(p.Bad))
	}
}
