// Package config reads the configuration of pets from its environment: where the
// events are kept, how the server answers, and the limits that a new portfolio is
// opened with.
//
// It owns the names, defaults and meaning of every variable (the [Config] struct
// is the only list; .env.example is generated from it) and the rule by which a
// .env file is read. It refuses whatever it would have to guess, and its errors
// name the variable and what was expected, never the value: what was pasted into
// the wrong line may be a secret.
//
// A portfolio's rules are in its stream. Nothing here changes a portfolio that is
// already open.
package config

import (
	"cmp"
	"errors"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"unicode"

	"github.com/caarlos0/env/v11"

	"pets/domain"
)

// Config is the content of the environment. Each field is one variable; its tags
// hold the name, the default, the meaning (doc) and the allowed values (rule). A
// policy field has the name of its key in [domain.Policy], in upper case.
type Config struct {
	Store     string `env:"PETS_STORE" envDefault:"embedded:./pets-data" rule:"embedded:DIR, such as embedded:./pets-data, or esdb://…" doc:"Where the events are kept: embedded:DIR is a folder on this machine, and esdb://… an EventStoreDB, which several servers can share (docs/eventstoredb.md)."`
	Dir       string `env:"PETS_DIR" envDefault:"" rule:"a folder" doc:"Where a server keeps what is no event: pending emergency stops, the stop socket, caches. Left empty: the folder of an embedded store, else ./pets-data."`
	Witness   string `env:"PETS_WITNESS" envDefault:"" rule:"a folder outside of PETS_DIR and of the folder of the store" doc:"Where the server notes how far the history had come, so that a store that was put back to an older copy is noticed; better on another disk. Left empty: the path of PETS_DIR with -witness behind it."`
	Portfolio string `env:"PETS_PORTFOLIO" envDefault:"main" rule:"1 to 64 letters, digits, dots, underscores and dashes" doc:"The portfolio a command means when it names none."`

	Listen         string `env:"PETS_LISTEN" envDefault:"127.0.0.1:7433" rule:"host:port" doc:"Where pets serve answers. Other addresses than this machine's own need TLS."`
	MetricsListen  string `env:"PETS_METRICS_LISTEN" envDefault:"127.0.0.1:7434" rule:"host:port, or off" doc:"Where pets serve shows its metrics to Prometheus, apart from the API. At other addresses than this machine's own they need TLS, and a key of role auditor."`
	Hosts          string `env:"PETS_ALLOWED_HOSTS" envDefault:"" rule:"host names separated by commas, without ports" doc:"Further names under which other machines ask for this server, such as that of a proxy or of a container. Those in its certificate, its address and localhost need not be named. Requests for other names are refused."`
	TLSCert        string `env:"PETS_TLS_CERT" envDefault:"" rule:"a PEM file, together with PETS_TLS_KEY" doc:"The certificate of the API."`
	TLSKey         string `env:"PETS_TLS_KEY" envDefault:"" rule:"a PEM file, together with PETS_TLS_CERT" doc:"The private key of that certificate."`
	TLSSelf        bool   `env:"PETS_TLS_SELF" envDefault:"false" rule:"true or false" doc:"Make a certificate of our own, kept in PETS_DIR; its fingerprint is shown at every start."`
	AllowPlaintext bool   `env:"PETS_ALLOW_PLAINTEXT" envDefault:"false" rule:"true or false" doc:"Answer other machines without TLS: only behind something that adds it."`
	RateLimit      int    `env:"PETS_RATE_LIMIT" envDefault:"2000" rule:"a whole number, 0 to 1000000" doc:"How many commands and reads a second one API key may send; a batch counts its commands. Facts (fills, settlements, marks, flows, releases) have four times as many of their own; stops are never counted. 0 is no limit."`
	RateBurst      int    `env:"PETS_RATE_BURST" envDefault:"4000" rule:"a whole number, 1 to 1000000" doc:"How many of them may come at once: no fewer than the largest batch of a bot, which may hold 1000."`
	BytesPerDay    int64  `env:"PETS_BYTES_PER_DAY" envDefault:"1073741824" rule:"a whole number of bytes, 0 to 1099511627776" doc:"How many bytes of permits, denials, notes and reads one API key may cause in a day; they come back steadily. 0 is no limit. Fills, settlements, marks, flows, releases and stops are never counted, and permits that only reduce are granted all the same."`
	DiskReserve    int64  `env:"PETS_DISK_RESERVE" envDefault:"67108864" rule:"a whole number of bytes, 0 to 1099511627776" doc:"Free space, in bytes, that is kept for stops and for what has happened: below it nothing else is taken, and below a quarter of it only what stops something."`
	AdminKey       Secret `env:"PETS_ADMIN_KEY" envDefault:"" rule:"at least 32 printable characters without spaces" doc:"The first admin key, read at the first start only, and once more where no admin key is accepted any more. Without it one is made, and shown once. Other programs can read an environment: PETS_ADMIN_KEY_FILE is better."`
	AdminKeyFile   string `env:"PETS_ADMIN_KEY_FILE" envDefault:"" rule:"a file of mode 600 that belongs to you or to root" doc:"A file with that key, instead of PETS_ADMIN_KEY. Take it away once the server has started: it is ignored while an admin key is accepted."`
	Server         string `env:"PETS_SERVER" envDefault:"" rule:"http://host:port or https://host:port" doc:"The server that commands go to. Left empty: they open the folder of PETS_STORE, and what acts goes through the server that holds it, which says in the folder where it listens. --server and --store go before it."`
	Key            Secret `env:"PETS_KEY" envDefault:"" rule:"an API key" doc:"The API key they send."`
	CAFile         string `env:"PETS_CA" envDefault:"" rule:"a PEM file" doc:"The certificate they trust, for a server with one of its own. Not needed where that server's PETS_DIR is on this machine."`
	ApproverKey    string `env:"PETS_APPROVER_KEY" envDefault:"" rule:"a file outside of the folders of a store" doc:"Where the approver's key of this user is, which pets apikey request makes: approvals in live portfolios are signed with it. Left empty: pets/approver.key in the user's folder of settings. --with goes before it."`

	EncryptionKey         Secret          `env:"ENCRYPTION_KEY" envDefault:"" rule:"a Fernet key, as pets keys generate makes it" doc:"What the private keys of hot wallets are encrypted with. Without it pets serve has no keystore: it signs nothing."`
	EncryptionKeysRetired Secret          `env:"ENCRYPTION_KEYS_RETIRED" envDefault:"" rule:"Fernet keys, separated by commas" doc:"Former encryption keys, until pets keys rotate has sealed everything under the current one."`
	Keystore              string          `env:"PETS_KEYSTORE" envDefault:"./pets-keys" rule:"a folder that only its owner can enter" doc:"Where the encrypted keys lie: one file each. Keep it apart from backups of the store."`
	Chain                 string          `env:"PETS_CHAIN" envDefault:"eip155:137" rule:"a CAIP-2 id, such as eip155:137" doc:"The chain that transfers are made on: 137 is Polygon."`
	RPCURLs               Secret          `env:"PETS_RPC_URLS" envDefault:"" rule:"1 to 8 URLs, separated by commas, at different hosts" doc:"JSON-RPC endpoints of that chain. Live portfolios need two, which have to agree. Without any, nothing is moved."`
	RPCTestChain          bool            `env:"PETS_RPC_TEST_CHAIN" envDefault:"false" rule:"true or false" doc:"Believe a single endpoint, also for live portfolios: for drills on a test chain, where nothing can be lost. Refused unless PETS_CHAIN is a known test chain, such as eip155:1337, 31337 or 80002."`
	AssetRegistry         string          `env:"PETS_ASSET_REGISTRY" envDefault:"" rule:"a JSON file" doc:"What is known of chains and assets, instead of what is built in."`
	OrderShapes           string          `env:"PETS_ORDER_SHAPES" envDefault:"" rule:"a JSON file" doc:"The shapes of typed data that are signed, instead of what is built in."`
	ReconcileEvery        domain.Duration `env:"PETS_RECONCILE_EVERY" envDefault:"15m" rule:"a duration from 1m to 24h" doc:"How often the ledger is reconciled with the chain."`

	HotWalletPercentage  domain.Decimal  `env:"HOT_WALLET_PERCENTAGE" envDefault:"0.15" rule:"a fraction from 0.10 to 0.20" doc:"The share of the total that the hot wallet should hold, deployed positions included."`
	MinRebalanceUSD      domain.Decimal  `env:"MIN_REBALANCE_USD" envDefault:"50" rule:"an amount of the base asset, not negative" doc:"The smallest move between the wallets that is proposed."`
	ApprovalThresholdUSD domain.Decimal  `env:"APPROVAL_THRESHOLD_USD" envDefault:"1000" rule:"an amount of the base asset, not negative; 0 has every transfer approved" doc:"Above it, alone or with those of 24 hours, a transfer needs a second person."`
	ApprovalTTL          domain.Duration `env:"APPROVAL_TTL" envDefault:"24h" rule:"a duration from 1m to 168h" doc:"How long a transfer waits to be approved and prepared."`
	MaxTransferFee       domain.Decimal  `env:"MAX_TRANSFER_FEE" envDefault:"1" rule:"an amount of the chain's coin, above 0" doc:"The highest fee that a transfer may name, and what one gets that names none."`

	MaxConsecutiveLosses    int              `env:"MAX_CONSECUTIVE_LOSSES" envDefault:"3" rule:"a whole number, 1 to 1000" doc:"Breaker consecutive_losses: trips at this many losing trades of one bot in a row."`
	MaxDailyLossPct         domain.Decimal   `env:"MAX_DAILY_LOSS_PCT" envDefault:"0.05" rule:"a fraction above 0 and below 1, such as 0.05 for 5 %" doc:"Breaker daily_loss: trips at this loss of the portfolio since the day opened."`
	MaxBotDrawdownPct       domain.Decimal   `env:"MAX_BOT_DRAWDOWN_PCT" envDefault:"0.25" rule:"a fraction above 0 and below 1, such as 0.25 for 25 %" doc:"Breaker bot_drawdown: trips at this fall of a bot's equity below its peak."`
	MaxPortfolioDrawdownPct domain.Decimal   `env:"MAX_PORTFOLIO_DRAWDOWN_PCT" envDefault:"0.40" rule:"a fraction above 0 and below 1, such as 0.40 for 40 %" doc:"Breaker portfolio_drawdown: engages the emergency stop at this fall of the portfolio's equity below its peak."`
	MaxBotDailyLossPct      *domain.Decimal  `env:"MAX_BOT_DAILY_LOSS_PCT" envDefault:"" rule:"a fraction above 0 and below 1, such as 0.05 for 5 %, or nothing for off" doc:"Breaker bot_daily_loss: trips at this loss of a bot since the day opened."`
	MaxRollingLossPct       *domain.Decimal  `env:"MAX_ROLLING_LOSS_PCT" envDefault:"" rule:"a fraction above 0 and below 1, such as 0.05 for 5 %, or nothing for off" doc:"Breaker rolling_loss: trips at this fall of the portfolio below its highest equity of this clock hour and the 24 before."`
	BreakerWarnAt           domain.Decimal   `env:"BREAKER_WARN_AT" envDefault:"0.8" rule:"a fraction above 0 and below 1, such as 0.8 for 80 % of the limit" doc:"How much of its limit a breaker warns at."`
	BreakerStops            string           `env:"BREAKER_STOPS" envDefault:"all" rule:"all or bot" doc:"What the breaker of one bot stops: all bots, or only that bot."`
	ClosePositionsOnTrip    bool             `env:"CLOSE_POSITIONS_ON_TRIP" envDefault:"false" rule:"true or false" doc:"Whether a trip asks the bots to close what they hold; permits that only reduce a position stay possible then."`
	DailyLossTZ             string           `env:"DAILY_LOSS_TZ" envDefault:"UTC" rule:"an IANA time zone such as UTC or Europe/Berlin" doc:"The time zone whose midnight opens a new day."`
	LossDust                domain.Decimal   `env:"LOSS_DUST" envDefault:"0" rule:"an amount of the base asset, not negative" doc:"A closed trade with a profit or loss of at most this counts as neither."`
	ZoneBounds              []domain.Decimal `env:"ZONE_BOUNDS" envDefault:"0.05,0.20,0.40,0.60,0.80,0.98" rule:"6 rising prices between 0 and 1, separated by commas" doc:"The borders of the five price zones of an outcome share."`
	BlockedZones            []int            `env:"BLOCKED_ZONES" envDefault:"4,5" rule:"zone numbers 1 to 5, separated by commas, or none" doc:"The zones in which exposure may not be increased."`
	PermitTTL               domain.Duration  `env:"PERMIT_TTL" envDefault:"30s" rule:"a duration from 1s to 1h, such as 30s" doc:"How long after a permit its order may be placed."`
	MarkMaxAge              *domain.Duration `env:"MARK_MAX_AGE" envDefault:"" rule:"a duration such as 15m, 0s for never, or nothing for the default of the mode" doc:"The age at which a mark is stale and stops new exposure. Left empty: 15m for live portfolios, never for paper ones."`
	FeeBPS                  domain.Decimal   `env:"FEE_BPS" envDefault:"0" rule:"basis points (1/10,000) of the notional, at least 0 and below 10000" doc:"The fee assumed for a permit that names none."`
	PaperSlippageBPS        domain.Decimal   `env:"PAPER_SLIPPAGE_BPS" envDefault:"0" rule:"basis points (1/10,000) of the mark, at least 0 and below 10000" doc:"By how much the mark is worsened when a paper order is filled at it."`

	MaxOrderUSD            domain.Decimal  `env:"MAX_ORDER_USD" envDefault:"0" rule:"an amount of the base asset, not negative; 0 is no limit" doc:"The most an order that opens exposure may cost at worst, without its fee."`
	MaxPositionUSD         domain.Decimal  `env:"MAX_POSITION_USD" envDefault:"0" rule:"an amount of the base asset, not negative; 0 is no limit" doc:"The most exposure of one bot in one market, orders that are permitted included."`
	MaxOpenPositions       int             `env:"MAX_OPEN_POSITIONS" envDefault:"0" rule:"a whole number, 0 to 100000; 0 is no limit" doc:"In how many markets a bot may have exposure at a time."`
	MaxBotCapitalPct       *domain.Decimal `env:"MAX_BOT_CAPITAL_PCT" envDefault:"" rule:"a fraction above 0 and below 1, such as 0.2 for 20 %, or nothing for no limit" doc:"The most exposure of one bot, as a fraction of the portfolio's equity."`
	MaxCategoryExposurePct *domain.Decimal `env:"MAX_CATEGORY_EXPOSURE_PCT" envDefault:"" rule:"a fraction above 0 and below 1, such as 0.2 for 20 %, or nothing for no limit" doc:"The most exposure of all bots in the markets of one category, as a fraction of the portfolio's equity."`
	MaxOrdersPerMinute     int             `env:"MAX_ORDERS_PER_MINUTE" envDefault:"0" rule:"a whole number, 0 to 10000; 0 is no limit" doc:"How many permits a bot may be granted in 60 seconds."`

	Rules            int              `env:"RULES" envDefault:"2" rule:"2, for a new portfolio" doc:"The edition of the rules that a new portfolio lives by: the second, in which risk lives in markets. Portfolios of earlier builds keep the first until pets limits adopt."`
	MaxMarketUSD     domain.Decimal   `env:"MAX_MARKET_USD" envDefault:"0" rule:"an amount of the base asset, not negative; 0 is no limit" doc:"The most exposure of all bots in one market, orders that are permitted included."`
	MaxOrdersPerDay  int              `env:"MAX_ORDERS_PER_DAY" envDefault:"0" rule:"a whole number, 0 to 1000000; 0 is no limit" doc:"How many permits a bot may be granted in one calendar day of DAILY_LOSS_TZ."`
	MarketCooldown   domain.Duration  `env:"MARKET_COOLDOWN" envDefault:"0s" rule:"a duration up to 720h, or 0s for none" doc:"How long a bot may open nothing in a market after a losing result there. Shorter is looser."`
	PositionDustUSD  *domain.Decimal  `env:"POSITION_DUST_USD" envDefault:"" rule:"an amount of the base asset, not negative, or nothing for the default of the portfolio" doc:"What a fill leaves of a position below this worth closes the trade, and is no open position. Higher is looser. Left empty: 0.10, and 0 for imports."`
	WhileTripped     string           `env:"WHILE_TRIPPED" envDefault:"" rule:"reduce or nothing" doc:"What bots may do while a breaker is tripped: orders that only reduce, or nothing. The first is looser. Left empty: reduce."`
	MarkCollar       *domain.Decimal  `env:"MARK_COLLAR" envDefault:"" rule:"at least 0, which is off, and below 1" doc:"A mark of a feed or an operator further than this from the one in force waits to be confirmed: absolute for outcomes, a fraction elsewhere. Higher, and 0, is looser. Left empty: 0.25 for live portfolios, off for paper ones."`
	MarkConfirmAfter *domain.Duration `env:"MARK_CONFIRM_AFTER" envDefault:"" rule:"a duration from 1s to 1h, or 0s for 10s" doc:"How long a mark beyond the collar waits before time confirms it. Shorter is looser. Left empty: 10s."`
	MinCapital       *domain.Decimal  `env:"MIN_CAPITAL" envDefault:"" rule:"an amount of the base asset, not negative" doc:"A bot or portfolio that never had this equity, or that a flow leaves below it, sleeps: its ratios stay, and trip nothing. In a live portfolio every change of it counts as looser. Left empty: 1 where the base asset is a dollar, else 0."`
	RegisteredOnly   *bool            `env:"REGISTERED_ONLY" envDefault:"" rule:"true or false" doc:"Whether exposure may be opened in registered markets only; false is looser. Left empty: true for live portfolios, false for paper ones."`

	// EnvFile is the .env file that was read, or "". It holds secrets, so a live
	// server refuses one that others can read.
	EnvFile string `env:"-"`

	// KeyInFile is set where PETS_KEY is that of the .env file. ServerInFile and
	// StoreInFile are PETS_SERVER and PETS_STORE as the file has them: a key of a
	// file belongs to the server that the file leads to. Led lists those of
	// PETS_SERVER, PETS_STORE, PETS_DIR, PETS_CA and PETS_PORTFOLIO that count as the
	// file has them.
	KeyInFile    bool     `env:"-"`
	ServerInFile string   `env:"-"`
	StoreInFile  string   `env:"-"`
	Led          []string `env:"-"`

	// StoreNamed and DirNamed are set where the environment names PETS_STORE and
	// PETS_DIR: a person's own word, unlike a default or a file.
	StoreNamed bool `env:"-"`
	DirNamed   bool `env:"-"`

	// Warnings list names that are not read: most likely a misspelt limit, which
	// is then not in force. They are shown but stop nothing.
	Warnings []string `env:"-"`

	// Unsure lists the variables that select a target and that an unknown name
	// may have been meant to set. Commands that change something then use no
	// default folder.
	Unsure []string `env:"-"`
}

