package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
)

var update = flag.Bool("update", false, "rewrite .env.example")

// load is Load in a folder that holds the given .env.
func load(t *testing.T, file string, environ ...string) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, envFile), []byte(file), 0o600))
	return Load(dir, environ)
}

func mustLoad(t *testing.T, file string, environ ...string) Config {
	t.Helper()
	c, err := load(t, file, environ...)
	require.NoError(t, err)
	return c
}

// "The environment only gives defaults for new portfolios": with nothing set,
// they are the domain's own, in both modes.
func TestDefaultsAreTheDomains(t *testing.T) {
	c, err := Load(t.TempDir(), nil)
	require.NoError(t, err)
	require.Empty(t, c.Warnings)
	for _, mode := range []domain.Mode{domain.ModePaper, domain.ModeLive} {
		for _, clock := range []domain.Clock{domain.ClockWall, domain.ClockImported} {
			for _, asset := range []string{"USDC", "ETH"} {
				got, err := c.Policy(mode, clock, asset)
				require.NoError(t, err)
				require.Equal(t, domain.NewPolicy(mode, clock, asset), got)
				require.True(t, got.Second())
			}
		}
	}
	rules, err := c.Treasury()
	require.NoError(t, err)
	require.Equal(t, domain.DefaultTreasuryPolicy(), rules)
	dir, err := c.StoreDir()
	require.NoError(t, err)
	require.Equal(t, "./pets-data", dir)
	require.Equal(t, "main", c.Portfolio)
}

// "Policy keys in JSON are the env names in lower case": one variable for each
// key, and each has a default, a rule and a meaning.
func TestOneVariableForEachPolicyKey(t *testing.T) {
	var keys, names []string
	for _, of := range []reflect.Type{reflect.TypeFor[domain.TreasuryPolicy](), reflect.TypeFor[domain.Policy]()} {
		for f := range of.Fields() {
			keys = append(keys, strings.ToUpper(strings.TrimSuffix(f.Tag.Get("json"), ",omitzero")))
		}
	}
	for _, v := range variables() {
		require.NotEmpty(t, v.rule, v.name)
		require.True(t, strings.HasSuffix(v.doc, "."), v.name)
		if !strings.HasPrefix(v.name, "PETS_") && !strings.HasPrefix(v.name, "ENCRYPTION_") {
			names = append(names, v.name)
		}
	}
	require.Equal(t, keys, names)
}

