// SPDX-License-Identifier: LGPL-2.1-or-later

package pipelines

import (
	"bytes"
	"regexp"
	"strings"
	"sync"

	"github.com/xp2p/xp2p/internal/launch"
)

// maxLine bounds a line of gst-launch's output; the rest of a longer one is passed over.
const maxLine = 4 << 10

// monitor reads what gst-launch-1.0 -m prints, as it prints it, and keeps the first
// error and the end of the rest. Nothing else is kept, however much comes.
type monitor struct {
	playing func() // called once, when the pipeline plays

	mu     sync.Mutex // guards all below
	played bool
	err    string // what the first error message says
	built  bool   // false: err is about the line itself
	tail   launch.Tail
}

// stream is one of the two outputs of the process.
type stream struct {
	m    *monitor
	line []byte // without its end so far
	long bool   // the line is passed over
}

func (s *stream) Write(b []byte) (int, error) {
	for rest := b; len(rest) > 0; {
		part, after, ended := bytes.Cut(rest, []byte{'\n'})
		rest = after
		if !s.long {
			s.line = append(s.line, part[:min(len(part), maxLine-len(s.line))]...)
			s.long = len(s.line) >= maxLine
		}
		if ended {
			s.m.read(string(s.line))
			s.line, s.long = s.line[:0], false
		}
	}
	return len(b), nil
}

var (
	errorForm = regexp.MustCompile(`^ERROR: from element (\S+): (.*)$`)
	// What is said of a line that cannot be made into a pipeline.
	buildForm = regexp.MustCompile(`^(?:WARNING: erroneous pipeline|ERROR: pipeline could not be constructed): (.*?)\.?$`)
	// messages that come by the hundred and say nothing to people.
	noise = regexp.MustCompile(`^(Got message #|Setting pipeline|Pipeline is|Freeing|Redistribute|New clock|Progress|Execution ended|Use Windows|Prerolled|0:\d\d:)`)
)

func (m *monitor) read(line string) {
	line = strings.TrimRight(line, "\r")
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "Got message #"):
		if !m.played && strings.Contains(line, `from element "pipeline0" (state-changed)`) && strings.Contains(line, "new-state=(GstState)playing") {
			m.played, m.built = true, true
			m.playing()
		}
		return
	case noise.MatchString(line):
		return
	}
	if f := buildForm.FindStringSubmatch(line); f != nil && m.err == "" {
		m.err = f[1]
	} else if f := errorForm.FindStringSubmatch(line); f != nil && m.err == "" {
		m.err, m.built = elementName(f[1])+": "+f[2], true
	}
	m.tail.Write([]byte(line + "\n"))
}

// elementName is the end of a path such as /GstPipeline:pipeline0/GstFileSink:out: what
// a user has written, or at least knows.
func elementName(path string) string { return path[strings.LastIndexAny(path, "/:")+1:] }

// said is the first error, or else the end of what was printed. wrong: the line itself
// cannot be run, now or later.
func (m *monitor) said() (text string, wrong bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == "" {
		return m.tail.String(), false
	}
	return m.err, !m.built
}

// grants are what xp2pInfos look like.
var grants = regexp.MustCompile(`XP2P[A-Za-z0-9_.+/=-]{12,}(%[0-9A-Za-z.]+)?`)

// redactor takes secrets out of what is shown to anybody.
func redactor(secrets []string) func(string) string {
	var pairs []string
	for _, s := range secrets {
		if s != "" {
			pairs = append(pairs, s, "…")
		}
	}
	r := strings.NewReplacer(pairs...)
	return func(s string) string { return grants.ReplaceAllString(r.Replace(s), "XP2P…") }
}
