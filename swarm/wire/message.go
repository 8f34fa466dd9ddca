// SPDX-License-Identifier: LGPL-2.1-or-later

package wire

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/xp2p/xp2p/swarm/chunk"
)

// PeerID names a member within a swarm: the first eight bytes of its key's pin. Source is
// nobody's.
type PeerID uint64

// Source is who the stream comes from.
const Source PeerID = 0

func (id PeerID) String() string {
	if id == Source {
		return "source"
	}
	return fmt.Sprintf("%016x", uint64(id))
}

// MarshalText writes the ID as 16 hex digits: JSON's numbers are too short for it.
func (id PeerID) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%016x", uint64(id)), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *PeerID) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 16, 64)
	if err != nil || len(b) != 16 {
		return fmt.Errorf("%w: %.20q is not a member's ID", ErrBody, b)
	}
	*id = PeerID(n)
	return nil
}

// IDOfPin is the ID of a member by its pin.
func IDOfPin(pin [32]byte) PeerID { return PeerID(binary.BigEndian.Uint64(pin[:])) }

// Code is what an answer to a subscription says.
type Code uint8

const (
	Accepted  Code = iota
	Full           // there is no room for another child
	Cycle          // the stripe would come from the one who asks
	Off            // this member does not upload
	Displaced      // of a child: a better placed one takes the room, and the stripe ends soon
	Behind         // this member does not get the stripe itself
	codes
)

var codeNames = [...]string{"accepted", "full", "cycle", "off", "displaced", "behind"}

func (c Code) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return fmt.Sprintf("code %d", uint8(c))
}

// AppendSubscription appends a subscribe or unsubscribe frame.
func AppendSubscription(dst []byte, t Type, stripe int, sequence uint64) []byte {
	dst = append(appendHeader(dst, t, 9), byte(stripe))
	return binary.BigEndian.AppendUint64(dst, sequence)
}

// ParseSubscription reads the body of one.
func ParseSubscription(b []byte) (stripe int, sequence uint64, err error) {
	if len(b) != 9 || b[0] >= chunk.Stripes {
		return 0, 0, fmt.Errorf("%w: subscription % x", ErrBody, b)
	}
	return int(b[0]), binary.BigEndian.Uint64(b[1:]), nil
}

// AppendAnswer appends an answer frame.
func AppendAnswer(dst []byte, stripe int, c Code) []byte {
	return append(appendHeader(dst, TypeAnswer, 2), byte(stripe), byte(c))
}

// ParseAnswer reads the body of one. A code that is not known is Full.
func ParseAnswer(b []byte) (stripe int, c Code, err error) {
	if len(b) != 2 || b[0] >= chunk.Stripes {
		return 0, 0, fmt.Errorf("%w: answer % x", ErrBody, b)
	}
	if c = Code(b[1]); c >= codes {
		c = Full
	}
	return int(b[0]), c, nil
}

// AppendList appends a request or missing frame with at most MaxList sequences.
func AppendList(dst []byte, t Type, l []uint64) []byte {
	dst = appendHeader(dst, t, 8*len(l))
	for _, seq := range l {
		dst = binary.BigEndian.AppendUint64(dst, seq)
	}
	return dst
}

// ParseList reads the body of one.
func ParseList(b []byte) ([]uint64, error) {
	if len(b)%8 != 0 || len(b) > 8*MaxList {
		return nil, fmt.Errorf("%w: a list of %d bytes", ErrBody, len(b))
	}
	l := make([]uint64, 0, len(b)/8)
	for ; len(b) > 0; b = b[8:] {
		l = append(l, binary.BigEndian.Uint64(b))
	}
	return l, nil
}