// Every variable reaches the field of the policy that bears its name.
func TestEveryVariableReachesThePolicy(t *testing.T) {
	set := map[string]string{
		"MAX_CONSECUTIVE_LOSSES": "7", "MAX_DAILY_LOSS_PCT": "0.01", "MAX_BOT_DRAWDOWN_PCT": "0.02",
		"MAX_PORTFOLIO_DRAWDOWN_PCT": "0.03", "MAX_BOT_DAILY_LOSS_PCT": "0.04", "MAX_ROLLING_LOSS_PCT": "0.06", "BREAKER_WARN_AT": "0.5", "BREAKER_STOPS": "bot",
		"CLOSE_POSITIONS_ON_TRIP": "true", "DAILY_LOSS_TZ": "Europe/Berlin", "LOSS_DUST": "0.25",
		"ZONE_BOUNDS": "0.1, 0.2,0.3,0.4,0.5,0.6", "BLOCKED_ZONES": "1, 5", "PERMIT_TTL": "45s",
		"MARK_MAX_AGE": "20m", "FEE_BPS": "12.5", "PAPER_SLIPPAGE_BPS": "15", "MAX_ORDER_USD": "100", "MAX_POSITION_USD": "200.5", "MAX_OPEN_POSITIONS": "7",
		"MAX_BOT_CAPITAL_PCT": "0.2", "MAX_CATEGORY_EXPOSURE_PCT": "0.3", "MAX_ORDERS_PER_MINUTE": "60",
		"RULES": "2", "MAX_MARKET_USD": "300", "MAX_ORDERS_PER_DAY": "500", "MARKET_COOLDOWN": "1h", "POSITION_DUST_USD": "0.2",
		"WHILE_TRIPPED": "nothing", "MARK_COLLAR": "0.3", "MARK_CONFIRM_AFTER": "20s", "MIN_CAPITAL": "5", "REGISTERED_ONLY": "true",
	}
	var environ []string
	for name, value := range set {
		environ = append(environ, name+"="+value)
	}
	c := mustLoad(t, "", environ...)
	got, err := c.Policy(domain.ModePaper, domain.ClockWall, "USDC")
	require.NoError(t, err)
	d := domain.MustDecimal
	want := domain.Policy{
		MaxConsecutiveLosses: 7, MaxDailyLossPct: d("0.01"), MaxBotDrawdownPct: d("0.02"),
		MaxPortfolioDrawdownPct: d("0.03"), MaxBotDailyLossPct: d("0.04"), MaxRollingLossPct: d("0.06"), BreakerWarnAt: d("0.5"), BreakerStops: domain.StopBot,
		ClosePositionsOnTrip: true, DailyLossTZ: "Europe/Berlin", LossDust: d("0.25"),
		ZoneBounds:   []domain.Decimal{d("0.1"), d("0.2"), d("0.3"), d("0.4"), d("0.5"), d("0.6")},
		BlockedZones: []int{1, 5}, PermitTTL: domain.Duration(45 * time.Second),
		MarkMaxAge: domain.Duration(20 * time.Minute), FeeBPS: d("12.5"), PaperSlippageBPS: d("15"),
		MaxOrderUSD: d("100"), MaxPositionUSD: d("200.5"), MaxOpenPositions: 7,
		MaxBotCapitalPct: d("0.2"), MaxCategoryExposurePct: d("0.3"), MaxOrdersPerMinute: 60,
		Rules: domain.SecondRules, MaxMarketUSD: d("300"), MaxOrdersPerDay: 500, MarketCooldown: domain.Duration(time.Hour),
		PositionDustUSD: d("0.2"), WhileTripped: domain.WhileNothing, MarkCollar: d("0.3"), MarkConfirmAfter: domain.Duration(20 * time.Second),
		MinCapital: d("5"), RegisteredOnly: true,
	}
	defaults, wanted := reflect.ValueOf(domain.DefaultPolicy(domain.ModePaper)), reflect.ValueOf(want)
	for f, value := range defaults.Fields() {
		variable := strings.ToUpper(strings.TrimSuffix(f.Tag.Get("json"), ",omitzero"))
		require.Contains(t, set, variable, "%s: give it a value other than its default in the table set, and its field in the table want", variable)
		require.NotEqual(t, value.Interface(), wanted.FieldByIndex(f.Index).Interface(), "%s: give it the value of the table set in the table want, too, and no default", f.Name)
	}
	require.Equal(t, want, got)
}

// "an explicit policy … keeps what it says": a key of the second edition that is set to
// what switches it off is no absent one, and has no default put in its place.
func TestWhatIsSwitchedOffStaysOff(t *testing.T) {
	c := mustLoad(t, "", "MARK_COLLAR=0", "MIN_CAPITAL=0", "POSITION_DUST_USD=0", "REGISTERED_ONLY=false", "WHILE_TRIPPED=nothing", "MARK_CONFIRM_AFTER=0s")
	got, err := c.Policy(domain.ModeLive, domain.ClockWall, "USDC")
	require.NoError(t, err)
	want := domain.DefaultPolicy(domain.ModeLive)
	want.Rules, want.WhileTripped = domain.SecondRules, domain.WhileNothing
	require.Equal(t, want, got)
}

// A new portfolio lives by the second edition, whatever the environment says.
func TestTheFirstEditionIsNotForNewPortfolios(t *testing.T) {
	for _, value := range []string{"0", "1", "3"} {
		_, err := load(t, "", "RULES="+value)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), value)
		require.ErrorContains(t, err, "RULES must be 2", value)
	}
	require.Equal(t, domain.SecondRules, mustLoad(t, "", "RULES=").Rules)
}

