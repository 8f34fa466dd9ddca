// SPDX-License-Identifier: LGPL-2.1-or-later

package wire

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var testMap = &Map{Upload: true, Home: 2, Slots: 5, Free: 3, CostMS: 12, Base: 1 << 40, Have: 0xdeadbeef,
	Stripes: [4]StripeMap{{LagMS: 0}, {LagMS: 300, Path: []uint16{1, 65535}}, {LagMS: NoLag}, {LagMS: 7, Path: make([]uint16, MaxPath)}}}

func TestFrames(t *testing.T) {
	var b []byte
	b = AppendMap(b, testMap)
	b = append(b, 99, 0, 0, 2, 1, 2) // of a later version
	b = AppendSubscription(b, TypeSubscribe, 3, 1<<50)
	b = AppendAnswer(b, 1, Displaced)
	b = AppendList(b, TypeRequest, []uint64{1, 2, 1 << 60})
	b = AppendJSON(b, TypeMembers, []Member{{ID: 0xfedcba9876543210, Pin: "x", Home: 1, Slots: 4}})
	b = Append(b, TypeAsk, nil)
	r := NewReader(bytes.NewReader(b))
	next := func(want Type) []byte {
		t.Helper()
		typ, body, err := r.Next()
		if err != nil || typ != want {
			t.Fatalf("type %d, %v; want %d", typ, err, want)
		}
		return body
	}
	if m, err := ParseMap(next(TypeMap)); err != nil || !cmp.Equal(m, testMap) {
		t.Errorf("map %+v, %v", m, err)
	}
	if s, seq, err := ParseSubscription(next(TypeSubscribe)); s != 3 || seq != 1<<50 || err != nil {
		t.Errorf("subscription %d %d %v", s, seq, err)
	}
	if s, c, err := ParseAnswer(next(TypeAnswer)); s != 1 || c != Displaced || err != nil {
		t.Errorf("answer %d %v %v", s, c, err)
	}
	if l, err := ParseList(next(TypeRequest)); err != nil || !cmp.Equal(l, []uint64{1, 2, 1 << 60}) {
		t.Errorf("list %v %v", l, err)
	}
	var members []Member
	if err := ParseJSON(next(TypeMembers), &members); err != nil || members[0].ID != 0xfedcba9876543210 {
		t.Errorf("members %v %v", members, err)
	}
	next(TypeAsk)
	if _, _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestBadFrames(t *testing.T) {
	for _, tt := range []struct {
		name string
		b    []byte
		want error
	}{
		{"cut in the header", []byte{4, 0}, io.ErrUnexpectedEOF},
		{"cut in the body", []byte{7, 0, 0, 2, 1}, io.ErrUnexpectedEOF},
		{"cut in an unknown one", []byte{77, 0, 0, 2, 1}, io.ErrUnexpectedEOF},
		{"long chunk", []byte{3, 1, 0, 0}, ErrTooLong},
		{"long answer", []byte{7, 0, 0, 3, 1, 1, 1}, ErrTooLong},
		{"long unknown one", []byte{77, 0xff, 0xff, 0xff}, ErrTooLong},
		{"type 0", []byte{0, 0xff, 0xff, 0xff}, ErrTooLong},
	} {
		if _, _, err := NewReader(bytes.NewReader(tt.b)).Next(); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	body := AppendMap(nil, testMap)[frameHeader:]
	for n := range body {
		if _, err := ParseMap(body[:n]); !errors.Is(err, ErrBody) {
			t.Errorf("a map cut to %d bytes: %v", n, err)
		}
	}
	for _, b := range [][]byte{nil, {4, 0, 0, 0, 0, 0, 0, 0, 0}, {1}} {
		if _, _, err := ParseSubscription(b); !errors.Is(err, ErrBody) {
			t.Errorf("subscription % x: %v", b, err)
		}
	}
	if _, err := ParseList(make([]byte, 9)); !errors.Is(err, ErrBody) {
		t.Errorf("list: %v", err)
	}
	if _, c, err := ParseAnswer([]byte{0, 200}); c != Full || err != nil {
		t.Errorf("an answer of a later version: %v %v", c, err)
	}
}

func FuzzFrames(f *testing.F) {
	b := AppendMap(nil, testMap)
	b = AppendSubscription(b, TypeUnsubscribe, 3, 1<<50)
	b = AppendList(b, TypeMissing, []uint64{1, 2})
	b = AppendAnswer(b, 0, Full)
	f.Add(b)
	f.Add(AppendJSON(nil, TypeSignal, Signal{Peer: 5, Link: "x", Offer: []byte(`{}`)}))
	f.Add(AppendJSON(nil, TypeReport, Report{Bad: []PeerID{1}}))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := NewReader(bytes.NewReader(b))
		for {
			typ, body, err := r.Next()
			if err != nil {
				return
			}
			switch typ {
			case TypeMap:
				if m, err := ParseMap(body); err == nil {
					again := AppendMap(nil, m)[frameHeader:]
					if n, err := ParseMap(again); err != nil || !cmp.Equal(m, n) {
						t.Fatalf("map % x is written as % x", body, again)
					}
				}
			case TypeSubscribe, TypeUnsubscribe:
				ParseSubscription(body)
			case TypeAnswer:
				ParseAnswer(body)
			case TypeRequest, TypeMissing:
				ParseList(body)
			case TypeMembers:
				ParseJSON(body, new([]Member))
			case TypeSignal:
				ParseJSON(body, new(Signal))
			case TypePolicy:
				ParseJSON(body, new(Policy))
			case TypeReport:
				ParseJSON(body, new(Report))
			case TypeWelcome:
				ParseJSON(body, new(Welcome))
			}
		}
	})
}
