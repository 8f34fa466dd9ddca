// SPDX-License-Identifier: LGPL-2.1-or-later

package target

import (
	"errors"
	"net/url"

	"github.com/xp2p/xp2p/session"
)

// DefaultParams is the stream that is asked for when nothing else is said.
const DefaultParams = "action=live&channel=0&quality=high"

// The environment variables that stand in for properties.
const (
	EnvRendezvous = "XP2P_RENDEZVOUS"
	EnvApp        = "XP2P_APP"
	EnvXP2PInfo   = "XP2P_INFO"
)

// Properties are the element's properties as they were set; "" is unset.
type Properties struct {
	Location   string // an xp2p URI
	Rendezvous string
	App        string // path of app.json
	XP2PInfo   string
	Params     string // query of the request; Location has precedence, parameter by parameter
	CodeURL    string // of a sealed 1vN stream's key; joins the swarm as well
	Swarm      bool   // join the swarm of an http location
	NoUpload   bool   // give other viewers of a swarm nothing
}

// Target is one stream of one camera, seen from one account.
type Target struct {
	// HTTP is the URL of an http-flv stream. Product, Device and XP2PInfo are not set then,
	// and Params say that it is live. With Swarm its viewers carry each other (1vN);
	// without, Rendezvous and App are not set either.
	HTTP    string
	Swarm   bool
	CodeURL string // where the key of a sealed stream is looked up
	// NoUpload: the other viewers get nothing from this one.
	NoUpload bool

	Product, Device string // empty: those in XP2PInfo
	XP2PInfo        string
	Rendezvous      string
	App             string
	Params          string
}

// Name is what a person knows the target by; nothing in it is secret.
func (t *Target) Name() string {
	switch {
	case t.HTTP != "":
		if u, err := url.Parse(t.HTTP); err == nil {
			return u.Host
		}
	case t.Product != "":
		return t.Product + "/" + t.Device
	}
	return "the camera"
}

// Resolve puts together what properties, URI and environment say. Its errors
// are *session.Error with code BadArgument and say what to set.
func Resolve(p Properties, getenv func(string) string) (Target, error) {
	if IsHTTP(p.Location) {
		return resolveHTTP(p, getenv)
	}
	if p.Swarm || p.CodeURL != "" {
		return Target{}, bad(errManyViewers)
	}
	var u URI
	if p.Location != "" {
		var err error
		if u, err = ParseURI(p.Location); err != nil {
			return Target{}, bad(err)
		}
	}
	t := Target{
		Product:    u.Product,
		Device:     u.Device,
		XP2PInfo:   first(p.XP2PInfo, u.XP2PInfo, getenv(EnvXP2PInfo)),
		Rendezvous: first(p.Rendezvous, u.Rendezvous, getenv(EnvRendezvous)),
		App:        first(p.App, u.App, getenv(EnvApp)),
		Params:     merge(u.Query, first(p.Params, DefaultParams)),
	}
	switch {
	case t.XP2PInfo == "":
		return Target{}, missing("xp2p-info", paramXP2PInfo, EnvXP2PInfo, "the text that the camera prints behind \"camera ready\"")
	case t.Rendezvous == "":
		return Target{}, missing("rendezvous", paramRendezvous, EnvRendezvous, "the URL that `xp2p rendezvous` prints")
	case t.App == "":
		return Target{}, missing("app", paramApp, EnvApp, "the app.json in the state directory of `xp2p rendezvous`")
	}
	return t, nil
}

// Params is the query of the stream's request, as Resolve finds it; where the
// location is no URI, that of the rest.
func Params(p Properties) string {
	if IsHTTP(p.Location) {
		return DefaultParams
	}
	u, _ := ParseURI(p.Location)
	return merge(u.Query, first(p.Params, DefaultParams))
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

var errManyViewers = errors.New("code-url and swarm are for a stream of many viewers: set location to its URL, xp2p+https://HOST/PATH.flv")

func missing(property, param, env, what string) error {
	return bad(errors.New("no " + property + " given: set the property " + property + ", the URI parameter " +
		param + " or the environment variable " + env + " to " + what))
}

func bad(err error) error {
	return &session.Error{Op: "startP2PService", Code: session.BadArgument, Err: err}
}