// Load reads the environment (in the form of os.Environ) and, for what is not set
// there, dir/.env. An empty value counts as not set. Its error has code invalid
// and names every variable that is wrong. The policy of the returned Config is
// valid.
//
// The stores are folders that this run was told to use. Root also reads a file
// that belongs to the owner of one of them, of the store of the environment, or
// of the default one.
func Load(dir string, environ []string, stores ...string) (Config, error) {
	given := environment(environ)
	values, err := readEnvFile(dir, append(stores, storeOf(given))...)
	if err != nil {
		return Config{}, err
	}
	fromFile, file := slices.Collect(maps.Keys(values)), maps.Clone(values)
	maps.Copy(values, given)
	var c Config
	if err := parse(&c, values); err != nil {
		return Config{}, err
	}
	c.belongs(file, given)
	if err := c.validate(); err != nil {
		return Config{}, err
	}
	c.Warnings, c.Unsure = warnings(values, fromFile), misspelt(values, fromFile)
	if path := filepath.Join(dir, envFile); len(fromFile) > 0 {
		c.EnvFile = path
	}
	return c, nil
}

// DefaultStore is PETS_STORE where nothing sets it.
func DefaultStore() string { return lookup("Store").fallback }

// DefaultPortfolio is PETS_PORTFOLIO where nothing sets it.
func DefaultPortfolio() string { return lookup("Portfolio").fallback }

