// SPDX-License-Identifier: LGPL-2.1-or-later

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/xp2p/xp2p/device/input"
	"github.com/xp2p/xp2p/grant"
	"github.com/xp2p/xp2p/internal/link"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
	"github.com/xp2p/xp2p/swarm/feed"
	"github.com/xp2p/xp2p/swarm/keys"
	"github.com/xp2p/xp2p/swarm/source"
)

type sourceOptions struct {
	origins, infos, codes []string
	mirrors               []string
	public                string
	listen, state         string
	linger                seconds
	seal                  bool
	keyService            string
	rotate                time.Duration
	stun                  []string
	noTracker             bool
	feeds                 []string
	cert, key             string
	metrics               string
}

func newSourceCommand() *cobra.Command {
	o := sourceOptions{linger: seconds(30 * time.Second)}
	cmd := &cobra.Command{
		Use:   "source --origin URL --listen ADDR --state DIR",
		Short: "Serve streams to many viewers who carry each other (1vN)",
		Long: `Serve streams to many viewers who carry each other (1vN): pull each origin once, while
somebody watches, and send each byte to a few viewers, which pass it on. Any player
has the same URL as plain http-flv. It prints "source ready URL" for each stream and,
with --seal, the code that viewers need.

With --feed a camera comes here itself, from behind any NAT, while somebody watches, and
none of its places is taken: xp2p camera --relay. Both need XP2P_FEED_TOKEN, the same
one, at least 16 characters.

An origin is [PATH=]INPUT, with the inputs of xp2p camera; without PATH it is that of
the input's URL. With --xp2p-info the origin is a camera behind any NAT, at
/live/PRODUCT_DEVICE.flv, where viewers with liveStreamDomain look for it when the
camera has no room for them.

With --public and a rendezvous (--rendezvous, --app) a stream may have several sources,
which have the same key (copy key.pem of the state directory) and find each other there:
one pulls the origin and cuts, viewers go to where the fewest are, and when one is gone
they go on at another, which takes its place.

With --mirror the stream is another source's, whose chunks are passed on as they are,
without its key and a rendezvous. With --public, and the other source's token in
XP2P_TOKEN, that one sends every new viewer to where the fewest are, and viewers go on
elsewhere when a mirror is gone.`,
		Example: `  xp2p source --origin http://origin.example/live/a.flv --listen 0.0.0.0:8350 --linger 30 --state /var/lib/xp2p/source
  xp2p source --origin /live/yard.flv=rtsp://192.0.2.7/1 --seal --listen 0.0.0.0:8350 --state /var/lib/xp2p/source
  xp2p source --xp2p-info front.info --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --state /var/lib/xp2p/source
  xp2p source --origin /live/a.flv=http://origin.example/a.flv --public https://one.example --rendezvous nats://rendezvous.example:4222 --app app.json --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --state /var/lib/xp2p/source
  xp2p source --mirror https://source.example/live/a.flv --public https://two.example --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --state /var/lib/xp2p/mirror
  ffplay http://source.example:8350/live/a.flv
  XP2P_FEED_TOKEN=… xp2p source --feed /live/SHOP_front.flv --listen 0.0.0.0:8350 --state /var/lib/xp2p/source
  curl 'http://source.example:8350/stat?xresid=live/a'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runSource(cmd, o) },
	}
	addAccountFlags(cmd)
	f := cmd.Flags()
	f.StringArrayVar(&o.origins, "origin", nil, "`[PATH=]INPUT` of a stream; once for each")
	f.StringArrayVar(&o.infos, "xp2p-info", nil, "a camera that is the origin of a stream: its xp2pInfo, or a `FILE` that holds it")
	f.StringArrayVar(&o.mirrors, "mirror", nil, "`URL` of a stream of another source, to share its load; once for each")
	f.StringVar(&o.public, "public", "", "`URL` up to the path by which viewers reach this source, if a stream has several: https://HOST")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8350", "`ADDR` to listen on")
	f.StringVar(&o.state, "state", "", "`DIR` for the source's key, which names its swarms (required)")
	f.Var(&o.linger, "linger", "leave an origin `SECONDS` (or a time like 2m) after its last viewer")
	f.BoolVar(&o.seal, "seal", false, "seal the streams: only who has a stream's code sees it")
	f.StringArrayVar(&o.codes, "code", nil, "`PATH=CODE` that exists at the key service, for a stream to keep its code over restarts")
	f.StringVar(&o.keyService, "key-service", "", "`URL` of the key service, up to /code (token: XP2P_KEY_TOKEN); empty: one in this process")
	f.DurationVar(&o.rotate, "rotate", 6*time.Hour, "how often a sealed stream's key changes")
	f.StringArrayVar(&o.stun, "stun", nil, "STUN server `HOST:PORT` that viewers may use")
	f.StringArrayVar(&o.feeds, "feed", nil, "`PATH` of a stream that a camera feeds (xp2p camera --relay); once for each")
	f.BoolVar(&o.noTracker, "no-tracker", false, "feed all viewers from here; they do not carry each other")
	f.StringVar(&o.cert, "tls-cert", "", "`FILE` with the certificate, for https")
	f.StringVar(&o.key, "tls-key", "", "`FILE` with its key")
	addMetricsFlag(cmd, &o.metrics)
	cmd.MarkFlagRequired("state")
	return cmd
}

func runSource(cmd *cobra.Command, o sourceOptions) error {
	log, err := logger(cmd)
	if err != nil {
		return err
	}
	if (o.cert == "") != (o.key == "") {
		return badArgument(errors.New("--tls-cert and --tls-key go together"))
	}
	if time.Duration(o.linger) < time.Second {
		return badArgument(errors.New("--linger must be at least 1 s"))
	}
	feeds, err := sourceFeeds(o)
	if err != nil {
		return badArgument(err)
	}
	for _, f := range feeds {
		defer f.Close()
	}
	streams, done, err := sourceStreams(cmd, o, feeds, log)
	if err != nil {
		return err
	}
	defer done()
	if err := os.MkdirAll(o.state, 0o700); err != nil {
		return fmt.Errorf("state directory: %w", err)
	}
	id, err := link.LoadIdentity(filepath.Join(o.state, "key.pem"))
	if err != nil {
		return err
	}
	cfg := source.Config{Key: id.Key(), Streams: streams, Linger: time.Duration(o.linger), Rotate: o.rotate,
		NoTracker: o.noTracker, Token: os.Getenv("XP2P_TOKEN"), Logger: log}
	for _, s := range o.stun {
		cfg.STUN = append(cfg.STUN, "stun:"+s)
	}
	registry, err := sourceRegistry(cmd, o, streams, log)
	if err != nil {
		return err
	}
	if registry != nil {
		defer registry.Close()
		cfg.Registry, cfg.Public = registry, o.public
	}
	mux := http.NewServeMux()
	if o.seal {
		if registry != nil && o.keyService == "" {
			return badArgument(errors.New("sealed streams of several sources need one key service (--key-service, such as that of xp2p rendezvous --codes) and one --code for each stream"))
		}
		cfg.Issuer = sourceIssuer(o, mux, log)
	}
	src, err := source.New(cmd.Context(), cfg)
	if err != nil {
		return badArgument(err)
	}
	defer src.Close()
	stopMetrics, err := serveMetrics(cmd, o.metrics, log, src.Collector())
	if err != nil {
		return err
	}
	defer stopMetrics()
	mux.Handle("/", feed.Handler(feeds, src))
	return serveSource(cmd, o, src, streams, mux)
}

// sourceRegistry is where other sources of the streams are found; nil: there are none.
func sourceRegistry(cmd *cobra.Command, o sourceOptions, streams []source.Stream, log *slog.Logger) (*rendezvous.Client, error) {
	if o.public == "" || len(o.mirrors) == len(streams) {
		return nil, nil
	}
	if v, err := flagsAndEnvironment(cmd); err != nil || v.GetString("rendezvous") == "" && len(o.mirrors) > 0 {
		return nil, err // it is for the mirrors
	}
	acct, err := readAccount(cmd)
	if err != nil {
		return nil, err
	}
	return rendezvous.Dial(cmd.Context(), rendezvous.Config{URL: acct.rendezvous, App: acct.app, Logger: log})
}

// sourceIssuer is where the streams' keys come from.
func sourceIssuer(o sourceOptions, mux *http.ServeMux, log *slog.Logger) keys.Issuer {
	if o.keyService != "" {
		return &keys.Client{URL: o.keyService, Token: os.Getenv("XP2P_KEY_TOKEN")}
	}
	s := keys.NewService(keys.NewMemory(0), 0)
	h := s.Handler(keys.HandlerConfig{Token: os.Getenv("XP2P_KEY_TOKEN"), Logger: log})
	mux.Handle("/code", h)
	mux.Handle("/code/", h)
	return s
}

func serveSource(cmd *cobra.Command, o sourceOptions, src *source.Source, streams []source.Stream, h http.Handler) error {
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return badArgument(fmt.Errorf("--listen: %w", err))
	}
	srv := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	failed := make(chan error, 1)
	scheme := "http"
	if o.cert != "" {
		scheme = "https"
		go func() { failed <- srv.ServeTLS(ln, o.cert, o.key) }()
	} else {
		go func() { failed <- srv.Serve(ln) }()
	}
	for _, s := range streams {
		base := scheme + "://" + ln.Addr().String()
		line := "source ready " + base + s.Path
		if code := src.Code(s.Path); code != "" {
			service := base + "/code"
			if o.keyService != "" {
				service = strings.TrimSuffix(o.keyService, "/")
			}
			line += " code-url " + service + "/" + code
		}
		fmt.Fprintln(cmd.OutOrStdout(), line)
	}
	select {
	case err := <-failed:
		return err
	case <-cmd.Context().Done():
	}
	src.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if srv.Shutdown(ctx) != nil {
		srv.Close()
	}
	<-failed
	return nil
}

// pathOrigin is PATH=INPUT.
var pathOrigin = regexp.MustCompile(`^(/[^=?#]*)=(.+)$`)

// sourceStreams makes the streams of the flags; done ends what they need.
func sourceStreams(cmd *cobra.Command, o sourceOptions, feeds map[string]*feed.Feed, log *slog.Logger) (l []source.Stream, done func(), err error) {
	done = func() {}
	for _, c := range o.codes {
		if !strings.Contains(c, "=") {
			return nil, done, badArgument(fmt.Errorf("--code %q is not PATH=CODE", c))
		}
	}
	for _, path := range o.feeds {
		l = append(l, source.Stream{Path: path, Origin: feeds[path].Open, Code: o.code(path)})
	}
	for _, spec := range o.origins {
		path := ""
		if m := pathOrigin.FindStringSubmatch(spec); m != nil {
			path, spec = m[1], m[2]
		} else if u, err := url.Parse(spec); err == nil && u.Host != "" {
			path = u.Path
		}
		in, err := input.Parse(spec, input.Options{Logger: log})
		if err != nil {
			return nil, done, badArgument(err)
		}
		if path == "" || path == "/" {
			return nil, done, badArgument(fmt.Errorf("--origin %s: give the stream a path: --origin /live/NAME.flv=%s", in, in))
		}
		l = append(l, source.Stream{Path: path, Origin: in.Open, Code: o.code(path)})
	}
	for _, m := range o.mirrors {
		u, err := url.Parse(m)
		if err != nil || u.Host == "" {
			return nil, done, badArgument(fmt.Errorf("--mirror %q is not the URL of a stream (https://HOST/live/a.flv)", m))
		}
		up := &source.Upstream{URL: m, Token: os.Getenv("XP2P_TOKEN")}
		if o.public != "" {
			up.Public = strings.TrimSuffix(o.public, "/") + u.Path
		}
		l = append(l, source.Stream{Path: u.Path, Upstream: up})
	}
	if len(o.infos) > 0 {
		acct, err := readAccount(cmd)
		if err != nil {
			return nil, done, err
		}
		m, err := session.Init(cmd.Context(), session.Config{App: acct.app, Rendezvous: acct.rendezvous, KeyFile: filepath.Join(o.state, "viewer.pem"), Logger: log})
		if err != nil {
			return nil, done, err
		}
		done = func() { m.Close() }
		for _, arg := range o.infos {
			s, err := cameraStream(m, arg)
			if err != nil {
				done()
				return nil, func() {}, badArgument(err)
			}
			s.Code = o.code(s.Path)
			l = append(l, s)
		}
	}
	if len(l) == 0 {
		return nil, done, badArgument(errors.New("no stream given: set --origin, --feed, --mirror or --xp2p-info"))
	}
	return l, done, nil
}

// code is what --code says for a stream; "": nothing.
func (o sourceOptions) code(path string) (code string) {
	for _, c := range o.codes {
		if p, v, _ := strings.Cut(c, "="); p == path {
			code = v
		}
	}
	return code
}

// sourceFeeds are the streams that cameras feed, by path.
func sourceFeeds(o sourceOptions) (map[string]*feed.Feed, error) {
	feeds := map[string]*feed.Feed{}
	for _, path := range o.feeds {
		if feeds[path] != nil {
			return nil, fmt.Errorf("--feed %s is there twice", path)
		}
		f, err := feed.New(os.Getenv(feedTokenEnv))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", feedTokenEnv, err)
		}
		feeds[path] = f
	}
	return feeds, nil
}

// cameraStream is a stream whose origin is a camera, joined while somebody watches.
func cameraStream(m *session.Module, arg string) (source.Stream, error) {
	info, err := readInfo(arg)
	if err != nil {
		return source.Stream{}, err
	}
	g, err := grant.Parse(info)
	if err != nil {
		return source.Stream{}, err
	}
	u, err := url.Parse(session.ManyURL("camera", g.Product, g.Device, ""))
	if err != nil {
		return source.Stream{}, err
	}
	return source.Stream{Path: u.Path, Origin: func(ctx context.Context) (io.ReadCloser, error) {
		s, err := m.StartService(ctx, info, session.StreamInfo{XP2PInfo: info})
		if err != nil {
			return nil, err
		}
		st, err := s.StartStream(ctx, session.StreamRequest{})
		if err != nil {
			s.Close()
			return nil, err
		}
		return &cameraOrigin{st, s}, nil
	}}, nil
}

// cameraOrigin is a camera's stream, whose end is that of the link to it.
type cameraOrigin struct {
	*session.Stream
	service *session.Service
}

func (c *cameraOrigin) Close() error { return errors.Join(c.Stream.Close(), c.service.Close()) }
