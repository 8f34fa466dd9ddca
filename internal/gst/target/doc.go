// SPDX-License-Identifier: LGPL-2.1-or-later

// Package target finds out which camera, which stream of it and which account
// an element means, from its properties, its URI and the environment.
//
//	xp2p://PRODUCT/DEVICE?action=live&channel=0&quality=high&_rendezvous=…&_app=…&_xp2p_info=…
//	xp2p+https://HOST/live/a.flv                      plain http-flv
//	xp2p+https://HOST/live/a.flv?_code_url=…          a stream of many viewers (1vN); or _swarm=on
//
// What is said in several places is taken from the property first, then from
// the URI, then from the environment.
package target
