// Package historytest keeps golden histories: streams exactly as an earlier build
// stored them, with the state that that build folded from them, revision by
// revision. Tests read them with today's code, so that a stream keeps its past.
//
// It owns their files ([Write], [Read], [Pack], [Unpack]), what is compared
// ([Fold]) and by which rule ([Compare]). It refuses to overwrite a history: a
// recorded one is evidence, and stays for ever. It is for tests only.
//
// # The rule
//
// A state is compared as the tree of its JSON. Every key that was recorded must be
// there, with the value that was recorded. A later build may know more: a key that
// was not recorded may stand beside the others if its value says nothing (false, 0,
// "", null, an empty list or object), because an old stream cannot have said
// anything about it. A list is one value: one more element is a difference. A new
// key that does say something about an old stream, such as a limit with a default,
// is named in [Added] with the reason why the old stream still means the same.
//
// When the shape of the state changes, [Fold] is changed so that it still renders
// what it used to render; the histories are not.
package historytest
