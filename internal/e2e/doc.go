// SPDX-License-Identifier: LGPL-2.1-or-later

// Package e2e holds the end-to-end tests of the program xp2p: cameras, viewers,
// recorder and rendezvous as processes of their own, on loopback addresses or in
// network namespaces that a test makes. What they give is compared with what the
// cameras were fed, picture by picture.
package e2e
