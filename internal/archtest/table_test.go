package archtest

import (
	"path"
	"strings"
)

// module is the prefix of this project's import paths.
const module = "pets"

// allowance is one row of the import table.
type allowance struct {
	pkg string   // a folder, or a pattern: "cmd/..." is every folder under cmd
	may []string // folders and patterns its files may import
	// tests may be imported by its test files in addition.
	tests []string
}

// anyTest is what the test files of every package may import in addition: real
// engines in temporary folders, the real trade data, and what there is to test with.
var anyTest = []string{"domain/approval/approvaltest", "eventstore", "eventstore/...", "internal/shareddata", "internal/testenv", "internal/testenv/signing"}

// table says who may import whom (of this project; every package may import
// itself). The arrows point one way: bytes and vocabulary at the bottom, the
// decisions above them, then those who write (commands) and those who read
// (projections), which do not know each other, and the adapters at the rim.
// Only internal/open opens a durable store, and internal/bench, to measure it. A package that is not here fails the test.
var table = []allowance{
	{pkg: "domain"},
	{pkg: "domain/ledger", may: []string{"domain"}},
	{pkg: "domain/risk", may: []string{"domain"}},
	{pkg: "domain/payoff", may: []string{"domain"}},
	{pkg: "domain/treasury", may: []string{"domain"}},
	{pkg: "domain/keys", may: []string{"domain"}},
	{pkg: "domain/approval", may: []string{"domain"}},
	// Tests only: keys that anybody can make.
	{pkg: "domain/approval/approvaltest", may: []string{"domain", "domain/approval"}},
	// The closed-trade series scales its references by the rule of risk.
	{pkg: "domain/tradestats", may: []string{"domain", "domain/risk"}},
	{pkg: "domain/portfolio", may: []string{"domain", "domain/..."}},
	// A second opinion is none if it shares code with the first.
	{pkg: "domain/portfolio/modeltest"},
	{pkg: "domain/system", may: []string{"domain", "domain/..."}},

	// Bytes only: an engine knows no event. Whose the files are that root makes is
	// one rule for all who make files.
	{pkg: "eventstore"},
	{pkg: "eventstore/embedded", may: []string{"eventstore", "internal/owner"}},
	{pkg: "eventstore/esdb", may: []string{"eventstore"}, tests: []string{"internal/esdbtest"}},
	{pkg: "eventstore/memory", may: []string{"eventstore"}},
	{pkg: "eventstore/storetest", may: []string{"eventstore"}},

	// A decision never waits for, or trusts, a read model. Of the index it has the keys.
	{pkg: "commands", may: []string{"domain", "domain/...", "eventstore", "internal/index", "internal/owner", "internal/work"}},
	// Custody acts outside the store. Keys and chain are behind its interfaces; its tests
	// put a real keystore and a real chain there.
	{pkg: "commands/custody", may: []string{"domain", "domain/...", "commands", "internal/notice"}, tests: []string{"internal/evm", "internal/vault", "internal/chain", "internal/chain/chaintest", "internal/esdbtest", "internal/typeddata"}},
	// The client has the commands' own types as its bodies and answers.
	{pkg: "commands/client", may: []string{"domain", "commands", "internal/loopback", "internal/proof"}, tests: []string{"internal/httpapi", "internal/live", "projections"}},
	{pkg: "projections", may: []string{"domain", "domain/...", "eventstore"}},
	// A replay has nothing within reach that could act on the world.
	{pkg: "replay", may: []string{"domain", "domain/...", "eventstore", "projections"}, tests: []string{"replay/historytest", "replay/scenario", "commands", "internal/snapshot"}},
	// Tests only: commands against a store in memory, and what they answer.
	{pkg: "replay/scenario", may: []string{"domain", "domain/...", "eventstore", "eventstore/memory", "projections", "commands", "replay"}},
	// Tests only: streams as earlier builds wrote them, and what those made of them.
	{pkg: "replay/historytest", may: []string{"domain", "domain/...", "eventstore", "projections"}},

	// Adapters do not import each other. tradefile reads rows; importer is the
	// glue of pets import, which turns them into commands.
	{pkg: "internal/archtest"},
	// Reads the source of the domain, and needs nothing of it to compile.
	{pkg: "internal/codecgen"},
	// Typed data is understood here and nowhere else.
	{pkg: "internal/typeddata", may: []string{"domain"}},
	// Only internal/evm and the command line may reach keys.
	{pkg: "internal/vault", may: []string{"domain"}},
	// The private half of an approver's key: the command line alone asks it to sign.
	{pkg: "internal/approverkey", may: []string{"domain", "domain/approval", "internal/vault"}},
	// Keys and chain as custody's interfaces.
	{pkg: "internal/evm", may: []string{"domain", "domain/...", "commands", "commands/custody", "internal/chain", "internal/vault"}},
	// The chain is asked by those who move money, and by no replay.
	{pkg: "internal/chain", may: []string{"domain"}, tests: []string{"internal/chain/chaintest"}},
	{pkg: "internal/chain/chaintest"},
	{pkg: "internal/spelling"},
	// Both sides of one handshake.
	{pkg: "internal/proof"},
	// Whether an address is this machine: for those who send keys, and those who answer.
	{pkg: "internal/loopback"},
	{pkg: "internal/config", may: []string{"domain", "internal/loopback", "internal/owner", "internal/spelling"}},
	{pkg: "internal/strict", may: []string{"domain", "internal/spelling"}, tests: []string{"commands"}},
	{pkg: "internal/httpapi", may: []string{"domain", "domain/...", "eventstore", "commands", "commands/custody", "projections", "internal/live", "internal/loopback", "internal/notice", "internal/proof", "internal/strict", "internal/owner", "internal/work"}, tests: []string{"commands/client", "internal/legs"}},
	{pkg: "internal/metrics", may: []string{"domain", "domain/..."}, tests: []string{"commands", "projections"}},
	{pkg: "internal/snapshot", may: []string{"eventstore", "internal/owner"}},
	// Bytes only, like an engine: which events are urgent is handed in.
	{pkg: "internal/witness", may: []string{"eventstore", "internal/owner"}, tests: []string{"internal/snapshot"}},
	// What of an event is an entry of the index, the commands say.
	{pkg: "internal/history", may: []string{"commands", "eventstore", "internal/index"}, tests: []string{"domain", "domain/portfolio"}},
	// Bytes only, too: what of an event is an entry is handed in.
	{pkg: "internal/index", may: []string{"eventstore", "internal/owner"}},
	{pkg: "internal/tradefile", may: []string{"domain"}},
	{pkg: "internal/importer", may: []string{"domain", "domain/...", "commands", "internal/tradefile"}},
	// Bytes only: one store's records into another, both handed in.
	{pkg: "internal/migrate", may: []string{"eventstore"}, tests: []string{"internal/esdbtest"}},
	{pkg: "internal/owner"},
	// How many goroutines compute at a time: for those who decide, and those who answer.
	{pkg: "internal/work"},
	// What a person should know: whoever finds it, and whoever shows it.
	{pkg: "internal/notice", may: []string{"domain"}},
	{pkg: "internal/legs", may: []string{"domain", "domain/portfolio", "commands", "internal/live"}},
	// One fold of each portfolio, for all who read.
	{pkg: "internal/live", may: []string{"domain", "domain/...", "eventstore", "internal/views", "projections"}},
	// Bytes only: what a piece is, the read model knows.
	{pkg: "internal/views", may: []string{"internal/owner", "projections"}},
	// Tests only: EventStoreDB as clients see it on the wire.
	{pkg: "internal/esdbtest"},
	{pkg: "internal/esdbtest/esdbserver", may: []string{"internal/esdbtest"}},
	{pkg: "internal/shareddata"},
	{pkg: "internal/testenv"},
	// Tests only: signs the approvals that they send.
	{pkg: "internal/testenv/signing", may: []string{"domain", "domain/...", "commands", "eventstore"}},
	// Measures the store; the module of its rivals is beside it.
	{pkg: "internal/bench", may: []string{"eventstore", "eventstore/embedded"}},
	{pkg: "internal/bench/rivals", may: []string{"internal/bench", "internal/pets"}},
	// Arithmetic and a simulation: it is handed what was measured.
	{pkg: "internal/scale"},
	// Tests only: a store as it is, in processes that are treated badly.
	{pkg: "internal/torture"},
	// Tests only: the whole product, over a long history.
	{pkg: "internal/several", tests: []string{"domain", "commands", "commands/client", "internal/cli", "internal/esdbtest", "internal/open", "internal/pets", "internal/pets/petstest"}},
	{pkg: "internal/soak", tests: []string{"domain", "commands", "commands/client", "internal/pets/petstest"}},
	// Tests only: several servers on one database.
	{pkg: "internal/several", tests: []string{"domain", "commands", "commands/client", "eventstore", "eventstore/esdb", "internal/cli", "internal/esdbtest", "internal/open", "internal/pets", "internal/pets/petstest"}},

	{pkg: "internal/columns"},
	// The one package that opens stores, engines and keystores; internal/bench opens stores to
	// measure them.
	{pkg: "internal/open", may: []string{
		"domain", "commands", "eventstore", "eventstore/embedded", "eventstore/esdb", "eventstore/memory", "internal/chain", "internal/config", "internal/columns", "internal/evm",
		"internal/history", "internal/index", "internal/owner", "internal/proof", "internal/snapshot", "internal/typeddata", "internal/vault", "internal/views", "internal/witness",
	}, tests: []string{"domain/portfolio", "internal/live", "projections"}},
	// The kernel of the command line. Its rooms know it and not each other; what two of
	// them show, a third package has.
	{pkg: "internal/cli", may: []string{
		"domain", "domain/...", "commands", "commands/client", "eventstore", "eventstore/memory", "internal/approverkey", "internal/columns", "internal/config", "internal/evm",
		"internal/httpapi", "internal/loopback", "internal/open", "internal/vault", "projections", "replay",
	}, tests: wholeLine},
	{pkg: "internal/cli/chart", may: room("eventstore", "projections"), tests: []string{"internal/cli/clitest"}},
	{pkg: "internal/cli/show", may: room("internal/notice", "projections"), tests: []string{"internal/cli/clitest"}},
	{pkg: "internal/cli/look", may: room("eventstore", "internal/cli/chart", "internal/cli/show", "internal/httpapi", "internal/notice", "internal/witness", "projections", "replay"), tests: append([]string{"internal/config", "internal/metrics", "internal/proof", "replay/scenario"}, wholeLine...)},
	{pkg: "internal/cli/operate", may: room("internal/cli/show", "internal/spelling", "internal/strict", "projections", "replay"), tests: wholeLine},
	{pkg: "internal/cli/money", may: room("commands/custody", "internal/chain", "internal/cli/show", "internal/evm", "internal/notice", "internal/vault", "projections"), tests: append([]string{"internal/chain/chaintest", "internal/live"}, wholeLine...)},
	{pkg: "internal/cli/keys", may: room("commands/custody", "internal/approverkey", "internal/httpapi", "internal/vault"), tests: append([]string{"internal/evm", "projections"}, wholeLine...)},
	{pkg: "internal/cli/setup", may: room(
		"eventstore", "eventstore/memory", "internal/config", "internal/httpapi", "internal/importer", "internal/migrate", "internal/owner", "internal/tradefile", "projections",
	), tests: append([]string{"internal/esdbtest", "replay"}, wholeLine...)},
	{pkg: "internal/cli/serve", may: room(
		"commands/custody", "eventstore", "internal/config", "internal/evm", "internal/httpapi", "internal/history", "internal/index", "internal/legs", "internal/live", "internal/metrics",
		"internal/notice", "internal/owner", "internal/witness", "internal/work", "projections", "replay",
	), tests: wholeLine},
	// These two start a server.
	{pkg: "internal/cli/demo", may: room("internal/cli/chart", "internal/cli/serve", "internal/cli/show", "internal/config", "internal/httpapi", "projections", "replay"), tests: append([]string{"replay/historytest"}, wholeLine...)},
	{pkg: "internal/cli/bench", may: room("eventstore", "internal/bench", "internal/cli/serve", "internal/config", "internal/httpapi", "internal/scale", "internal/witness")},
	{pkg: "internal/cli/clitest"},
	// All rooms, and their tests as a whole.
	{pkg: "internal/pets", may: []string{"internal/bench", "internal/cli", "internal/cli/...", "internal/open"}, tests: wholeLine},
	{pkg: "internal/pets/petstest", may: []string{
		"domain", "domain/...", "commands", "commands/client", "eventstore", "eventstore/storetest", "internal/cli", "internal/cli/clitest",
		"internal/httpapi", "internal/open", "internal/pets", "internal/testenv", "internal/testenv/signing", "internal/vault",
	}},

	{pkg: "cmd/pets", may: []string{"internal/pets"}},
}

