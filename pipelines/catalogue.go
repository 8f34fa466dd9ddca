// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"
	"sync"
)

//go:embed catalogue/*.gst
var files embed.FS

// catalogue is what is embedded, in the order of its names. That it can be read is
// a test's concern; a program that cannot read it has no business running.
var catalogue = sync.OnceValue(func() []*Pipeline {
	names, err := fs.Glob(files, "catalogue/*.gst")
	if err != nil {
		panic(err)
	}
	var list []*Pipeline
	for _, name := range names {
		text, err := files.ReadFile(name)
		if err != nil {
			panic(err)
		}
		p, err := Parse(string(text))
		if err != nil {
			panic(fmt.Sprintf("%s: %v", name, err))
		}
		list = append(list, p)
	}
	return list
})

// List gives the ready-made pipelines, which must not be changed.
func List() []*Pipeline { return catalogue() }

// UnknownError says that there is no such pipeline.
type UnknownError struct{ Name string }

func (e *UnknownError) Error() string {
	var names []string
	for _, p := range List() {
		names = append(names, p.Name)
	}
	return fmt.Sprintf("there is no pipeline %q; there are %s", e.Name, strings.Join(names, ", "))
}

// XP2PCode is that of a bad argument (reference/xp2p.md §2).
func (e *UnknownError) XP2PCode() int { return -2000 }

// Find gives the ready-made pipeline of that name, or an UnknownError.
func Find(name string) (*Pipeline, error) {
	for _, p := range List() {
		if p.Name == name {
			return p, nil
		}
	}
	return nil, &UnknownError{name}
}
