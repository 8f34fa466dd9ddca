// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

const (
	// DefaultPort is the UDP port to which probes are sent. The original's is not
	// public; this one is unassigned (IANA, RFC 6335).
	DefaultPort = 18720
	// MaxPacket is the longest packet in bytes, the header included.
	MaxPacket = 1000
	// Version of the packets that we send.
	Version = 1

	headerSize  = 4
	typeProbe   = 1
	typeAnswer  = 2
	methodProbe = "probe"
	methodMatch = "probeMatch"
	// maxToken bounds a clientToken, as it is written in JSON.
	maxToken = 128
	maxName  = 64
)

// ErrPacket is why a packet is no probe or answer.
var ErrPacket = errors.New("not a discovery packet")

// Probe asks for cameras.
type Probe struct {
	Version byte
	// Token comes back in the answers: a JSON string or number, as it was written.
	Token json.RawMessage
	// Time of sending, Unix seconds.
	Time int64
	// TimeoutMS is how long the answers are waited for.
	TimeoutMS int
	Product   string   // empty: any
	Devices   []string // none: all of the product
}

// Answer says where a camera can be reached.
type Answer struct {
	Version byte
	Token   json.RawMessage
	Time    int64
	Product string // empty: the camera did not say
	Device  string
	// Address of the camera; the zero value: where the answer came from.
	Address netip.Addr
	Port    uint16
	Code    int // X-P2P result code, 0: success
	Status  string
}

type wireProbe struct {
	Method    string          `json:"method"`
	Token     json.RawMessage `json:"clientToken"`
	Timestamp json.Number     `json:"timestamp"`
	TimeoutMS int             `json:"timeoutMs"`
	Params    struct {
		Product string `json:"productId,omitempty"`
		Device  string `json:"deviceName,omitempty"`
	} `json:"params"`
}

type wireAnswer struct {
	Method    string          `json:"method"`
	Token     json.RawMessage `json:"clientToken"`
	Timestamp json.Number     `json:"timestamp"`
	Params    struct {
		Device  string `json:"deviceName"`
		Address string `json:"address"`
		Port    uint16 `json:"port"`
		Product string `json:"productId,omitempty"`
	} `json:"params"`
	Code   int    `json:"code"`
	Status string `json:"status"`
}

// Append appends the packet to b. The error says that it would be too long or
// cannot be written.
func (p Probe) Append(b []byte) ([]byte, error) {
	w := wireProbe{Method: methodProbe, Token: p.Token, Timestamp: number(p.Time), TimeoutMS: p.TimeoutMS}
	w.Params.Product, w.Params.Device = p.Product, strings.Join(p.Devices, ",")
	if err := p.check(); err != nil {
		return b, err
	}
	return seal(b, typeProbe, p.Version, w)
}

// ParseProbe reads a probe; its error wraps ErrPacket.
func ParseProbe(b []byte) (Probe, error) {
	var w wireProbe
	version, err := open(b, typeProbe, &w)
	if err != nil {
		return Probe{}, err
	}
	if w.Method != methodProbe {
		return Probe{}, fmt.Errorf("%w: method %q", ErrPacket, w.Method)
	}
	p := Probe{Version: version, Token: w.Token, Time: seconds(w.Timestamp), TimeoutMS: w.TimeoutMS, Product: w.Params.Product}
	for d := range strings.SplitSeq(w.Params.Device, ",") {
		if d = strings.TrimSpace(d); d != "" {
			p.Devices = append(p.Devices, d)
		}
	}
	return p, p.check()
}

func (p Probe) check() error {
	if p.Product != "" && !validName(p.Product) {
		return fmt.Errorf("%w: product %q", ErrPacket, p.Product)
	}
	for _, d := range p.Devices {
		if !validName(d) {
			return fmt.Errorf("%w: device %q", ErrPacket, d)
		}
	}
	if p.TimeoutMS < 0 {
		return fmt.Errorf("%w: its timeoutMs is negative", ErrPacket)
	}
	return checkToken(p.Token)
}

// Asks says whether a camera is meant.
func (p Probe) Asks(product, device string) bool {
	if p.Product != "" && p.Product != product {
		return false
	}
	for _, d := range p.Devices {
		if d == device {
			return true
		}
	}
	return len(p.Devices) == 0
}

