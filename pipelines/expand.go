// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/xp2p/xp2p/internal/launch"
)

// Bindings are what the runner puts into a line.
type Bindings struct {
	Sources []string // the element of each camera, such as "fdsrc fd=3" or "xp2psrc"
	Frames  int      // the descriptor for Looks
	Start   time.Time
}

// startForm is how ${start} is written, in UTC: part of a file's name.
const startForm = "2006-01-02_15-04-05"

var (
	errEach = errors.New("${each} and ${end} must come in pairs, one behind the other")
	eachRun = regexp.MustCompile(`(?s)\$\{each\}(.*?)\$\{end\}`)
)

func balanced(line string) error {
	rest := eachRun.ReplaceAllString(line, "")
	if strings.Contains(rest, "${each}") || strings.Contains(rest, "${end}") {
		return errEach
	}
	for _, m := range eachRun.FindAllStringSubmatch(line, -1) {
		if strings.Contains(m[1], "${each}") {
			return errEach
		}
	}
	return nil
}

// Expand gives the words of the line for gst-launch-1.0, with values, defaults and
// bindings in their places. Its errors are ParamErrors where a parameter is at fault.
func (p *Pipeline) Expand(values map[string]string, b Bindings) ([]string, error) {
	if err := p.Check(values); err != nil {
		return nil, err
	}
	if least, most := p.Sources(); len(b.Sources) < least || len(b.Sources) > most {
		switch {
		case most == 0:
			return nil, fmt.Errorf("the line has no ${source} to put a camera's stream into")
		case most == 1:
			return nil, fmt.Errorf("it needs one camera, and has %d", len(b.Sources))
		}
		return nil, fmt.Errorf("it needs 1 to %d cameras, and has %d", most, len(b.Sources))
	}
	e := expansion{p: p, values: values, columns: int(math.Ceil(math.Sqrt(float64(len(b.Sources)))))}
	line, err := e.pieces(p.line)
	if err != nil {
		return nil, err
	}
	line = eachRun.ReplaceAllStringFunc(line, func(s string) string {
		block := eachRun.FindStringSubmatch(s)[1]
		var all strings.Builder
		for n, source := range b.Sources {
			all.WriteString(e.tile(block, n, source))
		}
		return all.String()
	})
	if len(b.Sources) == 1 {
		line = strings.ReplaceAll(line, "${"+nameSource+"}", b.Sources[0])
	}
	words, err := launch.Words(line)
	if err != nil {
		return nil, err
	}
	for i, w := range words {
		if words[i], err = e.word(w, b); err != nil {
			return nil, err
		}
	}
	return words, nil
}

// expansion is one call of Expand.
type expansion struct {
	p       *Pipeline
	values  map[string]string
	columns int
}

// maxDepth bounds choices within choices.
const maxDepth = 4

// pieces puts in what is a piece of the line: choices and lines.
func (e *expansion) pieces(line string) (string, error) {
	var err error
	for range maxDepth {
		again := false
		line = nameForm.ReplaceAllStringFunc(line, func(s string) string {
			param := e.p.Param(s[2 : len(s)-1])
			if param == nil || param.Kind != Choice && param.Kind != Line {
				return s
			}
			again = true
			v, missing := e.value(param.Name)
			if missing != nil {
				err = missing
				return ""
			}
			if param.Kind == Choice {
				v = param.alternative(v).Line
			}
			return v
		})
		if err != nil || !again {
			return line, err
		}
	}
	return line, nil
}

// tile is a block for source n, whose place is n tiles from the upper left, row by row.
func (e *expansion) tile(block string, n int, source string) string {
	number := func(name string) int {
		v, err := e.value(name)
		if err != nil {
			return 0
		}
		i, _ := strconv.Atoi(v) // not a number: a line of its own that does not use them
		return i
	}
	return strings.NewReplacer(
		"${"+nameSource+"}", source,
		"${"+nameN+"}", strconv.Itoa(n),
		"${"+nameLeft+"}", strconv.Itoa(n%e.columns*number("width")),
		"${"+nameTop+"}", strconv.Itoa(n/e.columns*number("height")),
	).Replace(block)
}

func (e *expansion) value(name string) (string, error) {
	if v, ok := e.values[name]; ok {
		return v, nil
	}
	if param := e.p.Param(name); param != nil {
		if param.Required {
			return "", &ParamError{name, "is missing: " + param.About}
		}
		return param.Default, nil
	}
	return "", &ParamError{name, "is missing: the line has ${" + name + "}"}
}

var (
	// harmless are values that gst-launch's grammar takes as they are.
	harmless = regexp.MustCompile(`^[A-Za-z0-9_./:@%+=,?&~-]*$`)
	// assignment is a property and its value.
	assignment = regexp.MustCompile(`(?s)^([A-Za-z0-9_:-]+)=(.*)$`)
)

// word puts values into one word. What a value has that means something to
// gst-launch is quoted, so that a value never becomes a piece of the line.
func (e *expansion) word(w string, b Bindings) (string, error) {
	var err error
	quote := false
	out := nameForm.ReplaceAllStringFunc(w, func(s string) string {
		name := s[2 : len(s)-1]
		switch name {
		case nameFrames:
			return strconv.Itoa(b.Frames)
		case nameStart:
			return b.Start.UTC().Format(startForm)
		}
		v, missing := e.value(name)
		if missing != nil {
			err = missing
			return ""
		}
		if !harmless.MatchString(v) {
			quote = true
			if !assignment.MatchString(w) {
				err = &ParamError{name, fmt.Sprintf("%q can only be the value of a property (name=${%s})", v, name)}
			}
		}
		return v
	})
	if err != nil || !quote {
		return out, err
	}
	m := assignment.FindStringSubmatch(out)
	if strings.ContainsAny(m[2], `"\`) {
		return "", fmt.Errorf("%s: quotation marks beside a parameter whose value needs some itself", w)
	}
	return m[1] + `="` + m[2] + `"`, nil
}
