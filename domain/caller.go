package domain

import "strings"

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

// localPrefix begins the names of people who use the command line on the machine
// itself: os:alice.
const localPrefix = "os"

// SameUser reports whether two names are one person's. Case makes no difference: Olga
// who agrees with olga would be one person twice. Every rule that takes two people
// compares by it.
func SameUser(a, b string) bool { return strings.EqualFold(a, b) }

// LocalUser reports whether a name is that of somebody on the machine itself, who needs
// no API key.
func LocalUser(user string) bool {
	prefix, _, found := strings.Cut(user, ":")
	return found && strings.EqualFold(prefix, localPrefix)
}

// ReservedUser reports whether a name stands for the machine and not for a person with
// an API key: what it does and what people do must not look alike.
func ReservedUser(user string) bool {
	return SameUser(user, ServerUser) || SameUser(user, "system") || SameUser(user, "import") || LocalUser(user)
}

// Caller is who sends a command. Two-person rules compare User.
type Caller struct {
	// User is the person or machine account behind the key, such as "alice" or
	// "os:alice".
	User string
	Role Role
	// Bot is the only bot a caller of RoleBot may act for.
	Bot string
}

// Scope names whose Idempotency-Keys they are: the same key of two scopes is two commands.
// A person is one in all roles, and whatever the case of his name; the bots behind one
// name are as many as they are.
func (c Caller) Scope() string { return "user/" + strings.ToLower(c.User) + "/" + c.Bot }

// FormerScope is Scope as earlier builds had it: streams hold commands that stand under it.
func (c Caller) FormerScope() string { return string(c.Role) + "/" + c.User + "/" + c.Bot }
