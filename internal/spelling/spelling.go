// Package spelling measures how similar two names are, for messages that suggest
// what was probably meant.
//
// It owns the distance. It refuses to decide what is similar enough, which
// depends on the kind of names; callers do that.
package spelling

// Distance returns the least number of bytes to insert, delete or replace to turn
// a into b.
func Distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			exchanged := diagonal
			if a[i] != b[j] {
				exchanged++
			}
			diagonal = row[j+1]
			row[j+1] = min(exchanged, diagonal+1, row[j]+1)
		}
	}
	return row[len(b)]
}
