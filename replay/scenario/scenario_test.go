package scenario

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// go test ./replay/scenario -rewrite writes the output of every scenario anew. Read the
// difference before you keep it.
var rewrite = flag.Bool("rewrite", false, "write the expected output of scenarios anew")

// runText runs a scenario and returns it with the output it has now.
func runText(t *testing.T, o Options, text string) string {
	t.Helper()
	var out bytes.Buffer
	if err := Run(t.Context(), o, strings.NewReader(text), &out); err != nil {
		t.Fatalf("%v\n\nup to there:\n%s", err, out.String())
	}
	return out.String()
}

// Every scenario under replay/testdata holds, and holds as well when the writer is
// started anew before every command.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("../testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			require.NoError(t, err)
			got := runText(t, Options{Name: file}, string(want))
			if *rewrite {
				require.NoError(t, os.WriteFile(file, []byte(got), 0o600))
				return
			}
			require.Equal(t, string(want), got, "go test ./replay/scenario -rewrite writes what is now")
			require.Equal(t, got, runText(t, Options{Name: file, Restart: true}, got), "a restart between two commands changes nothing")
		})
	}
}

// A line that cannot be understood names its file, its line and what is wrong.
func TestScenarioErrors(t *testing.T) {
	for text, want := range map[string]string{
		"jump":                                  `"jump" is not a command; the commands are adjust adopt advance agree allocate`,
		"buy alpha m/YES 1 @":                   "the price is missing",
		"buy alpha mYES 1 @ 0.5":                `"mYES" is not MARKET/OUTCOME`,
		"buy alpha m/YES 1 at 0.5":              `"at" instead of @`,
		"buy alpha m/YES 1e3 @ 0.5":             "the quantity is not a plain decimal number",
		"buy alpha m/YES 1 @ 0.5 fe=1":          "unknown option fe=; write: buy BOT MARKET/OUTCOME",
		"buy alpha m/YES 1 @ 0.5 fee=1 fee=2":   "fee= stands twice",
		"buy alpha m/YES 1 @ 0.5 fee=x":         "fee= is not a plain decimal number",
		"buy alpha m/YES 1 @ 0.5 leg=x":         "leg= is not a whole number",
		"buy alpha m/YES 1 @ 0.5 effective=now": "effective= is not a time",
		"start alpha beta":                      `unexpected word "beta"`,
		`stop alpha reason="never closed`:       "a closing quote is missing",
		"bot alpha start=maybe":                 "start= is yes or no",
		"at noon":                               "at needs a time such as",
		"wait soon":                             "wait is not a duration",
		"wait -1s":                              "wait is not a duration",
		"as king":                               `"king" is not a role`,
		"verbose maybe":                         `"maybe" is not on or off`,
		"open speed=1":                          `unknown field "speed"`,
		"open max_consecutive_losses=many":      "a policy value has the wrong type",
		"show":                                  "show needs the name of a number",
		"show speed":                            `show does not know "speed"`,
		"show alpha.cash":                       `show does not know "alpha.cash"`,
		"mark m/YES":                            "the price is missing",
		"market m exclusive=perhaps":            "exclusive= is yes or no",
		"adjust hot:treasury 1 flow=yes of=two": "of= is not a whole number",
		"override payouts rain YES":             "the payout",
		"payouts rain":                          "the outcome is missing; write: payouts MARKET void | OUTCOME PAYOUT",
		strings.Repeat("#", 4097):               "the line has over 4096 bytes",
		strings.Repeat("#\n", 2001) + "#":       "a scenario has at most 2000 lines",
	} {
		err := Run(t.Context(), Options{Name: "incident.txt"}, strings.NewReader("# one\n"+text+"\n"), &bytes.Buffer{})
		require.ErrorContains(t, err, want, text)
		var wrong *Error
		require.ErrorAs(t, err, &wrong)
		if !strings.Contains(want, "2000") {
			require.Equal(t, 2, wrong.Line, text)
			require.ErrorContains(t, err, "incident.txt:2: ")
		}
	}
}

// A limit is written as its field has it: each key of a policy takes a value of its type,
// one that is added tomorrow included.
func TestEveryPolicyKeyTakesItsValue(t *testing.T) {
	samples := map[reflect.Type]string{
		reflect.TypeFor[int](): "7", reflect.TypeFor[bool](): "true", reflect.TypeFor[string](): "UTC", reflect.TypeFor[domain.Duration](): "30s",
		reflect.TypeFor[domain.Decimal](): "0.5", reflect.TypeFor[[]int](): "1,2", reflect.TypeFor[[]domain.Decimal](): "0.1,0.2",
	}
	for _, of := range []reflect.Type{reflect.TypeFor[domain.Policy](), reflect.TypeFor[domain.TreasuryPolicy]()} {
		for f := range of.Fields() {
			key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			text, ok := samples[f.Type]
			require.True(t, ok, "%s is a %s: give this test a value of it", key, f.Type)
			into := reflect.New(of)
			a := &args{options: map[string]string{key: text}}
			require.NoError(t, domain.DecodeObject(policyPatch(a), into.Interface()), key)
			require.NoError(t, a.err, key)
			require.False(t, into.Elem().FieldByIndex(f.Index).IsZero(), key)
		}
	}
}