// "(live 15 m, paper off)", and what is set is for both.
func TestMarkMaxAge(t *testing.T) {
	for _, tc := range []struct{ value, live, paper string }{
		{"", "15m0s", "0s"},
		{"0s", "0s", "0s"},
		{"1h", "1h0m0s", "1h0m0s"},
	} {
		c := mustLoad(t, "", "MARK_MAX_AGE="+tc.value)
		live, err := c.Policy(domain.ModeLive, domain.ClockWall, "USDC")
		require.NoError(t, err)
		paper, err := c.Policy(domain.ModePaper, domain.ClockWall, "USDC")
		require.NoError(t, err)
		require.Equal(t, tc.live, live.MarkMaxAge.String())
		require.Equal(t, tc.paper, paper.MarkMaxAge.String())
	}
}

func TestNoneBlocksNoZone(t *testing.T) {
	require.Equal(t, []int{4, 5}, mustLoad(t, "", "BLOCKED_ZONES=").BlockedZones)
	require.Empty(t, mustLoad(t, "", "BLOCKED_ZONES=none").BlockedZones)
}

// "A configured ratio ≥ 1 is refused with “did you mean 0.05?”"
func TestRatioOfOneOrMoreIsRefused(t *testing.T) {
	for _, name := range []string{"MAX_DAILY_LOSS_PCT", "MAX_BOT_DRAWDOWN_PCT", "MAX_PORTFOLIO_DRAWDOWN_PCT", "BREAKER_WARN_AT"} {
		_, err := load(t, "", name+"=5")
		require.ErrorContains(t, err, name+" must be a fraction")
		require.ErrorContains(t, err, "did you mean 0.05?")
		_, err = load(t, "", name+"=1")
		require.ErrorContains(t, err, "did you mean 0.01?")
		_, err = load(t, "", name+"=0.999999999999999999")
		require.NoError(t, err)
		_, err = load(t, "", name+"=0")
		require.ErrorContains(t, err, name+" must be a fraction above 0")
	}
}

// Errors name the variable and what was expected, and never hold the value.
func TestErrorsNeverEchoValues(t *testing.T) {
	secret := "hunter2 correct horse"
	neverRefused := []string{"PETS_KEYSTORE", "PETS_DIR", "PETS_WITNESS", "PETS_ADMIN_KEY_FILE", "PETS_APPROVER_KEY"} // anything is the name of a folder or file
	for _, v := range variables() {
		if slices.Contains(neverRefused, v.name) {
			continue
		}
		for _, value := range []string{secret, "esdb://admin:" + secret + "@host:2113", "4," + secret} {
			_, err := load(t, "", v.name+"="+value)
			require.Error(t, err, "%s: this value is not refused; if no value of it ever is, add it to the list neverRefused", v.name)
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.ErrorContains(t, err, v.name)
			require.NotContains(t, err.Error(), "hunter2")
		}
	}
}

// All mistakes are told at once.
func TestEveryWrongVariableIsNamed(t *testing.T) {
	_, err := load(t, "", "PERMIT_TTL=soon", "MAX_CONSECUTIVE_LOSSES=three", "FEE_BPS=1e3")
	require.ErrorContains(t, err, "PERMIT_TTL must be a duration from 1s to 1h")
	require.ErrorContains(t, err, "MAX_CONSECUTIVE_LOSSES must be a whole number")
	require.ErrorContains(t, err, "FEE_BPS must be basis points")
}

// What the types let through, the policy's own check refuses, in the terms of
// the environment.
func TestLimitsOfTheValues(t *testing.T) {
	for _, bad := range []string{
		"MAX_CONSECUTIVE_LOSSES=0", "MAX_CONSECUTIVE_LOSSES=1001", "MAX_DAILY_LOSS_PCT=-0.1",
		"BREAKER_STOPS=none", "DAILY_LOSS_TZ=Local", "DAILY_LOSS_TZ=Mars/Olympus", "LOSS_DUST=-1",
		"ZONE_BOUNDS=0.1,0.2", "ZONE_BOUNDS=0.2,0.1,0.3,0.4,0.5,0.6", "ZONE_BOUNDS=none", "BLOCKED_ZONES=6", "BLOCKED_ZONES=4,",
		"PERMIT_TTL=999ms", "PERMIT_TTL=1h1s", "MARK_MAX_AGE=-1s", "FEE_BPS=-1", "FEE_BPS=10000", "PAPER_SLIPPAGE_BPS=-1", "PAPER_SLIPPAGE_BPS=10000",
		"PETS_PORTFOLIO=a/b", "PETS_STORE=./data", "PETS_STORE=embedded:", "PETS_STORE=esdb:", "PETS_STORE=esdb://",
	} {
		_, err := load(t, "", bad)
		name, _, _ := strings.Cut(bad, "=")
		require.ErrorContains(t, err, name+" ", bad)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), bad)
	}
}

