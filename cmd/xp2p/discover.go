// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/discovery"
)

type discoverOptions struct {
	product string
	devices []string
	timeout time.Duration
	address []string
	json    bool
}

func newDiscoverCommand() *cobra.Command {
	var o discoverOptions
	cmd := &cobra.Command{
		Use:   "discover [--product P] [--device D,…]",
		Short: "Find cameras on the own network",
		Long: `Find cameras on the own network by UDP broadcast, and print each as
PRODUCT/DEVICE HOST:PORT when it answers. They are cameras that were started with
--lan. With --device it ends when all of them have answered, else after --timeout;
the exit status is not 0 when one is missing, or none was found.

Who a camera really is shows when a viewer connects: its xp2pInfo names its key.`,
		Example: `  xp2p discover
  xp2p discover --product SHOP --device front,back --json
  xp2p pull --xp2p-info front.info --lan 192.0.2.7:40000 -o clip.flv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDiscover(cmd, o) },
	}
	f := cmd.Flags()
	f.StringVar(&o.product, "product", "", "only cameras of this product")
	f.StringSliceVar(&o.devices, "device", nil, "only these cameras, divided by commas")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "how long to wait for answers")
	f.StringSliceVar(&o.address, "address", nil, "`HOST[:PORT]` to ask instead of the broadcast addresses of all networks")
	f.BoolVar(&o.json, "json", false, "print each camera as a JSON object")
	return cmd
}

func runDiscover(cmd *cobra.Command, o discoverOptions) error {
	if o.timeout <= 0 {
		return badArgument(errors.New("--timeout must be longer than 0"))
	}
	q := discovery.Query{Product: o.product, Devices: o.devices, Timeout: o.timeout}
	for _, a := range o.address {
		to, err := discoveryTarget(cmd, a)
		if err != nil {
			return badArgument(err)
		}
		q.Targets = append(q.Targets, to)
	}
	found, err := discovery.Discover(cmd.Context(), q, func(f discovery.Found) {
		if o.json {
			json.NewEncoder(cmd.OutOrStdout()).Encode(f)
			return
		}
		name := f.Device
		if f.Product != "" {
			name = f.Product + "/" + f.Device
		}
		fmt.Fprintln(cmd.OutOrStdout(), name, f.Address)
	})
	if errors.Is(err, discovery.ErrPacket) {
		return badArgument(err)
	}
	if err != nil {
		return err
	}
	for _, d := range o.devices {
		if !answered(found, d) {
			return fmt.Errorf("the camera %s did not answer within %s: is it on this network, and was it started with --lan?", d, o.timeout)
		}
	}
	if len(found) == 0 {
		return fmt.Errorf("no camera answered within %s: are there some on this network that were started with --lan?", o.timeout)
	}
	return nil
}

func answered(found []discovery.Found, device string) bool {
	for _, f := range found {
		if f.Device == device {
			return true
		}
	}
	return false
}

// discoveryTarget reads HOST or HOST:PORT.
func discoveryTarget(cmd *cobra.Command, s string) (netip.AddrPort, error) {
	host, port := s, uint64(discovery.DefaultPort)
	if h, p, err := net.SplitHostPort(s); err == nil {
		host = h
		if port, err = strconv.ParseUint(p, 10, 16); err != nil || port == 0 {
			return netip.AddrPort{}, fmt.Errorf("--address %q: %q is no port", s, p)
		}
	}
	ips, err := net.DefaultResolver.LookupNetIP(cmd.Context(), "ip4", host)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("--address %q: %w", s, err)
	}
	return netip.AddrPortFrom(ips[0].Unmap(), uint16(port)), nil
}