// room is what every room of the command line may import, and what this one may besides.
func room(more ...string) []string {
	return append([]string{"domain", "domain/...", "commands", "commands/client", "internal/cli", "internal/columns", "internal/open"}, more...)
}

// wholeLine is what the tests of the whole command line may import besides.
var wholeLine = []string{"internal/approverkey", "internal/cli/clitest", "internal/httpapi", "internal/pets", "internal/pets/petstest", "internal/several", "internal/soak", "internal/vault"}

// rowOf finds the row of a package.
func rowOf(pkg string) (allowance, bool) {
	for _, row := range table {
		if matches(row.pkg, pkg) {
			return row, true
		}
	}
	return allowance{}, false
}

// mayImport reports whether files, or test files, of a row may import a folder.
func (row allowance) mayImport(folder string, test bool) bool {
	if matchesAny(row.may, folder) {
		return true
	}
	return test && (matchesAny(anyTest, folder) || matchesAny(row.tests, folder))
}

func matchesAny(patterns []string, name string) bool {
	for _, p := range patterns {
		if matches(p, name) {
			return true
		}
	}
	return false
}

// matches reports whether a pattern, exact or ending in "...", covers a name.
// "a/..." covers what is below a, not a itself.
func matches(pattern, name string) bool {
	if prefix, open := strings.CutSuffix(pattern, "..."); open {
		return strings.HasPrefix(name, prefix)
	}
	return pattern == name
}

// folderOf turns an import path of this project into a folder.
func folderOf(importPath string) (string, bool) {
	if importPath == module {
		return ".", true
	}
	return strings.CutPrefix(importPath, module+"/")
}

// packageOf is the folder of a file.
func packageOf(file string) string { return path.Dir(file) }