// Beside a database a server keeps its files in PETS_DIR, and no folder is named by the connection
// string.
func TestDatabases(t *testing.T) {
	c := Config{Store: "esdb://admin:changeit@h1:2113"}
	require.Equal(t, c.Store, c.Database())
	require.Equal(t, "pets-data", c.ServerDir())
	c.Dir = "/var/lib/pets/"
	dir, err := c.StoreDir()
	require.NoError(t, err)
	require.Equal(t, "/var/lib/pets", dir)
	require.Equal(t, "/var/lib/pets", c.ServerDir())
	require.Equal(t, "/var/lib/pets-witness", c.WitnessDir())

	_, err = Config{Store: "esdb://admin:change it@h1:2113"}.StoreDir()
	require.ErrorContains(t, err, "PETS_STORE must be a connection string without blanks")
	require.NotContains(t, err.Error(), "change it")
	folder := Config{Store: "embedded:C:/pets"}
	require.Empty(t, folder.Database())
	dir, err = folder.StoreDir()
	require.NoError(t, err)
	require.Equal(t, "C:/pets", dir)
}

// "values already in the environment win", also over each other: the first
// counts, as in os.Getenv.
func TestEnvironmentWinsOverTheFile(t *testing.T) {
	c := mustLoad(t, "PETS_PORTFOLIO=file\nFEE_BPS=7\n", "PETS_PORTFOLIO=environment", "PETS_PORTFOLIO=again", "=C:")
	require.Equal(t, "environment", c.Portfolio)
	require.Equal(t, domain.FromInt(7), c.FeeBPS)
}

// Load is a function of its arguments.
func TestProcessEnvironmentIsNotRead(t *testing.T) {
	t.Setenv("PETS_PORTFOLIO", "process")
	c, err := Load(t.TempDir(), nil)
	require.NoError(t, err)
	require.Equal(t, "main", c.Portfolio)
}

func TestUnknownNamesAreWarnings(t *testing.T) {
	c := mustLoad(t, "MAX_DAILY_LOS_PCT=0.01\nSOMETHING=else\nmax_consecutive_losses=2\n",
		"PETS_STOER=embedded:x", "PETS_MAX_BOT_DRAWDOWN_PCT=0.1", "PETS_LOUDNESS=1", "PETS_REQUIRE_TOOLS=1", "PETS_LONG_TESTS=1", "PETS_MODEL_STORMS=300", "PETS_BOT=alpha", "HOME=/", "LANG=C")
	require.Equal(t, []string{
		"MAX_DAILY_LOS_PCT is not read; did you mean MAX_DAILY_LOSS_PCT?",
		"PETS_LOUDNESS is not known to this version of pets",
		"PETS_MAX_BOT_DRAWDOWN_PCT is not read; did you mean MAX_BOT_DRAWDOWN_PCT?",
		"PETS_STOER is not read; did you mean PETS_STORE?",
		"SOMETHING in .env is not known to this version of pets",
		"max_consecutive_losses is not read; did you mean MAX_CONSECUTIVE_LOSSES?",
	}, c.Warnings)
}

// .env.example is what the struct says, and says what the defaults say.
func TestEnvExample(t *testing.T) {
	path := filepath.Join("..", "..", ".env.example")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(exampleFile()), 0o644))
	}
	stored, err := os.ReadFile(path)
	require.NoError(t, err)
	if exampleFile() != string(stored) {
		t.Fatal(".env.example is not what the struct says: run make env-example")
	}

	want, err := Load(t.TempDir(), nil)
	require.NoError(t, err)
	got := mustLoad(t, string(stored))
	require.NotEmpty(t, got.EnvFile)
	got.EnvFile, got.StoreInFile, got.Led = "", "", nil // there is no file in the other
	require.Equal(t, want, got)
}

