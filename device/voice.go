// SPDX-License-Identifier: LGPL-2.1-or-later

package device

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/xp2p/xp2p/demux"
	"github.com/xp2p/xp2p/grant"
)

// Speaker plays what viewers say. One of them talks at a time.
type Speaker interface {
	// Sound is what talkers are to send.
	Sound() Sound
	// Open begins a talk; ctx bounds the call, and PeerFrom it says who talks.
	Open(ctx context.Context) (Talk, error)
}

// Talk is one viewer talking. Its methods belong to one goroutine.
type Talk interface {
	// Play takes one unit: sound of the Speaker's codec, of a video call pictures too,
	// and their configurations. It may keep u.Data only during the call and must not
	// block for longer than sound of that length lasts, a second or so apart. An error
	// ends the talk.
	Play(u *demux.Unit) error
	// Close ends the talk when what was taken has been played.
	Close() error
}

// Sound is a form of sound.
type Sound struct {
	Codec    demux.Codec
	Rate     int // Hz
	Channels int
}

// String is the sound as X-Xp2p-Audio says it: "alaw;rate=8000;channels=1".
func (s Sound) String() string {
	return fmt.Sprintf("%s;rate=%d;channels=%d", s.Codec, s.Rate, s.Channels)
}

// line is the one that viewers talk on.
type line struct {
	mu     sync.Mutex
	talker string // who talks; "": nobody
}

// take gives the line to a viewer, or says who has it.
func (l *line) take(peer string) (hangUp func(), by string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.talker != "" {
		return nil, l.talker
	}
	l.talker = peer
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.talker = ""
	}, ""
}

func (l *line) busy() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.talker != ""
}

// serveVoice is POST /voice. It is answered before the body is read, since the
// answer says what sound to send.
func (d *Device) serveVoice(w http.ResponseWriter, r *http.Request) {
	r, q, peer, ok := readRequest(w, r)
	if !ok {
		return
	}
	if !peer.allows(grant.Voice) {
		refuse(w, statusForbidden, "the xp2pInfo does not allow talking")
		return
	}
	if _, err := d.channel(q.Get("channel")); err != nil {
		refuse(w, statusNotFound, err.Error())
		return
	}
	if d.cfg.Speaker == nil {
		refuse(w, statusUnsupported, "this camera has no speaker (its --speaker sets one)")
		return
	}
	hangUp, by := d.line.take(peer.ID)
	switch by {
	case "":
		defer hangUp()
	case peer.ID:
		refuse(w, statusGoingOn, "this connection is talking already")
		return
	default:
		refuse(w, statusTooMany, "somebody else is talking: one talker at a time")
		return
	}
	talk, err := d.cfg.Speaker.Open(r.Context())
	if err != nil {
		refuse(w, statusDown, "the speaker cannot be used: "+err.Error())
		return
	}
	log := d.log.With("peer", peer.ID, "requester", peer.Requester, "user_args", peer.UserArgs)
	log.Info("talk begins")
	err = errors.Join(d.answerVoice(w, r, talk), talk.Close())
	log.Info("talk ends", "err", err)
	if err != nil { // the status is said already: the reason is all there is to add
		json.NewEncoder(w).Encode(refusal{strconv.Itoa(statusDown), err.Error()})
	}
}

// maxSilence is how long a talker may send nothing that can be played until the line
// is free for somebody else.
const maxSilence = 5 * time.Second

var errSilent = fmt.Errorf("no sound came for %v: the line is free again", maxSilence)

// answerVoice accepts a talk and plays it until its end, which is no error.
func (d *Device) answerVoice(w http.ResponseWriter, r *http.Request, talk Talk) error {
	ctx, cancel := d.until(w, r)
	defer cancel()
	rc := http.NewResponseController(w)
	rc.EnableFullDuplex() // HTTP/1 needs it, the others always are and refuse the call
	sound := d.cfg.Speaker.Sound()
	w.Header().Set("X-Xp2p-Audio", sound.String())
	w.Header().Set("Content-Type", "application/json") // of the reason for an end, if there is one
	w.WriteHeader(http.StatusOK)
	if err := rc.Flush(); err != nil {
		return err
	}
	heard := func() {
		rc.SetReadDeadline(time.Now().Add(d.cfg.silence))
		if ctx.Err() != nil { // until may have set its own just before
			rc.SetReadDeadline(time.Unix(1, 0))
		}
	}
	heard()
	err := listen(r.Body, sound, talk, heard)
	var timeout interface{ Timeout() bool }
	switch {
	case d.ctx.Err() != nil:
		return errors.New("the camera is being stopped")
	case errors.As(err, &timeout) && timeout.Timeout():
		return errSilent
	}
	return err
}
