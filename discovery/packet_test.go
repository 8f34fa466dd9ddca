// SPDX-License-Identifier: LGPL-2.1-or-later

package discovery

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// packets are what is on the wire, and what it means.
var packets = []struct {
	name   string
	header string // hex
	text   string
	probe  *Probe
	answer *Answer
}{
	{
		"probe of two cameras", "01017e00",
		`{"method":"probe","clientToken":"abc-1","timestamp":1700000000,"timeoutMs":5000,"params":{"productId":"P","deviceName":"a,b"}}`,
		&Probe{Version: 1, Token: json.RawMessage(`"abc-1"`), Time: 1700000000, TimeoutMS: 5000, Product: "P", Devices: []string{"a", "b"}}, nil,
	},
	{
		"probe of a product, token a number", "01006b00",
		`{"method":"probe","clientToken":-12.5e3,"timestamp":1700000000,"timeoutMs":5000,"params":{"productId":"P"}}`,
		&Probe{Version: 0, Token: json.RawMessage(`-12.5e3`), Time: 1700000000, TimeoutMS: 5000, Product: "P"}, nil,
	},
	{
		"probe of everything", "01015700",
		`{"method":"probe","clientToken":"abc","timestamp":1700000000,"timeoutMs":0,"params":{}}`,
		&Probe{Version: 1, Token: json.RawMessage(`"abc"`), Time: 1700000000}, nil,
	},
	{
		"answer", "0201a600",
		`{"method":"probeMatch","clientToken":"abc","timestamp":1700000000,"params":{"deviceName":"a","address":"192.0.2.7","port":40000,"productId":"P"},"code":0,"status":""}`,
		nil, &Answer{Version: 1, Token: json.RawMessage(`"abc"`), Time: 1700000000, Product: "P", Device: "a", Address: netip.MustParseAddr("192.0.2.7"), Port: 40000},
	},
	{
		"answer as in the reference, without an address", "02018c00",
		`{"method":"probeMatch","clientToken":7,"timestamp":1700000000,"params":{"deviceName":"a","address":"","port":40000},"code":-1,"status":"no"}`,
		nil, &Answer{Version: 1, Token: json.RawMessage(`7`), Time: 1700000000, Device: "a", Port: 40000, Code: -1, Status: "no"},
	},
}

func packet(t testing.TB, header, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(header)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, text...)
}

var addrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

func TestPackets(t *testing.T) {
	for _, tt := range packets {
		t.Run(tt.name, func(t *testing.T) {
			wire := packet(t, tt.header, tt.text)
			p, perr := ParseProbe(wire)
			a, aerr := ParseAnswer(wire)
			var out []byte
			var err error
			if tt.probe != nil {
				if perr != nil || cmp.Diff(*tt.probe, p) != "" || aerr == nil {
					t.Fatalf("%v, as an answer %v\n%s", perr, aerr, cmp.Diff(*tt.probe, p))
				}
				out, err = tt.probe.Append(nil)
			} else {
				if aerr != nil || cmp.Diff(*tt.answer, a, addrs) != "" || perr == nil {
					t.Fatalf("%v, as a probe %v\n%s", aerr, perr, cmp.Diff(*tt.answer, a, addrs))
				}
				out, err = tt.answer.Append(nil)
			}
			if err != nil || string(out) != string(wire) {
				t.Errorf("written: %v\n%q\nwanted\n%q", err, out, wire)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	good := packets[0]
	text := func(old, new string) []byte {
		s := strings.Replace(good.text, old, new, 1)
		if s == good.text {
			t.Fatalf("%q is not in %s", old, good.text)
		}
		return append([]byte{1, 1, byte(len(s)), byte(len(s) >> 8)}, s...)
	}
	for name, b := range map[string][]byte{
		"empty":              nil,
		"header alone":       {1, 1, 0, 0},
		"cut":                packet(t, good.header, good.text)[:50],
		"one byte too many":  append(packet(t, good.header, good.text), ' '),
		"length high first":  packet(t, "0101007e", good.text),
		"another type":       packet(t, "03017e00", good.text),
		"too long":           text(`"P"`, `"P","x":"`+strings.Repeat("x", MaxPacket)+`"`),
		"no JSON":            text(`{"method"`, `x"method"`),
		"another method":     text(`"probe"`, `"prove"`),
		"no token":           text(`"clientToken":"abc-1",`, ``),
		"token an object":    text(`"abc-1"`, `{"a":1}`),
		"token too long":     text(`abc-1`, strings.Repeat("a", maxToken)),
		"product not a name": text(`"P"`, `"P\u001b[2J"`),
		"device not a name":  text(`a,b`, `a,../b`),
		"negative time":      text(`5000`, `-1`),
	} {
		if p, err := ParseProbe(b); !errors.Is(err, ErrPacket) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
	answer := packets[3].text
	for name, s := range map[string]string{
		"no device":          strings.Replace(answer, `"a"`, `""`, 1),
		"no port":            strings.Replace(answer, `40000`, `0`, 1),
		"port out of range":  strings.Replace(answer, `40000`, `70000`, 1),
		"address not one":    strings.Replace(answer, `192.0.2.7`, `camera.example`, 1),
		"address everywhere": strings.Replace(answer, `192.0.2.7`, `0.0.0.0`, 1),
		"multicast":          strings.Replace(answer, `192.0.2.7`, `224.0.0.1`, 1),
	} {
		if a, err := ParseAnswer(append([]byte{2, 1, byte(len(s)), byte(len(s) >> 8)}, s...)); !errors.Is(err, ErrPacket) {
			t.Errorf("%s: %+v, %v", name, a, err)
		}
	}
	many := Probe{Token: json.RawMessage(`"t"`)}
	for range 100 {
		many.Devices = append(many.Devices, strings.Repeat("d", 20))
	}
	if _, err := many.Append(nil); err == nil || !strings.Contains(err.Error(), "fewer devices") {
		t.Errorf("a probe that does not fit: %v", err)
	}
}

func TestAsks(t *testing.T) {
	for _, tt := range []struct {
		probe Probe
		want  bool
	}{
		{Probe{}, true},
		{Probe{Product: "P"}, true},
		{Probe{Product: "Q"}, false},
		{Probe{Product: "P", Devices: []string{"c", "a"}}, true},
		{Probe{Product: "P", Devices: []string{"b"}}, false},
	} {
		if got := tt.probe.Asks("P", "a"); got != tt.want {
			t.Errorf("%+v: %v", tt.probe, got)
		}
	}
}

// FuzzPacket: what is accepted can be written and read again, and means the same.
func FuzzPacket(f *testing.F) {
	for _, tt := range packets {
		f.Add(packet(f, tt.header, tt.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if p, err := ParseProbe(b); err == nil {
			out, err := p.Append(nil)
			if err != nil {
				return // JSON may be longer in our spelling
			}
			again, err := ParseProbe(out)
			if err != nil || cmp.Diff(p, again) != "" {
				t.Fatalf("%+v became %+v, %v", p, again, err)
			}
		}
		if a, err := ParseAnswer(b); err == nil {
			out, err := a.Append(nil)
			if err != nil {
				return
			}
			again, err := ParseAnswer(out)
			if err != nil || cmp.Diff(a, again, addrs) != "" {
				t.Fatalf("%+v became %+v, %v", a, again, err)
			}
		}
	})
}