// The heading "Limits of new portfolios" stands above the limits, all of them and nothing
// else.
func TestTheHeadingOfLimits(t *testing.T) {
	before, after, found := strings.Cut(exampleFile(), exampleLimits)
	require.True(t, found)
	for _, v := range variables() {
		require.Equal(t, v.isLimit(), strings.Contains(after, "\n"+v.name+"="), "%s: the limits are the last fields of Config", v.name)
		require.Equal(t, !v.isLimit(), strings.Contains(before, "\n"+v.name+"="), v.name)
	}
}

// "Everything of a server that is no event lies in PETS_DIR (default ./pets-data)", and
// the witness beside it, so that an old copy of the one does not bring back the other.
func TestServerFolders(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	for _, tc := range []struct {
		environ      []string
		dir, witness string
	}{
		{nil, "pets-data", filepath.Join(here, "pets-data-witness")},
		{[]string{"PETS_STORE=embedded:."}, ".", here + "-witness"},
		{[]string{"PETS_STORE=embedded:x/.."}, ".", here + "-witness"},
		{[]string{"PETS_STORE=embedded:.."}, "..", filepath.Dir(here) + "-witness"},
		{[]string{"PETS_STORE=embedded:/a", "PETS_DIR=/a/run"}, "/a/run", "/a-witness"},
		{[]string{"PETS_STORE=embedded:/var/lib/pets/"}, "/var/lib/pets", "/var/lib/pets-witness"},
		{[]string{"PETS_STORE=embedded:/a", "PETS_DIR=/b"}, "/b", "/b-witness"},
		{[]string{"PETS_DIR=/b", "PETS_WITNESS=/c"}, "/b", "/c"},
	} {
		c := mustLoad(t, "", tc.environ...)
		require.Equal(t, tc.dir, c.ServerDir())
		require.Equal(t, tc.witness, c.WitnessDir())
	}
	for _, bad := range []string{"PETS_WITNESS=./pets-data", "PETS_WITNESS=pets-data/witness", "PETS_DIR=a\tb"} {
		_, err := load(t, "", bad)
		require.Error(t, err, bad)
	}
}

// "Never in it": however the two are written, and whichever way leads there.
func TestAWitnessInTheFolder(t *testing.T) {
	here := t.TempDir()
	t.Chdir(here)
	require.NoError(t, os.MkdirAll("store/deep", 0o700))
	require.NoError(t, os.Symlink("store", "link"))
	require.NoError(t, os.Symlink(filepath.Join(here, "store", "deep"), "way"))
	require.NoError(t, os.Symlink("store", "other-witness"))
	require.NoError(t, os.Mkdir("other", 0o700))
	for _, bad := range [][]string{
		{"PETS_STORE=embedded:.", "PETS_WITNESS=" + filepath.Join(here, "w")},
		{"PETS_STORE=embedded:store", "PETS_WITNESS=" + filepath.Join(here, "store", "w")},
		{"PETS_STORE=embedded:" + filepath.Join(here, "store"), "PETS_WITNESS=store/w"},
		{"PETS_DIR=store", "PETS_WITNESS=" + filepath.Join(here, "store", "w")},
		{"PETS_STORE=embedded:store", "PETS_WITNESS=way"},
		{"PETS_STORE=embedded:store", "PETS_WITNESS=way/deeper/still"},
		{"PETS_STORE=embedded:link", "PETS_WITNESS=store/w"},
		{"PETS_STORE=embedded:store", "PETS_DIR=run", "PETS_WITNESS=store/w"}, // it would go with the store
	} {
		_, err := load(t, "", bad...)
		require.ErrorContains(t, err, "PETS_WITNESS must be", bad)
	}
	for _, unset := range [][]string{{"PETS_STORE=embedded:/"}, {"PETS_STORE=embedded:store", "PETS_DIR=other"}} {
		_, err := load(t, "", unset...)
		require.ErrorContains(t, err, "PETS_WITNESS is not set, and its default would be in", unset)
	}
	for _, good := range [][]string{{"PETS_STORE=embedded:."}, {"PETS_STORE=embedded:link"}, {"PETS_STORE=embedded:store", "PETS_WITNESS=storeroom"}, {"PETS_STORE=embedded:store", "PETS_WITNESS=..w"}} {
		c := mustLoad(t, "", good...)
		require.NotContains(t, c.WitnessDir(), "store/", good)
	}
}
