// SPDX-License-Identifier: LGPL-2.1-or-later

// Package keys is the key service of 1vN streams (reference/xp2p.md §8): it makes the
// keys with which a source seals a stream, and gives them to viewers who know the
// stream's code.
//
//	POST /code               {"code":"<uuid>","expire":<unix seconds>,"key":"<64 hex digits>"}
//	GET  /code/<code>        {"key":"<64 hex digits>"}
//
// That is the original's. Keys that change under one code are an addition; names that
// begin with _ are ours:
//
//	POST /code?_rotate=<code>  as POST /code, and "id"; the code stays, and holds longer
//	GET  /code/<code>?_keys=1  {"key":…,"id":2,"expire":…,"refresh":<seconds>,"keys":[{"id":1,"key":…},{"id":2,"key":…}]}
//
// A code is a capability: whoever has it has the stream. POST is for the source alone.
// A code that is not known or has expired is answered with 404 and {"error":"…"}.
//
// A new key is given out Lead before the source uses it, and viewers ask again twice in
// that time, so that none waits for a key.
package keys