// What stands before the line that is wrong is written: it shows how one got there.
func TestScenarioErrorKeepsTheOutput(t *testing.T) {
	var out bytes.Buffer
	err := Run(t.Context(), Options{Name: "x"}, strings.NewReader("open capital=1\njump\n"), &out)
	require.ErrorContains(t, err, "x:2: ")
	require.Contains(t, out.String(), "> deposit.recorded")
	require.True(t, strings.HasSuffix(out.String(), "jump\n"))
}

func TestScenarioEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := Run(ctx, Options{Name: "x"}, strings.NewReader("open\n"), &bytes.Buffer{})
	require.ErrorIs(t, err, context.Canceled)
}

type fullDisk struct{}

var errFull = errors.New("no space left")

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }

func TestScenarioReportsWhatItCannotWrite(t *testing.T) {
	require.ErrorIs(t, Run(t.Context(), Options{Name: "x"}, strings.NewReader("open\n"), fullDisk{}), errFull)
}

// Lines, quotes, comments: what a person types.
func TestScenarioText(t *testing.T) {
	const text = `# comment, and an empty line

   # indented comment
open capital=100   # the words behind it are a comment
> old output goes
! and so does this
bot "alpha" capital=50 strategy="a \"b\" \\ c"
bot b=c
trade alpha "Will it rain, or not? a=b" 1 id="#1"
show equity
`
	_, err := newArgs([]token{{text: "b=c"}})
	require.NoError(t, err)
	err = Run(t.Context(), Options{Name: "x"}, strings.NewReader(text), &bytes.Buffer{})
	require.ErrorContains(t, err, "x:8: the bot is missing")

	got := runText(t, Options{}, strings.Replace(text, "bot b=c\n", "", 1)+"show alpha.streak\n")
	require.NotContains(t, got, "old output")
	require.Contains(t, got, "> trade.closed           alpha closed t5 of Will it rain, or not? a=b: win of +1, fee 0\n")
}

// quiet hides what is only preparation, never a refusal.
func TestQuiet(t *testing.T) {
	got := runText(t, Options{}, "quiet on\nopen capital=1\nbot a capital=2\nquiet off\nshow equity\n")
	require.Equal(t, "quiet on\nopen capital=1\nbot a capital=2\n! invalid: capital is more than the 1 USDC in hot:treasury; record a deposit first\nquiet off\nshow equity\n> equity 1\n", got)
}

// The same scenario always gives the same text, and its output is a scenario.
func FuzzScenario(f *testing.F) {
	files, err := filepath.Glob("../testdata/*.txt")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		var once, twice bytes.Buffer
		if err := Run(t.Context(), Options{Name: "fuzz"}, strings.NewReader(text), &once); err != nil {
			var wrong *Error
			require.ErrorAs(t, err, &wrong)
			require.NotContains(t, err.Error(), "panicked")
			require.NotContains(t, err.Error(), "add up")
			return
		}
		require.NoError(t, Run(t.Context(), Options{Name: "fuzz"}, bytes.NewReader(once.Bytes()), &twice))
		require.Equal(t, once.String(), twice.String())
	})
}

// Every command there is can be typed, and every word is shown by a scenario.
func TestEveryCommandHasAWord(t *testing.T) {
	var source []byte
	for _, file := range []string{"verbs.go", "custody.go"} {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		source = append(source, text...)
	}
	for _, name := range commands.Names(func(s commands.Spec) bool { _, is := s.Blank.(commands.PortfolioCommand); return is }) {
		s, _ := commands.SpecNamed(name) // of the system stream are none: a scenario is about one portfolio
		require.Contains(t, string(source), "commands."+s.Type().Name()+"{", "%s cannot be typed", name)
	}

	var all strings.Builder
	scenarios, err := filepath.Glob("../testdata/*.txt")
	require.NoError(t, err)
	for _, file := range scenarios {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		all.Write(text)
	}
	for _, word := range Words() {
		require.True(t, regexp.MustCompile(`(?m)^`+word+`\b`).MatchString(all.String()), "no scenario shows %s", word)
	}
}
