// SPDX-License-Identifier: LGPL-2.1-or-later

package link

import (
	"net/netip"
	"net/url"
	"strings"
)

// BindFor is the local address for a process whose rendezvous is at the given
// URL (several, divided by commas): a loopback address when the rendezvous is
// on one, since whoever meets there is on this machine, or when there is none,
// since then nobody comes this way; else every address.
func BindFor(rendezvous string) netip.Addr {
	if rendezvous == "" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	first, _, _ := strings.Cut(rendezvous, ",")
	u, err := url.Parse(strings.TrimSpace(first))
	if err != nil {
		return netip.Addr{}
	}
	if u.Hostname() == "localhost" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if a, err := netip.ParseAddr(u.Hostname()); err == nil && a.IsLoopback() {
		return a.WithZone("")
	}
	return netip.Addr{}
}