// storeOf returns the folder of the store that the environment names, or of the
// default one.
func storeOf(given map[string]string) string {
	dir, err := Config{Store: cmp.Or(given["PETS_STORE"], DefaultStore())}.StoreDir()
	if err != nil {
		return "" // which nobody owns
	}
	return dir
}

// toStop lists the variables that stopping something needs.
var toStop = []string{"PETS_STORE", "PETS_DIR", "PETS_WITNESS", "PETS_PORTFOLIO", "PETS_SERVER", "PETS_KEY", "PETS_CA"}

// targets lists the variables that select a target.
var targets = []string{"PETS_SERVER", "PETS_STORE", "PETS_DIR", "PETS_PORTFOLIO"}

// Ignored is what [LoadToStop] skipped.
type Ignored struct {
	Errors []error
	// Unsure lists the variables that select a target (PETS_SERVER, PETS_STORE,
	// PETS_DIR, PETS_PORTFOLIO) and were given, or may have been, in an invalid
	// form: another target may have been meant.
	Unsure []string
}

// LoadToStop reads what is needed to reach a server, or a store, and stop
// something. It never fails, because a mistake in the settings must not prevent a
// stop. The second result holds what could not be read and each invalid value
// that was replaced by its default, for the caller to report.
func LoadToStop(dir string, environ []string, stores ...string) (Config, Ignored) {
	given := environment(environ)
	values, file := lenient(dir, append(stores, storeOf(given))...)
	fromFile, own := slices.Collect(maps.Keys(values)), maps.Clone(values)
	maps.Copy(values, given)
	var ignored Ignored
	for _, name := range file.Unsure {
		if _, wins := given[name]; !wins {
			ignored.Unsure = append(ignored.Unsure, name)
		}
	}
	ignored.Unsure = append(ignored.Unsure, misspelt(values, fromFile)...)
	ignored.Errors = file.Errors
	if len(ignored.Errors) == 0 {
		c, err := Load(dir, environ, stores...)
		if err == nil {
			return c, ignored.inOrder()
		}
		ignored.Errors = append(ignored.Errors, err)
	}
	usable := map[string]string{}
	for _, name := range toStop {
		err := alone(name, values[name])
		if err == nil {
			usable[name] = values[name]
			continue
		}
		if !said(ignored.Errors, err) {
			ignored.Errors = append(ignored.Errors, err)
		}
		if slices.Contains(targets, name) {
			ignored.Unsure = append(ignored.Unsure, name)
		}
	}
	var c Config
	if err := parse(&c, usable); err != nil { // each was tried alone; they do not affect each other
		ignored.Errors = append(ignored.Errors, err)
	}
	c.belongs(own, given)
	c.Warnings = warnings(values, fromFile)
	return c, ignored.inOrder()
}

