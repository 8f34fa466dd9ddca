package input

import (
	"fmt"
	"strings"
)

// splitWords cuts a launch line into the words that a shell would hand to
// gst-launch-1.0: blanks separate, single quotes take everything as it is,
// double quotes and backslashes protect what follows. Nothing is expanded.
func splitWords(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	var quote rune
	escaped := false
	for _, r := range line {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			escaped, inWord = true, true
		case quote != 0:
			if r == quote {
				quote = 0
			} else {
				word.WriteRune(r)
			}
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	switch {
	case quote != 0:
		return nil, fmt.Errorf("%w: the launch line has a %c that is not closed", ErrSpec, quote)
	case escaped:
		return nil, fmt.Errorf("%w: the launch line ends in a backslash", ErrSpec)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
