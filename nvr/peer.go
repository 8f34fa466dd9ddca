// SPDX-License-Identifier: LGPL-2.1-or-later

package nvr

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/xp2p/xp2p/session"
)

// Peers reaches cameras by their xp2pInfo: a session.Module, or a test's stand-in.
type Peers interface {
	StartService(ctx context.Context, id string, info session.StreamInfo) (Peer, error)
	Close() error
}

// Peer is the connection to one camera. It joins the camera again by itself when
// a stream is started after its link broke.
type Peer interface {
	StartStream(ctx context.Context, r session.StreamRequest) (io.ReadCloser, error)
	SendCommand(ctx context.Context, command string) (session.CommandResult, error)
	StartVoice(ctx context.Context, r session.VoiceRequest) (Voice, error)
	Path() session.PathDetail
	Close() error
}

// modulePeers and servicePeer make a session.Module into Peers.
type modulePeers struct{ m *session.Module }

func (p modulePeers) StartService(ctx context.Context, id string, info session.StreamInfo) (Peer, error) {
	s, err := p.m.StartService(ctx, id, info)
	if err != nil {
		return nil, err
	}
	return servicePeer{s}, nil
}
func (p modulePeers) Close() error { return p.m.Close() }

type servicePeer struct{ *session.Service }

func (p servicePeer) StartStream(ctx context.Context, r session.StreamRequest) (io.ReadCloser, error) {
	s, err := p.Service.StartStream(ctx, r)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (p servicePeer) StartVoice(ctx context.Context, r session.VoiceRequest) (Voice, error) {
	v, err := p.Service.StartVoice(ctx, r)
	if err != nil {
		return nil, err
	}
	return v, nil
}

// peerPool is the one module of all cameras, made when the first needs it.
type peerPool struct {
	make  func(context.Context) (Peers, error)
	token chan struct{} // whoever holds it may make or use peers
	peers Peers
}

func newPeerPool(f func(context.Context) (Peers, error)) *peerPool {
	return &peerPool{make: f, token: make(chan struct{}, 1)}
}

func (p *peerPool) get(ctx context.Context) (Peers, error) {
	select {
	case p.token <- struct{}{}:
		defer func() { <-p.token }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if p.peers != nil {
		return p.peers, nil
	}
	peers, err := p.make(ctx)
	if err != nil {
		return nil, err
	}
	p.peers = peers
	return peers, nil
}

func (p *peerPool) close() {
	p.token <- struct{}{}
	defer func() { <-p.token }()
	if p.peers != nil {
		p.peers.Close()
		p.peers = nil
	}
}

// peerSource is a camera behind an xp2pInfo, or a stream of many viewers.
type peerSource struct {
	peers   func(context.Context) (Peers, error)
	name    string
	info    session.StreamInfo
	request session.StreamRequest
	// noUpload: of a stream of many viewers nothing is given to the others.
	noUpload bool

	starting sync.Mutex // held while a service is started
	mu       sync.Mutex
	peer     Peer
}

func (p *peerSource) open(ctx context.Context) (io.ReadCloser, error) {
	peer, err := p.service(ctx)
	if err != nil {
		return nil, err
	}
	return peer.StartStream(ctx, p.request)
}

// recordGather is how long a camera lets frames gather for us: a recorder is in
// no hurry, and each packet that wakes it costs.
const recordGather = 100 * time.Millisecond

// gathering asks the camera to gather, unless the configuration says how.
func gathering(params string) string {
	if strings.Contains(params, "_gather=") {
		return params
	}
	if params == "" {
		params = "action=live&channel=0"
	}
	return fmt.Sprintf("%s&_gather=%d", params, recordGather.Milliseconds())
}

// service starts the camera's service where there is none.
func (p *peerSource) service(ctx context.Context) (Peer, error) {
	p.starting.Lock()
	defer p.starting.Unlock()
	if peer := p.current(); peer != nil {
		return peer, nil
	}
	peers, err := p.peers(ctx)
	if err != nil {
		return nil, err
	}
	peer, err := peers.StartService(ctx, p.name, p.info)
	if err != nil {
		return nil, err
	}
	if p.noUpload { // before there is a stream to give
		s, ok := peer.(interface {
			SwitchSwarm(download, upload bool) error
		})
		if !ok {
			err = errors.New("uploads cannot be switched off")
		} else {
			err = s.SwitchSwarm(true, false)
		}
		if err != nil {
			return nil, errors.Join(err, peer.Close())
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.peer = peer
	return peer, nil
}

func (p *peerSource) current() Peer {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peer
}

func (p *peerSource) command(ctx context.Context, command string, connect bool) (session.CommandResult, error) {
	peer, err := p.connected(ctx, "sendCommand", connect)
	if err != nil {
		return session.CommandResult{}, err
	}
	return peer.SendCommand(ctx, command)
}

func (p *peerSource) voice(ctx context.Context, r session.VoiceRequest, connect bool) (Voice, error) {
	peer, err := p.connected(ctx, "startVoiceService", connect)
	if err != nil {
		return nil, err
	}
	return peer.StartVoice(ctx, r)
}

// connected is the camera's service; where there is none one is started if connect is set.
func (p *peerSource) connected(ctx context.Context, op string, connect bool) (Peer, error) {
	if peer := p.current(); peer != nil {
		return peer, nil
	}
	if connect {
		return p.service(ctx)
	}
	return nil, &session.Error{Op: op, Code: session.NoService, Err: errors.New("the camera is not connected: its state says why")}
}

func (p *peerSource) path() string {
	if peer := p.current(); peer != nil {
		return peer.Path().Path
	}
	return ""
}

func (p *peerSource) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.peer != nil {
		p.peer.Close()
		p.peer = nil
	}
}
