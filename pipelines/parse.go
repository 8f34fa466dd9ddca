// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxText bounds a pipeline's text.
const maxText = 64 << 10

// Parse reads a pipeline: a header of comment lines, then the launch line, over as
// many lines as it likes.
//
//	# NAME: SUMMARY
//	# further lines about it
//	#
//	# int width=640 px 16..7680: ABOUT      a number, its default, unit and bounds
//	# text location: ABOUT                  a parameter without a default must be given
//	# choice sound=play: ABOUT
//	#   play: autoaudiosink                 what the value stands for; may be empty
//	#   none:
//	# example: COMMAND
//
// A text without such a header is a launch line whose ${names} are parameters that
// must be given. An error begins with the number of its line.
func Parse(text string) (*Pipeline, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("%d bytes are no pipeline", len(text))
	}
	p := &Pipeline{Text: text}
	var launch []string
	for i, l := range strings.Split(text, "\n") {
		comment, isComment := strings.CutPrefix(strings.TrimRight(l, " \t\r"), "#")
		if !isComment {
			launch = append(launch, l)
			continue
		}
		if err := p.header(comment); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	p.line = strings.TrimSpace(strings.Join(launch, "\n"))
	p.free = p.Name == ""
	if p.line == "" {
		return nil, fmt.Errorf("there is no launch line")
	}
	return p, p.consistent()
}

var (
	titleForm  = regexp.MustCompile(`^([a-z][a-z0-9-]*): (\S.*)$`)
	paramForm  = regexp.MustCompile(`^(text|secret|int|dir|choice|line) ([a-z][a-z0-9-]*)(=(\S*))?( [^:]*)?: (\S.*)$`)
	boundsForm = regexp.MustCompile(`^(\S+ )?(-?[0-9]+)\.\.(-?[0-9]+)$`)
	choiceForm = regexp.MustCompile(`^   ([a-z0-9][a-z0-9-]*):( (.*))?$`)
	nameForm   = regexp.MustCompile(`\$\{([a-z][a-z0-9-]*)\}`)
)

// header reads a comment line.
func (p *Pipeline) header(l string) error {
	if m := choiceForm.FindStringSubmatch(l); m != nil && len(p.Params) > 0 {
		last := &p.Params[len(p.Params)-1]
		if last.Kind != Choice {
			return fmt.Errorf("%s: only a choice has alternatives", last.Name)
		}
		last.Choices = append(last.Choices, Alternative{m[1], strings.TrimSpace(m[3])})
		return nil
	}
	l = strings.TrimSpace(l)
	switch {
	case l == "" || strings.HasPrefix(l, "SPDX-"):
		return nil
	case strings.HasPrefix(l, "example: "):
		p.Example = append(p.Example, strings.TrimPrefix(l, "example: "))
		return nil
	}
	if m := paramForm.FindStringSubmatch(l); m != nil && p.Name != "" {
		return p.param(m)
	}
	if p.Name != "" {
		p.About = append(p.About, l)
		return nil
	}
	if m := titleForm.FindStringSubmatch(l); m != nil {
		p.Name, p.Summary = m[1], m[2]
	} // else: a comment of a line without a header
	return nil
}

func (p *Pipeline) param(m []string) error {
	param := Param{Name: m[2], Kind: Kind(m[1]), Default: m[4], Required: m[3] == "", About: m[6]}
	if p.Param(param.Name) != nil {
		return fmt.Errorf("parameter %s is there already", param.Name)
	}
	if slices.Contains(builtin, param.Name) {
		return fmt.Errorf("parameter %s: what runs the pipeline fills that name in; take another", param.Name)
	}
	rest := strings.TrimSpace(m[5])
	if param.Kind == Int {
		b := boundsForm.FindStringSubmatch(rest)
		if b == nil {
			return fmt.Errorf("parameter %s: an int needs bounds, such as 1..100", param.Name)
		}
		param.Unit = strings.TrimSpace(b[1])
		param.Least, _ = strconv.Atoi(b[2])
		param.Most, _ = strconv.Atoi(b[3])
	} else {
		param.Unit = rest
	}
	p.Params = append(p.Params, param)
	return nil
}

// consistent says what does not fit together: a name without a parameter, a
// parameter without a name, a default that is refused.
func (p *Pipeline) consistent() error {
	used := references(p.line)
	for _, param := range p.Params {
		for _, a := range param.Choices {
			used = append(used, references(a.Line)...)
		}
	}
	if !p.free {
		for _, name := range used {
			if p.Param(name) == nil && !slices.Contains(builtin, name) {
				return fmt.Errorf("${%s} is no parameter", name)
			}
		}
	}
	for _, param := range p.Params {
		if !slices.Contains(used, param.Name) && !(p.Looks() && slices.Contains(motionParams, param.Name)) {
			return fmt.Errorf("parameter %s is not used", param.Name)
		}
		if !param.Required {
			if err := p.check(param.Name, param.Default); err != nil {
				return err
			}
		}
	}
	return balanced(p.line)
}

// references are the names in s, each once.
func references(s string) []string {
	var names []string
	for _, m := range nameForm.FindAllStringSubmatch(s, -1) {
		if !slices.Contains(names, m[1]) {
			names = append(names, m[1])
		}
	}
	return names
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
