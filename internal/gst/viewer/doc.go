// SPDX-License-Identifier: LGPL-2.1-or-later

// Package viewer connects an element to session: it starts a service for the camera
// that a target names. All services of one process that use the same account and
// rendezvous share one session.Module, made for the first and closed behind the
// last.
package viewer
