// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Pipeline is a launch line with ${parameters}, and what its header says of them.
type Pipeline struct {
	Name    string
	Summary string   // one line
	About   []string // further lines
	Params  []Param
	Example []string // commands that run it
	Text    string   // the file, header and all
	line    string   // the launch line
	free    bool     // has no header: every ${name} is a parameter
}

// Kind is what a parameter's value has to be.
type Kind string

const (
	Text   Kind = "text"   // the value of a property, as it is
	Secret Kind = "secret" // a text that logs and errors do not show
	Int    Kind = "int"    // within Least and Most
	Dir    Kind = "dir"    // a directory, made where it is missing
	Choice Kind = "choice" // one of Choices
	Line   Kind = "line"   // a piece of the launch line itself
)

// Param is a parameter of a pipeline.
type Param struct {
	Name        string
	Kind        Kind
	Default     string
	Required    bool   // there is no default
	Unit        string // of an Int; ""
	Least, Most int    // of an Int
	About       string
	Choices     []Alternative
}

// Alternative is a value of a Choice and the piece of the line that it stands for.
type Alternative struct{ Value, Line string }

// The names that are no parameters: what they stand for is the runner's.
const (
	nameSource = "source" // the element that gives a camera's FLV
	nameFrames = "frames" // the descriptor for pictures that are looked at here
	nameStart  = "start"  // when this process was started, so that it overwrites nothing of the one before
	// Between each and end is what is there once for every source; there, n counts
	// the sources from 0, and left and top are the place of its tile.
	nameEach, nameEnd        = "each", "end"
	nameN, nameLeft, nameTop = "n", "left", "top"
)

var builtin = []string{nameSource, nameFrames, nameStart, nameEach, nameEnd, nameN, nameLeft, nameTop}

// ParamError says what is wrong with a parameter.
type ParamError struct {
	Param string
	Say   string
}

func (e *ParamError) Error() string { return fmt.Sprintf("parameter %s: %s", e.Param, e.Say) }

// XP2PCode is that of a bad argument (reference/xp2p.md §2).
func (e *ParamError) XP2PCode() int { return -2000 }

// Param gives the parameter of that name; nil: there is none.
func (p *Pipeline) Param(name string) *Param {
	for i := range p.Params {
		if p.Params[i].Name == name {
			return &p.Params[i]
		}
	}
	return nil
}

// Sources says how many cameras the line needs: none, exactly one, or any number.
func (p *Pipeline) Sources() (least, most int) {
	switch {
	case strings.Contains(p.line, "${"+nameEach+"}"):
		return 1, maxSources
	case strings.Contains(p.line, "${"+nameSource+"}"):
		return 1, 1
	}
	return 0, 0
}

// maxSources bounds a mosaic.
const maxSources = 64

// Talks says that the line sends to a camera, whose account it finds in the
// environment.
func (p *Pipeline) Talks() bool { return strings.Contains(p.line, "xp2psink") }

// Looks says that the line hands pictures back to be looked at.
func (p *Pipeline) Looks() bool { return strings.Contains(p.line, "${"+nameFrames+"}") }

// Check says what is wrong with values, all of it: the errors are ParamErrors.
// It does not mind what is missing.
func (p *Pipeline) Check(values map[string]string) error {
	var errs []error
	for _, name := range sortedKeys(values) {
		if err := p.check(name, values[name]); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *Pipeline) check(name, value string) error {
	param := p.Param(name)
	if param == nil {
		if slices.Contains(builtin, name) {
			return &ParamError{name, "is filled in by what runs the pipeline and cannot be set"}
		}
		if p.free && strings.Contains(p.line, "${"+name+"}") {
			return plain(name, value)
		}
		return &ParamError{name, "there is none; there are " + p.paramNames()}
	}
	switch param.Kind {
	case Int:
		if v, err := strconv.Atoi(value); err != nil || v < param.Least || v > param.Most {
			return &ParamError{name, fmt.Sprintf("%q must be a number from %d to %d%s", value, param.Least, param.Most, blankBefore(param.Unit))}
		}
	case Choice:
		if param.alternative(value) == nil {
			return &ParamError{name, fmt.Sprintf("%q must be one of: %s", value, strings.Join(param.values(), ", "))}
		}
	case Line:
		if strings.Contains(value, "${") {
			return &ParamError{name, "cannot have parameters itself"}
		}
	default:
		return plain(name, value)
	}
	return nil
}

// plain refuses what gst-launch's grammar cannot be given as a value.
func plain(name, value string) error {
	if strings.ContainsFunc(value, func(r rune) bool { return r == '"' || r == '\\' || r < ' ' || r == 0x7f }) {
		return &ParamError{name, "quotation marks, backslashes and control characters cannot be passed to gst-launch-1.0"}
	}
	return nil
}

func (p *Pipeline) paramNames() string {
	var names []string
	for _, param := range p.Params {
		names = append(names, param.Name)
	}
	if p.free {
		for _, n := range references(p.line) {
			if !slices.Contains(builtin, n) && !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
	}
	if len(names) == 0 {
		return "none at all"
	}
	return strings.Join(names, ", ")
}

func (p *Param) alternative(value string) *Alternative {
	for i := range p.Choices {
		if p.Choices[i].Value == value {
			return &p.Choices[i]
		}
	}
	return nil
}

func (p *Param) values() []string {
	var l []string
	for _, a := range p.Choices {
		l = append(l, a.Value)
	}
	return l
}

func blankBefore(s string) string {
	if s == "" {
		return ""
	}
	return " " + s
}