// belongs notes what is as the file has it, and where the file leads.
func (c *Config) belongs(file, given map[string]string) {
	inFile := func(name string) bool {
		_, elsewhere := given[name]
		return file[name] != "" && !elsewhere
	}
	c.KeyInFile, c.ServerInFile, c.StoreInFile = inFile("PETS_KEY"), file["PETS_SERVER"], file["PETS_STORE"]
	c.StoreNamed, c.DirNamed = given["PETS_STORE"] != "", given["PETS_DIR"] != ""
	for _, name := range []string{"PETS_SERVER", "PETS_STORE", "PETS_DIR", "PETS_CA", "PETS_PORTFOLIO"} {
		if inFile(name) {
			c.Led = append(c.Led, name)
		}
	}
}

// inOrder returns each variable once, the one that takes precedence first.
func (i Ignored) inOrder() Ignored {
	var unsure []string
	for _, name := range targets {
		if slices.Contains(i.Unsure, name) {
			unsure = append(unsure, name)
		}
	}
	return Ignored{i.Errors, unsure}
}

// alone tries one value with the defaults of all others.
func alone(name, value string) error {
	var c Config
	if err := parse(&c, map[string]string{name: value}); err != nil {
		return err
	}
	return c.validate()
}

func said(all []error, err error) bool {
	return slices.ContainsFunc(all, func(e error) bool { return e.Error() == err.Error() })
}

