package projections

import (
	"hash/fnv"
	"sort"

	"pets/domain"
)

// row is a closed trade, or a flow between trades, of which Trade has only the bot and the
// revision.
type row struct {
	Trade
	flow   bool
	amount domain.Decimal
}

// rowsPerPiece is how many rows a piece has. As many to twice as many of the youngest are in
// memory: what is revised is most often young.
const rowsPerPiece = 512

// rowLog holds rows in stream order. Of the older ones, which are in pieces, it has only a
// summary of each piece in memory.
type rowLog struct {
	past
	per   int // rowsPerPiece, or what a test sets
	sums  []rowSum
	young []row
	// changed are the rows of pieces that the record at hand changes.
	changed map[int][]row
}

// rowSum sums up a piece.
type rowSum struct {
	at          Piece
	standing    int    // trades that are not gone
	first, last uint64 // revisions of the first and the last row
	bots        botFilter
}

func newRowLog(p Pieces) rowLog {
	return rowLog{past: pastIn(p), per: rowsPerPiece, changed: map[int][]row{}}
}

// written is how many rows are in pieces, size how many there are.
func (l *rowLog) written() int { return len(l.sums) * l.per }
func (l *rowLog) size() int    { return l.written() + len(l.young) }

// add adds the next row, and writes the older half of the young ones if they are many.
func (l *rowLog) add(r row) {
	l.young = append(l.young, r)
	if len(l.young) < 2*l.per {
		return
	}
	at, err := l.write(encodeRows(l.young[:l.per]))
	if err != nil {
		return
	}
	l.sums = append(l.sums, sumRows(l.young[:l.per], at))
	n := copy(l.young, l.young[l.per:])
	clear(l.young[n:])
	l.young = l.young[:n]
}

// piece returns the rows of a piece. They may be put into a slice that is not needed any more.
func (l *rowLog) piece(n int, into []row) ([]row, error) {
	if rows, changed := l.changed[n]; changed {
		return rows, nil
	}
	b, err := l.read(l.sums[n].at)
	if err != nil {
		return nil, err
	}
	return l.decoded(n, b, into)
}

func (l *rowLog) decoded(n int, b []byte, into []row) ([]row, error) {
	rows, err := decodeRows(b, l.per, into)
	if err != nil {
		return nil, l.damaged(l.sums[n].at)
	}
	return rows, nil
}

// change changes a row, until the next flush only in memory.
func (l *rowLog) change(i int, how func(*row)) {
	if i >= l.written() {
		how(&l.young[i-l.written()])
		return
	}
	n := i / l.per
	rows, err := l.piece(n, nil)
	if err != nil {
		_ = l.fail(err) // the event is missed
		return
	}
	l.changed[n] = rows
	how(&rows[i%l.per])
}

// flush writes the pieces that were changed anew. The bytes before are not needed any more.
func (l *rowLog) flush() {
	for n, rows := range l.changed {
		at, err := l.write(encodeRows(rows))
		if err != nil {
			break
		}
		l.sums[n] = sumRows(rows, at)
	}
	clear(l.changed)
}

// walk shows the rows from one on, which are not to be kept, until look returns false.
func (l *rowLog) walk(from int, look func(i int, r *row) bool) error {
	if err := l.Err(); err != nil {
		return err
	}
	var into []row
	for n := from / l.per; n < len(l.sums); n++ {
		if into == nil {
			into = make([]row, l.per)
		}
		rows, err := l.piece(n, into)
		if err != nil {
			return err
		}
		for i := max(from-n*l.per, 0); i < l.per; i++ {
			if !look(n*l.per+i, &rows[i]) {
				return nil
			}
		}
	}
	for i := max(from-l.written(), 0); i < len(l.young); i++ {
		if !look(l.written()+i, &l.young[i]) {
			return nil
		}
	}
	return nil
}

// of finds the first row of a record that is as wanted, or -1.
func (l *rowLog) of(revision uint64, wanted func(*row) bool) (found int, err error) {
	found = -1
	from := l.from(revision) * l.per
	if from == l.written() {
		from += sort.Search(len(l.young), func(i int) bool { return l.young[i].Revision >= revision })
	} else if revision < l.sums[from/l.per].first {
		return -1, nil
	}
	err = l.walk(from, func(i int, r *row) bool {
		if r.Revision == revision && wanted(r) {
			found = i
		}
		return found < 0 && r.Revision <= revision
	})
	return found, err
}

// from returns the first piece that has rows of a revision or later ones.
func (l *rowLog) from(revision uint64) int {
	return sort.Search(len(l.sums), func(n int) bool { return l.sums[n].last >= revision })
}

// sumRows sums up the rows of a piece.
func sumRows(rows []row, at Piece) rowSum {
	s := rowSum{at: at, first: rows[0].Revision, last: rows[len(rows)-1].Revision}
	for i := range rows {
		if r := &rows[i]; !r.flow {
			s.bots.add(r.Bot)
			if !r.gone {
				s.standing++
			}
		}
	}
	return s
}

// botFilter says which bots a piece may have trades of. It says yes to all that it has, and
// to few others.
type botFilter [4]uint64

func (f *botFilter) add(bot string) {
	h := nameHash(bot)
	f[h>>6&3] |= 1 << (h & 63)
}

func (f *botFilter) mayHave(bot string) bool {
	h := nameHash(bot)
	return f[h>>6&3]>>(h&63)&1 == 1
}

func nameHash(s string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(s)) // it cannot fail
	return h.Sum32()
}
