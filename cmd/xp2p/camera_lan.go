// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/device"
	"github.com/xp2p/xp2p/grant"
)

// addLANFlags are the flags of a camera that viewers on the own network reach.
func addLANFlags(cmd *cobra.Command) {
	cmd.Flags().String("lan", "", "UDP `ADDR` at which viewers on the own network connect, such as 0.0.0.0:0; needs no rendezvous")
}

// cameraAccount is the camera's account; with --lan it needs none.
func cameraAccount(cmd *cobra.Command) (account, error) {
	if lan, _ := cmd.Flags().GetString("lan"); lan != "" && !hasRendezvous(cmd) {
		return account{}, nil
	}
	return readAccount(cmd)
}

// reachable is where a camera is reached on the own network, and the book in which its
// grants are revoked.
func reachable(cmd *cobra.Command, state string) (lan string, grants *grant.Book, err error) {
	if lan, err = cmd.Flags().GetString("lan"); err != nil {
		return "", nil, err
	}
	grants, err = grant.OpenBook(filepath.Join(state, grant.BookFile))
	return lan, grants, err
}

// sayLAN tells where viewers on the own network connect.
func sayLAN(w io.Writer, s *device.Server) {
	if a := s.LANAddr(); a.IsValid() {
		fmt.Fprintln(w, "camera lan", a)
	}
}
