package main

import (
	"database/sql"
	"errors"
	"io"

	_ "github.com/mattn/go-sqlite3"
)

// group is the most records that one transaction takes.
const group = 512

// insert is one record on its way.
type insert struct {
	writer int
	number int64
	record []byte
	done   chan error
}

// sqlite writes all records that wait in one transaction: SQLite has one writer,
// so this is the best it can do.
type sqlite struct {
	db    *sql.DB
	put   *sql.Stmt
	queue chan insert
	ended chan struct{}
}

func openSQLite(dir string) (put func(writer int, record []byte) error, closer io.Closer, err error) {
	db, err := sql.Open("sqlite3", "file:"+dir+".db?_journal_mode=WAL&_synchronous=FULL&_locking_mode=EXCLUSIVE")
	if err != nil {
		return nil, nil, err
	}
	db.SetMaxOpenConns(1)
	if _, err := db.Exec("create table event (stream integer, revision integer, data blob, primary key (stream, revision)) without rowid"); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	s := &sqlite{db: db, queue: make(chan insert, group), ended: make(chan struct{})}
	if s.put, err = db.Prepare("insert into event values (?, ?, ?)"); err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	go s.run()
	next := make([]int64, 1<<10)
	answers := make([]chan error, 1<<10)
	for i := range answers {
		answers[i] = make(chan error, 1)
	}
	return func(writer int, record []byte) error {
		s.queue <- insert{writer, next[writer], record, answers[writer]}
		next[writer]++
		return <-answers[writer]
	}, s, nil
}

func (s *sqlite) run() {
	defer close(s.ended)
	for first := range s.queue {
		all := []insert{first}
	more:
		for len(all) < group {
			select {
			case i, open := <-s.queue:
				if !open {
					break more
				}
				all = append(all, i)
			default:
				break more
			}
		}
		err := s.commit(all)
		for _, i := range all {
			i.done <- err
		}
	}
}

func (s *sqlite) commit(all []insert) error {
	tx, err := s.db.Begin()
	if err != nil {
		return err
	}
	put := tx.Stmt(s.put)
	for _, i := range all {
		if _, err := put.Exec(i.writer, i.number, i.record); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// Close implements io.Closer.
func (s *sqlite) Close() error {
	close(s.queue)
	<-s.ended
	return errors.Join(s.put.Close(), s.db.Close())
}