// environment splits NAME=value. If a name occurs twice the first one counts, as
// in os.Getenv.
func environment(environ []string) map[string]string {
	out := make(map[string]string, len(environ))
	for _, entry := range environ {
		name, value, ok := strings.Cut(entry, "=")
		if _, seen := out[name]; ok && !seen {
			out[name] = value
		}
	}
	return out
}

// parse passes only the known variables to the library: given the whole
// environment, it would also look for names such as 0_… to extend lists.
func parse(c *Config, values map[string]string) error {
	own := map[string]string{}
	for _, v := range variables() {
		own[v.name] = values[v.name]
	}
	err := env.ParseWithOptions(c, env.Options{
		Environment: own,
		FuncMap: map[reflect.Type]env.ParserFunc{
			reflect.TypeFor[[]domain.Decimal](): func(s string) (any, error) { return parseList(s, domain.ParseDecimal) },
			reflect.TypeFor[[]int]():            func(s string) (any, error) { return parseList(s, parseZone) },
		},
	})
	return withoutValues(err)
}

// withoutValues replaces the errors of the library, which repeat the value, by
// ones that say what was expected. It does not wrap them, because %+v or
// errors.As would reveal the value.
func withoutValues(err error) error {
	if err == nil {
		return nil
	}
	var aggregate env.AggregateError
	if !errors.As(err, &aggregate) {
		return domain.Errorf(domain.CodeInternal, "the configuration cannot be read")
	}
	var all []error
	for _, e := range aggregate.Errors {
		var bad env.ParseError
		if !errors.As(e, &bad) {
			return domain.Errorf(domain.CodeInternal, "the configuration cannot be read")
		}
		v := lookup(bad.Name)
		all = append(all, domain.Invalid(v.name, "must be %s", v.rule))
	}
	return errors.Join(all...)
}