// Append appends the packet to b.
func (a Answer) Append(b []byte) ([]byte, error) {
	w := wireAnswer{Method: methodMatch, Token: a.Token, Timestamp: number(a.Time), Code: a.Code, Status: a.Status}
	w.Params.Device, w.Params.Port, w.Params.Product = a.Device, a.Port, a.Product
	if a.Address.IsValid() {
		w.Params.Address = a.Address.String()
	}
	if err := a.check(); err != nil {
		return b, err
	}
	return seal(b, typeAnswer, a.Version, w)
}

// ParseAnswer reads an answer; its error wraps ErrPacket.
func ParseAnswer(b []byte) (Answer, error) {
	var w wireAnswer
	version, err := open(b, typeAnswer, &w)
	if err != nil {
		return Answer{}, err
	}
	if w.Method != methodMatch {
		return Answer{}, fmt.Errorf("%w: method %q", ErrPacket, w.Method)
	}
	a := Answer{Version: version, Token: w.Token, Time: seconds(w.Timestamp), Product: w.Params.Product,
		Device: w.Params.Device, Port: w.Params.Port, Code: w.Code, Status: w.Status}
	if w.Params.Address != "" {
		if a.Address, err = netip.ParseAddr(w.Params.Address); err != nil {
			return Answer{}, fmt.Errorf("%w: address %q", ErrPacket, w.Params.Address)
		}
		a.Address = a.Address.Unmap()
	}
	return a, a.check()
}

func (a Answer) check() error {
	switch {
	case a.Product != "" && !validName(a.Product):
		return fmt.Errorf("%w: product %q", ErrPacket, a.Product)
	case !validName(a.Device):
		return fmt.Errorf("%w: device %q", ErrPacket, a.Device)
	case a.Port == 0:
		return fmt.Errorf("%w: no port", ErrPacket)
	case a.Address.IsValid() && (a.Address.IsUnspecified() || a.Address.IsMulticast() || a.Address.Zone() != ""):
		return fmt.Errorf("%w: address %s", ErrPacket, a.Address)
	}
	return checkToken(a.Token)
}

func seal(b []byte, typ, version byte, v any) ([]byte, error) {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false) // the token goes back as it came
	err := e.Encode(v)
	text := bytes.TrimSuffix(line.Bytes(), []byte{'\n'})
	if err != nil {
		return b, err
	}
	if headerSize+len(text) > MaxPacket {
		return b, fmt.Errorf("a discovery packet has at most %d bytes, this one would have %d: ask for fewer devices", MaxPacket, headerSize+len(text))
	}
	b = append(b, typ, version)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(text)))
	return append(b, text...), nil
}

// open reads the JSON of a packet of a type into v.
func open(b []byte, typ byte, v any) (version byte, err error) {
	switch {
	case len(b) < headerSize || b[0] != typ:
		return 0, fmt.Errorf("%w: no header of type %d", ErrPacket, typ)
	case len(b) > MaxPacket:
		return 0, fmt.Errorf("%w: longer than %d bytes", ErrPacket, MaxPacket)
	case int(binary.LittleEndian.Uint16(b[2:])) != len(b)-headerSize:
		return 0, fmt.Errorf("%w: its length is %d, its header says %d", ErrPacket, len(b)-headerSize, binary.LittleEndian.Uint16(b[2:]))
	}
	if err := json.Unmarshal(b[headerSize:], v); err != nil {
		return 0, fmt.Errorf("%w: %w", ErrPacket, err)
	}
	return b[1], nil
}

// checkToken: a JSON string or number.
func checkToken(t json.RawMessage) error {
	if len(t) == 0 || len(t) > maxToken || !bytes.ContainsAny(t[:1], `"-0123456789`) || !json.Valid(t) {
		return fmt.Errorf("%w: clientToken must be a text or a number of at most %d bytes", ErrPacket, maxToken)
	}
	return nil
}

// validName is what the rendezvous takes for products and devices: what is not
// of this form is no camera, and must not reach a terminal.
func validName(s string) bool {
	return s != "" && len(s) <= maxName && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	}) < 0
}

func number(n int64) json.Number { return json.Number(fmt.Sprint(n)) }

// seconds is lenient: nothing depends on a timestamp.
func seconds(n json.Number) int64 {
	s, _ := n.Int64()
	return s
}
