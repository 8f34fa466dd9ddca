// SPDX-License-Identifier: LGPL-2.1-or-later

package launch

import (
	"errors"
	"fmt"
	"strings"
)

// Words cuts a launch line into the words that a shell would hand to
// gst-launch-1.0: blanks separate, single quotes take everything as it is,
// double quotes and backslashes protect what follows. Nothing is expanded.
func Words(line string) ([]string, error) {
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
		return nil, fmt.Errorf("the launch line has a %c that is not closed", quote)
	case escaped:
		return nil, errors.New("the launch line ends in a backslash")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
