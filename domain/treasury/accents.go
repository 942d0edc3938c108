package treasury

// accented are Latin letters with an accent or a stroke by the letter that they look like, in
// lower case: people read over the difference. Accents that follow their letter are left out
// as marks.
var accented = map[rune]string{
	'a': "àáâãäåāăąǎǟǡǻȁȃȧɑạảấầẩẫậắằẳẵặ", 'b': "ƀƃɓḃḅḇ", 'c': "çćĉċčƈȼḉ", 'd': "ďđƌɖɗḋḍḏḑḓ", 'e': "èéêëēĕėęěȅȇȩɇẹẻẽếềểễệḕḗḙḛḝ",
	'f': "ƒḟ", 'g': "ĝğġģǥǧǵɠḡ", 'h': "ĥħȟɦḣḥḧḩḫẖ", '1': "ìíîïĩīĭįıǐȉȋɨḭḯỉịĺļľŀłƚɫḷḹḻḽ", 'j': "ĵǰɉ", 'k': "ķƙǩḱḳḵ",
	'm': "ḿṁṃɱ", 'n': "ñńņňŉŋǹɲƞṅṇṉṋ", '0': "òóôõöøōŏőơǒǫǭǿȍȏȫȭȯȱɵọỏốồổỗộớờởỡợṍṏṑṓ", 'p': "ƥṕṗ", 'q': "ɋ", 'r': "ŕŗřȑȓɍṙṛṝṟ",
	's': "śŝşšșȿṡṣṥṧṩ", 't': "ţťŧƫƭțṫṭṯṱẗ", 'u': "ùúûüũūŭůűųưǔǖǘǚǜȕȗʉụủứừửữựṳṵṷṹṻ", 'v': "ʋṽṿ", 'w': "ŵẁẃẅẇẉẘ", 'x': "ẋẍ", 'y': "ýÿŷƴȳɏẏỳỵỷỹẙ",
	'z': "źżžƶȥɀẑẓẕ",
}

// plain maps each of them to the letter that it looks like.
var plain = func() map[rune]rune {
	m := map[rune]rune{}
	for like, letters := range accented {
		for _, r := range letters {
			m[r] = like
		}
	}
	return m
}()
