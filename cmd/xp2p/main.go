// SPDX-License-Identifier: LGPL-2.1-or-later

// xp2p is the one program: recorder, camera gateway, rendezvous and command line.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/viper"
	"github.com/xp2p/xp2p/internal/version"
	"github.com/xp2p/xp2p/rendezvous"
	"github.com/xp2p/xp2p/session"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newRootCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "xp2p:", errorText(err))
		os.Exit(1)
	}
}

// errorText is what a user reads: the error and, where there is one, the X-P2P
// code at its end, for scripts.
func errorText(err error) string {
	code, ok := codeOf(err)
	if !ok {
		return err.Error()
	}
	suffix := fmt.Sprintf("(code %d)", int(code))
	if strings.HasSuffix(err.Error(), suffix) {
		return err.Error()
	}
	return err.Error() + " " + suffix
}

// codeOf is an error's X-P2P code, if it has one.
func codeOf(err error) (session.Code, bool) {
	if code, ok := session.CodeOf(err); ok {
		return code, true
	}
	var coder interface{ XP2PCode() int }
	if errors.As(err, &coder) {
		return session.Code(coder.XP2PCode()), true
	}
	return 0, false
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "xp2p",
		Short: "Video from cameras behind any NAT, peer to peer",
		Long: `Video from cameras behind any NAT, peer to peer, into GStreamer and onto your own disk.

XP2P_RENDEZVOUS and XP2P_APP stand for --rendezvous and --app.`,
		Version:       version.Version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().String("log", "warn", "what to log on standard error: debug, info, warn, error")
	root.AddCommand(
		newRendezvousCommand(), newCameraCommand(),
		newPullCommand(), newCommandCommand(), newTalkCommand(), newDownloadCommand(),
		newServeCommand(), newDiscoverCommand(), newGrantCommand(), newDoctorCommand(),
		newSourceCommand(), newSwarmCommand(),
		newNVRCommand(), newCtlCommand(), newPipelineCommand(), newVerifyCommand(), newRestoreCommand(),
		newDemoCommand(),
	)
	explainUsage(root)
	return root
}

// explainUsage has what is wrong with a command line said with what to do next, and with the
// code of a bad argument.
func explainUsage(cmd *cobra.Command) {
	usage := func(cmd *cobra.Command, err error) error {
		if err == nil {
			return nil
		}
		return badArgument(fmt.Errorf("%w; see %s --help", err, cmd.CommandPath()))
	}
	cmd.SetFlagErrorFunc(usage)
	cmd.SuggestionsMinimumDistance = 2
	if args := cmd.Args; cmd.Runnable() && args != nil {
		cmd.Args = func(cmd *cobra.Command, list []string) error { return usage(cmd, args(cmd, list)) }
	} else if cmd.HasSubCommands() {
		cmd.Args = func(cmd *cobra.Command, list []string) error {
			if len(list) == 0 {
				return nil
			}
			err := fmt.Sprintf("unknown command %q", list[0])
			if near := cmd.SuggestionsFor(list[0]); len(near) > 0 {
				err += fmt.Sprintf(" (%s?)", strings.Join(near, ", "))
			}
			return usage(cmd, errors.New(err))
		}
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	}
	for _, c := range cmd.Commands() {
		explainUsage(c)
	}
}

// logger writes to standard error at the level that --log asks for.
func logger(cmd *cobra.Command) (*slog.Logger, error) {
	s, err := cmd.Flags().GetString("log")
	if err != nil {
		return nil, err
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(s)); err != nil {
		return nil, fmt.Errorf("--log %q: wanted debug, info, warn or error", s)
	}
	return newLogger(cmd.ErrOrStderr(), level), nil
}

func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// account is where and as whom to meet: --rendezvous and --app, or the
// environment.
type account struct {
	rendezvous string
	app        rendezvous.App
}

func addAccountFlags(cmd *cobra.Command) {
	cmd.Flags().String("rendezvous", "", "`URL` of the rendezvous (what xp2p rendezvous prints; XP2P_RENDEZVOUS)")
	cmd.Flags().String("app", "", "`FILE` with the account (app.json of the rendezvous; XP2P_APP)")
}

// environmentName is the variable that stands for a flag.
func environmentName(flag string) string { return "XP2P_" + strings.ToUpper(flag) }

// flagsAndEnvironment are a command's flags, each of which a variable XP2P_NAME stands for.
func flagsAndEnvironment(cmd *cobra.Command) (*viper.Viper, error) {
	v := viper.New()
	v.SetEnvPrefix("XP2P")
	v.AutomaticEnv()
	return v, v.BindPFlags(cmd.Flags())
}

// hasRendezvous says whether a rendezvous is given at all.
func hasRendezvous(cmd *cobra.Command) bool {
	v, err := flagsAndEnvironment(cmd)
	return err == nil && v.GetString("rendezvous") != ""
}

func readAccount(cmd *cobra.Command) (account, error) {
	v, err := flagsAndEnvironment(cmd)
	if err != nil {
		return account{}, err
	}
	a := account{rendezvous: v.GetString("rendezvous")}
	if a.rendezvous == "" {
		return a, badArgument(errors.New("no rendezvous given: set --rendezvous or XP2P_RENDEZVOUS to the URL that xp2p rendezvous prints"))
	}
	file := v.GetString("app")
	if file == "" {
		return a, badArgument(errors.New("no account given: set --app or XP2P_APP to the app.json of the rendezvous"))
	}
	app, err := rendezvous.ReadApp(file)
	if err != nil {
		return a, badArgument(err)
	}
	a.app = app
	return a, nil
}

// badArgument gives an error of the command line the X-P2P code for it.
func badArgument(err error) error { return &codedError{err, session.BadArgument} }

type codedError struct {
	error
	code session.Code
}

func (e *codedError) Unwrap() error { return e.error }
func (e *codedError) XP2PCode() int { return int(e.code) }
