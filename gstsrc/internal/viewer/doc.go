// SPDX-License-Identifier: LGPL-2.1-or-later

// Package viewer connects a receiver to session: it dials the camera that a
// target names. All dialers of one process that use the same account and
// rendezvous share one session.Module, made for the first and closed behind the
// last.
package viewer
