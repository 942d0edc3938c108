package money_test

import (
	"testing"

	"pets/internal/pets/petstest"
)

// Mistakes in a command line are reported before anything is sent, with exit status 2.
func TestMoneyUsage(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	s.Env = append(s.Env, "PETS_KEY=some-key-0123456789-0123456789-0123456789")
	for _, c := range []struct {
		words string
		args  []string
	}{
		{"--from is needed", []string{"transfer", "--to", "cold", "--amount", "1", "--reason", "x"}},
		{"--to is needed", []string{"transfer", "--from", "hot", "--amount", "1", "--reason", "x"}},
		{"--amount must be above 0", []string{"transfer", "--from", "hot", "--to", "cold", "--reason", "x"}},
		{"plain decimal number", []string{"transfer", "--from", "hot", "--to", "cold", "--amount", "1e3", "--reason", "x"}},
		{"plain decimal number", []string{"transfer", "--from", "hot", "--to", "cold", "--amount", "1,000", "--reason", "x"}},
		{"--reason is needed", []string{"transfer", "--from", "hot", "--to", "cold", "--amount", "1", "--reason", " "}},
		{"--yes needs --hash", []string{"approve", "x1", "--yes"}},
		{"accepts 1 arg", []string{"approve"}},
		{"--reason is needed", []string{"reject", "x1"}},
		{"--follow needs the id", []string{"transfers", "--follow"}},
		{"--open goes with the list", []string{"transfers", "x1", "--open"}},
		{"--at must be", []string{"treasury", "--at", "yesterday"}},
		{"must be KEY=VALUE", []string{"treasury", "set", "target=1", "--reason", "x"}},
		{"must be KEY=VALUE", []string{"treasury", "set", "min_rebalance_usd", "--reason", "x"}},
		{"is given twice", []string{"treasury", "set", "approval_ttl=1h", "APPROVAL_TTL=2h", "--reason", "x"}},
		{"--reason is needed", []string{"treasury", "set", "approval_ttl=1h"}},
		{"and --label are needed", []string{"address-book", "add", "--address", "0x1"}},
		{"--address is needed", []string{"address-book", "remove", "--reason", "x"}},
		{"--place must be", []string{"wallet", "register", "hot-1", "--address", "0x1"}},
		{"--address is needed", []string{"wallet", "register", "hot-1", "--place", "hot"}},
		{"--to is needed", []string{"wallet", "sweep", "--reason", "x"}},
		{"--reason is needed", []string{"wallet", "sweep", "--to", "cold"}},
		{"accepts 1 arg", []string{"cold", "export"}},
	} {
		s.Fails(2, []string{c.words}, c.args...)
	}
}

// "Approvals go through the server only", and so does everything that moves money.
func TestMoneyNeedsAKey(t *testing.T) {
	t.Parallel()
	s := petstest.New(t)
	for _, args := range [][]string{
		{"transfer", "--from", "hot", "--to", "cold", "--amount", "1", "--reason", "x"},
		{"approve", "x1"},
		{"reject", "x1", "--reason", "x"},
		{"transfers", "x1", "--follow"},
		{"rebalance"},
		{"reconcile"},
		{"treasury", "set", "approval_ttl=1h", "--reason", "x"},
		{"address-book", "add", "--address", "0x1", "--label", "x"},
		{"address-book", "remove", "--address", "0x1", "--reason", "x"},
		{"wallet", "register", "hot-1", "--place", "hot", "--address", "0x1"},
		{"wallet", "sweep", "--to", "cold", "--reason", "x"},
		{"cold", "export", "x1"},
	} {
		s.Fails(1, []string{"there is no store at", "name the server with --server or PETS_SERVER"}, args...)
		s.Fails(2, []string{"PETS_KEY is needed"}, append([]string{"--server", "http://127.0.0.1:1"}, args...)...)
	}
	// What only reads may read the store; where there is none, both ways are named.
	for _, args := range [][]string{{"transfers"}, {"transfers", "x1"}, {"approvals"}, {"treasury"}, {"address-book"}, {"address-book", "list"}} {
		s.Fails(1, []string{"there is no store at", "name the server with --server or PETS_SERVER"}, args...)
	}
}
