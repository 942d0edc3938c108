package domain

import "strings"

// Role says what a caller may do. An admin cannot approve, and a bot's key never
// resets a breaker.
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

// ServerUser is the user of commands that the server sends on its own behalf. No
// API key is issued to it.
const ServerUser = "server"

// localPrefix starts the names of people who use the command line on the machine
// itself, such as os:alice.
const localPrefix = "os"

// SameUser reports whether two names belong to the same person. It ignores case,
// so that nobody can act as a second person by spelling a name differently. Every
// two-person rule uses it.
func SameUser(a, b string) bool { return strings.EqualFold(a, b) }

// LocalUser reports whether a name belongs to a user of the machine itself, who
// needs no API key.
func LocalUser(user string) bool {
	prefix, _, found := strings.Cut(user, ":")
	return found && strings.EqualFold(prefix, localPrefix)
}

// ReservedUser reports whether a name is reserved for the machine. No API key is
// issued to such a name, so that records always show whether a person or the
// machine acted.
func ReservedUser(user string) bool {
	return SameUser(user, ServerUser) || SameUser(user, "system") || SameUser(user, "import") || LocalUser(user)
}

// Caller is the sender of a command. Two-person rules compare User.
type Caller struct {
	// User is the person or machine account behind the key, such as "alice" or
	// "os:alice".
	User string
	Role Role
	// Bot is the only bot a caller of RoleBot may act for.
	Bot string
}

// Scope returns the namespace of the caller's Idempotency-Keys: the same key in
// two scopes means two commands. A person has one scope in all roles, whatever
// the case of the name. Each bot has a scope of its own, even where bots share a
// user.
func (c Caller) Scope() string { return "user/" + strings.ToLower(c.User) + "/" + c.Bot }

// FormerScope returns the scope that earlier builds used. Old streams hold
// commands under it.
func (c Caller) FormerScope() string { return string(c.Role) + "/" + c.User + "/" + c.Bot }
