// Package historytest keeps golden histories: streams exactly as an earlier build
// stored them, with the state that that build folded from them, revision by
// revision. Tests read them with the current code, so that a stream keeps its
// meaning.
//
// It owns their files ([Write], [Read], [Pack], [Unpack]), what is compared
// ([Fold]) and by which rule ([Compare]). It refuses to overwrite a history: a
// recorded one is evidence and is kept permanently. It is for tests only.
//
// # The rule
//
// A state is compared as the tree of its JSON. Every recorded key must exist with
// the recorded value. A later build may add a key if its value is empty (false,
// 0, "", null, an empty list or object), because an old stream cannot have set
// it. A list is one value: one more element is a difference. A new key whose
// value for an old stream is not empty, such as a limit with a default, is named
// in [Added] with the reason why the old stream still means the same. A key of which
// earlier builds kept a wrong value is named in [Mended] with what was wrong.
//
// When the shape of the state changes, [Fold] is changed to render the old shape;
// the histories are not.
package historytest
