package domain

// Role says what a caller may do (design, section 9). Admin cannot approve,
// and a bot's key never resets a breaker.
type Role string

// The roles.
const (
	RoleBot      Role = "bot"      // own permits, fills, trades, sign; own view
	RoleFeed     Role = "feed"     // marks
	RoleOperator Role = "operator" // everything operational
	RoleApprover Role = "approver" // approve, reject, confirm
	RoleAdmin    Role = "admin"    // keys, policy, adjustments
	RoleAuditor  Role = "auditor"  // reads everything
)

// ServerUser is who asks in the name of nobody: the server itself. No key is issued to it.
const ServerUser = "server"

// Caller is who sends a command. Two-person rules compare User.
type Caller struct {
	// User is the person or machine account behind the key, such as "alice" or
	// "os:alice".
	User string
	Role Role
	// Bot is the only bot a caller of RoleBot may act for.
	Bot string
}

// ID names the caller for idempotency: the same Idempotency-Key of two callers
// is two commands.
func (c Caller) ID() string { return string(c.Role) + "/" + c.User + "/" + c.Bot }
