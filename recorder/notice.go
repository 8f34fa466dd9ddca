// SPDX-License-Identifier: LGPL-2.1-or-later

package recorder

import "time"

// NoticeKind says what a [Notice] is about.
type NoticeKind string

const (
	NoticeSegment   NoticeKind = "segment"    // a segment is complete: Segment
	NoticeGapOpened NoticeKind = "gap-opened" // a camera is not recorded from Gap.From on
	NoticeGapClosed NoticeKind = "gap-closed" // it is again, or for another reason not: Gap
	NoticeFailed    NoticeKind = "failed"     // a storage cannot be written to: Error; recording there stops
	NoticeFull      NoticeKind = "full"       // the same, since nothing on it may be removed: Error
	NoticeWorks     NoticeKind = "works"      // it can be written to again
	NoticeLow       NoticeKind = "low"        // within lowAhead it will be full and nothing may be removed: Full
	NoticeClock     NoticeKind = "clock"      // the host's clock was set: Step

	NoticeRemoteFailed NoticeKind = "remote-failed" // nothing can be copied to the remote store: Error; it is tried again
	NoticeRemoteWorks  NoticeKind = "remote-works"  // it can be again
)

// Notice is something that happens in an archive, for those who act on it.
type Notice struct {
	Kind    NoticeKind    `json:"kind"`
	Time    time.Time     `json:"time"`
	Storage string        `json:"storage,omitempty"` // its directory
	Camera  string        `json:"camera,omitempty"`
	Segment *Segment      `json:"segment,omitempty"`
	Gap     *Gap          `json:"gap,omitempty"`
	Error   string        `json:"error,omitempty"`
	Full    time.Time     `json:"full,omitzero"` // when it will be
	Step    time.Duration `json:"-"`             // by how much, negative: back
}

// notify fills in what every notice has.
func (s *storage) notify(n Notice) {
	if f := s.archive.cfg.Notify; f != nil {
		n.Time, n.Storage = s.archive.cfg.Now(), s.Dir
		f(n)
	}
}