// Join is what a viewer says of itself to the source and to the tracker: the body, JSON,
// of the requests for their streams. At most MaxJoin bytes.
type Join struct {
	// Pin of the viewer's key, base64url; empty: it only watches.
	Pin string `json:"pin,omitempty"`
	// Stripes that the source shall send, bit n for stripe n, and from which sequence on;
	// From 0: from the latest key frame on.
	Stripes uint8  `json:"stripes"`
	From    uint64 `json:"from,omitempty"`
	// NAT is the kind of the viewer's NAT (link.NATKind).
	NAT string `json:"nat,omitempty"`
	// Slots is how many stripes it can upload at a time.
	Slots int `json:"slots"`
	// Proofs show, to the tracker of a sealed stream, that the viewer has its key
	// (keys.Proof); at most keys.MaxProofs.
	Proofs [][]byte `json:"proofs,omitempty"`
	// Mirror: it is no viewer but another source of the stream, which viewers reach at
	// this URL.
	Mirror string `json:"mirror,omitempty"`
}

// MaxJoin bounds a Join in bytes.
const MaxJoin = 4 << 10

// Welcome is the source's first frame.
type Welcome struct {
	Stream string `json:"stream"`
	Key    []byte `json:"key"` // the source's public key
	// Token proves later requests of this viewer.
	Token string `json:"token"`
	// STUN servers that peers may use, "stun:HOST:PORT".
	STUN []string `json:"stun,omitempty"`
	// Sealed: nobody sees the stream without its code.
	Sealed bool `json:"sealed,omitempty"`
	// NoTracker: the source has none; viewers stay with it.
	NoTracker bool `json:"no-tracker,omitempty"`
	// Sources are URLs at which the same chunks are, when this source is gone.
	Sources []string `json:"sources,omitempty"`
}

// Member is another viewer.
type Member struct {
	ID    PeerID `json:"id"`
	Pin   string `json:"pin"`
	NAT   string `json:"nat,omitempty"`
	Home  int    `json:"home"`
	Slots int    `json:"slots"`
	Free  int    `json:"free"` // slots that were not in use when it said so last
}

// Signal is what two viewers exchange until there is a link between them: link.Offer,
// link.Signal as answer, link.Signal. Each is in its JSON form.
type Signal struct {
	// Peer is to whom it goes, or from whom it comes once the tracker has passed it on.
	Peer PeerID `json:"peer"`
	// Pin of who it comes from, which the tracker fills in.
	Pin    string          `json:"pin,omitempty"`
	Link   string          `json:"link"`
	Offer  json.RawMessage `json:"offer,omitempty"`
	Answer json.RawMessage `json:"answer,omitempty"`
	Signal json.RawMessage `json:"signal,omitempty"`
}

// Policy is what the tracker has a viewer do.
type Policy struct {
	// Home is the stripe that the viewer's upload is for.
	Home int `json:"home"`
	// Heads are the stripes that it takes from the source, bit n for stripe n.
	Heads uint8 `json:"heads"`
	// Download and Upload: it may use other viewers, and be used by them.
	Download bool `json:"download"`
	Upload   bool `json:"upload"`
}

// Report is what a viewer says of itself, every few seconds.
type Report struct {
	P2PBytes    uint64   `json:"p2pBytes"`      // received from other viewers, of chunks that were used
	SourceBytes uint64   `json:"cdnBytes"`      // received from the source, likewise
	SentBytes   uint64   `json:"sentBytes"`     // to other viewers
	Slots       int      `json:"slots"`         // stripes that it can upload
	Used        int      `json:"used"`          // of these, in use
	FromSource  uint8    `json:"fromSource"`    // stripes that the source feeds now
	LagMS       int      `json:"lag-ms"`        // mean of the last seconds, beyond the source's own
	Continuity  float64  `json:"continuity"`    // part of chunks that were there in time, 0 to 1
	Bad         []PeerID `json:"bad,omitempty"` // who sent something that the source had not signed
}

// ParseJSON reads a JSON body into v.
func ParseJSON(b []byte, v any) error {
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%w: %w", ErrBody, err)
	}
	return nil
}

// AppendJSON appends a frame with a JSON body; v must have one.
func AppendJSON(dst []byte, t Type, v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("wire: " + err.Error()) // only types above
	}
	return Append(dst, t, b)
}
