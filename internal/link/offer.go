// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
)

// Offer is how a viewer asks for a link, through the rendezvous; the answer is
// the camera's description, a Signal.
type Offer struct {
	Pin         Pin    // of the viewer's key
	Description Signal // the viewer's credentials
}

type wireOffer struct {
	Pin         string `json:"pin"`
	Description Signal `json:"desc"`
}

// MarshalJSON writes the pin as text.
func (o Offer) MarshalJSON() ([]byte, error) {
	return json.Marshal(wireOffer{o.Pin.String(), o.Description})
}

// UnmarshalJSON refuses an offer without a pin or credentials.
func (o *Offer) UnmarshalJSON(b []byte) error {
	var w wireOffer
	if err := json.Unmarshal(b, &w); err != nil {
		return err
	}
	if err := w.Description.checkDescription(); err != nil {
		return err
	}
	pin, err := ParsePin(w.Pin)
	if err != nil {
		return err
	}
	*o = Offer{pin, w.Description}
	return nil
}

// ParseAnswer reads a camera's description.
func ParseAnswer(b []byte) (Signal, error) {
	var s Signal
	if err := json.Unmarshal(b, &s); err != nil {
		return s, fmt.Errorf("the camera's description: %w", err)
	}
	return s, s.checkDescription()
}

// RFC 8445 §5.3: a ufrag has 4 to 256 characters, a password 22 to 256.
func (s Signal) checkDescription() error {
	if len(s.Ufrag) < 4 || len(s.Ufrag) > 256 || len(s.Password) < 22 || len(s.Password) > 256 {
		return fmt.Errorf("the peer's description has no ICE credentials")
	}
	return nil
}

// NewID is a fresh name for a link: 128 random bits.
func NewID() string {
	var b [16]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
