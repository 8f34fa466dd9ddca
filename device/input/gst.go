package input

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/xp2p/xp2p/internal/launch"
)

// gst is a GStreamer pipeline. Its last element must give FLV, as flvmux
// streamable=true does; the way out is added.
type gst struct {
	name string
	args []string // of gst-launch-1.0
	o    Options
}

func newGst(name, line string, o Options) (*gst, error) {
	words, err := launch.Words(line)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSpec, err)
	}
	if len(words) == 0 {
		return nil, fmt.Errorf("%w: gst: needs a launch line", ErrSpec)
	}
	return &gst{name: shorten(name), args: words, o: o}, nil
}

func (g *gst) String() string { return g.name }

// Open starts the pipeline and returns when it has given its first bytes.
func (g *gst) Open(ctx context.Context) (io.ReadCloser, error) {
	args := append([]string{"-q"}, g.args...)
	args = append(args, "!", "fdsink", fmt.Sprintf("fd=%d", childFD))
	s, err := startChild(launch.GStreamer, args)
	if err != nil {
		return nil, fmt.Errorf("input %s: %w", g.name, err)
	}
	if err := s.await(ctx, g.o.HeaderTimeout); err != nil {
		s.Close()
		return nil, fmt.Errorf("input %s: %w", g.name, err)
	}
	s.name = g.name
	return s, nil
}

// shorten keeps the start of a launch line as a name.
func shorten(s string) string {
	const most = 60
	if s = strings.Join(strings.Fields(s), " "); len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
