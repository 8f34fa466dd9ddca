// SPDX-License-Identifier: LGPL-2.1-or-later

// Package plan decides for one viewer of a swarm: whom to take each stripe from, whom to
// give it to, what to ask for again and when to turn to the source.
//
// A Node is a state machine: it is told what happens and when (links, maps, chunks,
// requests, the time), and answers with actions. It has no clock, no sockets, no
// goroutines and does not see a chunk's bytes, so that swarm/peer runs it on real links
// and swarm/simulate ten thousand of it in one process: the very same code.
//
// How it decides, in short (docs/design/swarm.md says why):
//
//   - A stream is four stripes, each a tree of its own. A viewer begins with all of them
//     from the source and moves one at a time to other viewers. The new parent must have
//     sent a chunk before the old one is let go.
//   - A parent is chosen by the lag to be expected through it: its own, the way to it and
//     what waits on its line. No path may pass the same viewer twice.
//   - A viewer's upload is for one stripe, its home, so that it is inside one tree and a
//     leaf of the others. Who uploads displaces who does not. Not more than 85 % of the
//     measured upload is given away.
//   - A chunk that is later than its parent's habit is asked for elsewhere; one that is so
//     late that the viewer would see it, from the source.
package plan