// parseList splits comma-separated items and allows spaces around them; "none" is
// the empty list, because an empty value means the default.
func parseList[T any](s string, item func(string) (T, error)) ([]T, error) {
	if s == "none" {
		return []T{}, nil
	}
	var out []T
	for part := range strings.SplitSeq(s, ",") {
		v, err := item(strings.TrimSpace(part))
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, nil
}

// parseZone parses a zone number: one digit.
func parseZone(s string) (int, error) {
	if len(s) != 1 || s[0] < '1' || s[0] > '5' {
		return 0, errors.New("is not a zone")
	}
	return int(s[0] - '0'), nil
}

// validate checks what a type cannot express, so that a mistake is found at start
// and not when the first portfolio is opened.
func (c Config) validate() error {
	if _, err := c.StoreDir(); err != nil {
		return err
	}
	if err := domain.CheckID("PETS_PORTFOLIO", c.Portfolio); err != nil {
		return err
	}
	if err := c.ValidateServer(); err != nil {
		return err
	}
	if err := c.ValidateFolders(); err != nil {
		return err
	}
	if err := c.validateCustody(); err != nil {
		return err
	}
	if _, err := c.Treasury(); err != nil {
		return err
	}
	_, err := c.Policy(domain.ModeLive, domain.ClockWall, "USDC")
	return err
}

// Policy returns the policy a new portfolio is opened with. Its errors name the
// environment variable.
func (c Config) Policy(mode domain.Mode, clock domain.Clock, baseAsset string) (domain.Policy, error) {
	p := domain.NewPolicy(mode, clock, baseAsset)
	if c.Rules != p.Rules {
		return domain.Policy{}, domain.Invalid("RULES", "must be %s", lookup("Rules").rule)
	}
	p.MaxConsecutiveLosses = c.MaxConsecutiveLosses
	p.MaxDailyLossPct = c.MaxDailyLossPct
	p.MaxBotDrawdownPct = c.MaxBotDrawdownPct
	p.MaxPortfolioDrawdownPct = c.MaxPortfolioDrawdownPct
	p.BreakerWarnAt = c.BreakerWarnAt
	p.BreakerStops = c.BreakerStops
	p.ClosePositionsOnTrip = c.ClosePositionsOnTrip
	p.DailyLossTZ = c.DailyLossTZ
	p.LossDust = c.LossDust
	p.ZoneBounds = slices.Clone(c.ZoneBounds)
	p.BlockedZones = slices.Clone(c.BlockedZones)
	p.PermitTTL = c.PermitTTL
	setIf(&p.MarkMaxAge, c.MarkMaxAge)
	p.FeeBPS = c.FeeBPS
	p.PaperSlippageBPS = c.PaperSlippageBPS
	p.MaxOrderUSD, p.MaxPositionUSD = c.MaxOrderUSD, c.MaxPositionUSD
	p.MaxOpenPositions, p.MaxOrdersPerMinute = c.MaxOpenPositions, c.MaxOrdersPerMinute
	p.MaxMarketUSD, p.MaxOrdersPerDay, p.MarketCooldown = c.MaxMarketUSD, c.MaxOrdersPerDay, c.MarketCooldown
	p.WhileTripped = cmp.Or(c.WhileTripped, p.WhileTripped)
	setIf(&p.PositionDustUSD, c.PositionDustUSD)
	setIf(&p.MarkCollar, c.MarkCollar)
	setIf(&p.MarkConfirmAfter, c.MarkConfirmAfter)
	setIf(&p.MinCapital, c.MinCapital)
	setIf(&p.RegisteredOnly, c.RegisteredOnly)
	setIf(&p.MaxBotDailyLossPct, c.MaxBotDailyLossPct)
	setIf(&p.MaxRollingLossPct, c.MaxRollingLossPct)
	setIf(&p.MaxBotCapitalPct, c.MaxBotCapitalPct)
	setIf(&p.MaxCategoryExposurePct, c.MaxCategoryExposurePct)
	if err := p.Validate(); err != nil {
		return domain.Policy{}, inEnvironmentTerms(err)
	}
	return p, nil
}

// setIf leaves an optional limit that is not set unchanged.
func setIf[T any](limit, value *T) {
	if value != nil {
		*limit = *value
	}
}

// inEnvironmentTerms replaces the policy's key by the variable, and the message,
// which may hold the value, by the rule. It keeps only the guess at what a
// percentage was meant to be.
func inEnvironmentTerms(err error) error {
	var e *domain.Error
	if !errors.As(err, &e) || e.Field == "" {
		return err
	}
	name := strings.ToUpper(e.Field)
	for _, v := range variables() {
		if v.name != name {
			continue
		}
		if _, guess, ok := strings.Cut(e.Message, "did you mean "); ok {
			return domain.Invalid(name, "must be %s: did you mean %s", v.rule, guess)
		}
		return domain.Invalid(name, "must be %s", v.rule)
	}
	return domain.Invalid(name, "%s", e.Message)
}

// Database returns the connection string of EventStoreDB if the events are kept there, else "". It
// may hold a password, so it is shown nowhere.
func (c Config) Database() string {
	if scheme, _, _ := strings.Cut(c.Store, ":"); scheme == "esdb" || scheme == "esdb+discover" {
		return c.Store
	}
	return ""
}

// StoreDir returns the folder of an embedded store. For EventStoreDB it is the folder of what a
// server keeps beside it ([Config.ServerDir]), where its lock and its stop socket are found. An error
// does not repeat the value, which may hold a password.
func (c Config) StoreDir() (string, error) {
	if database := c.Database(); database != "" {
		if _, rest, ok := strings.Cut(database, "://"); !ok || rest == "" || strings.ContainsFunc(rest, blank) {
			return "", domain.Invalid("PETS_STORE", "must be a connection string without blanks, such as esdb://host:2113?tls=true; in a password write %%20 for a blank")
		}
		return c.besideDatabase(), nil
	}
	scheme, dir, ok := strings.Cut(c.Store, ":")
	switch {
	case !ok || scheme != "embedded":
		return "", domain.Invalid("PETS_STORE", "must be embedded:DIR, such as embedded:./pets-data, or esdb://… for EventStoreDB")
	case strings.TrimSpace(dir) == "":
		return "", domain.Invalid("PETS_STORE", "names no folder; write embedded:DIR, such as embedded:./pets-data")
	}
	return dir, nil
}

func blank(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }

func (c Config) besideDatabase() string {
	if c.Dir != "" {
		return filepath.Clean(c.Dir)
	}
	return "pets-data"
}
